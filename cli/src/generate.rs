//! `motamot generate`: continue a prompt.

use std::io::{IsTerminal, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::model_dir::{model_dir, name_of};
use super::output::{Output, note};
use super::sampling::SamplingArgs;
use motamot::generation::{
    BeamOptions, CausalModel, FinishReason, Hypothesis, Request, TextCodec, TokenStream, beam_search, generate,
    start_tokens, window_start,
};
use motamot::utils::fs::read;
use motamot::utils::{Error, Result};

/// Most samples or beams at a time: each needs a cache of its own.
const MOST_ROWS: usize = 256;

/// Longest prompt file; a model sees no more than its context of it anyway.
const MOST_PROMPT_BYTES: u64 = 1 << 30;

/// Continue a prompt with a trained model
#[derive(Args, Clone, Debug)]
pub struct GenerateArgs {
    /// Text to continue [default: standard input if it is not a terminal]
    #[arg(value_name = "PROMPT", conflicts_with_all = ["prompt", "prompt_file"])]
    pub text: Option<String>,

    /// A model's folder, or its name under models/checkpoints [default: the newest there]
    #[arg(short, long, value_name = "DIR|NAME")]
    pub model: Option<PathBuf>,

    /// The same as PROMPT, also if it begins with a hyphen
    #[arg(short, long, value_name = "TEXT", conflicts_with = "prompt_file", allow_hyphen_values = true)]
    pub prompt: Option<String>,

    /// File with the text to continue
    #[arg(long, value_name = "FILE")]
    pub prompt_file: Option<PathBuf>,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub sampling: SamplingArgs,

    /// Beam search: the likeliest text, following W continuations at a time
    #[arg(long, value_name = "W", conflicts_with_all = ["temperature", "top_k", "top_p", "min_p", "repetition_penalty",
        "greedy", "num"])]
    pub beam: Option<usize>,

    /// With --beam: score = log-probability / length^A; more favours longer texts [default: 1]
    #[arg(long, value_name = "A", requires = "beam", allow_negative_numbers = true)]
    pub length_penalty: Option<f32>,

    /// Number of samples; sample i is the same whatever the number
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub num: usize,

    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

impl GenerateArgs {
    /// A usage error for what makes no sense, before a model is loaded.
    pub fn validate(&self) -> Result<()> {
        self.sampling.options()?;
        self.sampling.stops()?;
        for (option, value) in [("--num", self.num), ("--beam", self.beam.unwrap_or(1))] {
            if !(1..=MOST_ROWS).contains(&value) {
                return Err(Error::usage(format!("{option} is {value}; it must lie between 1 and {MOST_ROWS}"))
                    .help("each sample or beam needs memory of its own; run the command again for more"));
            }
        }
        if self.sampling.greedy && self.num > 1 {
            return Err(Error::usage(format!("--greedy gives the same text {} times", self.num))
                .help("leave out --num, or --greedy; or use --beam to see several likely texts"));
        }
        if !self.length_penalty.is_none_or(f32::is_finite) {
            return Err(Error::usage("--length-penalty must be a number").help("1 is usual, 0 means none"));
        }
        Ok(())
    }

    /// The prompt: `--prompt`, `--prompt-file`, or what is piped in; else empty.
    pub fn read_prompt(&self, stdin: impl Read, stdin_is_terminal: bool) -> Result<String> {
        let (bytes, place) = match (self.text.as_ref().or(self.prompt.as_ref()), &self.prompt_file) {
            (Some(text), _) => return Ok(text.clone()),
            (None, Some(file)) => (read(file, MOST_PROMPT_BYTES)?, file.display().to_string()),
            (None, None) if stdin_is_terminal => return Ok(String::new()),
            (None, None) => {
                let mut bytes = Vec::new();
                let mut stdin = stdin;
                stdin.read_to_end(&mut bytes).map_err(|e| Error::new(format!("cannot read standard input: {e}")))?;
                (bytes, "standard input".to_string())
            }
        };
        String::from_utf8(bytes).map_err(|e| {
            Error::new(format!("{place}: not UTF-8 at byte {}", e.utf8_error().valid_up_to()))
                .help("a prompt is text; convert the file to UTF-8")
        })
    }
}

