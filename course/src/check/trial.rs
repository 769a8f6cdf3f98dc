//! Running a learner's function: it may be unfinished, panic, or be wrong.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static UNFINISHED: Cell<bool> = const { Cell::new(false) };
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What an exercise returns until it is done: any value, and a note for the checker.
///
/// `todo!()` works, too, but a cell that runs it outside a check stops the notebook.
pub fn unfinished<T: Default>() -> T {
    UNFINISHED.set(true);
    T::default()
}

/// How a trial of a learner's function ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<T> {
    /// It returned.
    Value(T),
    /// It called [`unfinished`] or `todo!()`.
    Unfinished,
    /// It panicked, with this message.
    Panic(String),
}

/// Calls a learner's function; a panic is caught and not printed.
pub fn trial<T>(f: impl FnOnce() -> T) -> Outcome<T> {
    hush();
    UNFINISHED.set(false);
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    QUIET.set(false);
    match result {
        Ok(_) if UNFINISHED.get() => Outcome::Unfinished,
        Ok(value) => Outcome::Value(value),
        Err(payload) => {
            let text = payload.downcast_ref::<&str>().map(|s| s.to_string());
            let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
            if text.starts_with("not yet implemented") { Outcome::Unfinished } else { Outcome::Panic(text) }
        }
    }
}

/// A panic hook that says nothing during a trial, and does what the former one did otherwise.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let former = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                former(info);
            }
        }));
    });
}

/// Equal within `tolerance`, relative to the larger of 1 and both sizes; NaN equals nothing, an infinity only itself.
pub fn close(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || (a - b).is_finite() && (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1.0)
}

/// The largest |a − b| and where it is; infinite if the lengths differ or a value is not a number.
pub fn largest_difference(a: &[f64], b: &[f64]) -> (usize, f64) {
    if a.len() != b.len() {
        return (a.len().min(b.len()), f64::INFINITY);
    }
    let difference = |i: usize| {
        let d = (a[i] - b[i]).abs();
        if d.is_nan() { f64::INFINITY } else { d }
    };
    (0..a.len()).map(|i| (i, difference(i))).max_by(|x, y| x.1.total_cmp(&y.1)).unwrap_or((0, 0.0))
}

/// The gradient of f at x by central differences, (f(x + h·eᵢ) − f(x − h·eᵢ)) / 2h, in f64.
pub fn numeric_gradient(x: &[f64], h: f64, mut f: impl FnMut(&[f64]) -> f64) -> Vec<f64> {
    let mut x = x.to_vec();
    (0..x.len())
        .map(|i| {
            let at = x[i];
            x[i] = at + h;
            let up = f(&x);
            x[i] = at - h;
            let down = f(&x);
            x[i] = at;
            (up - down) / (2.0 * h)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_tells_values_stubs_and_panics_apart() {
        assert_eq!(trial(|| 3), Outcome::Value(3));
        assert_eq!(trial(unfinished::<f64>), Outcome::Unfinished);
        assert_eq!(trial(|| -> u8 { todo!() }), Outcome::Unfinished);
        assert_eq!(trial(|| -> u8 { todo!("later") }), Outcome::Unfinished);
        assert_eq!(trial(|| -> u8 { panic!("index {}", 3) }), Outcome::Panic("index 3".into()));
        assert_eq!(trial(|| 4), Outcome::Value(4), "a stub before does not count");
    }

    #[test]
    fn differences_and_gradients() {
        assert!(close(1e9, 1e9 + 1.0, 1e-8) && !close(f64::NAN, f64::NAN, 1.0) && !close(0.0, 1e-3, 1e-4));
        assert!(close(f64::INFINITY, f64::INFINITY, 0.0) && !close(f64::INFINITY, 1.0, 1e-6));
        assert_eq!(largest_difference(&[1.0, 2.0], &[1.0, 5.0]), (1, 3.0));
        assert_eq!(largest_difference(&[1.0], &[1.0, 2.0]).1, f64::INFINITY);
        assert_eq!(largest_difference(&[f64::NAN], &[0.0]).1, f64::INFINITY);
        let g = numeric_gradient(&[2.0, -3.0], 1e-5, |x| x[0] * x[0] * x[1]);
        assert!(largest_difference(&g, &[-12.0, 4.0]).1 < 1e-8);
    }
}
