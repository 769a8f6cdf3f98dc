//! `motamot chat`: talk with a model in the terminal, or through a pipe.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use rustyline::error::ReadlineError;

use super::model_dir::model_dir;
use super::output::{Notes, Output, note};
use super::sampling::SamplingArgs;
use super::session::{ModelKind, Session};
use super::signals;
use motamot::generation::{CausalModel, FinishReason, SamplingOptions, TextCodec};
use motamot::utils::fs::{read, write_atomic};
use motamot::utils::{Error, Result};

/// Talk with a trained model
#[derive(Args, Clone, Debug)]
pub struct ChatArgs {
    /// A model's folder, or its name under models/checkpoints [default: the newest there]
    #[arg(short, long, value_name = "DIR|NAME")]
    pub model: Option<PathBuf>,

    /// Text before the conversation: instructions, or how the scene begins
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub system: Option<String>,

    /// The character that the model plays [default: JULIET]
    #[arg(long = "as", value_name = "NAME")]
    pub character: Option<String>,

    /// The character that you play [default: ROMEO]
    #[arg(long, value_name = "NAME")]
    pub you: Option<String>,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub sampling: SamplingArgs,
}

const HELP: &str = "Commands:
  /help               these lines
  /retry              another answer to the last message
  /undo               take the last message and its answer back
  /reset              forget the conversation
  /system TEXT        text before the conversation (empty: none)
  /temperature T      below 1 safer, above 1 bolder, 0 always the likeliest
  /save FILE          write the conversation (as messages if FILE ends in .json)
  /load FILE.json     go on with a conversation that was written so
  /as NAME            in a scene: who the model is
  /you NAME           in a scene: who you are
  /quit               leave; so does Ctrl-D
Ctrl-C stops an answer. A message that begins with / is written with two: //.
";

/// The whole command; `load` reads a checkpoint directory and says what the model was trained for.
pub fn run<M: CausalModel, C: TextCodec>(
    args: &ChatArgs,
    load: impl FnOnce(&Path) -> Result<(M, C, ModelKind)>,
) -> Result<()> {
    args.sampling.options()?;
    args.sampling.stops()?;
    let dir = model_dir(args.model.as_deref())?;
    let (model, codec, kind) = load(&dir)?;
    let session = open_session(&model, &codec, kind, args)?;
    let mut chat = Chat::new(session);
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        note(format_args!("{} · /help lists the commands", dir.display()));
        chat.interactive()
    } else {
        chat.piped(std::io::stdin().lock(), &mut Output::stdout(), &mut Notes)
    }
}

/// A session as the options say.
pub fn open_session<'a, M: CausalModel, C: TextCodec>(
    model: &'a M,
    codec: &'a C,
    kind: ModelKind,
    args: &ChatArgs,
) -> Result<Session<'a, M, C>> {
    // A template of others has other tokens than ours: then it is the text of a scene, as for a base model.
    let ours = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"].iter().all(|name| codec.special(name).is_some());
    let kind = if ours { kind } else { ModelKind::Base };
    let mut session = match (kind, args.character.as_deref(), args.you.as_deref()) {
        (ModelKind::Base, character, you) => {
            // Only one is given: the other is the first of the two lovers who is somebody else.
            let other = |taken: &str| if taken == "ROMEO" { "JULIET" } else { "ROMEO" };
            let (character, you) = match (character, you) {
                (Some(character), Some(you)) => (character, you),
                (Some(character), None) => (character, other(character.trim())),
                (None, Some("JULIET")) => ("ROMEO", "JULIET"),
                (None, you) => ("JULIET", you.unwrap_or("ROMEO")),
            };
            Session::scene(model, codec, character, you)?
        }
        (ModelKind::Chat, None, None) => Session::template(model, codec)?,
        (ModelKind::Chat, ..) => {
            return Err(Error::usage("this model was fine-tuned for chat: it answers as itself")
                .help("leave out --as and --you; --system can tell it who to be"));
        }
    };
    session.set_limits(args.sampling.max_tokens, &args.sampling.stops()?)?;
    session.set_sampling(args.sampling.options()?)?;
    session.set_system(args.system.as_deref().unwrap_or(""))?;
    Ok(session)
}

/// What a line asks for.
#[derive(Debug, PartialEq)]
enum Line<'l> {
    Nothing,
    Message(&'l str),
    Command(&'l str, &'l str),
}

fn parse_line(line: &str) -> Line<'_> {
    let line = line.trim();
    match line.strip_prefix('/') {
        _ if line.is_empty() => Line::Nothing,
        None => Line::Message(line),
        Some(rest) if rest.starts_with('/') => Line::Message(rest),
        Some(rest) => {
            let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            Line::Command(name, argument.trim())
        }
    }
}

/// What comes after a line.
#[derive(Debug, PartialEq)]
enum Next {
    GoOn,
    Quit,
}

