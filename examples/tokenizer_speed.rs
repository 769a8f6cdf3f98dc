//! Speed of the tokenizers: `cargo run --release --example tokenizer_speed -- FILE [VOCABULARY [LARGE]]`.
//!
//! Prints training time and encoding speed (cold and warm cache) on FILE as JSON, the median of several runs; with a
//! second file LARGE, also how fast that is encoded on 1, 2, 4 … threads. `benches/peers/tokenizer_speed.py` runs it
//! beside Hugging Face's `tokenizers` and `tiktoken`.

use motamot::tokenizer::{BpeOptions, Tokenizer, WordPieceOptions};
use motamot::utils::{Error, Result};
use std::time::Instant;

/// Median seconds of `runs` calls.
fn median(runs: usize, mut f: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[runs / 2]
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let usage = || Error::usage("usage: tokenizer_speed FILE [VOCABULARY [LARGE]]");
    let text = read(args.first().ok_or_else(usage)?)?;
    let vocab_size = args.get(1).map_or(Ok(5000), |v| v.parse()).map_err(|_| usage())?;
    let large = args.get(2).map(|path| read(path)).transpose()?;

    let train = |threads| Tokenizer::train_bpe([&text], &BpeOptions { vocab_size, threads, ..Default::default() });
    let tokenizer = train(1)?;
    let megabytes = text.len() as f64 / 1e6;
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let encode = |tokenizer: &Tokenizer, text: &str, threads| {
        let ids = tokenizer.encode_threaded(text, threads);
        std::hint::black_box(ids.map_or(0, |ids| ids.len()));
    };
    let cold = megabytes / median(9, || encode(&tokenizer.clone(), &text, 1));
    let warm = megabytes / median(9, || encode(&tokenizer, &text, 1));
    let train_seconds = median(5, || drop(std::hint::black_box(train(threads))));
    let train_one = median(5, || drop(std::hint::black_box(train(1))));
    let ids = tokenizer.encode(&text)?;
    let decode = megabytes / median(9, || drop(std::hint::black_box(tokenizer.decode(&ids))));
    let start = Instant::now();
    let wordpiece = Tokenizer::train_wordpiece([&text], &WordPieceOptions { vocab_size, ..Default::default() })?;
    let wordpiece_seconds = start.elapsed().as_secs_f64();
    let wordpiece_encode = megabytes / median(5, || drop(std::hint::black_box(wordpiece.encode(&text))));
    print!(
        "{{\"train_s\": {train_seconds:.4}, \"train_1_thread_s\": {train_one:.4}, \"encode_cold_mb_s\": {cold:.1}, \
         \"encode_warm_mb_s\": {warm:.1}, \"decode_mb_s\": {decode:.1}, \"tokens\": {}, \
         \"wordpiece_train_s\": {wordpiece_seconds:.3}, \"wordpiece_encode_mb_s\": {wordpiece_encode:.1}",
        ids.len()
    );
    if let Some(large) = large {
        print!(", \"large_tokens\": {}", tokenizer.encode(&large)?.len());
        for threads in std::iter::successors(Some(1), |n| Some(n * 2)).take_while(|n| *n <= threads) {
            let speed = large.len() as f64 / 1e6 / median(3, || encode(&tokenizer, &large, threads));
            print!(", \"encode_large_{threads}_mb_s\": {speed:.1}");
        }
    }
    println!("}}");
    Ok(())
}
