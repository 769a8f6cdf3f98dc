//! The one product of attention in bf16: a few rows of A by panels of B, both of pairs, sums in f32.

use crate::isa;

/// Columns of a panel of B, and of a block of C.
pub(super) const COLS: usize = 32;

/// C (rows×cols) = A·B, or C += A·B, over `pairs` pairs.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    /// Pair p of row i is at `i·a_row + p·a_pair`.
    pub a: &'a [u32],
    pub a_row: usize,
    pub a_pair: usize,
    /// Pair p of column j is at `32·p + j`.
    pub b: &'a [u32],
    pub pairs: usize,
    /// From one row of C to the next.
    pub c_row: usize,
    /// Adds to C.
    pub accumulate: bool,
}

impl Product<'_> {
    /// Computes `rows` rows of 32 columns or, `half`, of 16.
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn run(&self, rows: usize, half: bool, c: &mut [f32]) {
        if rows == 0 {
            return;
        }
        let cols = if half { COLS / 2 } else { COLS };
        assert!((rows - 1) * self.c_row + cols <= c.len());
        if self.pairs > 0 {
            assert!((rows - 1) * self.a_row + (self.pairs - 1) * self.a_pair < self.a.len());
            assert!((self.pairs - 1) * COLS + cols <= self.b.len());
        }
        match isa::isa() {
            // AMX has tiles of 16 rows by 16 pairs: heads of 32 fill them, but P and dS, which change lanes between the
            // products, do not come in their layout. So it is vectors there, too.
            #[cfg(target_arch = "x86_64")]
            isa::Isa::Avx512Bf16 | isa::Isa::Amx => {
                // SAFETY: the lengths were checked, and the machine has the instructions.
                unsafe { super::x86::product(self, rows, half, c.as_mut_ptr()) }
            }
            _ => self.portable(rows, cols, c),
        }
    }

    /// Plain Rust: the judge of the instructions, and what runs where there are none.
    fn portable(&self, rows: usize, cols: usize, c: &mut [f32]) {
        for i in 0..rows {
            let c = &mut c[i * self.c_row..][..cols];
            if !self.accumulate {
                c.fill(0.0);
            }
            for p in 0..self.pairs {
                let (x0, x1) = halves(self.a[i * self.a_row + p * self.a_pair]);
                for (c, b) in c.iter_mut().zip(&self.b[p * COLS..]) {
                    let (b0, b1) = halves(*b);
                    *c = x0.mul_add(b0, x1.mul_add(b1, *c));
                }
            }
        }
    }
}

/// The two numbers of a pair.
#[inline(always)]
fn halves(pair: u32) -> (f32, f32) {
    (f32::from_bits(pair << 16), f32::from_bits(pair & 0xffff_0000))
}
