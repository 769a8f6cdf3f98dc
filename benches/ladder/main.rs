//! The ladder: one matrix product and one attention, computed ever faster, a rung for each idea.
//!
//! ```text
//! cargo bench -p motamot-kernels --bench ladder                      # all rungs, one thread
//! cargo bench -p motamot-kernels --bench ladder -- gemm avx2         # rungs whose name contains one of these words
//! ```
//!
//! Every rung is checked against the first one before it is timed. The time is the shortest of several runs, so that a busy
//! machine disturbs it least; the ratio is to the rung at the bottom. All but the last rung run on one thread.
//! In the manner of llm.c's `dev/cuda`: read `gemm.rs`, then `attention.rs`, from top to bottom.

mod attention;
mod gemm;

use motamot_kernels::parallel;
use std::time::Instant;

/// Computes all elements of the slice.
pub type Run = Box<dyn FnMut(&mut [f32])>;

/// One way to compute the thing.
pub struct Rung {
    /// What it is called on the command line.
    pub name: String,
    /// The idea that it adds.
    pub idea: &'static str,
    /// Threads that it may use.
    pub threads: usize,
    /// Largest difference from the first rung, relative to the largest element, that rounding explains.
    pub tolerance: f32,
    /// The computation.
    pub run: Run,
}

/// Numbers from −1 to 1, the same every time.
pub fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = motamot_kernels::rng::Rng::new(seed);
    (0..n).map(|_| rng.below(1 << 16) as f32 / 32768.0 - 1.0).collect()
}

/// Largest |a − b| over largest |b|; infinite if something in `a` is not a number.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    if a.iter().any(|x| x.is_nan()) {
        return f32::INFINITY;
    }
    let worst = a.iter().zip(b).fold(0.0f32, |m, (x, y)| m.max((x - y).abs()));
    worst / b.iter().fold(0.0f32, |m, x| m.max(x.abs()))
}

/// The shortest of several runs, in seconds.
fn shortest(mut f: impl FnMut()) -> f64 {
    let (start, mut best, mut runs) = (Instant::now(), f64::INFINITY, 0);
    while runs < 3 || start.elapsed().as_secs_f64() < 0.5 {
        let clock = Instant::now();
        f();
        best = best.min(clock.elapsed().as_secs_f64());
        runs += 1;
    }
    best
}

/// Runs the chosen rungs of one ladder: `len` outputs, `flop` operations each time.
fn climb(title: &str, words: &[String], len: usize, flop: f64, rungs: Vec<Rung>) {
    println!("\n{title}");
    println!("{:<22}{:>10}{:>10}{:>10}{:>11}  idea", "rung", "ms", "GFLOP/s", "ratio", "difference");
    let (mut judge, mut bottom) = (vec![0.0; len], None);
    for (i, mut rung) in rungs.into_iter().enumerate() {
        let chosen = words.is_empty() || words.iter().any(|word| rung.name.contains(word.as_str()));
        if i > 0 && !chosen {
            continue;
        }
        // A rung that leaves an element out must not profit from what another one wrote.
        let mut out = vec![f32::NAN; len];
        let seconds = parallel::with_threads(rung.threads, || shortest(|| (rung.run)(&mut out)));
        if i == 0 {
            judge.copy_from_slice(&out);
        }
        let difference = difference(&out, &judge);
        let bottom = *bottom.get_or_insert(seconds);
        println!(
            "{:<22}{:>10.2}{:>10.1}{:>10.1}{difference:>11.1e}  {}",
            rung.name,
            seconds * 1e3,
            flop / seconds / 1e9,
            bottom / seconds,
            rung.idea
        );
        assert!(difference <= rung.tolerance, "{}: differs by more than {:e}", rung.name, rung.tolerance);
    }
}

fn main() {
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let (mut gemm_words, mut attention_words) = (words.clone(), words);
    // "gemm avx2" means the rung avx2 of one ladder.
    let (only_gemm, only_attention) = (take(&mut gemm_words, "gemm"), take(&mut gemm_words, "attention"));
    take(&mut attention_words, "gemm");
    take(&mut attention_words, "attention");
    if !only_attention || only_gemm {
        let (title, len, flop, rungs) = gemm::ladder();
        climb(&title, &gemm_words, len, flop, rungs);
    }
    if !only_gemm || only_attention {
        let (title, len, flop, rungs) = attention::ladder();
        climb(&title, &attention_words, len, flop, rungs);
    }
}

/// Removes a word; whether it was there.
fn take(words: &mut Vec<String>, word: &str) -> bool {
    let before = words.len();
    words.retain(|w| w != word);
    words.len() < before
}
