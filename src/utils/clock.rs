//! How long something takes, also where there is no clock.

use std::time::Instant;

/// Counts seconds from its start. In a browser's sandbox (`wasm32-unknown-unknown`), where the standard library has no
/// clock and panics, it stays at 0.
pub struct Stopwatch(Option<Instant>);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Stopwatch {
        let has_clock = !cfg!(all(target_family = "wasm", target_os = "unknown"));
        Stopwatch(has_clock.then(Instant::now))
    }

    /// Seconds since its start.
    pub fn seconds(&self) -> f64 {
        self.0.map_or(0.0, |start| start.elapsed().as_secs_f64())
    }
}
