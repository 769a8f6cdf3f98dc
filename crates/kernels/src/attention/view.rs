//! Strided rows of a buffer: what a call gets ([`View`], [`ViewMut`]), and the same checked ([`Src`], [`Dst`]), which is
//! safe to read and to write from several threads.

use crate::area;
use crate::bf16::Element;
use crate::parallel::SharedMut;
use std::ops::Range;

/// What is read: row t of sequence b, head h is `data[offset + b·batch_stride + t·row_stride + h·D ..][..D]`.
///
/// So q, k and v may live in one packed (B, T, (H + 2G)·D) buffer, or in a key-value cache longer than Tk.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T = f32> {
    /// The buffer.
    pub data: &'a [T],
    /// Where row 0 of sequence 0, head 0 starts.
    pub offset: usize,
    /// From one row to the next.
    pub row_stride: usize,
    /// From one sequence to the next.
    pub batch_stride: usize,
}

/// What is written; laid out as [`View`] is. Rows must not overlap.
#[derive(Debug)]
pub struct ViewMut<'a, T = f32> {
    /// The buffer.
    pub data: &'a mut [T],
    /// Where row 0 of sequence 0, head 0 starts.
    pub offset: usize,
    /// From one row to the next.
    pub row_stride: usize,
    /// From one sequence to the next.
    pub batch_stride: usize,
}

impl<'a, T> View<'a, T> {
    /// A dense (B, T, width) buffer: `width` = heads · D.
    pub fn dense(data: &'a [T], rows: usize, width: usize) -> View<'a, T> {
        View { data, offset: 0, row_stride: width, batch_stride: rows * width }
    }
}

impl<'a, T> ViewMut<'a, T> {
    /// A dense (B, T, width) buffer: `width` = heads · D.
    pub fn dense(data: &'a mut [T], rows: usize, width: usize) -> ViewMut<'a, T> {
        ViewMut { data, offset: 0, row_stride: width, batch_stride: rows * width }
    }
}

/// What a view must hold: `rows` rows of `heads` heads of D numbers in each of `batch` sequences.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub batch: usize,
    pub rows: usize,
    pub heads: usize,
    pub head_dim: usize,
}

/// Where the rows of a view lie.
#[derive(Clone, Copy)]
struct Layout {
    offset: usize,
    row_stride: usize,
    batch_stride: usize,
    batch: usize,
    rows: usize,
    /// Of a row: heads · D.
    width: usize,
    head_dim: usize,
}

impl Layout {
    fn new(size: Size, offset: usize, row_stride: usize, batch_stride: usize) -> Layout {
        let Size { batch, rows, heads, head_dim } = size;
        Layout { offset, row_stride, batch_stride, batch, rows, width: area(heads, head_dim), head_dim }
    }

    fn is_empty(&self) -> bool {
        self.batch == 0 || self.rows == 0 || self.width == 0
    }

    /// Where the last row ends; `None` if that is more than a `usize` holds.
    fn end(&self) -> Option<usize> {
        let last = (self.batch - 1).checked_mul(self.batch_stride)?;
        let last = last.checked_add((self.rows - 1).checked_mul(self.row_stride)?)?;
        last.checked_add(self.width)?.checked_add(self.offset)
    }

    /// Panics unless all rows lie inside a buffer of `len` elements.
    #[track_caller]
    fn check(&self, call: &str, what: &str, len: usize) {
        if self.is_empty() {
            return;
        }
        let Layout { offset, row_stride, batch_stride, batch, rows, width, .. } = *self;
        let end = self.end();
        assert!(
            end.is_some_and(|end| end <= len),
            "{call}: {what} has {len} elements; ({batch}, {rows}, {width}) at offset {offset} with strides \
             {batch_stride}, {row_stride} needs {}",
            end.map_or("more than memory holds".to_string(), |end| end.to_string())
        );
    }

    /// Panics if an element belongs to two rows: rows must lie inside sequences, or sequences inside rows.
    #[track_caller]
    fn check_disjoint(&self, call: &str, what: &str) {
        let Layout { row_stride, batch_stride, batch, rows, width, .. } = *self;
        let nested = |inner: usize, inner_stride: usize, outer: usize, outer_stride: usize| {
            let span = if inner > 1 { (inner - 1) * inner_stride + width } else { width };
            (inner <= 1 || inner_stride >= width) && (outer <= 1 || outer_stride >= span)
        };
        assert!(
            self.is_empty()
                || nested(rows, row_stride, batch, batch_stride)
                || nested(batch, batch_stride, rows, row_stride),
            "{call}: rows of {what} overlap (strides {batch_stride}, {row_stride})"
        );
    }

    /// Where row t of sequence b, head h starts.
    #[inline(always)]
    fn start(&self, b: usize, t: usize, h: usize) -> usize {
        self.offset + b * self.batch_stride + t * self.row_stride + h * self.head_dim
    }

