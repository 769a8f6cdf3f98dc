//! The block product with AMX: eight registers that are tiles, each 16 rows of 64 bytes.
//!
//! `tdpbf16ps C, A, B` adds to a tile of 16×16 f32 the product of 16 rows × 16 pairs by 16 pairs × 16 columns: 8,192
//! multiply-adds in 16 cycles, where `vdpbf16ps` needs 256 instructions. Four tiles hold a block of C of 32×32, two hold
//! half a block row of A each, two a half of B's panel.
//!
//! What bounds it, by Intel's figures: a step over 16 pairs loads four tiles, 4 KiB, for four products of 16 cycles. From
//! the first-level cache (two rows a cycle) the loads take half the time of the products beside which they run; from the
//! second-level cache (at best a row a cycle) at least all of it. So the panel of B should stay in the first, and A come
//! from no further than the second. No shape that fits eight tiles loads less than one tile for a product: 3×2 tiles of
//! C, with one tile left for each of A and B, would load seven for six, 4×1 five for four.
//!
//! The intrinsics are not stable in Rust yet, hence `asm!`. Of the tile registers rustc only knows that they may be
//! clobbered, so that whatever must stay in them stands in one `asm!`.

#[cfg(target_os = "linux")]
#[cfg(test)]
mod emulator;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests;

use super::avx512;
use super::unit::{Block, COLS, Held, PAIRS, Unit};
use crate::gemm::micro::Start;
use std::arch::asm;
use std::marker::PhantomData;

/// All machines with AMX have AVX-512-BF16, which packs.
pub(super) static UNIT: Unit = Unit { rows: ROWS, hold, block, ..avx512::UNIT };

/// Rows of a block.
const ROWS: usize = 32;

/// Rows of a tile.
const TILE: usize = 16;

/// What `ldtilecfg` reads: the shapes of the tiles.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    /// Bytes of a row.
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// All eight tiles as large as they can be.
static WHOLE: Shapes = {
    let mut shapes = Shapes { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
    let mut tile = 0;
    while tile < 8 {
        shapes.row_bytes[tile] = 64;
        shapes.rows[tile] = TILE as u8;
        tile += 1;
    }
    shapes
};

/// Shapes the tiles of this thread for [`block`], as long as the result lives.
///
/// Giving tiles back matters: as long as they hold something, the system saves 8 KiB whenever it takes the thread off
/// its core, and the core cannot sleep deeply. Taking and giving back cost some 80 ns, so hold them for a chunk of
/// blocks, not for each. A second one on the same thread would end the first.
///
/// # Safety
/// The machine must run [`crate::isa::Isa::Amx`].
unsafe fn hold() -> Held {
    // SAFETY: the instruction is there by the caller's promise; it reads 64 bytes and clears the tiles.
    unsafe {
        asm!(
            "ldtilecfg [{}]", in(reg) &raw const WHOLE,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack, preserves_flags, readonly),
        );
    }
    Held { give_back: Some(give_back), of_this_thread: PhantomData }
}

/// # Safety
/// As [`hold`].
unsafe fn give_back() {
    // SAFETY: the caller's promise; nobody expects anything in the tiles.
    unsafe {
        asm!(
            "tilerelease",
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack, preserves_flags, nomem),
        );
    }
}

/// 32×32 elements for what tiles cannot read or write in C itself.
#[repr(align(64))]
struct Square([[f32; COLS]; ROWS]);

/// Computes a block of at most 32×32.
///
/// For each element the products of even and of odd k are summed apart over a step of 16 pairs, from zero; their sum is
/// added to what was there. Subnormal numbers count as zero.
///
/// # Safety
/// What [`Block`] says, with A readable for all 32 rows; this thread holds what [`hold`] gives.
unsafe fn block(t: &Block) {
    debug_assert!(t.rows <= ROWS && t.cols <= COLS);
    // SAFETY: the caller's promise.
    unsafe {
        if t.rows < ROWS || t.cols < COLS {
            return partial(t);
        }
        match t.start {
            Start::Zero => square_of_zeros(t),
            // A row that stays where it is: 32 times the same.
            Start::Row(bias) => square(t, bias, 0, t.c, t.c_row),
            Start::Load => square(t, t.c.cast_const(), t.c_row, t.c, t.c_row),
        }
    }
}

