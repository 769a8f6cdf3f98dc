//! From values to places on the page, and the values worth a label.

use crate::numbers::number;

/// How values are laid out along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By their logarithm; only positive values have a place.
    Log,
}

impl Scale {
    /// The value as laid out, if it has a place.
    pub(super) fn of(self, value: f64) -> Option<f64> {
        let v = match self {
            Scale::Linear => value,
            Scale::Log if value > 0.0 => value.log10(),
            Scale::Log => return None,
        };
        (v.is_finite() && v.abs() < 1e15).then_some(v)
    }
}

/// An axis: what is shown, and its ticks.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis that shows all of these values, with about `wanted` ticks; `margin` is the share left free at each end.
    pub fn new(scale: Scale, values: impl Iterator<Item = f64>, margin: f64, wanted: usize) -> Axis {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for v in values.filter_map(|v| scale.of(v)) {
            low = low.min(v);
            high = high.max(v);
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low < 1e-9 * high.abs().max(1.0) {
            let half = (low.abs() * 0.05).max(0.5);
            (low, high) = (low - half, high + half);
        }
        let free = (high - low) * margin;
        let mut axis = Axis { scale, low: low - free, high: high + free, ticks: Vec::new() };
        axis.ticks = match scale {
            Scale::Log if axis.high - axis.low > 0.7 => axis.log_ticks(wanted),
            _ => axis.linear_ticks(wanted),
        };
        axis
    }

    /// Where a value is, from 0 to 1 inside the axis.
    pub fn place(&self, value: f64) -> Option<f64> {
        self.scale.of(value).map(|v| (v - self.low) / (self.high - self.low))
    }

    fn ends(&self) -> (f64, f64) {
        match self.scale {
            Scale::Linear => (self.low, self.high),
            Scale::Log => (10f64.powf(self.low), 10f64.powf(self.high)),
        }
    }

    /// Multiples of 1, 2 or 5 times a power of ten.
    fn linear_ticks(&self, wanted: usize) -> Vec<(f64, String)> {
        let (low, high) = self.ends();
        let rough = (high - low) / wanted.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * power >= 0.75 * rough).unwrap_or(10.0) * power;
        let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        let first = (low / step - 1e-9).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        (first..=last).take(100).map(|i| (i as f64 * step, number(i as f64 * step, decimals))).collect()
    }

    /// Powers of ten, and 2 and 5 times them if there is room.
    fn log_ticks(&self, wanted: usize) -> Vec<(f64, String)> {
        let (first, last) = (self.low.floor() as i32, self.high.ceil() as i32);
        let every = ((last - first) as usize / wanted.max(1)).max(1);
        let steps: &[f64] = if (last - first) as usize * 2 <= wanted { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let mut ticks = Vec::new();
        for e in (first..=last).step_by(every) {
            for m in steps {
                let value = m * 10f64.powi(e);
                if self.place(value).is_some_and(|p| (-1e-9..=1.0 + 1e-9).contains(&p)) {
                    let label =
                        if (-4..6).contains(&e) { number(value, (-e).max(0) as usize) } else { format!("{m}e{e}") };
                    ticks.push((value, label));
                }
            }
        }
        ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, values: &[f64], wanted: usize) -> Vec<String> {
        Axis::new(scale, values.iter().copied(), 0.0, wanted).ticks.into_iter().map(|t| t.1).collect()
    }

    #[test]
    fn ticks_are_round_numbers_inside_the_axis() {
        assert_eq!(labels(Scale::Linear, &[0.0, 2000.0], 5), ["0", "500", "1,000", "1,500", "2,000"]);
        assert_eq!(labels(Scale::Linear, &[2.13, 2.87], 4), ["2.2", "2.4", "2.6", "2.8"]);
        assert_eq!(labels(Scale::Linear, &[-1.0, 1.0], 4), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(
            labels(Scale::Log, &[1e-4, 1e-1], 6),
            ["0.0001", "0.0002", "0.0005", "0.001", "0.002", "0.005", "0.01", "0.02", "0.05", "0.1"]
        );
        assert_eq!(labels(Scale::Log, &[1.0, 1e4], 4), ["1", "10", "100", "1,000", "10,000"]);
    }

    #[test]
    fn ticks_have_the_marks_of_the_language() {
        use crate::numbers::with_marks;
        let french = |values: &[f64]| with_marks(crate::Lang::Fr.marks(), || labels(Scale::Linear, values, 2));
        assert_eq!(french(&[0.0, 2000.0]), ["0", "1\u{202F}000", "2\u{202F}000"]);
        assert_eq!(french(&[0.0, 1.0]), ["0,0", "0,5", "1,0"]);
    }

    #[test]
    fn values_without_a_place_have_none() {
        let axis = Axis::new(Scale::Log, [1.0, 100.0].into_iter(), 0.0, 4);
        assert_eq!(axis.place(10.0), Some(0.5));
        assert_eq!([axis.place(0.0), axis.place(-1.0), axis.place(f64::NAN)], [None; 3]);
    }
}
