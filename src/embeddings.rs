//! Where a token stands: learned, sinusoidal, rotary (RoPE), linear biases (ALiBi), or nowhere (the causal mask alone).

use crate::nn::{Embedding, Param, Pass};
use motamot_kernels::math;
use motamot_kernels::rng::Rng;
use motamot_tensor::{Buf, Tensor, ops};
use serde::{Deserialize, Serialize};

/// How a model learns the order of its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PositionKind {
    /// A trained row per position, added to the token's (GPT-2).
    Learned,
    /// Fixed sines and cosines, added (Vaswani et al. 2017).
    Sinusoidal,
    /// Queries and keys are rotated by their position (Su et al. 2021; Llama).
    Rope,
    /// Scores fall linearly with distance (Press et al. 2021).
    Alibi,
    /// Nothing: a causal mask alone lets a deep decoder count (Haviv et al. 2022).
    None,
}

/// What is added to the token embeddings, if anything.
pub enum Positions {
    /// A trained table (context, C).
    Learned(Embedding),
    /// A fixed table (context, C).
    Sinusoidal(Param),
    /// Nothing here: attention takes care of it, or nobody does.
    Elsewhere,
}

impl Positions {
    /// For up to `context` positions of `width`.
    pub fn new(kind: PositionKind, context: usize, width: usize, std: f32, rng: &mut Rng) -> Positions {
        match kind {
            PositionKind::Learned => Positions::Learned(Embedding::new(context, width, std, rng)),
            PositionKind::Sinusoidal => {
                let mut table = Param::new(sinusoids(context, width), [context, width]);
                table.set_trainable(false);
                Positions::Sinusoidal(table)
            }
            _ => Positions::Elsewhere,
        }
    }

    /// x (B, T, C) + the rows of positions `start..start + T`.
    pub fn add_to(&self, x: &Tensor, start: usize, pass: &Pass) -> Tensor {
        let table = match self {
            Positions::Learned(table) => pass.param(&table.weight),
            Positions::Sinusoidal(table) => pass.param(table),
            Positions::Elsewhere => return x.clone(),
        };
        ops::add(x, &ops::slice(&table, 0, start, x.shape()[1]))
    }
}

impl Positions {
    /// The row of one position, if there are rows.
    pub(crate) fn row(&self, position: usize) -> Option<&[f32]> {
        let table = match self {
            Positions::Learned(table) => &table.weight,
            Positions::Sinusoidal(table) => table,
            Positions::Elsewhere => return None,
        };
        let width = table.shape().last_axis();
        Some(&table.data()[position * width..][..width])
    }
}

/// Only a learned table is a parameter; sinusoids are computed again when a model is loaded.
impl crate::nn::Module for Positions {
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &Param)) {
        if let Positions::Learned(table) = self {
            table.visit(path, f);
        }
    }
    fn visit_mut(&mut self, path: &str, f: &mut dyn FnMut(&str, &mut Param)) {
        if let Positions::Learned(table) = self {
            table.visit_mut(path, f);
        }
    }
}

/// PE(t, 2i) = sin(t/10000^(2i/C)), PE(t, 2i+1) = cos(t/10000^(2i/C)).
/// Shape: (positions, width).  Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.5.
pub fn sinusoids(positions: usize, width: usize) -> Buf {
    let mut table = Buf::stale(positions * width);
    for (i, x) in table.iter_mut().enumerate() {
        let (t, c) = ((i / width) as f64, i % width);
        let angle = t / math::exp_f64(math::ln_f64(10000.0) * (c - c % 2) as f64 / width as f64);
        let (sin, cos) = math::sin_cos_f64(angle);
        *x = if c % 2 == 0 { sin } else { cos } as f32;
    }
    table
}

/// The slope of each head: 2^(−8/n), 2^(−16/n), … for n heads a power of two; otherwise those of the next lower power,
/// then every other one of the next higher.  Source: Press et al. 2021, arXiv:2108.12409, and its reference code.
pub fn alibi_slopes(heads: usize) -> Vec<f32> {
    let power_of_two = |x: f64| math::exp_f64(x * std::f64::consts::LN_2) as f32;
    let geometric = |n: usize| (1..=n).map(move |i| power_of_two(-8.0 * i as f64 / n as f64));
    let power = if heads.is_power_of_two() { heads } else { heads.next_power_of_two() / 2 };
    geometric(power).chain(geometric(2 * power).step_by(2)).take(heads).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_of_the_paper() {
        assert_eq!(alibi_slopes(8), [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625]);
        // 12 heads: eight of them, then 2^-0.5, 2^-1.5, …
        assert_eq!(alibi_slopes(12)[8..10], [0.5f32.sqrt(), 0.5f32.sqrt() / 2.0]);
        assert_eq!(alibi_slopes(1), [0.00390625]);
    }

    #[test]
    fn sinusoids_of_the_paper() {
        for (i, x) in sinusoids(1024, 10).iter().enumerate() {
            let (t, c) = ((i / 10) as f64, i % 10);
            let angle = t / 10000f64.powf((c / 2 * 2) as f64 / 10.0);
            let want = if c % 2 == 0 { angle.sin() } else { angle.cos() };
            assert!((f64::from(*x) - want).abs() < 1e-7, "position {t}, channel {c}: {x} {want}");
        }
    }

    #[test]
    fn sinusoids_rotate() {
        let table = sinusoids(50, 8);
        assert_eq!(table[..4], [0.0, 1.0, 0.0, 1.0]);
        // PE(t + k) is a rotation of PE(t) by an angle that depends on k alone: products depend on the distance.
        let dot = |a: usize, b: usize| (0..8).map(|c| table[a * 8 + c] * table[b * 8 + c]).sum::<f32>();
        assert!((dot(3, 10) - dot(33, 40)).abs() < 1e-5);
    }
}
