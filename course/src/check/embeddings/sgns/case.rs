//! One step of skip-gram, in parts that can go wrong one by one.

use crate::catalogue::{Text, text};
use crate::check::answer::numbers;

/// v, and all the u one after the other.
pub(super) type Vectors = (Vec<f64>, Vec<f64>);

/// The centre's vector v and the vectors u of the outputs: the true neighbour, then the negatives.
#[derive(Clone)]
pub(super) struct Case {
    pub v: Vec<f64>,
    pub u: Vec<Vec<f64>>,
    pub rate: f64,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(super) fn sigmoid(s: f64) -> f64 {
    1.0 / (1.0 + (-s).exp())
}

/// ln σ(s), finite for every s.
pub(super) fn log_sigmoid(s: f64) -> f64 {
    s.min(0.0) - (-s.abs()).exp().ln_1p()
}

impl Case {
    pub fn scores(&self) -> Vec<f64> {
        self.u.iter().map(|u| dot(&self.v, u)).collect()
    }

    pub fn loss(&self) -> f64 {
        self.scores().iter().enumerate().map(|(k, s)| -log_sigmoid(if k == 0 { *s } else { -s })).sum()
    }

    /// g_k = σ(s_k) − y_k.
    pub fn errors(&self) -> Vec<f64> {
        self.scores().iter().enumerate().map(|(k, s)| sigmoid(*s) - f64::from(k == 0)).collect()
    }

    /// v − rate·Σ g_k·u_k.
    pub fn stepped_v(&self, g: &[f64]) -> Vec<f64> {
        let mut v = self.v.clone();
        for (g, u) in g.iter().zip(&self.u) {
            v.iter_mut().zip(u).for_each(|(v, u)| *v -= self.rate * g * u);
        }
        v
    }

    /// u_k − rate·g_k·v, one after the other.
    pub fn stepped_u(&self, g: &[f64], v: &[f64]) -> Vec<f64> {
        let step =
            |(g, u): (&f64, &Vec<f64>)| -> Vec<f64> { u.iter().zip(v).map(|(u, v)| u - self.rate * g * v).collect() };
        g.iter().zip(&self.u).flat_map(step).collect()
    }

    /// Everything in one loop over the outputs, each with the values that the one before left; g is taken in the loop
    /// (`fresh`) or before it.
    pub fn one_loop(&self, u_first: bool, fresh: bool) -> Case {
        let mut c = self.clone();
        let errors = self.errors();
        for k in 0..c.u.len() {
            let g = if fresh { sigmoid(dot(&c.v, &c.u[k])) - f64::from(k == 0) } else { errors[k] };
            for i in 0..c.v.len() {
                if u_first {
                    c.u[k][i] -= c.rate * g * c.v[i];
                    c.v[i] -= c.rate * g * c.u[k][i];
                } else {
                    c.v[i] -= c.rate * g * c.u[k][i];
                    c.u[k][i] -= c.rate * g * c.v[i];
                }
            }
        }
        c
    }

    /// The loss when each score is taken in the loop, after v has moved for the outputs before it.
    pub fn moving_loss(&self) -> f64 {
        let (mut v, mut loss) = (self.v.clone(), 0.0);
        for (k, u) in self.u.iter().enumerate() {
            let s = dot(&v, u);
            loss -= log_sigmoid(if k == 0 { s } else { -s });
            let g = sigmoid(s) - f64::from(k == 0);
            v.iter_mut().zip(u).for_each(|(v, u)| *v -= self.rate * g * u);
        }
        loss
    }

    /// As [`Case::one_loop`], with the step of each output taken from the v and the u before it.
    pub fn one_by_one(&self) -> Case {
        let mut c = self.clone();
        for k in 0..c.u.len() {
            let g = sigmoid(dot(&c.v, &c.u[k])) - f64::from(k == 0);
            for i in 0..c.v.len() {
                let (v, u) = (c.v[i], c.u[k][i]);
                c.v[i] -= c.rate * g * u;
                c.u[k][i] -= c.rate * g * v;
            }
        }
        c
    }

    pub fn flat_u(&self) -> Vec<f64> {
        self.u.concat()
    }

    /// After the right step.
    pub fn stepped(&self) -> Case {
        let g = self.errors();
        let u = self.stepped_u(&g, &self.v).chunks(self.v.len()).map(|u| u.to_vec()).collect();
        Case { v: self.stepped_v(&g), u, rate: self.rate }
    }

    /// Scores that are so large that exp overflows, or that 1 − σ is 0.
    pub fn is_far(&self) -> bool {
        self.scores().iter().any(|s| s.abs() > 30.0)
    }

    pub fn example() -> Case {
        Case { v: vec![1.0], u: vec![vec![1.0], vec![2.0]], rate: 0.5 }
    }

    /// In words.
    pub fn tell(&self) -> Text {
        let u: Vec<String> = self.u.iter().map(|u| numbers(u)).collect();
        text("02.1.tell").with("v", numbers(&self.v)).with("u", u.join(", ")).with("rate", self.rate)
    }
}
