//! One token of each sequence through a GPT, for decoding: the whole model in one parallel region.
//!
//! The same sums in the same order as the layers one by one, hence the same bits (the layers compute more than 8 rows of
//! int8 otherwise, see [`crate::panels`]). What differs is what surrounds them:
//! threads meet five times per block instead of going through a region for each op, nothing is allocated, weights come
//! in [`Panels`] and keys and values from a cache in their own layout.

use crate::activation::Activation;
use crate::attention::CacheLayout;
use crate::attention::cached::{self, Queries, attend};
use crate::panels::{Panels, chunk_of, input_len};
use crate::parallel::{self, SharedMut};
use crate::team::{self, Team};
use crate::{activation, elementwise, norm, rope};

/// y = x·W + b.
#[derive(Clone, Copy)]
pub struct Linear<'a> {
    /// W.
    pub weights: &'a Panels,
    /// b.
    pub bias: Option<&'a [f32]>,
}

/// A norm before a sub-layer.
#[derive(Clone, Copy)]
pub struct Norm<'a> {
    /// (C).
    pub weight: &'a [f32],
    /// (C), of a layer norm.
    pub bias: Option<&'a [f32]>,
    /// ε under the root.
    pub eps: f32,
    /// RMS norm instead of layer norm.
    pub rms: bool,
}

/// x += attention(norm(x)); x += mlp(norm(x)).
#[derive(Clone, Copy)]
pub struct Block<'a> {
    /// Before attention.
    pub norm_1: Norm<'a>,
    /// C → (H + 2G)·D, rows q | k | v.
    pub qkv: Linear<'a>,
    /// H·D → C.
    pub attention_out: Linear<'a>,
    /// Before the MLP.
    pub norm_2: Norm<'a>,
    /// C → F.
    pub up: Linear<'a>,
    /// C → F, the gate of SwiGLU, in the format of `up`.
    pub gate: Option<Linear<'a>>,
    /// Between.
    pub activation: Activation,
    /// F → C.
    pub mlp_out: Linear<'a>,
}

/// The sizes and habits of a model.
#[derive(Clone, Copy)]
pub struct Shape<'a> {
    /// C.
    pub width: usize,
    /// F.
    pub mlp_width: usize,
    /// L.
    pub layers: usize,
    /// H.
    pub heads: usize,
    /// How a layer's keys and values lie.
    pub cache: CacheLayout,
    /// Rotary positions, with this θ.
    pub rope: Option<f32>,
    /// Slopes of the heads.
    pub alibi: Option<&'a [f32]>,
}

/// What a step reads and writes, for M sequences side by side, each in a row of its own of a cache with R rows.
pub struct State<'a> {
    /// The residual stream after the embeddings, (M, C); overwritten.
    pub x: &'a mut [f32],
    /// The row of each sequence, (M), no two the same.
    pub rows: &'a [usize],
    /// Tokens that each row of the cache holds before this step, (R).
    pub lens: &'a [usize],
    /// (R, L, parts) of [`CacheLayout::part_keys`].
    pub keys: &'a mut [f32],
    /// (R, L, parts) of [`CacheLayout::part_values`].
    pub values: &'a mut [f32],
    /// Working memory, of [`Shape::scratch`] elements.
    pub scratch: &'a mut [f32],
    /// What the head makes of the stream, (M, V).
    pub logits: &'a mut [f32],
}

/// Working memory that all threads see.
struct Common<'a> {
    x: SharedMut<'a, f32>,
    /// (M, (H + 2G)·D).
    qkv: SharedMut<'a, f32>,
    /// (M, H·D).
    attended: SharedMut<'a, f32>,
    /// (M, F).
    hidden: SharedMut<'a, f32>,
    logits: SharedMut<'a, f32>,
}

/// A thread's own.
struct Own<'a> {
    /// Rows after a norm, and what the norm says of them.
    normed: &'a mut [f32],
    stats: &'a mut [f32],
    /// The rows that the stage's product reads, as [`Panels::lay`] lays them.
    input: &'a mut [f32],
    /// The outputs of a chunk, and of its gate.
    part: &'a mut [f32],
    gate: &'a mut [f32],
    attention: &'a mut [f32],
}

impl<'a> Shape<'a> {
    fn q_width(&self) -> usize {
        self.heads * self.cache.head_dim
    }

    fn kv_width(&self) -> usize {
        self.cache.kv_heads * self.cache.head_dim
    }

    fn packed_width(&self) -> usize {
        self.q_width() + 2 * self.kv_width()
    }

    fn common(&self, rows: usize) -> [usize; 3] {
        [self.packed_width(), self.q_width(), self.mlp_width].map(|width| (rows * width).next_multiple_of(16))
    }

    fn own(&self, rows: usize, vocab: usize) -> [usize; 6] {
        let input = self.width.max(self.mlp_width).max(self.q_width());
        let part =
            [self.packed_width(), self.width, self.mlp_width, vocab].map(chunk_of).into_iter().max().unwrap_or(0);
        let attention = cached::scratch(&self.cache, self.heads / self.cache.parts());
        let sizes = [rows * self.width, 2 * rows, input_len(rows, input), rows * part, rows * part, attention];
        sizes.map(|n| n.next_multiple_of(16))
    }

