//! The loss curve of a run, with the n-grams that it must beat.
//!
//! [`draw`] takes the rows of a run's `metrics.jsonl`; [`loss_curve`] takes points from any loop:
//!
//! ```
//! use motamot_course::curve::{Point, loss_curve};
//! use motamot_course::data::TokenDataset;
//! use motamot_course::plot::Picture;
//! use motamot_course::training::RunConfig;
//!
//! // Two steps of the smallest preset; a token is a byte here.
//! let text = "to be or not to be, that is the question. ".repeat(20);
//! let data = TokenDataset::new(text.bytes().map(u32::from).collect());
//! let config = RunConfig::preset("nano")?;
//! let (mut trainer, objective) = (config.trainer()?, config.objective(&data));
//! let mut points = Vec::new();
//! for step in 1..=2 {
//!     let loss = trainer.step(&objective)?.loss;
//!     points.push(Point { step, train_loss: Some(f64::from(loss)), val_bpb: None });
//! }
//!
//! let folder = tempfile::tempdir()?;
//! let chance = ("chance".to_owned(), 8.0);
//! loss_curve("nano", &points, 1.0, &[chance]).save_svg(&folder.path().join("loss.svg"))?;
//! # assert!(std::fs::read_to_string(folder.path().join("loss.svg"))?.contains("chance: 8.000"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::f64::consts::LN_2;
use std::path::Path;

use crate::numbers::number;
use crate::plot::{Chart, Picture, Series};
use motamot::training::Metrics;
use motamot::utils::Result;

/// Draws the curve of a run as `loss.svg` in its folder; see [`loss_curve`].
pub fn draw(dir: &Path, rows: &[Metrics], baselines: &[(String, f64)], bytes_per_token: f64) -> Result<()> {
    let point = |row: &Metrics| Point {
        step: row.step as u64,
        train_loss: Some(f64::from(row.train_loss)),
        val_bpb: row.val_bpb,
    };
    let points: Vec<Point> = rows.iter().map(point).collect();
    let name = dir.file_name().map_or("loss".into(), |name| name.to_string_lossy());
    let chart = loss_curve(&format!("{name}: training and validation loss"), &points, bytes_per_token, baselines);
    chart.save_svg(&dir.join("loss.svg"))
}

/// What the curve needs of a line of `metrics.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The step.
    pub step: u64,
    /// Training loss in nats per token, if this line has one.
    pub train_loss: Option<f64>,
    /// Bits per byte of the whole validation text, if this line has one.
    pub val_bpb: Option<f64>,
}

/// Bits per byte over steps: the training loss raw (pale) and smoothed, the validation loss, the best point, and a
/// dashed line for each baseline `(name, bits per byte)`.
///
/// `bytes_per_token` of the training text turns nats per token into bits per byte.
pub fn loss_curve(title: &str, points: &[Point], bytes_per_token: f64, baselines: &[(String, f64)]) -> Chart {
    let of = |value: fn(&Point) -> Option<f64>, per: f64| -> Vec<(f64, f64)> {
        points.iter().filter_map(|p| Some((p.step as f64, value(p)? / per))).filter(|p| p.1.is_finite()).collect()
    };
    let train = thinned(of(|p| p.train_loss, LN_2 * bytes_per_token));
    let val = of(|p| p.val_bpb, 1.0);
    let mut chart = Chart::new(title, "step", "bits per byte (lower is better)");
    if let Some((low, high)) = range(&train, &val, baselines) {
        chart = chart.y_range(low, high);
    }
    let smooth = smoothed(&train);
    chart = match train.len() {
        0 => chart,
        1..40 => chart.series(Series::new("training", train).color(0)),
        _ => chart.series(Series::new("", train).color(0).faint()).series(Series::new("training", smooth).color(0)),
    };
    if !val.is_empty() {
        let dots = val.len() <= 60;
        let line = Series::new("validation", val.clone()).color(1);
        chart = chart.series(if dots { line.dots() } else { line });
    }
    if let Some(best) = val.iter().min_by(|a, b| a.1.total_cmp(&b.1)) {
        chart = chart.note(best.0, best.1, format!("best: {:.3} at step {}", best.1, number(best.0, 0)));
    }
    baselines.iter().fold(chart, |chart, (name, bpb)| chart.reference(*bpb, format!("{name}: {bpb:.3}")))
}

