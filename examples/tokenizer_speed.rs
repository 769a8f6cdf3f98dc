//! Speed of the tokenizers: `cargo run --release --example tokenizer_speed -- FILE [vocabulary]`.
//!
//! Prints training time and encoding speed (one thread, all threads, cold and warm cache) as JSON, the median of
//! several runs; `benches/peers/tokenizer_speed.py` runs it beside Hugging Face's `tokenizers` and `tiktoken`.

use motamot::tokenizer::{BpeOptions, Tokenizer, WordPieceOptions};
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

fn main() -> motamot::utils::Result<()> {
    let mut args = std::env::args().skip(1);
    let usage = || motamot::utils::Error::usage("usage: tokenizer_speed FILE [vocabulary]");
    let path = args.next().ok_or_else(usage)?;
    let vocab_size = args.next().map_or(Ok(5000), |v| v.parse()).map_err(|_| usage())?;
    let text = std::fs::read_to_string(&path).map_err(|e| motamot::utils::Error::io("read", &path, e))?;
    let train = |threads| Tokenizer::train_bpe([&text], &BpeOptions { vocab_size, threads, ..Default::default() });
    let tokenizer = train(1)?;
    let megabytes = text.len() as f64 / 1e6;
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let encode = |threads: usize, cold: bool| {
        let seconds = median(9, || {
            let fresh = cold.then(|| tokenizer.clone());
            let ids = fresh.as_ref().unwrap_or(&tokenizer).encode_threaded(&text, threads);
            std::hint::black_box(ids.map_or(0, |ids| ids.len()));
        });
        megabytes / seconds
    };
    let train_seconds = median(5, || drop(std::hint::black_box(train(threads))));
    let train_one = median(5, || drop(std::hint::black_box(train(1))));
    let (cold, warm, all) = (encode(1, true), encode(1, false), encode(threads, false));
    let ids = tokenizer.encode(&text)?;
    let decode = megabytes / median(9, || drop(std::hint::black_box(tokenizer.decode(&ids))));
    let start = Instant::now();
    let wordpiece = Tokenizer::train_wordpiece([&text], &WordPieceOptions { vocab_size, ..Default::default() })?;
    let wordpiece_seconds = start.elapsed().as_secs_f64();
    let wordpiece_encode = megabytes / median(5, || drop(std::hint::black_box(wordpiece.encode(&text))));
    println!(
        "{{\"train_s\": {train_seconds:.4}, \"train_1_thread_s\": {train_one:.4}, \"encode_cold_mb_s\": {cold:.1}, \
         \"encode_warm_mb_s\": {warm:.1}, \"encode_threads_mb_s\": {all:.1}, \"decode_mb_s\": {decode:.1}, \
         \"tokens\": {}, \"wordpiece_train_s\": {wordpiece_seconds:.3}, \"wordpiece_encode_mb_s\": {wordpiece_encode:.1}}}",
        ids.len()
    );
    Ok(())
}
