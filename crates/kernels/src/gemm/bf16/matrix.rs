//! Factors of products in bf16.

use crate::bf16::Bf16;

/// A factor of a product, rounded already or not.
#[derive(Clone, Copy, Debug)]
pub enum Matrix<'a> {
    /// To be rounded.
    F32(&'a [f32]),
    /// As it is.
    Bf16(&'a [Bf16]),
    /// As it is, a left factor only: rows so far apart, with zeros between them. If that is a multiple of 32, they are
    /// read where they lie.
    Padded(&'a [Bf16], usize),
}

impl Matrix<'_> {
    /// How many elements there are, if it has so many rows and columns. Panics if padded rows do not have them.
    #[track_caller]
    pub(super) fn len(&self, rows: usize, cols: usize) -> usize {
        match self {
            Matrix::F32(x) => x.len(),
            Matrix::Bf16(x) => x.len(),
            Matrix::Padded(x, row) => {
                let len = x.len();
                assert!(
                    *row >= cols && len == rows * row,
                    "{rows} rows of {cols}, {row} apart, are not {len} elements"
                );
                rows * cols
            }
        }
    }

    /// From one row of `cols` elements to the next.
    pub(super) fn row(&self, cols: usize) -> usize {
        if let Matrix::Padded(_, row) = self { *row } else { cols }
    }
}

impl<'a> From<&'a [f32]> for Matrix<'a> {
    fn from(x: &'a [f32]) -> Matrix<'a> {
        Matrix::F32(x)
    }
}

impl<'a> From<&'a [Bf16]> for Matrix<'a> {
    fn from(x: &'a [Bf16]) -> Matrix<'a> {
        Matrix::Bf16(x)
    }
}
