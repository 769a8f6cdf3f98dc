//! The block product in plain Rust, the judge of the others; LLVM turns it into NEON on 64-bit ARM.

use super::micro::{Block, Kernel, Start};

pub(super) static KERNEL: Kernel = Kernel::new(8, 8, block, pack_transposed);

unsafe fn block(t: &Block) {
    let mut i = 0;
    while i < t.rows {
        // SAFETY: rows i.. of the block, of which there are as many as asked for.
        unsafe {
            if t.rows - i == 8 && t.cols == 8 {
                rows::<8>(t, i);
                i += 8;
            } else if t.rows - i >= 4 && t.cols == 8 {
                rows::<4>(t, i);
                i += 4;
            } else {
                row(t, i);
                i += 1;
            }
        }
    }
}

/// `R` full rows of 8 columns from row `i` on, with all sums in local variables.
#[inline(always)]
unsafe fn rows<const R: usize>(t: &Block, i: usize) {
    let mut sums = [[0.0f32; 8]; R];
    // SAFETY: the caller of `block` promised that all of this is there.
    unsafe {
        let c = t.c.add(i * t.c_row);
        for r in 0..R {
            match t.start {
                Start::Zero => (),
                Start::Load => sums[r] = *c.add(r * t.c_row).cast::<[f32; 8]>(),
                Start::Row(bias) => sums[r] = *bias.cast::<[f32; 8]>(),
            }
        }
        let a = t.a.add(i * t.a_row);
        for p in 0..t.k {
            let b = *t.b.add(p * t.b_k).cast::<[f32; 8]>();
            for r in 0..R {
                let x = *a.add(r * t.a_row + p * t.a_k);
                for j in 0..8 {
                    sums[r][j] = x.mul_add(b[j], sums[r][j]);
                }
            }
        }
        for r in 0..R {
            *c.add(r * t.c_row).cast::<[f32; 8]>() = sums[r];
        }
    }
}

/// Row `i`, of any width.
unsafe fn row(t: &Block, i: usize) {
    // SAFETY: the caller of `block` promised that all of this is there.
    unsafe {
        let c = std::slice::from_raw_parts_mut(t.c.add(i * t.c_row), t.cols);
        match t.start {
            Start::Zero => c.fill(0.0),
            Start::Load => (),
            Start::Row(bias) => c.copy_from_slice(std::slice::from_raw_parts(bias, t.cols)),
        }
        for p in 0..t.k {
            let x = *t.a.add(i * t.a_row + p * t.a_k);
            let b = std::slice::from_raw_parts(t.b.add(p * t.b_k), t.cols);
            for (c, b) in c.iter_mut().zip(b) {
                *c = x.mul_add(*b, *c);
            }
        }
    }
}

unsafe fn pack_transposed(src: *const f32, stride: usize, k: usize, cols: usize, dst: *mut f32) {
    for p in 0..k {
        for j in 0..8 {
            // SAFETY: the caller promised j < cols of the source and k·8 of the destination.
            unsafe { *dst.add(p * 8 + j) = if j < cols { *src.add(j * stride + p) } else { 0.0 } };
        }
    }
}
