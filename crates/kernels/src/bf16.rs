//! bf16: the upper half of an f32. It is how a product computes, not a type of tensor.
//!
//! Weights, activations and gradients stay f32 in memory. A product in bf16 rounds its operands to 8 significant bits,
//! multiplies them exactly and sums in f32, which the instructions of [`Isa::Avx512Bf16`] and [`Isa::Amx`] do at two
//! and many times the rate of f32. Both take *pairs*: one `u32` holds two neighbours along k, the first in its lower half.

#[cfg(doc)]
use crate::isa::Isa;

/// How a product computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// In f32: the same bits on every machine.
    #[default]
    F32,
    /// Operands rounded to bf16, sums in f32: the same bits for any number of threads on one kind of processor.
    Bf16,
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
