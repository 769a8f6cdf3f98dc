//! The byte-pair tokenizer on the embedded corpus, and encoding of a text that is large enough for several threads.

use super::args::BenchArgs;
use super::clock::{median, time};
use crate::machine;
use crate::output::print;
use motamot::data::Corpus;
use motamot::tokenizer::{BpeOptions, Tokenizer};
use motamot::utils::Result;
use motamot_kernels::parallel;
use serde_json::{Value, json};

const VOCABULARY: usize = 5000;
const RUNS: usize = 5;
/// How often the corpus stands in the large text.
const COPIES: usize = 16;

pub(super) fn run(args: &BenchArgs, report: &mut Value) -> Result<()> {
    let corpus = Corpus::embedded();
    let (text, threads) = (corpus.text()?, parallel::threads());
    let train = |threads| {
        Tokenizer::train_bpe([text], &BpeOptions { vocab_size: VOCABULARY, threads, ..BpeOptions::default() })
    };
    let train_one = runs(|| time(|| train(1)))?;
    let train_all = runs(|| time(|| train(threads)))?;
    let tokenizer = train(threads)?;
    let megabytes = text.len() as f64 / 1e6;
    // A clone has seen no word yet.
    let cold = megabytes
        / runs(|| {
            let fresh = tokenizer.clone();
            time(|| fresh.encode_threaded(text, 1))
        })?;
    let large = text.repeat(COPIES);
    let encode = |threads| Ok(large.len() as f64 / 1e6 / runs(|| time(|| tokenizer.encode_threaded(&large, threads)))?);
    let (one, all) = (encode(1)?, encode(threads)?);
    let ids = tokenizer.encode(text)?;
    let decode = megabytes / runs(|| time(|| Ok(tokenizer.decode(&ids))))?;
    if !args.json {
        return print(format_args!(
            "bpe     {train_all:>9.3} s          (vocabulary {VOCABULARY} from {megabytes:.1} MB; on one thread \
             {train_one:.3} s)\n\
             encode  {one:>9.1} MB/s       (one thread; with no word seen before {cold:.1})\n\
             encode  {all:>9.1} MB/s       ({}, {:.0} MB)\n\
             decode  {decode:>9.1} MB/s       (ids to text)\n",
            machine::threads(),
            large.len() as f64 / 1e6
        ));
    }
    report["tokenizer"] = json!({
        "vocabulary": VOCABULARY, "train_s": train_all, "train_1_thread_s": train_one, "encode_cold_mb_s": cold,
        "encode_1_thread_mb_s": one, "encode_mb_s": all, "large_mb": large.len() as f64 / 1e6, "decode_mb_s": decode,
    });
    Ok(())
}

/// The median of some runs.
fn runs(seconds: impl Fn() -> Result<f64>) -> Result<f64> {
    Ok(median((0..RUNS).map(|_| seconds()).collect::<Result<_>>()?))
}