    /// Elements of working memory for `rows` sequences and a head of `vocab` outputs.
    pub fn scratch(&self, rows: usize, vocab: usize) -> usize {
        self.common(rows).iter().sum::<usize>() + parallel::threads() * self.own(rows, vocab).iter().sum::<usize>()
    }
}

/// Cuts pieces of these lengths off the front.
fn cut<const N: usize>(mut rest: &mut [f32], lengths: [usize; N]) -> ([&mut [f32]; N], &mut [f32]) {
    let pieces = lengths.map(|n| {
        let (piece, others) = std::mem::take(&mut rest).split_at_mut(n);
        rest = others;
        piece
    });
    (pieces, rest)
}

/// Runs a token of each of M sequences through the blocks, the last norm and the head, and appends to their rows of the
/// cache, which may hold different numbers of tokens. `block(i)` is block i.
///
/// # Panics
/// If a buffer has not the length that the shapes give it, a row is full, or two sequences have the same.
#[track_caller]
pub fn step<'a>(
    shape: &Shape,
    block: impl Fn(usize) -> Block<'a> + Sync,
    last_norm: Option<Norm>,
    head: Linear,
    state: State,
) {
    let (c, layout) = (shape.width, shape.cache);
    let (rows, lens) = (state.rows.len(), state.lens);
    let [vocab, _] = head.weights.shape();
    let parts = lens.len() * shape.layers * layout.parts();
    assert!(state.x.len() == rows * c, "decode: {} elements are not {rows} rows of {c}", state.x.len());
    assert!(state.keys.len() == parts * layout.part_keys(), "decode: {} elements of keys", state.keys.len());
    assert!(state.values.len() == parts * layout.part_values(), "decode: {} elements of values", state.values.len());
    for (i, row) in state.rows.iter().enumerate() {
        assert!(*row < lens.len() && !state.rows[..i].contains(row), "decode: rows {:?} of {}", state.rows, lens.len());
        assert!(lens[*row] < layout.capacity, "decode: row {row} of {} tokens is full", layout.capacity);
    }
    assert!(state.logits.len() == rows * vocab, "decode: {} logits are not {rows} of {vocab}", state.logits.len());

    let (members, own) = (parallel::threads(), shape.own(rows, vocab));
    let ([qkv, attended, hidden], rest) = cut(state.scratch, shape.common(rows));
    let own_len = own.iter().sum::<usize>();
    assert!(rest.len() >= members * own_len, "decode: too little scratch");
    let common = Common {
        x: SharedMut::new(state.x),
        qkv: SharedMut::new(qkv),
        attended: SharedMut::new(attended),
        hidden: SharedMut::new(hidden),
        logits: SharedMut::new(state.logits),
    };
    let (rest, keys, values) = (SharedMut::new(rest), SharedMut::new(state.keys), SharedMut::new(state.values));
    team::run(members, |team| {
        // SAFETY: no two members at a time have the same number.
        let own_memory = unsafe { rest.slice(team.member() * own_len, own_len) };
        let ([normed, stats, input, part, gate, attention], _) = cut(own_memory, own);
        let mut worker = Worker {
            shape,
            common: &common,
            rows: state.rows,
            lens,
            team,
            own: Own { normed, stats, input, part, gate, attention },
        };
        for layer in 0..shape.layers {
            let block = block(layer);
            worker.linear(Input::Normed(block.norm_1), block.qkv, Output::To(common.qkv));
            if let Some(theta) = shape.rope {
                worker.rotate(theta);
            }
            worker.attention(layer, keys, values);
            worker.linear(Input::Rows(common.attended), block.attention_out, Output::AddTo(common.x));
            worker.linear(Input::Normed(block.norm_2), block.up, Output::Activated(block.activation, block.gate));
            worker.linear(Input::Rows(common.hidden), block.mlp_out, Output::AddTo(common.x));
        }
        let input = last_norm.map_or(Input::Rows(common.x), Input::Normed);
        worker.linear(input, head, Output::To(common.logits));
    });
}