/// A block with fewer rows or columns, by way of a whole one.
///
/// # Safety
/// As [`block`].
#[inline(never)]
unsafe fn partial(t: &Block) {
    let mut whole = Square([[0.0; COLS]; ROWS]);
    for (i, row) in whole.0.iter_mut().enumerate().take(t.rows) {
        let from = match t.start {
            Start::Zero => continue,
            Start::Row(bias) => bias,
            Start::Load => t.c.wrapping_add(i * t.c_row).cast_const(),
        };
        // SAFETY: the caller promised `cols` elements of the bias and of each row of C.
        row[..t.cols].copy_from_slice(unsafe { std::slice::from_raw_parts(from, t.cols) });
    }
    let start = whole.0.as_mut_ptr().cast::<f32>();
    // SAFETY: the caller's promise for A and B; all 32×32 of the rest are in `whole`.
    unsafe { square(t, start, COLS, start, COLS) };
    for (i, row) in whole.0.iter().enumerate().take(t.rows) {
        // SAFETY: the caller promised `cols` elements of each row of C.
        unsafe { t.c.add(i * t.c_row).copy_from_nonoverlapping(row.as_ptr(), t.cols) };
    }
}

/// The product of 32×32 that the instructions `$start` begin; the operands `$from` are theirs.
macro_rules! square {
    ($t:expr, $c:expr, $c_row:expr, [$($start:literal)+], [$($from:tt)*]) => {{
        let (t, c, c_row): (&Block, *mut f32, usize) = ($t, $c, $c_row);
        asm!(
            // C: tmm0 tmm1    A: tmm4    B: tmm6 tmm7
            //    tmm2 tmm3       tmm5
            $($start,)+
            "test {steps}, {steps}",
            "jz 3f",
            "2:",
            "tileloadd tmm4, [{a} + {a_row}*1]",
            "tileloadd tmm6, [{b} + {b_row}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b} + {b_row}*1 + 64]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a_below} + {a_row}*1]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a}, 64",
            "add {a_below}, 64",
            "add {b}, 2048",
            "dec {steps}",
            "jnz 2b",
            "3:",
            "tilestored [{c} + {c_row}*1], tmm0",
            "tilestored [{c} + {c_row}*1 + 64], tmm1",
            "tilestored [{c_below} + {c_row}*1], tmm2",
            "tilestored [{c_below} + {c_row}*1 + 64], tmm3",
            // Strides count bytes here.
            $($from)*
            steps = inout(reg) t.pairs.div_ceil(PAIRS) => _,
            a = inout(reg) t.a => _,
            a_below = inout(reg) t.a.wrapping_add(TILE * t.a_row) => _,
            a_row = in(reg) 4 * t.a_row,
            b = inout(reg) t.b => _,
            b_row = in(reg) 4 * COLS,
            c = in(reg) c,
            c_below = in(reg) c.wrapping_add(TILE * c_row),
            c_row = in(reg) 4 * c_row,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    }};
}

/// C (32×32) = start + A·B; rows of start are `from_row` apart, rows of C `c_row`.
///
/// # Safety
/// As [`block`], with 32×32 elements at `from` and at `c`.
#[inline(always)]
unsafe fn square(t: &Block, from: *const f32, from_row: usize, c: *mut f32, c_row: usize) {
    // SAFETY: the tiles have the shapes of `WHOLE`, so that the loads and stores touch 16 rows of 16 elements each: of
    // `from` and C what the caller promised, of A 32 rows and of B 32 columns, both up to a multiple of 16 pairs.
    unsafe {
        square!(
            t, c, c_row,
            [
                "tileloadd tmm0, [{from} + {from_row}*1]"
                "tileloadd tmm1, [{from} + {from_row}*1 + 64]"
                "tileloadd tmm2, [{from_below} + {from_row}*1]"
                "tileloadd tmm3, [{from_below} + {from_row}*1 + 64]"
            ],
            [
                from = in(reg) from,
                from_below = in(reg) from.wrapping_add(TILE * from_row),
                from_row = in(reg) 4 * from_row,
            ]
        );
    }
}

/// C (32×32) = A·B.
///
/// # Safety
/// As [`block`].
#[inline(always)]
unsafe fn square_of_zeros(t: &Block) {
    // SAFETY: as in `square`.
    unsafe {
        square!(t, t.c, t.c_row, ["tilezero tmm0" "tilezero tmm1" "tilezero tmm2" "tilezero tmm3"], []);
    }
}
