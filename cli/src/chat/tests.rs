use std::io::Cursor;

use clap::{Command, FromArgMatches};

use super::*;
use crate::toys::toy::{Bytes, hashed, parrot};

fn parse(line: &[&str]) -> ChatArgs {
    let words = ["chat"].iter().chain(line);
    ChatArgs::from_arg_matches(&ChatArgs::augment_args(Command::new("chat")).get_matches_from(words)).unwrap()
}

/// What comes out of standard output and standard error when `input` is piped in.
fn pipe<M: CausalModel>(model: &M, kind: ModelKind, line: &[&str], input: &str) -> (String, String, Result<()>) {
    let session = open_session(model, &Bytes, kind, &parse(line)).unwrap();
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let result = Chat::new(session).piped(Cursor::new(input), &mut Output::new(&mut out, false), &mut notes);
    (String::from_utf8(out).unwrap(), String::from_utf8(notes).unwrap(), result)
}

#[test]
fn lines_are_messages_or_commands() {
    assert_eq!(parse_line("  \r"), Line::Nothing);
    assert_eq!(parse_line("hello / you\r"), Line::Message("hello / you"));
    assert_eq!(parse_line("//etc"), Line::Message("/etc"));
    assert_eq!(parse_line("/save  my scene.txt "), Line::Command("save", "my scene.txt"));
    assert_eq!(parse_line("/"), Line::Command("", ""));
}

#[test]
fn a_pipe_gets_answers_and_nothing_else() {
    let model = parrot("JULIET:\n", "Ay me!\n\nROMEO:\n", 256, 256);
    let input = "But soft!\n\n/temperature 0\r\nWhat light?\n/quit\nnever read\n";
    let (out, notes, result) = pipe(&model, ModelKind::Base, &[], input);
    assert_eq!(out, "Ay me!\n\nAy me!\n");
    assert_eq!(notes, "temperature 0\n");
    result.unwrap();
    let model = parrot("<|assistant|>", "Hello.", 256, 260);
    let (out, _, _) = pipe(&model, ModelKind::Chat, &["--system", "Be kind"], "no line feed at the end");
    assert_eq!(out, "Hello.\n");
    let silent = parrot("<|assistant|>", "", 256, 260);
    assert_eq!(pipe(&silent, ModelKind::Chat, &[], "a\nb").0, "\n\n\n", "an empty answer is an empty line");
}

#[test]
fn commands_answer_and_wrong_ones_give_a_hint() {
    let model = parrot("LADY M:\n", "Out, damned spot!\n\n", 256, 256);
    let input = "/help\n/nonsense\n/temperature hot\n/temperature -1\n/save\n/as LADY M\n/you\n/you LADY M\nWho?\n/reset\n/system\n";
    let (out, notes, result) = pipe(&model, ModelKind::Base, &["--you", "DOCTOR"], input);
    result.unwrap();
    assert_eq!(out, "Out, damned spot!\n");
    for part in [
        "/temperature T",
        "there is no command /nonsense\nhelp: /help lists",
        "\"hot\" is not a temperature",
        "temperature is -1; it must be 0 or more",
        "/save needs a file",
        "you are DOCTOR, the model is LADY M\n",
        "\"\" cannot be a character's name",
        "cannot both be LADY M",
        "the conversation starts anew\n",
        "no system text\n",
    ] {
        assert!(notes.contains(part), "{part:?} is missing in {notes}");
    }
}

#[test]
fn a_conversation_is_saved_as_text_or_messages_but_never_over_another_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    std::fs::write(file("mine"), "precious").unwrap();
    let model = parrot("JULIET:\n", "Ay me!\n\n", 256, 256);
    let (text, json, mine) = (file("a.txt"), file("a.json"), file("mine"));
    let input = format!("One\n/save {text}\nTwo\n/save {text}\n/save {json}\n/save {mine}\n/save {mine}/x\n");
    let (_, notes, result) = pipe(&model, ModelKind::Base, &[], &input);
    result.unwrap();
    let saved = std::fs::read_to_string(&text).unwrap();
    assert_eq!(saved, "ROMEO:\nOne\n\nJULIET:\nAy me!\n\nROMEO:\nTwo\n\nJULIET:\nAy me!\n");
    let messages: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!(messages[3], serde_json::json!({"role": "assistant", "content": "Ay me!"}));
    assert_eq!(std::fs::read_to_string(&mine).unwrap(), "precious");
    assert!(notes.contains("exists already") && notes.contains("there is no folder"), "{notes}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "no temporary file stays");
}

#[test]
fn names_default_sensibly_and_belong_to_scenes() {
    let model = hashed(261, 128);
    let open = |kind, line: &[&str]| open_session(&model, &Bytes, kind, &parse(line));
    for (line, names) in [
        (&[][..], ("JULIET", "ROMEO")),
        (&["--as", "ROMEO"], ("ROMEO", "JULIET")),
        (&["--as", "NURSE"], ("NURSE", "ROMEO")),
        (&["--you", "JULIET"], ("ROMEO", "JULIET")),
        (&["--you", "First Citizen"], ("JULIET", "First Citizen")),
        (&["--as", "A", "--you", "B"], ("A", "B")),
    ] {
        assert_eq!(open(ModelKind::Base, line).unwrap().characters(), Some(names));
    }
    assert_eq!(open(ModelKind::Chat, &["--as", "ROMEO"]).err().unwrap().exit_code(), 2);
    assert_eq!(open(ModelKind::Base, &["--as", "A", "--you", "A"]).err().unwrap().exit_code(), 2);
    assert_eq!(open(ModelKind::Base, &["--max-tokens", "0"]).err().unwrap().exit_code(), 2);
    assert!(open(ModelKind::Base, &["--system", &"x".repeat(200)]).is_err());
}

#[test]
fn an_error_of_the_model_is_reported_and_the_exit_is_a_failure() {
    let broken = crate::toys::toy::Toy { vocab: 261, context: 64, logits: |_: &[u32]| vec![f32::NAN; 261] };
    let (out, notes, result) = pipe(&broken, ModelKind::Chat, &[], "one\ntwo\n");
    assert_eq!(out, "\n");
    assert_eq!(notes.matches("all NaN").count(), 2);
    assert_eq!(result.unwrap_err().to_string(), "2 messages were not answered");
}

#[test]
fn a_reader_that_goes_away_ends_the_conversation() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let model = hashed(261, 128);
    let session = open_session(&model, &Bytes, ModelKind::Base, &parse(&["--seed", "1"])).unwrap();
    let mut chat = Chat::new(session);
    chat.piped(Cursor::new("a\nb\n"), &mut Output::new(Closed, false), &mut Vec::new()).unwrap();
    assert_eq!(chat.session.turns().len(), 1);
}
