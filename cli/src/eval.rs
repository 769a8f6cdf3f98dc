//! `motamot eval`: how well a model predicts a text.

use super::output::print;
use super::{load, machine, model_dir::model_dir};
use clap::Args;
use motamot::data::{Corpus, TokenDataset, split};
use motamot::evaluation::evaluate;
use motamot::utils::{Error, Result};
use motamot_kernels::panels::Format;
use std::path::PathBuf;

/// Score a model on a text it has not learned from
///
/// Without --data: the last 10 % of the text that it was trained on. With --data: the whole of that text.
#[derive(Args, Clone, Debug)]
pub struct EvalArgs {
    /// Checkpoint directory [default: the newest under models/checkpoints]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// A text file or a folder of .txt files, all of which is scored
    #[arg(long, value_name = "FILE|DIR")]
    data: Option<PathBuf>,
    /// Tokens between windows [default: the context]; fewer give each token more to look back on, and take longer
    #[arg(long, value_name = "N")]
    stride: Option<usize>,
    /// Bits in which the weights are read: what fewer of them cost [default: f32]
    #[arg(long, value_parser = crate::machine::weights())]
    weights: Option<Format>,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs `motamot eval`.
pub fn run(args: &EvalArgs) -> Result<()> {
    machine::set_threads(args.threads)?;
    let dir = model_dir(args.model.as_deref())?;
    let (gpt, tokenizer) = load::model(&dir, args.weights)?;
    let context = gpt.config().context;
    let stride = args.stride.unwrap_or(context);
    if !(1..=context).contains(&stride) {
        return Err(Error::usage(format!("--stride {stride}: must be between 1 and the context of {context}")));
    }
    let corpus = match &args.data {
        Some(path) => Corpus::open(Some(path))?,
        None => Corpus::open(motamot::training::state::text_path(&dir)?.as_deref())?,
    };
    let (text, part) = match &args.data {
        Some(_) => (&corpus.bytes[..], "all"),
        None => (split(&corpus.bytes).map_err(|e| e.at(&corpus.name))?.val, "the last 10 %"),
    };
    let data = TokenDataset::new(tokenizer.encode_bytes(text).map_err(|e| e.at(&corpus.name))?);
    data.check("evaluation", 1).map_err(|e| e.at(&corpus.name))?;
    let result = evaluate(&gpt, &data, text.len(), stride)?;
    if args.json {
        print(format_args!("{}\n", serde_json::to_string(&result).map_err(|e| Error::new(e.to_string()))?))?;
    } else {
        print(format_args!("{} on {part} of {}:\n", dir.display(), corpus.name))?;
        print(format_args!("{:>10.4} nats per token\n", result.nats_per_token))?;
        print(format_args!("{:>10.4} bits per byte\n", result.bits_per_byte))?;
        print(format_args!("{:>10.2} perplexity\n", result.perplexity))?;
        print(format_args!(
            "{:>10} tokens scored, of {} bytes, in windows of {context}, {stride} apart\n",
            result.tokens, result.bytes
        ))?;
    }
    Ok(())
}
