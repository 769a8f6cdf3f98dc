//! Checked strided rows: what makes the views of a call safe to read and to write from several threads.

use super::{Shape, View, ViewMut};
use crate::bf16::Element;
use std::marker::PhantomData;

/// The measures of a view: `rows` rows of `width` elements in each of `batch` sequences.
#[derive(Clone, Copy)]
struct Extent {
    batch: usize,
    rows: usize,
    width: usize,
    row_stride: usize,
    batch_stride: usize,
}

impl Extent {
    fn is_empty(&self) -> bool {
        self.batch == 0 || self.rows == 0 || self.width == 0
    }

    /// Where the last row ends; `None` if that is more than a `usize` holds.
    fn end(&self, offset: usize) -> Option<usize> {
        let last = (self.batch - 1).checked_mul(self.batch_stride)?;
        let last = last.checked_add((self.rows - 1).checked_mul(self.row_stride)?)?;
        last.checked_add(self.width)?.checked_add(offset)
    }

    /// Panics unless all rows lie inside a buffer of `len` elements.
    #[track_caller]
    fn check(&self, call: &str, what: &str, offset: usize, len: usize) {
        if self.is_empty() {
            return;
        }
        let Extent { batch, rows, width, row_stride, batch_stride } = *self;
        let end = self.end(offset);
        assert!(
            end.is_some_and(|end| end <= len),
            "{call}: {what} has {len} elements; ({batch}, {rows}, {width}) at offset {offset} with strides \
             {batch_stride}, {row_stride} needs {}",
            end.map_or("more than memory holds".to_string(), |end| end.to_string())
        );
    }

    /// No element belongs to two rows: rows inside sequences, or sequences inside rows.
    fn disjoint(&self) -> bool {
        let Extent { batch, rows, width, row_stride, batch_stride } = *self;
        let nested = |inner: usize, inner_stride: usize, outer: usize, outer_stride: usize| {
            let span = if inner > 1 { (inner - 1) * inner_stride + width } else { width };
            (inner <= 1 || inner_stride >= width) && (outer <= 1 || outer_stride >= span)
        };
        self.is_empty()
            || nested(rows, row_stride, batch, batch_stride)
            || nested(batch, batch_stride, rows, row_stride)
    }
}

/// A checked [`View`].
#[derive(Clone, Copy)]
pub(super) struct Src<'a, T = f32> {
    view: View<'a, T>,
    head_dim: usize,
}

impl<'a, T: Element> Src<'a, T> {
    #[track_caller]
    pub fn new(call: &str, what: &str, view: View<'a, T>, shape: Shape, rows: usize, heads: usize) -> Src<'a, T> {
        let View { row_stride, batch_stride, .. } = view;
        let extent = Extent { batch: shape.batch, rows, width: heads * shape.head_dim, row_stride, batch_stride };
        extent.check(call, what, view.offset, view.data.len());
        Src { view, head_dim: shape.head_dim }
    }

    /// Row t of sequence b, head h.
    #[inline(always)]
    pub fn row(&self, b: usize, t: usize, h: usize) -> &'a [T] {
        let v = &self.view;
        &v.data[v.offset + b * v.batch_stride + t * v.row_stride + h * self.head_dim..][..self.head_dim]
    }
}

impl<T: Element> Src<'_, T> {
    /// Where row t of sequence b, head h starts; further rows of the sequence follow at [`Src::stride`].
    pub fn ptr(&self, b: usize, t: usize, h: usize) -> *const T {
        self.row(b, t, h).as_ptr()
    }

    /// The buffer from row t of sequence b, head h on.
    pub fn tail(&self, b: usize, t: usize, h: usize) -> &[T] {
        let v = &self.view;
        &v.data[v.offset + b * v.batch_stride + t * v.row_stride + h * self.head_dim..]
    }

    /// From one row to the next.
    pub fn stride(&self) -> usize {
        self.view.row_stride
    }
}

/// A checked [`ViewMut`], whose rows different threads may write.
pub(super) struct Dst<'a, T = f32> {
    data: *mut T,
    offset: usize,
    row_stride: usize,
    batch_stride: usize,
    head_dim: usize,
    /// Add to what is there.
    pub accumulate: bool,
    owner: PhantomData<&'a mut [T]>,
}

// SAFETY: a `Dst` only hands out rows (`row`), and its caller promises to hold each row once at a time.
unsafe impl<T: Element> Sync for Dst<'_, T> {}