/// What a product reads: rows as they are, or the residual stream after a norm.
#[derive(Clone, Copy)]
enum Input<'a> {
    Rows(SharedMut<'a, f32>),
    Normed(Norm<'a>),
}

/// What becomes of its result.
#[derive(Clone, Copy)]
enum Output<'a> {
    To(SharedMut<'a, f32>),
    AddTo(SharedMut<'a, f32>),
    /// Through the MLP's function to `hidden`.
    Activated(Activation, Option<Linear<'a>>),
}

/// A thread at work. All do the same stages in the same order.
struct Worker<'w, 't> {
    shape: &'w Shape<'w>,
    common: &'w Common<'w>,
    rows: &'w [usize],
    lens: &'w [usize],
    team: &'w mut Team<'t>,
    own: Own<'w>,
}

impl Worker<'_, '_> {
    /// The stage of one product.
    fn linear(&mut self, input: Input, linear: Linear, output: Output) {
        let (common, rows) = (self.common, self.rows.len());
        let [n, k] = linear.weights.shape();
        let chunk = chunk_of(n);
        if let Output::Activated(_, Some(gate)) = output {
            assert_eq!(gate.weights.format(), linear.weights.format(), "decode: the gate and what it gates");
        }
        let prepare = |own: &mut Own| {
            let rows = match input {
                // SAFETY: no chunk of this stage writes it.
                Input::Rows(x) => unsafe { x.read(0, rows * k) },
                Input::Normed(norm) => {
                    // SAFETY: as above.
                    own.normalise(norm, unsafe { common.x.read(0, rows * k) });
                    &own.normed[..rows * k]
                }
            };
            linear.weights.lay(rows, own.input);
        };
        self.team.share(n.div_ceil(chunk), &mut self.own, prepare, |i, own| {
            let (from, width) = (i * chunk, chunk.min(n - i * chunk));
            let (input, part) = (&*own.input, &mut own.part[..rows * width]);
            linear.weights.outputs(rows, input, linear.bias, from, part);
            let gate = &mut own.gate[..];
            if let Output::Activated(_, Some(linear)) = output {
                linear.weights.outputs(rows, input, linear.bias, from, &mut gate[..rows * width]);
            }
            for (row, part) in part.chunks_exact(width).enumerate() {
                let to = match output {
                    Output::To(y) | Output::AddTo(y) => y,
                    Output::Activated(..) => common.hidden,
                };
                // SAFETY: each chunk has its own columns.
                let y = unsafe { to.slice(row * n + from, width) };
                match output {
                    Output::To(_) => y.copy_from_slice(part),
                    Output::AddTo(_) => elementwise::add_assign(y, part),
                    Output::Activated(f, None) => f.apply(part, y),
                    Output::Activated(_, Some(_)) => {
                        activation::swiglu(&gate[row * width..][..width], part, y);
                    }
                }
            }
        });
    }

    /// Rotates queries and keys to their places.
    fn rotate(&mut self, theta: f32) {
        let Worker { shape, common, rows, lens, .. } = *self;
        let (heads, width) = (shape.heads + shape.cache.kv_heads, shape.packed_width());
        self.team.share(
            rows.len(),
            &mut (),
            |()| (),
            |i, ()| {
                // SAFETY: each chunk has its own row.
                let qkv = unsafe { common.qkv.slice(i * width, width) };
                rope::rope(qkv, width, heads, shape.cache.head_dim, &[lens[rows[i]] as u32], theta, false);
            },
        );
    }

    /// Appends keys and values of a layer, and attends.
    fn attention(&mut self, layer: usize, keys: SharedMut<f32>, values: SharedMut<f32>) {
        let Worker { shape, common, rows, lens, .. } = *self;
        let layout = shape.cache;
        let (parts, q_width, kv_width) = (layout.parts(), shape.q_width(), shape.kv_width());
        let (q_part, kv_part, heads) = (q_width / parts, kv_width / parts, shape.heads / parts);
        self.team.share(
            rows.len() * parts,
            &mut self.own,
            |_| (),
            |i, own| {
                let (i, part) = (i / parts, i % parts);
                let (at, len) = ((rows[i] * shape.layers + layer) * parts + part, lens[rows[i]]);
                // SAFETY: no chunk of this stage writes it.
                let qkv = unsafe { common.qkv.read(i * shape.packed_width(), shape.packed_width()) };
                // SAFETY: each chunk has its own part of the result, and of the cache, as no two rows are the same.
                let (keys, values, out) = unsafe {
                    (
                        keys.slice(at * layout.part_keys(), layout.part_keys()),
                        values.slice(at * layout.part_values(), layout.part_values()),
                        common.attended.slice(i * q_width + part * q_part, q_part),
                    )
                };
                let (k, v) = qkv[q_width..].split_at(kv_width);
                let [k, v] = [k, v].map(|x| &x[part * kv_part..][..kv_part]);
                layout.put(len, k, v, keys, values);
                let queries = Queries {
                    q: &qkv[part * q_part..][..q_part],
                    scale: 1.0 / (layout.head_dim as f32).sqrt(),
                    alibi: shape.alibi.map(|slopes| &slopes[part * heads..][..heads]),
                    seen: 0..len + 1,
                };
                attend(&layout, &queries, keys, values, own.attention, out);
            },
        );
    }
}

impl Own<'_> {
    fn normalise(&mut self, norm: Norm, x: &[f32]) {
        let (y, rows) = (&mut self.normed[..x.len()], x.len() / norm.weight.len());
        let (mean, rstd) = self.stats[..2 * rows].split_at_mut(rows);
        match norm.rms {
            true => norm::rms_norm(x, norm.weight, norm.eps, y, rstd),
            false => norm::layer_norm(x, norm.weight, norm.bias, norm.eps, y, mean, rstd),
        }
    }
}
