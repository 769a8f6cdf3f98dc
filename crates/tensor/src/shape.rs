//! Shapes: up to four axes, row-major, the last axis contiguous.

use std::fmt;
use std::ops::Deref;

/// The lengths of a tensor's axes; rank 0 (one element) to 4.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    dims: [usize; 4],
    rank: u8,
}

impl Shape {
    /// The number of elements.
    pub fn count(&self) -> usize {
        self.iter().product()
    }

    /// The length of the last axis; 1 for rank 0.
    pub fn last_axis(&self) -> usize {
        self.last().copied().unwrap_or(1)
    }

    /// How many rows of `last_axis` elements there are.
    pub fn rows(&self) -> usize {
        self.iter().rev().skip(1).product()
    }

    /// The same shape with another last axis.
    #[track_caller]
    pub fn with_last_axis(&self, len: usize) -> Shape {
        assert!(self.rank > 0, "a tensor of rank 0 has no last axis");
        let mut shape = *self;
        shape.dims[shape.rank as usize - 1] = len;
        Shape::from(&shape[..])
    }
}

impl From<&[usize]> for Shape {
    /// Panics if there are more axes than four, or more elements than a `usize` counts: every product of axes fits.
    #[track_caller]
    fn from(axes: &[usize]) -> Shape {
        assert!(axes.len() <= 4, "a tensor has at most 4 axes, not {}: {axes:?}", axes.len());
        let count = axes.iter().try_fold(1usize, |n, axis| n.checked_mul((*axis).max(1)));
        assert!(count.is_some(), "a tensor of shape {axes:?} has more elements than can be counted");
        let mut dims = [1; 4];
        dims[..axes.len()].copy_from_slice(axes);
        Shape { dims, rank: axes.len() as u8 }
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    #[track_caller]
    fn from(axes: [usize; N]) -> Shape {
        Shape::from(&axes[..])
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.dims[..self.rank as usize]
    }
}

/// As in a paper: `(8, 256, 32)`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axes: Vec<String> = self.iter().map(usize::to_string).collect();
        write!(f, "({})", axes.join(", "))
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "more elements than can be counted")]
    fn a_count_that_wraps_around_is_refused() {
        let _ = Shape::from([4, 1 << (usize::BITS - 2)]);
    }

    #[test]
    #[should_panic(expected = "more elements than can be counted")]
    fn also_where_an_axis_is_empty() {
        let _ = Shape::from([0, 1 << (usize::BITS - 2), 4]);
    }
}
