//! The innermost product: a small block of C that stays in registers while k runs.
//!
//! A [`Kernel`] is the block product of one instruction set with the packing of what it reads. The drivers of [`super`]
//! are written once over it; attention uses it for its own small products. A product S = Q·Kᵀ of some rows goes
//! through the columns of S by [`Kernel::cols`], packs each panel with [`Kernel::pack_transposed`] (once for all rows),
//! and through the rows by [`Kernel::rows`], calling [`Kernel::block`] with `b_k` = [`Kernel::cols`]. For O = P·V the
//! rows of V already are what a panel is: `b` points at column j of V and `b_k` is the distance between its rows.
//! A transposed product Pᵀ·dO only swaps `a_row` and `a_k`. Longer sums continue with [`Start::Load`].

/// What the chain of each element of a block starts from; `Row` points at the bias of the block's first column.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    Zero,
    /// From what C holds.
    Load,
    /// From this row, the same for each row of C.
    Row(*const f32),
}

/// C (rows×cols) = start + A (rows×k) · B (k×cols), all by pointers and strides counted in elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// Element (i, p) is at `a + i·a_row + p·a_k`.
    pub a: *const f32,
    pub a_row: usize,
    pub a_k: usize,
    /// Element (p, j) is at `b + p·b_k + j`: a packed panel (`b_k` = [`Kernel::cols`]) or rows of a matrix.
    pub b: *const f32,
    pub b_k: usize,
    pub k: usize,
    /// Element (i, j) is at `c + i·c_row + j`.
    pub c: *mut f32,
    pub c_row: usize,
    /// At most [`Kernel::rows`]; fewer are as exact, only less efficient.
    pub rows: usize,
    /// At most [`Kernel::cols`]. Nothing right of them is read or written, neither of B nor of C.
    pub cols: usize,
    pub start: Start,
}

/// The block product of one instruction set, and the packing that suits it.
pub(crate) struct Kernel {
    /// The most rows of a block.
    pub rows: usize,
    /// The most columns of a block, and the width of a packed panel of B.
    pub cols: usize,
    block: BlockFn,
    pack_transposed: PackFn,
}

type BlockFn = unsafe fn(&Block);
type PackFn = unsafe fn(*const f32, usize, usize, usize, *mut f32);

impl Kernel {
    pub(super) const fn new(rows: usize, cols: usize, block: BlockFn, pack_transposed: PackFn) -> Kernel {
        Kernel { rows, cols, block, pack_transposed }
    }

    /// Computes one block: for each element one chain of fused multiply-adds, p = 0, 1, …, k − 1.
    ///
    /// # Safety
    /// All elements that the block's fields describe must be readable, those of C writable and by nobody else in use.
    #[inline]
    pub(crate) unsafe fn block(&self, block: &Block) {
        debug_assert!(block.rows <= self.rows && block.cols <= self.cols);
        // SAFETY: the caller's promise; the machine has the instructions, or `current` would not have named us.
        unsafe { (self.block)(block) }
    }

    /// Packs a panel of B out of B stored transposed: `dst[p·cols() + j] = src[j·stride + p]` for p < k, j < cols;
    /// the columns from `cols` to the panel's width are filled with zeros.
    ///
    /// # Safety
    /// The elements of `src` that the formula names must be readable, and `k·self.cols` elements of `dst` writable.
    #[inline]
    pub(crate) unsafe fn pack_transposed(&self, src: *const f32, stride: usize, k: usize, cols: usize, dst: *mut f32) {
        debug_assert!(cols <= self.cols);
        // SAFETY: the caller's promise; see `block` for the instructions.
        unsafe { (self.pack_transposed)(src, stride, k, cols, dst) }
    }
}

/// Asks for the cache lines of `len` elements from `p` on, wherever that is.
#[inline(always)]
pub(crate) fn prefetch<T>(p: *const T, len: usize) {
    prefetch_to::<3, T>(p, len);
}

/// The same for the second-level cache: what is read later, and is too much for the first.
#[inline(always)]
pub(super) fn prefetch_far<T>(p: *const T, len: usize) {
    prefetch_to::<2, T>(p, len);
}

/// `HINT` as the processor numbers its caches: `_MM_HINT_T0` is 3, `_MM_HINT_T1` is 2.
#[inline(always)]
fn prefetch_to<const HINT: i32, T>(p: *const T, len: usize) {
    #[cfg(target_arch = "x86_64")]
    for i in (0..len).step_by(64 / size_of::<T>()) {
        // SAFETY: a prefetch of any address does nothing but bring a line into the cache, if there is one.
        unsafe { std::arch::x86_64::_mm_prefetch::<HINT>(p.wrapping_add(i).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (p, len);
}
