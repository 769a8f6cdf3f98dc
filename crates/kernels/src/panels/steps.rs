//! The weights of a matrix in memory, panel by panel.

use crate::buffer::AlignedBuf;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// Outputs of a panel.
pub const PANEL: usize = 32;
/// Some weights of a panel, as they are stored.
///
/// # Safety
/// An array of numbers: no padding, any bits are a value, at most 64 bytes of alignment.
pub(super) unsafe trait Stored: Copy + Send + Sync {}

/// The steps of one panel after the other.
pub(super) struct Steps<S> {
    memory: AlignedBuf,
    _step: PhantomData<S>,
}

impl<S: Stored> Steps<S> {
    pub(super) fn zeroed(len: usize) -> Steps<S> {
        Steps { memory: AlignedBuf::zeroed(len * size_of::<S>() / size_of::<f32>()), _step: PhantomData }
    }
}

impl<S: Stored> Deref for Steps<S> {
    type Target = [S];
    fn deref(&self) -> &[S] {
        let len = size_of_val(&self.memory[..]) / size_of::<S>();
        // SAFETY: what is stored may have any bits, and 64 bytes of alignment are what the memory has.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().cast(), len) }
    }
}

impl<S: Stored> DerefMut for Steps<S> {
    fn deref_mut(&mut self) -> &mut [S] {
        let len = size_of_val(&self.memory[..]) / size_of::<S>();
        // SAFETY: as above; `&mut self` makes the access unique.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_mut_ptr().cast(), len) }
    }
}