    /// Asks for those of `rows` that there are, of a head, before they are needed: rows of a head lie far apart, and the
    /// hardware does not foresee them.
    #[inline(always)]
    fn prefetch<T>(&self, data: *const T, (b, h): (usize, usize), rows: Range<usize>) {
        for t in rows.start..rows.end.min(self.rows) {
            for line in (0..self.head_dim).step_by(64 / size_of::<T>()) {
                let at = data.wrapping_add(self.start(b, t, h) + line);
                // SAFETY: a prefetch never faults.
                #[cfg(target_arch = "x86_64")]
                unsafe {
                    use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
                    _mm_prefetch::<_MM_HINT_T1>(at.cast());
                }
                #[cfg(not(target_arch = "x86_64"))]
                let _ = at;
            }
        }
    }
}

/// A checked [`View`].
#[derive(Clone, Copy)]
pub(super) struct Src<'a, T = f32> {
    data: &'a [T],
    layout: Layout,
}

impl<'a, T: Element> Src<'a, T> {
    #[track_caller]
    pub fn new(call: &str, what: &str, view: View<'a, T>, size: Size) -> Src<'a, T> {
        let layout = Layout::new(size, view.offset, view.row_stride, view.batch_stride);
        layout.check(call, what, view.data.len());
        Src { data: view.data, layout }
    }

    /// Row t of sequence b, head h.
    #[inline(always)]
    pub fn row(&self, b: usize, t: usize, h: usize) -> &'a [T] {
        &self.tail(b, t, h)[..self.layout.head_dim]
    }

    /// The buffer from row t of sequence b, head h on; further rows of the head follow at [`Src::stride`].
    #[inline(always)]
    pub fn tail(&self, b: usize, t: usize, h: usize) -> &'a [T] {
        &self.data[self.layout.start(b, t, h)..]
    }

    /// From one row to the next.
    pub fn stride(&self) -> usize {
        self.layout.row_stride
    }

    /// Asks for rows of sequence b, head h before they are needed.
    pub fn prefetch(&self, at: (usize, usize), rows: Range<usize>) {
        self.layout.prefetch(self.data.as_ptr(), at, rows);
    }
}

/// A checked [`ViewMut`], whose rows different threads may write.
pub(super) struct Dst<'a, T = f32> {
    data: SharedMut<'a, T>,
    layout: Layout,
    /// Add to what is there.
    pub accumulate: bool,
}

impl<'a, T: Element> Dst<'a, T> {
    #[track_caller]
    pub fn new(call: &str, what: &str, view: ViewMut<'a, T>, size: Size, accumulate: bool) -> Dst<'a, T> {
        let layout = Layout::new(size, view.offset, view.row_stride, view.batch_stride);
        layout.check(call, what, view.data.len());
        layout.check_disjoint(call, what);
        Dst { data: SharedMut::new(view.data), layout, accumulate }
    }

    /// Three parts (name, offset, size) of the rows of one buffer.
    #[track_caller]
    pub fn packed(
        call: &str,
        view: ViewMut<'a, T>,
        parts: [(&str, usize, Size); 3],
        accumulate: bool,
    ) -> [Dst<'a, T>; 3] {
        let layouts = parts.map(|(_, offset, size)| Layout::new(size, offset, view.row_stride, view.batch_stride));
        let mut order = [0, 1, 2];
        order.sort_by_key(|n| parts[*n].1);
        for pair in order.windows(2) {
            let (first, second) = (pair[0], pair[1]);
            let end = layouts[first].offset.saturating_add(layouts[first].width);
            assert!(end <= layouts[second].offset, "{call}: {} and {} overlap", parts[first].0, parts[second].0);
        }
        // The three parts with what lies between them are one wide row: those rows must be apart, too.
        let (first, last) = (layouts[order[0]], layouts[order[2]]);
        let whole = Layout { width: last.offset.saturating_add(last.width) - first.offset, ..first };
        whole.check(call, "packed gradient", view.data.len());
        whole.check_disjoint(call, "the packed gradient");
        let data = SharedMut::new(view.data);
        layouts.map(|layout| Dst { data, layout, accumulate })
    }

    /// Row t of sequence b, head h.
    ///
    /// # Safety
    /// b, t and h are inside the shape that was checked, and nobody else holds this row.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn row(&self, b: usize, t: usize, h: usize) -> &mut [T] {
        // SAFETY: rows are apart from each other, which was checked; this one is the caller's alone.
        unsafe { self.data.slice(self.layout.start(b, t, h), self.layout.head_dim) }
    }

    /// As [`Src::prefetch`], of rows that will be written.
    pub fn prefetch(&self, at: (usize, usize), rows: Range<usize>) {
        self.layout.prefetch(self.data.as_ptr().cast_const(), at, rows);
    }
}
