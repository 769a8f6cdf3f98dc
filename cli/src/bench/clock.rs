//! Times of calls.

use motamot::utils::Result;
use std::time::Instant;

pub fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}

pub fn time<T>(f: impl FnOnce() -> Result<T>) -> Result<f64> {
    let clock = Instant::now();
    f()?;
    Ok(clock.elapsed().as_secs_f64())
}

/// The shortest time of a call, of at least three and some tenths of a second of them.
pub fn best(mut f: impl FnMut()) -> f64 {
    const BUDGET: f64 = 0.25;
    let (clock, mut best, mut runs) = (Instant::now(), f64::INFINITY, 0);
    while runs < 3 || clock.elapsed().as_secs_f64() < BUDGET {
        let start = Instant::now();
        f();
        best = best.min(start.elapsed().as_secs_f64());
        runs += 1;
    }
    best
}