impl<'a, T: Element> Dst<'a, T> {
    #[track_caller]
    pub fn new(
        call: &str,
        what: &str,
        view: ViewMut<'a, T>,
        shape: Shape,
        rows: usize,
        heads: usize,
        accumulate: bool,
    ) -> Dst<'a, T> {
        let ViewMut { data, offset, row_stride, batch_stride } = view;
        let extent = Extent { batch: shape.batch, rows, width: heads * shape.head_dim, row_stride, batch_stride };
        extent.check(call, what, offset, data.len());
        assert!(extent.disjoint(), "{call}: rows of {what} overlap (strides {batch_stride}, {row_stride})");
        let (data, head_dim) = (data.as_mut_ptr(), shape.head_dim);
        Dst { data, offset, row_stride, batch_stride, head_dim, accumulate, owner: PhantomData }
    }

    /// Three parts (name, offset, heads) of the rows of one buffer.
    #[track_caller]
    pub fn packed(
        call: &str,
        data: &'a mut [T],
        parts: [(&str, usize, usize); 3],
        shape: Shape,
        row_stride: usize,
        batch_stride: usize,
        accumulate: bool,
    ) -> [Dst<'a, T>; 3] {
        let width = |heads: usize| heads * shape.head_dim;
        let mut order = parts;
        order.sort_by_key(|p| p.1);
        for pair in order.windows(2) {
            let (first, second) = (pair[0], pair[1]);
            assert!(first.1 + width(first.2) <= second.1, "{call}: {} and {} overlap", first.0, second.0);
        }
        // The three parts with what lies between them are one wide row: those rows must be apart, too.
        let whole = Extent {
            batch: shape.batch,
            rows: shape.keys,
            width: order[2].1 + width(order[2].2) - order[0].1,
            row_stride,
            batch_stride,
        };
        whole.check(call, "packed gradient", order[0].1, data.len());
        assert!(whole.disjoint(), "{call}: rows of the packed gradient overlap (strides {batch_stride}, {row_stride})");
        let (data, head_dim) = (data.as_mut_ptr(), shape.head_dim);
        parts.map(|(_, offset, _)| Dst {
            data,
            offset,
            row_stride,
            batch_stride,
            head_dim,
            accumulate,
            owner: PhantomData,
        })
    }

    /// Row t of sequence b, head h.
    ///
    /// # Safety
    /// b, t and h are inside the shape that was checked, and nobody else holds this row.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn row(&self, b: usize, t: usize, h: usize) -> &mut [T] {
        let start = self.offset + b * self.batch_stride + t * self.row_stride + h * self.head_dim;
        // SAFETY: `new` and `packed` checked that every row of the shape is inside the buffer and apart from the others.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(start), self.head_dim) }
    }
}

impl Dst<'_> {
    /// Writes or adds one row.
    ///
    /// # Safety
    /// As [`Dst::row`].
    #[inline(always)]
    pub unsafe fn put(&self, b: usize, t: usize, h: usize, values: &[f32]) {
        // SAFETY: the caller's promise.
        let row = unsafe { self.row(b, t, h) };
        super::lanes::put(values, self.accumulate, row);
    }
}

/// Asks for rows `rows` (those below `end`) of a head before they are needed: rows of a head lie far apart, and the
/// hardware does not foresee them.
#[inline(always)]
fn prefetch<T>(first: *const T, stride: usize, width: usize, rows: std::ops::Range<usize>, end: usize) {
    for t in rows.start..rows.end.min(end) {
        for line in (0..width).step_by(64 / size_of::<T>()) {
            let at = first.wrapping_add(t * stride + line);
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

impl<T: Element> Src<'_, T> {
    /// Asks for rows of sequence b, head h (of `end` rows) before they are needed.
    pub fn prefetch(&self, (b, h): (usize, usize), rows: std::ops::Range<usize>, end: usize) {
        let v = &self.view;
        let first = v.data.as_ptr().wrapping_add(v.offset + b * v.batch_stride + h * self.head_dim);
        prefetch(first, v.row_stride, self.head_dim, rows, end);
    }
}

impl<T: Element> Dst<'_, T> {
    /// As [`Src::prefetch`], of rows that will be written.
    pub fn prefetch(&self, (b, h): (usize, usize), rows: std::ops::Range<usize>, end: usize) {
        let first = self.data.wrapping_add(self.offset + b * self.batch_stride + h * self.head_dim);
        prefetch(first.cast_const(), self.row_stride, self.head_dim, rows, end);
    }
}

/// A dense slice that several threads write, each its own part.
pub(super) struct Shared<'a>(*mut f32, usize, PhantomData<&'a mut [f32]>);

// SAFETY: `part`'s caller promises disjoint parts.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub fn new(data: &'a mut [f32]) -> Shared<'a> {
        Shared(data.as_mut_ptr(), data.len(), PhantomData)
    }

    /// Elements `start .. start + len`.
    ///
    /// # Safety
    /// Nobody else holds any of them.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn part(&self, start: usize, len: usize) -> &mut [f32] {
        assert!(start + len <= self.1);
        // SAFETY: inside the slice, and the caller's alone.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }
}