/// The whole command; `load` reads a checkpoint directory.
pub fn run<M: CausalModel, C: TextCodec>(
    args: &GenerateArgs,
    load: impl FnOnce(&Path) -> Result<(M, C)>,
) -> Result<()> {
    args.validate()?;
    let dir = model_dir(args.model.as_deref())?;
    if args.model.is_none() {
        note(format_args!("[{}]", name_of(&dir)));
    }
    let prompt = args.read_prompt(std::io::stdin(), std::io::stdin().is_terminal())?;
    let (model, codec) = load(&dir)?;
    run_generate(&model, &codec, &dir.display().to_string(), args, &prompt, &mut Output::stdout())
}

/// Generates and prints: as text while it comes, or as one JSON object.
pub fn run_generate<M: CausalModel, C: TextCodec, W: Write>(
    model: &M,
    codec: &C,
    name: &str,
    args: &GenerateArgs,
    prompt: &str,
    out: &mut Output<W>,
) -> Result<()> {
    args.validate()?;
    let tokens = start_tokens(codec, prompt)?;
    let stops = args.sampling.stops()?;
    let stop_tokens = codec.ends();
    // Beyond its context a model sees the end of a text only.
    let used = tokens.len() - window_start(tokens.len(), model.context());
    if used < tokens.len() {
        note(format_args!("note: of the {} tokens of the prompt the model sees the last {used}", tokens.len()));
    }
    if let Some(width) = args.beam {
        let options = BeamOptions {
            width,
            length_penalty: args.length_penalty.unwrap_or(1.0),
            max_tokens: args.sampling.max_tokens,
            vocab_size: codec.vocab_size(),
            stop_tokens: &stop_tokens,
            cancel: None,
        };
        return run_beam(model, codec, name, args, (prompt, used), &tokens, &options, &stops, out);
    }
    let sampling = args.sampling.options()?;
    let request = Request {
        prompts: vec![&tokens],
        num: args.num,
        max_tokens: args.sampling.max_tokens,
        sampling: &sampling,
        vocab_size: codec.vocab_size(),
        stop_tokens: &stop_tokens,
        cancel: None,
    };
    let mut streams = vec![TokenStream::new(&stops); args.num];
    let mut printer = Printer::new(prompt, args.num, args.json);
    printer.show(out)?;
    let generated = generate(model, &request, |row, token| {
        let piece = streams[row].push(&codec.token_bytes(token));
        printer.add(row, &piece, streams[row].stopped(), out)?;
        let end = streams[row].stopped() || out.closed();
        Ok(if end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    for (row, stream) in streams.iter_mut().enumerate() {
        printer.add(row, &stream.finish(), true, out)?;
    }
    if args.json {
        let samples = generated.samples.iter().zip(&printer.texts).map(
            |(sample, text)| json!({"text": text, "tokens": sample.tokens, "finish_reason": sample.finish.name()}),
        );
        let object = json!({
            "model": name,
            "prompt": prompt,
            "prompt_tokens": generated.stats.prompt_tokens,
            "prompt_tokens_used": used,
            "samples": samples.collect::<Vec<_>>(),
            "seed": sampling.seed,
            "tokens_per_s": generated.stats.tokens_per_second(),
        });
        return out.text(&format!("{object}\n"));
    }
    out.end_line()?;
    if out.is_terminal() && std::io::stderr().is_terminal() {
        let stats = &generated.stats;
        let seed = if sampling.is_greedy() { String::new() } else { format!(" · seed {}", sampling.seed) };
        note(format_args!("[{} tokens · {:.0} tokens/s{seed}]", stats.generated, stats.tokens_per_second()));
    }
    Ok(())
}

fn run_beam<M: CausalModel, C: TextCodec, W: Write>(
    model: &M,
    codec: &C,
    name: &str,
    args: &GenerateArgs,
    (prompt, used): (&str, usize),
    tokens: &[u32],
    options: &BeamOptions,
    stops: &[String],
    out: &mut Output<W>,
) -> Result<()> {
    let read = |tokens: &[u32]| {
        let mut stream = TokenStream::new(stops);
        let mut text: String = tokens.iter().map(|&t| stream.push(&codec.token_bytes(t))).collect();
        text += &stream.finish();
        (text, stream.stopped())
    };
    let clock = std::time::Instant::now();
    let mut found = beam_search(model, tokens, options, |tokens| !stops.is_empty() && read(tokens).1)?;
    if found.is_empty() {
        found.push(Hypothesis { tokens: vec![], log_prob: 0.0, score: 0.0, finish: FinishReason::Length });
    }
    let seconds = clock.elapsed().as_secs_f64();
    if !args.json {
        out.text(prompt)?;
        out.text(&read(&found[0].tokens).0)?;
        return out.end_line();
    }
    let sample = |h: &Hypothesis| {
        json!({"text": read(&h.tokens).0, "tokens": h.tokens, "finish_reason": h.finish.name(), "score": h.score,
               "log_prob": h.log_prob})
    };
    let object = json!({
        "model": name,
        "prompt": prompt,
        "prompt_tokens": tokens.len(),
        "prompt_tokens_used": used,
        "samples": found.iter().map(sample).collect::<Vec<_>>(),
        "seed": null,
        "tokens_per_s": if seconds > 0.0 { found[0].tokens.len() as f64 / seconds } else { 0.0 },
    });
    out.text(&format!("{object}\n"))
}

/// Shows samples one after the other: the current one as it comes, the later ones when it is done.
struct Printer<'a> {
    prompt: &'a str,
    silent: bool,
    texts: Vec<String>,
    done: Vec<bool>,
    /// The sample being shown, and how many bytes of it have been; `None` before its heading.
    current: usize,
    shown: Option<usize>,
}

impl<'a> Printer<'a> {
    fn new(prompt: &'a str, num: usize, silent: bool) -> Printer<'a> {
        Printer { prompt, silent, texts: vec![String::new(); num], done: vec![false; num], current: 0, shown: None }
    }

    fn add<W: Write>(&mut self, row: usize, piece: &str, done: bool, out: &mut Output<W>) -> Result<()> {
        self.texts[row].push_str(piece);
        self.done[row] = done;
        self.show(out)
    }

    fn show<W: Write>(&mut self, out: &mut Output<W>) -> Result<()> {
        let num = self.texts.len();
        while !self.silent && self.current < num {
            let shown = match self.shown {
                Some(bytes) => bytes,
                None => {
                    out.end_line()?;
                    if num > 1 {
                        let gap = if self.current > 0 { "\n" } else { "" };
                        out.text(&format!("{gap}--- {}/{num} ---\n", self.current + 1))?;
                    }
                    out.text(self.prompt)?;
                    0
                }
            };
            let text = &self.texts[self.current];
            out.text(&text[shown..])?;
            self.shown = Some(text.len());
            if !self.done[self.current] {
                break;
            }
            self.current += 1;
            self.shown = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};
    use serde_json::Value;

    use super::*;
    use crate::toys::toy::{Bytes, hashed, parrot};

    fn parse(line: &[&str]) -> Result<GenerateArgs, clap::Error> {
        let command = GenerateArgs::augment_args(Command::new("generate"));
        let words = ["generate"].iter().chain(line);
        command.try_get_matches_from(words).and_then(|m| GenerateArgs::from_arg_matches(&m))
    }

    fn print<M: CausalModel>(model: &M, line: &[&str], prompt: &str) -> Result<String> {
        let mut bytes = Vec::new();
        run_generate(model, &Bytes, "toy", &parse(line).unwrap(), prompt, &mut Output::new(&mut bytes, false))?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn text_is_the_prompt_and_its_continuation() {
        let model = parrot("ROMEO:", "\nBut soft, 한 light!\n\nJULIET:\nAy me!", 64, 256);
        assert_eq!(print(&model, &["--greedy"], "ROMEO:").unwrap(), "ROMEO:\nBut soft, 한 light!\n\nJULIET:\nAy me!\n");
        assert_eq!(
            print(&model, &["--greedy", "--stop", "JULI", r"\n\n"], "ROMEO:").unwrap(),
            "ROMEO:\nBut soft, 한 light!\n"
        );
        assert_eq!(
            print(&model, &["--greedy", "--max-tokens", "13"], "ROMEO:").unwrap(),
            "ROMEO:\nBut soft, \u{FFFD}\n"
        );
        assert_eq!(print(&model, &["--max-tokens", "0"], "ROMEO:\n").unwrap(), "ROMEO:\n");
        let two = print(&model, &["--num", "2", "--temperature", "0.01", "--stop", ","], "ROMEO:").unwrap();
        assert_eq!(two, "--- 1/2 ---\nROMEO:\nBut soft\n\n--- 2/2 ---\nROMEO:\nBut soft\n");
        assert_eq!(print(&model, &["--beam", "3", "--stop", ","], "ROMEO:").unwrap(), "ROMEO:\nBut soft\n");
    }

    #[test]
    fn json_is_one_object_and_reproducible() {
        let model = hashed(261, 32);
        let json = |line: &[&str]| -> Value {
            let text = print(&model, line, "Né").unwrap();
            assert_eq!(text.matches('\n').count(), 1);
            serde_json::from_str(&text).unwrap()
        };
        let a = json(&["--json", "--seed", "7", "--num", "3", "--max-tokens", "40", "--top-k", "0"]);
        let b = json(&["--json", "--seed", "7", "--num", "2", "--max-tokens", "40", "--top-k", "0"]);
        assert_eq!(a["samples"].as_array().unwrap()[..2], b["samples"].as_array().unwrap()[..]);
        assert_ne!(a["samples"][0], a["samples"][1]);
        assert_eq!((&a["prompt"], &a["seed"], &a["model"]), (&json!("Né"), &json!(7), &json!("toy")));
        for sample in a["samples"].as_array().unwrap() {
            let bytes: Vec<u8> =
                sample["tokens"].as_array().unwrap().iter().map(|t| t.as_u64().unwrap() as u8).collect();
            assert_eq!(sample["text"], json!(String::from_utf8_lossy(&bytes)));
            assert!(["stop", "length"].contains(&sample["finish_reason"].as_str().unwrap()));
        }
        assert!(a["tokens_per_s"].as_f64().unwrap() > 0.0);
        let beams = json(&["--json", "--beam", "4", "--length-penalty", "0.5", "--max-tokens", "6"]);
        assert_eq!(beams["samples"].as_array().unwrap().len(), 4);
        assert!(beams["samples"][0]["score"].as_f64() >= beams["samples"][1]["score"].as_f64());
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        for line in [
            &["--greedy", "--beam", "2"][..],
            &["--beam", "2", "--num", "2"],
            &["--beam", "2", "--temperature", "1"],
            &["--greedy", "--top-k", "4"],
            &["--length-penalty", "1"],
            &["--prompt", "a", "--prompt-file", "b"],
            &["--num", "-1"],
            &["--temperature", "hot"],
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line:?}");
        }
        for line in [
            &["--num", "0"][..],
            &["--num", "100000"],
            &["--beam", "0"],
            &["--greedy", "--num", "2"],
            &["--temperature", "-1"],
            &["--temperature", "nan"],
            &["--top-p", "1.5"],
            &["--beam", "2", "--length-penalty", "inf"],
            &["--stop", ""],
        ] {
            let error = parse(line).unwrap().validate().unwrap_err();
            assert!(error.exit_code() == 2 && error.help_line().is_some(), "{line:?}");
        }
        assert!(parse(&["--prompt", "--x", "--stop", "a", "b", "--stop", "c"]).unwrap().sampling.stop.len() == 3);
    }

    #[test]
    fn the_prompt_comes_from_the_option_the_file_or_the_pipe() {
        let read = |line: &[&str], stdin: &[u8], terminal| parse(line).unwrap().read_prompt(stdin, terminal);
        assert_eq!(read(&["--prompt", "x"], b"piped", false).unwrap(), "x");
        assert_eq!(read(&[], b"ROMEO:\n", false).unwrap(), "ROMEO:\n");
        assert_eq!(read(&[], b"ignored", true).unwrap(), "");
        assert!(read(&[], b"ab\xFF", false).unwrap_err().to_string().contains("standard input: not UTF-8 at byte 2"));
        assert!(
            read(&["--prompt-file", "/no/such/file"], b"", false).unwrap_err().to_string().contains("/no/such/file")
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "de la file").unwrap();
        assert_eq!(read(&["--prompt-file", file.path().to_str().unwrap()], b"", false).unwrap(), "de la file");
    }

    #[test]
    fn a_closed_pipe_ends_the_work() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let args = parse(&["--max-tokens", "1000000000", "--prompt", "x"]).unwrap();
        run_generate(&hashed(256, 8), &Bytes, "toy", &args, "x", &mut Output::new(Closed, false)).unwrap();
    }
}
