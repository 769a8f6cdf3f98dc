//! `motamot eval`: how well a model predicts a text.

use super::output::{note, print};
use super::{load, machine, model_dir::model_dir};
use clap::Args;
use motamot::data::corpus::MAX_BYTES;
use motamot::data::{Corpus, TokenDataset, TokenizerSource, prepare, prepare_with, split};
use motamot::evaluation::evaluate;
use motamot::training::state;
use motamot::utils::{Error, Result};
use motamot_kernels::panels::Format;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Score models on a text they have not learned from
///
/// Without --data: the held-out part of the text that the model was trained on. With --data: the whole of that text, or
/// only its held-out part if the model has learned from the rest.
#[derive(Args, Clone, Debug)]
pub struct EvalArgs {
    /// Models to score: names or folders [default: --model]
    #[arg(value_name = "MODEL", conflicts_with = "model")]
    models: Vec<PathBuf>,
    /// A model's folder, or its name under models/checkpoints [default: the newest there]
    #[arg(short, long, value_name = "DIR|NAME")]
    model: Option<PathBuf>,
    /// Text files (.txt, .md, .jsonl) and folders of them; - is standard input
    #[arg(short, long, value_name = "FILE|DIR|-", num_args = 1..)]
    data: Vec<PathBuf>,
    /// Tokens between windows [default: the context]; fewer give each token more to look back on, and take longer
    #[arg(long, value_name = "N")]
    stride: Option<usize>,
    /// Bits in which the weights are read: what fewer of them cost [default: f32]
    #[arg(long, value_parser = crate::machine::weights())]
    weights: Option<Format>,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print one JSON object for each model
    #[arg(long)]
    json: bool,
}

/// A text to score a model on: which part of it, and what to call it.
struct Part<'a> {
    corpus: &'a Corpus,
    range: Range<usize>,
    what: &'static str,
}

/// Runs `motamot eval`.
pub fn run(args: &EvalArgs) -> Result<()> {
    machine::set_threads(args.threads)?;
    let given: Vec<&Path> = args.models.iter().chain(&args.model).map(PathBuf::as_path).collect();
    let dirs = match given.is_empty() {
        true => vec![model_dir(None)?],
        false => given.iter().map(|dir| model_dir(Some(dir))).collect::<Result<_>>()?,
    };
    let named = match &args.data[..] {
        [] => None,
        [only] if only.as_os_str() == "-" => Some(from_stdin()?),
        paths => Some(Corpus::open(paths)?),
    };
    named.iter().flat_map(|corpus| &corpus.notes).for_each(|text| note(format_args!("note: {text}")));
    for (i, dir) in dirs.iter().enumerate() {
        if i > 0 && !args.json {
            print(format_args!("\n"))?;
        }
        one(args, dir, named.as_ref())?;
    }
    Ok(())
}

fn from_stdin() -> Result<Corpus> {
    let mut text = Vec::new();
    std::io::stdin()
        .lock()
        .take(MAX_BYTES)
        .read_to_end(&mut text)
        .map_err(|e| Error::new(format!("cannot read standard input: {e}")))?;
    if text.is_empty() {
        return Err(
            Error::new("standard input: there is no text").help("pipe a text into it, or name a file with --data")
        );
    }
    Ok(Corpus::from_bytes("standard input", text))
}

fn one(args: &EvalArgs, dir: &Path, named: Option<&Corpus>) -> Result<()> {
    let (gpt, tokenizer) = load::model(dir, args.weights)?;
    let context = gpt.config().context;
    let stride = args.stride.unwrap_or(context);
    if !(1..=context).contains(&stride) {
        return Err(Error::usage(format!("--stride {stride}: must be between 1 and the context of {context}"))
            .help("leave it out for windows side by side"));
    }
    let text = state::summary(dir)?.map(|run| run.text);
    let opened;
    let part = match (named, &text) {
        (Some(corpus), text) => {
            let own = text.as_ref().is_some_and(|text| text.val.is_none());
            let prepared =
                own.then(|| prepare(corpus, TokenizerSource::Given(Box::new(tokenizer.clone()))).ok()).flatten();
            let learned = prepared.is_some_and(|data| text.as_ref().is_some_and(|text| text.is(&data)));
            match learned {
                true => held_out(corpus, "the held-out last 10 %")?,
                false => Part { corpus, range: 0..corpus.bytes.len(), what: "all" },
            }
        }
        (None, Some(text)) => {
            opened = text.open().map_err(|e| e.at(format_args!("the text of {}", dir.display())))?;
            let (corpus, val) = &opened;
            let source = TokenizerSource::Given(Box::new(tokenizer.clone()));
            if !text.is(&prepare_with(corpus, val.as_ref(), source)?) {
                note(format_args!(
                    "warning: {} has changed since the training: the model may have learned what is scored",
                    corpus.name
                ));
            }
            match val {
                Some(val) => Part { corpus: val, range: 0..val.bytes.len(), what: "all" },
                None => held_out(corpus, "the last 10 %")?,
            }
        }
        (None, None) => {
            return Err(Error::usage(format!("{} does not say what it was trained on", dir.display()))
                .help("name a text with --data"));
        }
    };
    let Part { corpus, range, what } = part;
    let bytes = range.len();
    let mut tokens = tokenizer.prefix().to_vec();
    tokens.extend(corpus.encode(&tokenizer, range)?);
    let data = TokenDataset::new(tokens);
    data.check("evaluation", 1).map_err(|e| e.at(&corpus.name))?;
    let result = evaluate(&gpt, &data, bytes, stride)?;
    if !result.nats_per_token.is_finite() {
        return Err(Error::new(format!("{}: the loss is {}", dir.display(), result.nats_per_token))
            .help("the checkpoint is damaged or its training diverged; try an earlier one"));
    }
    if args.json {
        let mut object = serde_json::json!(result);
        object["model"] = dir.display().to_string().into();
        return print(format_args!("{object}\n"));
    }
    print(format_args!("{} on {what} of {}:\n", dir.display(), corpus.name))?;
    print(format_args!("{:>10.4} nats per token\n", result.nats_per_token))?;
    print(format_args!("{:>10.4} bits per byte\n", result.bits_per_byte))?;
    print(format_args!("{:>10.2} perplexity\n", result.perplexity))?;
    print(format_args!(
        "{:>10} tokens scored, of {} bytes, in windows of {context}, {stride} apart\n",
        result.tokens, result.bytes
    ))
}

fn held_out<'a>(corpus: &'a Corpus, what: &'static str) -> Result<Part<'a>> {
    let cut = split(&corpus.bytes).map_err(|e| e.at(&corpus.name))?.train.len();
    Ok(Part { corpus, range: cut..corpus.bytes.len(), what })
}
