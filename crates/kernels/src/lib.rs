//! Kernels: the only crate of motamot with `unsafe`. Slices in, slices out; no shapes, no allocation policy, no graph.
//!
//! Every kernel has one safe public function that checks its lengths, one readable body, and the same bits
//! whatever the instruction set and the number of threads.

pub mod allocations;
pub mod bf16;
pub mod buffer;
pub mod file_map;
pub mod isa;
pub mod parallel;
pub mod peak;

mod map;
pub mod math;
pub mod rng;
mod team;
#[cfg(test)]
mod testing;

pub mod gemm;

pub mod activation;
pub mod adamw;
pub mod attention;
pub mod decode;
pub mod elementwise;
pub mod embedding;
pub mod fused;
pub mod loss;
pub mod norm;
pub mod panels;
pub mod rope;
pub mod softmax;

/// The number of elements of m rows of n; the largest number there is, which no buffer has, if a `usize` cannot hold it.
/// Lengths are compared with it before anything is read or written.
const fn area(m: usize, n: usize) -> usize {
    m.saturating_mul(n)
}

/// A line for a person; nobody may be reading it, which must not end the program.
fn warn(warning: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(format!("warning: {warning}\n").as_bytes());
}

/// Where a backward kernel puts a gradient: it overwrites what it is handed, or adds to it.
///
/// The first contribution to a gradient overwrites (nobody had to clear the buffer first), each later one adds.
pub struct Grad<'a> {
    /// The destination, of the length of the input it is the gradient of.
    pub data: &'a mut [f32],
    /// `true`: add to what is there. `false`: `data` holds garbage, and every element must be written.
    pub accumulate: bool,
}

impl<'a> Grad<'a> {
    /// The destination for a kernel that only knows how to add: cleared first if nothing was in it yet.
    pub fn add(self) -> &'a mut [f32] {
        if !self.accumulate {
            self.data.fill(0.0);
        }
        self.data
    }
}