/// A session with its commands.
struct Chat<'a, M, C> {
    session: Session<'a, M, C>,
    cancel: Arc<AtomicBool>,
    /// What `/save` has written here and may write again.
    saved: Option<PathBuf>,
    /// How many messages met an error instead of an answer.
    unanswered: usize,
    /// Turns that the model no longer sees.
    forgotten: usize,
}

/// "1 turn", "2 turns".
fn turns(n: usize) -> String {
    format!("{n} turn{}", if n == 1 { "" } else { "s" })
}

impl<'a, M: CausalModel, C: TextCodec> Chat<'a, M, C> {
    fn new(session: Session<'a, M, C>) -> Chat<'a, M, C> {
        Chat { session, cancel: Arc::default(), saved: None, unanswered: 0, forgotten: 0 }
    }

    /// Runs a command and returns what to tell the user.
    fn command(&mut self, name: &str, argument: &str) -> Result<(String, Next)> {
        let said = match name {
            "help" | "h" | "?" => HELP.to_string(),
            "quit" | "q" | "exit" => return Ok((String::new(), Next::Quit)),
            "reset" => {
                self.session.reset();
                "the conversation starts anew\n".to_string()
            }
            "system" => {
                self.session.set_system(argument)?;
                if argument.is_empty() { "no system text\n" } else { "system text set\n" }.to_string()
            }
            "temperature" | "temp" => {
                if argument.is_empty() {
                    return Ok((format!("temperature {}\n", self.session.sampling().temperature), Next::GoOn));
                }
                let Ok(temperature) = argument.parse() else {
                    return Err(Error::usage(format!("{argument:?} is not a temperature")).help("/temperature 0.8"));
                };
                let sampling = SamplingOptions { temperature, greedy: false, ..self.session.sampling().clone() };
                self.session.set_sampling(sampling)?;
                format!("temperature {temperature}\n")
            }
            "save" => self.save(argument)?,
            "load" => {
                let path = Path::new(argument);
                let bytes = read(path, 16 << 20)?;
                let messages = serde_json::from_slice(&bytes).map_err(|e| {
                    Error::new(format!("{argument}: not JSON: {e}")).help("/load reads what /save x.json wrote")
                })?;
                self.session.load(&messages).map_err(|e| e.at(argument))?;
                format!("{} read from {argument}\n", turns(self.session.turns().len()))
            }
            "undo" => match self.session.undo() {
                Some(turn) => format!("taken back: {}\n", turn.user),
                None => "there is nothing to take back\n".to_string(),
            },
            "as" | "you" => {
                let (character, you) = self.session.characters().unwrap_or_default();
                let (character, you) = if name == "as" { (argument, you) } else { (character, argument) };
                let (character, you) = (character.to_string(), you.to_string());
                self.session.set_characters(&character, &you)?;
                format!("you are {}, the model is {}\n", you.trim(), character.trim())
            }
            other => {
                return Err(Error::usage(format!("there is no command /{other}"))
                    .help("/help lists the commands; to send a message that begins with /, write //"));
            }
        };
        Ok((said, Next::GoOn))
    }

    fn save(&mut self, file: &str) -> Result<String> {
        if file.is_empty() {
            return Err(Error::usage("/save needs a file").help("/save scene.txt, or /save scene.json for messages"));
        }
        let path = PathBuf::from(file);
        if path.exists() && self.saved.as_ref() != Some(&path) {
            return Err(Error::new(format!("{file} exists already")).help("choose another name"));
        }
        let json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
        let text = if json {
            format!("{:#}\n", self.session.messages())
        } else {
            self.session.transcript().trim_end().to_string() + "\n"
        };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
            return Err(
                Error::new(format!("there is no folder {}", folder.display())).help("/save scene.txt writes here")
            );
        }
        write_atomic(&path, text.as_bytes())?;
        self.saved = Some(path);
        Ok(format!("{} written to {file}\n", turns(self.session.turns().len())))
    }

