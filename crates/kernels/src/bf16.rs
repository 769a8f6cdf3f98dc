//! bf16: the upper half of an f32. It is how a product computes, and how what stands between two products is kept.
//!
//! Weights, the residual stream and sums stay f32 in memory. A product in bf16 rounds its operands to 8 significant
//! bits, multiplies them exactly and sums in f32, which the instructions of [`Isa::Avx512Bf16`] and [`Isa::Amx`] do at
//! two and many times the rate of f32. Both take *pairs*: one `u32` holds two neighbours along k, the first in its lower
//! half. What one product leaves for the next alone is stored as [`Bf16`]: it would be rounded there anyway.

#[cfg(doc)]
use crate::isa::Isa;
use crate::isa::vectorise;
use crate::{map, parallel};

/// How a product computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// In f32: the same bits on every machine.
    #[default]
    F32,
    /// Operands rounded to bf16, sums in f32: the same bits for any number of threads on one kind of processor.
    Bf16,
}

impl Precision {
    /// Both, with their names in configurations.
    pub const ALL: [(Precision, &'static str); 2] = [(Precision::F32, "f32"), (Precision::Bf16, "bf16")];
}

// Rows of numbers are rows of pairs only where the lower half of a pair comes first in memory.
const _: () = assert!(cfg!(target_endian = "little"), "big-endian processors are not supported");

/// A number in bf16, as memory holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Bf16(pub u16);

/// What a matrix consists of.
pub trait Element: Copy + Default + Send + Sync + 'static {
    /// The number.
    fn get(self) -> f32;
    /// The nearest element to a number.
    fn of(x: f32) -> Self;
}

impl Element for f32 {
    #[inline(always)]
    fn get(self) -> f32 {
        self
    }
    #[inline(always)]
    fn of(x: f32) -> f32 {
        x
    }
}

impl Element for Bf16 {
    #[inline(always)]
    fn get(self) -> f32 {
        to_f32(self.0)
    }
    /// In two operations where [`from_f32`] has seven: ties go away from 0, and of NaNs those stay that arithmetic makes.
    #[inline(always)]
    fn of(x: f32) -> Bf16 {
        Bf16((x.to_bits().wrapping_add(0x8000) >> 16) as u16)
    }
}

/// Memory for f32 as memory for twice as many numbers in bf16.
pub fn halves(memory: &[f32]) -> &[Bf16] {
    // SAFETY: a `Bf16` is two bytes of any value, of which an f32 has two, and its alignment is smaller.
    unsafe { std::slice::from_raw_parts(memory.as_ptr().cast(), 2 * memory.len()) }
}

/// The same, to be written.
pub fn halves_mut(memory: &mut [f32]) -> &mut [Bf16] {
    // SAFETY: as in `halves`; any bits are an f32, too.
    unsafe { std::slice::from_raw_parts_mut(memory.as_mut_ptr().cast(), 2 * memory.len()) }
}

/// The nearest bf16, ties to even; a NaN stays one.
#[inline(always)]
pub fn from_f32(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let quiet = bits >> 16 | 0x40;
    (if x.is_nan() { quiet } else { rounded }) as u16
}

/// The same number as f32.
#[inline(always)]
pub fn to_f32(x: u16) -> f32 {
    f32::from_bits(u32::from(x) << 16)
}

/// x rounded to bf16.
#[inline(always)]
pub fn round(x: f32) -> f32 {
    to_f32(from_f32(x))
}

vectorise! {
    fn convert<T: Element, U: Element>(x: &[T], y: &mut [U]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = U::of(x.get());
        }
    }
}

/// y = x in another type.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn copy<T: Element, U: Element>(x: &[T], y: &mut [U]) {
    map::same_length("copy", y.len(), &[x.len()]);
    parallel::chunks_mut(y, map::CHUNK, |i, y| convert(&x[i * map::CHUNK..][..y.len()], y));
}

/// Two neighbours along k as one pair.
#[inline(always)]
pub fn pair(first: f32, second: f32) -> u32 {
    u32::from(from_f32(first)) | u32::from(from_f32(second)) << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_the_nearest_and_ties_to_even() {
        for (x, bits) in [
            (1.0, 0x3f80),
            (-2.0, 0xc000),
            (f32::from_bits(0x3f80_8000), 0x3f80), // half way: down to even
            (f32::from_bits(0x3f81_8000), 0x3f82), // half way: up to even
            (f32::from_bits(0x3f80_8001), 0x3f81),
            (f32::MAX, 0x7f80), // rounds to infinity
            (f32::INFINITY, 0x7f80),
            (f32::NEG_INFINITY, 0xff80),
            (0.0, 0),
            (-0.0, 0x8000),
        ] {
            assert_eq!(from_f32(x), bits, "{x}");
        }
        for bits in [0x7f80_0001, 0x7fc0_0000, 0xffff_ffff] {
            assert!(to_f32(from_f32(f32::from_bits(bits))).is_nan());
        }
        for bits in 0..=u16::MAX {
            let x = to_f32(bits);
            assert!(x.is_nan() || from_f32(x) == bits);
        }
    }

    #[test]
    fn the_first_of_a_pair_is_below() {
        assert_eq!(pair(1.0, -2.0), 0xc000_3f80);
    }
}