/// Everything but the first fall from chance, which would press the rest flat.
fn range(train: &[(f64, f64)], val: &[(f64, f64)], baselines: &[(String, f64)]) -> Option<(f64, f64)> {
    let values = || train.iter().chain(val).map(|p| p.1).chain(baselines.iter().map(|b| b.1)).filter(|v| v.is_finite());
    let low = values().reduce(f64::min)?;
    let high = values().reduce(f64::max)?;
    let known = baselines.iter().map(|b| b.1).filter(|v| v.is_finite()).fold(0.0, f64::max);
    let settled = train.get(train.len() / 10).map_or(0.0, |p| p.1).min(low * 2.0);
    let high = if train.len() + val.len() > 4 { high.min(known.max(settled).max(low * 1.5) * 1.08) } else { high };
    let free = (high - low).max(0.01) * 0.06;
    Some((low - free, high + free))
}

/// At most a thousand points, each the mean of its neighbours: more cannot be seen, and make a heavy file.
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let mean = |c: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| c.iter().map(of).sum::<f64>() / c.len() as f64;
    points.chunks(points.len().div_ceil(1000).max(1)).map(|c| (mean(c, |p| p.0), mean(c, |p| p.1))).collect()
}

/// The value at each point of the straight line that fits best through about a fortieth of the curve around it, or, near
/// its ends, through the first or the last fortieth: no lag, and no last value that stands alone.
fn smoothed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let half = (points.len() / 80).max(4);
    let fit = |i: usize| {
        let from = i.saturating_sub(half).min(points.len().saturating_sub(2 * half + 1));
        let window = &points[from..points.len().min(from + 2 * half + 1)];
        let n = window.len() as f64;
        let x = window.iter().map(|p| p.0).sum::<f64>() / n;
        let y = window.iter().map(|p| p.1).sum::<f64>() / n;
        let covariance: f64 = window.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
        let variance: f64 = window.iter().map(|p| (p.0 - x).powi(2)).sum();
        y + (points[i].0 - x) * if variance > 0.0 { covariance / variance } else { 0.0 }
    };
    points.iter().enumerate().map(|(i, p)| (p.0, fit(i))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Vec<Point> {
        let point = |step: u64| Point {
            step,
            train_loss: Some(3.0 * LN_2 * (2.0 + 5.0 / (1.0 + step as f64 / 50.0))),
            val_bpb: step.is_multiple_of(100).then(|| 2.2 + 4.0 / (1.0 + step as f64 / 40.0)),
        };
        (0..1000).map(point).collect()
    }

    #[test]
    fn the_curve_is_in_bits_per_byte_and_names_its_best_point_and_baselines() {
        let svg = loss_curve("mini", &run(), 3.0, &[("5-gram".into(), 2.408)]).to_svg();
        let best = format!("best: {:.3} at step 900", 2.2 + 4.0 / (1.0 + 900.0 / 40.0));
        for text in ["training", "validation", "5-gram: 2.408", &best] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn a_long_run_is_thinned_and_drawn_in_its_folder() {
        let line: Vec<_> = (0..25_000).map(|i| (f64::from(i), 2.0 * f64::from(i))).collect();
        let thin = thinned(line);
        assert!(thin.len() <= 1000 && thin.iter().all(|p| (p.1 - 2.0 * p.0).abs() < 1e-6));
        let row = |step| Metrics {
            step,
            tokens: 0,
            train_loss: 5.0,
            val_loss: Some(5.0),
            val_bpb: Some(2.4),
            lr: 1e-3,
            grad_norm: 1.0,
            tokens_per_s: 1.0,
            elapsed_s: 1.0,
        };
        let dir = tempfile::tempdir().unwrap();
        draw(dir.path(), &(1..5000).map(row).collect::<Vec<_>>(), &[], 3.0).unwrap();
        assert!(std::fs::read_to_string(dir.path().join("loss.svg")).unwrap().contains("training and validation loss"));
    }

    #[test]
    fn a_run_that_has_not_begun_or_went_wrong_still_has_a_curve() {
        let bad = Point { step: 3, train_loss: Some(f64::NAN), val_bpb: Some(f64::INFINITY) };
        for points in [vec![], vec![bad], run()[..1].to_vec(), [run(), vec![bad]].concat()] {
            loss_curve("", &points, 3.0, &[]).to_svg();
        }
    }

    #[test]
    fn an_average_of_a_straight_line_is_the_line() {
        let line: Vec<_> = (0..500).map(|i| (f64::from(i), 1.5 - 0.01 * f64::from(i))).collect();
        assert!(smoothed(&line).iter().zip(&line).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-12));
    }
    #[test]
    fn an_average_does_not_end_at_the_last_raw_value() {
        let noisy = |i: u32| (f64::from(i), 2.0 + if i.is_multiple_of(2) { 0.5 } else { -0.5 });
        for n in [40, 80, 1000] {
            let line = smoothed(&(0..n).map(noisy).collect::<Vec<_>>());
            assert!(line.iter().all(|p| (p.1 - 2.0).abs() < 0.2), "{line:?}");
        }
    }
}