    /// Handles one line: answers go to `out`, everything else to `notes`. Only a failed output or model is an error.
    fn line<W: Write>(&mut self, line: &str, out: &mut Output<W>, notes: &mut dyn Write) -> Result<Next> {
        let mut note = |text: &str| {
            let written = notes.write_all(text.as_bytes()).and_then(|()| notes.flush());
            written.map_err(|e| Error::new(format!("cannot write to the terminal: {e}")))
        };
        let again;
        let message = match parse_line(line) {
            Line::Nothing => return Ok(Next::GoOn),
            Line::Message(message) => message,
            Line::Command("retry", "") => {
                let Some(turn) = self.session.undo() else {
                    return note("there is nothing to answer again\n").map(|()| Next::GoOn);
                };
                again = turn.user;
                &again
            }
            Line::Command(name, argument) => {
                return match self.command(name, argument) {
                    Ok((said, next)) => note(&said).map(|()| next),
                    Err(e) => {
                        note(&format!("{e}\n"))?;
                        note(&e.help_line().map(|h| format!("help: {h}\n")).unwrap_or_default())?;
                        Ok(Next::GoOn)
                    }
                };
            }
        };
        self.cancel.store(false, Ordering::Relaxed);
        let cancel = Arc::clone(&self.cancel);
        let mut lost = false;
        let answered = self.session.reply(message, &cancel, |piece| {
            out.text(piece).inspect_err(|_| lost = true)?;
            if out.closed() {
                cancel.store(true, Ordering::Relaxed);
            }
            Ok(())
        });
        let reply = match answered {
            Ok(reply) => reply,
            Err(e) if lost => return Err(e),
            // A character that the tokenizer lacks, for example: the next message may be better.
            Err(e) => {
                self.unanswered += 1;
                out.end_line()?;
                note(&format!("{e}\n"))?;
                note(&e.help_line().map(|h| format!("help: {h}\n")).unwrap_or_default())?;
                return Ok(Next::GoOn);
            }
        };
        if out.closed() {
            return Ok(Next::Quit);
        }
        if reply.text.is_empty() {
            out.text("\n")?;
        }
        out.end_line()?;
        if reply.finish == FinishReason::Cancelled {
            note("[stopped]\n")?;
        }
        if reply.forgotten_turns > self.forgotten {
            note(&format!("[the model no longer sees the first {}]\n", turns(reply.forgotten_turns)))?;
        }
        self.forgotten = reply.forgotten_turns;
        if reply.message_cut {
            note("[the message exceeds the model's context: only its end was read]\n")?;
        }
        Ok(Next::GoOn)
    }

    /// One line is one message; answers are separated by a blank line. No prompt, no escape codes.
    fn piped<W: Write>(&mut self, input: impl BufRead, out: &mut Output<W>, notes: &mut dyn Write) -> Result<()> {
        let mut answers = 0;
        for bytes in input.split(b'\n') {
            let bytes = bytes.map_err(|e| Error::new(format!("cannot read standard input: {e}")))?;
            let line = String::from_utf8_lossy(&bytes);
            if matches!(parse_line(&line), Line::Message(_) | Line::Command("retry", "")) {
                if answers > 0 {
                    out.text("\n")?;
                }
                answers += 1;
            }
            if self.line(&line, out, notes)? == Next::Quit {
                break;
            }
        }
        match self.unanswered {
            0 => Ok(()),
            n => Err(Error::new(format!("{n} messages were not answered")).help("the reasons stand above")),
        }
    }

    /// Line editing, history, Ctrl-C for an answer, Ctrl-D to leave.
    fn interactive(&mut self) -> Result<()> {
        let terminal = |e: ReadlineError| Error::new(format!("the terminal does not work: {e}"));
        let config = rustyline::Config::builder().auto_add_history(true).build();
        let mut editor = rustyline::DefaultEditor::with_config(config).map_err(terminal)?;
        let history = history_file();
        if let Some(file) = &history {
            // A missing history is an empty one.
            let _ = editor.load_history(file);
        }
        let cancel = Arc::clone(&self.cancel);
        signals::on_end(move |signal| match signal {
            signals::INTERRUPT => cancel.store(true, Ordering::Relaxed),
            other => std::process::exit(128 + i32::from(other)),
        })?;
        let mut out = Output::stdout();
        loop {
            let names = self.session.characters().map(|(character, you)| (character.to_string(), you.to_string()));
            let prompt = names.as_ref().map_or("you> ".to_string(), |(_, you)| format!("{you}> "));
            match editor.readline(&prompt) {
                Ok(line) => {
                    if let (Line::Message(_) | Line::Command("retry", ""), Some((character, _))) =
                        (parse_line(&line), &names)
                    {
                        out.text(&format!("\n{character}:\n"))?;
                    }
                    let talk = matches!(parse_line(&line), Line::Message(_) | Line::Command("retry", ""));
                    if self.line(&line, &mut out, &mut std::io::stdout())? == Next::Quit {
                        break;
                    }
                    if talk {
                        out.text("\n")?;
                    }
                }
                Err(ReadlineError::Interrupted) => note("(Ctrl-D or /quit leaves)"),
                Err(ReadlineError::Eof) => break,
                Err(e) => return Err(terminal(e)),
            }
        }
        if let Some(file) = &history {
            // The history is a comfort: a full or read-only disk must not spoil the exit.
            let _ = editor.save_history(file);
        }
        Ok(())
    }
}

/// Where the messages typed before are remembered: the user's state directory, if there is one.
fn history_file() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else {
        variable("XDG_STATE_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/state")))
    };
    let dir = base?.join("motamot");
    std::fs::create_dir_all(&dir).ok()?;
    Some(dir.join("chat_history"))
}

#[cfg(test)]
mod tests;
