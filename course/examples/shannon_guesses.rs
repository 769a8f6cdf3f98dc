//! Lets a trained model play Shannon's game on the validation text of the embedded corpus: at which guess does it find
//! the next character? Notebook 00 shows the result beside the n-grams' and a human's.
//!
//!     cargo run --release --example shannon_guesses -- MODEL_DIR OUT
//!
//! OUT gets the bits per byte, then one sign for each place asked, one character in five from the first: `A` for a character found at the first
//! guess, `B` at the second, and so on, 62 characters being in the corpus. `runs/shannon.sh` trains a model and runs this.

use motamot_course::checkpoint::load_model;
use motamot_course::data::{Corpus, split};
use motamot_course::next_byte::NextByte;
use motamot_course::tokenizer::Tokenizer;
use motamot_course::utils::{Error, Result, fs};
use std::path::Path;

/// The model is asked at each fifth character, as the n-grams of notebook 00 are.
const EVERY: usize = 5;
/// Ways to cut the text that have a smaller share of the probability are given up.
const LEAST: f64 = 0.01;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, out] = args.as_slice() else {
        return Err(Error::usage("shannon_guesses MODEL_DIR OUT"));
    };
    let dir = Path::new(dir);
    let (gpt, tokenizer) = (load_model(dir)?, Tokenizer::load(dir.join("tokenizer.json"))?);
    let corpus = Corpus::embedded();
    let mut alphabet = corpus.bytes.to_vec();
    alphabet.sort_unstable();
    alphabet.dedup();

    let text = split(&corpus.bytes)?.val;
    let mut reader = NextByte::new(&gpt, &tokenizer, LEAST)?;
    let (mut nats, mut signs) = (0.0, String::new());
    for (i, &byte) in text.iter().enumerate() {
        let p = reader.distribution();
        let right = p[usize::from(byte)];
        nats -= right.ln();
        if i % EVERY == 0 {
            let before =
                alphabet.iter().filter(|&&b| p[usize::from(b)] > right || (p[usize::from(b)] == right && b < byte));
            signs.push(char::from(b'A' + before.count() as u8));
            if signs.len() % 1000 == 0 {
                eprintln!(
                    "{i} of {} · {:.4} bits per byte",
                    text.len(),
                    nats / std::f64::consts::LN_2 / (i + 1) as f64
                );
            }
        }
        reader.push(byte)?;
    }
    let first = signs.bytes().filter(|&s| s == b'A').count();
    let loss = nats / std::f64::consts::LN_2 / text.len() as f64;
    println!(
        "{loss:.4} bits per byte · right at the first guess {:.2} % of {} times",
        100.0 * first as f64 / signs.len() as f64,
        signs.len()
    );
    let lines: Vec<&str> = signs.as_bytes().chunks(120).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    fs::write_atomic(Path::new(out), format!("{loss:.4} bits per byte\n{}\n", lines.join("\n")).as_bytes())
}
