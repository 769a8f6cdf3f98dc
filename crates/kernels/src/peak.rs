//! What a core computes at most: multiply-adds between registers, with nothing to load. Products are measured against it.

use crate::isa::{Isa, isa, vectorise};
use crate::parallel;
use std::hint::black_box;

/// What the lanes of a chain hold.
type Lanes = [f32; 16];

vectorise! {
    /// `rounds` times x ← a·x + a in each of J chains, that do not wait for each other.
    fn chains<const J: usize>(rounds: usize, a: &Lanes, sums: &mut [Lanes; J]) {
        // Copies, so that the compiler keeps them in registers.
        let (a, mut x) = (*a, *sums);
        for _ in 0..rounds {
            for j in 0..J {
                for l in 0..16 {
                    x[j][l] = a[l].mul_add(x[j][l], a[l]);
                }
            }
        }
        *sums = x;
    }
}

fn run<const J: usize>(rounds: usize) {
    let mut sums = black_box([[1.0; 16]; J]);
    chains::<J>(rounds, &black_box([0.5; 16]), &mut sums);
    black_box(sums);
}

/// Does nothing but fused multiply-adds in f32 between registers for about a millisecond, with the instruction set and the
/// threads of the caller, and returns how many floating-point operations that were: two each. Whoever takes the time knows
/// the peak.
///
/// Two units that take four cycles need eight vectors in flight; the registers hold more. (With 8 or 12 chains for
/// AVX-512 the compiler makes no vectors of the lanes.)
pub fn multiply_adds() -> f64 {
    let (run, chains): (fn(usize), usize) = match isa() {
        Isa::Portable | Isa::Avx2 | Isa::Neon => (run::<6>, 6),
        Isa::Avx512 | Isa::Avx512Bf16 | Isa::Amx => (run::<10>, 10),
    };
    // Without the instruction, a multiply-add is a call of some nanoseconds.
    let rounds = if isa() == Isa::Portable && cfg!(target_arch = "x86_64") { 2_000 } else { 200_000 };
    let threads = parallel::threads();
    parallel::for_each_chunk(threads, |_| run(rounds));
    2.0 * 16.0 * chains as f64 * rounds as f64 * threads as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa;

    #[test]
    fn the_chains_compute_what_they_say() {
        for isa in isa::available() {
            isa::with(isa, || {
                let (mut six, mut ten) = ([[1.0; 16]; 6], [[3.0; 16]; 10]);
                chains::<6>(2, &[0.5; 16], &mut six);
                chains::<10>(2, &[0.5; 16], &mut ten);
                // x ← x/2 + 1/2: 1 stays, 3 becomes 2, then 1.5.
                assert_eq!((six, ten), ([[1.0; 16]; 6], [[1.5; 16]; 10]));
                assert!(multiply_adds() >= 2.0 * 16.0 * 6.0 * 2_000.0);
            });
        }
    }
}
