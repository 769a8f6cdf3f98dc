//! Random numbers from a counter: Philox4x32-10.
//!
//! The n-th number of a stream is a function of (seed, stream, n) alone, so a state is three integers, threads can
//! work on their own ranges, and every machine draws the same bits.
//!
//! Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".

use crate::isa::vectorise;
use crate::{math, parallel};

/// One block of Philox4x32-10: four random words for a key and a counter.
#[inline(always)]
pub fn philox4x32(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let [mut k0, mut k1] = key;
    let mut c = counter;
    for _ in 0..10 {
        let p0 = u64::from(c[0]) * 0xD251_1F53;
        let p1 = u64::from(c[2]) * 0xCD9E_8D57;
        c = [(p1 >> 32) as u32 ^ c[1] ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ k1, p0 as u32];
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
    }
    c
}

/// The low and the high word.
#[inline(always)]
fn words(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

/// Block `index` of the stream `stream` of `seed`: the key is the seed, the counter is (index, stream).
#[inline(always)]
pub(crate) fn block(seed: u64, stream: u64, index: u64) -> [u32; 4] {
    let ([i0, i1], [s0, s1]) = (words(index), words(stream));
    philox4x32(words(seed), [i0, i1, s0, s1])
}

/// A stream of random numbers: a seed, a stream id, and how many words have been drawn.
#[derive(Clone, Debug)]
pub struct Rng {
    seed: u64,
    stream: u64,
    position: u64,
    /// The block that holds word `position`, unless `position` is at its start.
    block: [u32; 4],
}

impl PartialEq for Rng {
    fn eq(&self, other: &Rng) -> bool {
        self.state() == other.state()
    }
}

impl Eq for Rng {}

impl Rng {
    /// Stream 0 of a seed, at its beginning.
    pub fn new(seed: u64) -> Rng {
        Rng::from_state([seed, 0, 0])
    }

    /// An independent stream of the same seed, at its beginning.
    pub fn stream(&self, id: u64) -> Rng {
        Rng::from_state([self.seed, id, 0])
    }

    /// Seed, stream and position: all there is to save.
    pub fn state(&self) -> [u64; 3] {
        [self.seed, self.stream, self.position]
    }

    /// Continues exactly where [`Rng::state`] was taken.
    pub fn from_state([seed, stream, position]: [u64; 3]) -> Rng {
        Rng { seed, stream, position, block: block(seed, stream, position / 4) }
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.position.is_multiple_of(4) {
            self.block = block(self.seed, self.stream, self.position / 4);
        }
        let word = self.block[(self.position % 4) as usize];
        self.position = self.position.wrapping_add(1);
        word
    }

    /// The next 64 random bits: two words, the low one first.
    pub fn next_u64(&mut self) -> u64 {
        let low = u64::from(self.next_u32());
        low | u64::from(self.next_u32()) << 32
    }

    /// Uniform in [0, 1), a multiple of 2⁻²⁴.
    pub fn uniform(&mut self) -> f32 {
        unit(self.next_u32())
    }

    /// Uniform in [0, 1), a multiple of 2⁻⁵³.
    pub fn uniform_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Normal with mean 0 and deviation 1, by Box and Muller's method, from two words.
    pub fn normal(&mut self) -> f32 {
        let (a, b) = (self.next_u32(), self.next_u32());
        box_muller(a, b).0
    }

    /// Uniform in 0..n without bias (Lemire 2019, arXiv:1805.10941).
    #[track_caller]
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "below: there is no number below 0");
        let n = n as u64;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            // 2⁶⁴ mod n of the low halves belong to numbers that would come up once too often.
            if product as u64 >= n.wrapping_neg() % n {
                return (product >> 64) as usize;
            }
        }
    }

    /// Puts a slice in random order: every order is equally likely (Fisher and Yates).
    pub fn shuffle<T>(&mut self, slice: &mut [T]) {
        for i in (1..slice.len()).rev() {
            slice.swap(i, self.below(i + 1));
        }
    }

    /// Skips to the next multiple of 64 words and claims `groups` times 64 of them; returns the index of the first block.
    fn claim(&mut self, groups: usize) -> u64 {
        let first = self.position.div_ceil(64) * LANES as u64;
        self.position = first * 4 + (groups * GROUP) as u64;
        first
    }
}

/// The upper 24 bits as a number in [0, 1).
#[inline(always)]
fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// Two independent normal numbers from two words: √(−2 ln u)·(cos 2πt, sin 2πt).
#[inline(always)]
fn box_muller(a: u32, b: u32) -> (f32, f32) {
    // u is in (0, 1], so its logarithm is finite: the largest number that can come out is 6.66.
    let u = (a as f32 + 1.0) * (1.0 / 4_294_967_296.0);
    let radius = (-2.0 * math::ln(u)).sqrt();
    let (sin, cos) = math::sin_cos_turns(unit(b));
    (radius * cos, radius * sin)
}

vectorise! {
    /// Blocks `first`, …, `first + 15` of a stream, a lane each: word w of lane l goes to `[w][l]`.
    ///
    /// The loops over groups call this once a group: in one loop with them, LLVM would take a *group* for a lane, and
    /// scatter.
    pub(crate) fn group(seed: u64, stream: u64, first: u64, out: &mut [[u32; LANES]; 4]) {
        // As `philox4x32`, in 64-bit lanes of which only the low half means something: what a 32 × 32-bit product wants.
        const LOW: u64 = 0xffff_ffff;
        let ([k0, k1], [s0, s1]) = (words(seed), words(stream));
        for l in 0..LANES {
            let (mut k0, mut k1) = (k0, k1);
            let mut c = [first + l as u64, first >> 32, s0.into(), s1.into()];
            for _ in 0..10 {
                let (p0, p1) = ((c[0] & LOW) * 0xD251_1F53, (c[2] & LOW) * 0xCD9E_8D57);
                c = [(p1 >> 32) ^ c[1] ^ u64::from(k0), p1, (p0 >> 32) ^ c[3] ^ u64::from(k1), p0];
                k0 = k0.wrapping_add(0x9E37_79B9);
                k1 = k1.wrapping_add(0xBB67_AE85);
            }
            for w in 0..4 {
                out[w][l] = c[w] as u32;
            }
        }
    }

    /// Words i and i + 32 of a group become numbers i and i + 32.
    fn normals(words: &[u32], mean: f32, std: f32, out: &mut [f32]) {
        let (a, b) = words.split_at(GROUP / 2);
        let (x, y) = out.split_at_mut(GROUP / 2);
        for (((x, y), a), b) in x.iter_mut().zip(y).zip(a).zip(b) {
            let (cos, sin) = box_muller(*a, *b);
            *x = cos.mul_add(std, mean);
            *y = sin.mul_add(std, mean);
        }
    }

    fn uniforms(words: &[u32], lo: f32, hi: f32, out: &mut [f32]) {
        // Rounding may reach `hi`, which is not in the range.
        let last = hi.next_down().max(lo);
        for (out, word) in out.iter_mut().zip(words) {
            let x = unit(*word).mul_add(hi - lo, lo);
            *out = if x < last { x } else { last };
        }
    }
}

pub(crate) const LANES: usize = 16;
/// Numbers in a group of 16 blocks.
const GROUP: usize = 4 * LANES;
/// Numbers per parallel chunk.
const CHUNK: usize = 256 * GROUP;

/// Fills `out` with what `draw(words, numbers)` makes of groups of 64 words; word w of block l is number 16·w + l.
fn fill(rng: &mut Rng, out: &mut [f32], draw: impl Fn(&[u32], &mut [f32]) + Sync) {
    let first = rng.claim(out.len().div_ceil(GROUP));
    let (seed, stream) = (rng.seed, rng.stream);
    parallel::chunks_mut(out, CHUNK, |chunk, out| {
        let first = first + (chunk * CHUNK / 4) as u64;
        for (i, out) in out.chunks_mut(GROUP).enumerate() {
            let (mut words, mut numbers) = ([[0; LANES]; 4], [0.0; GROUP]);
            group(seed, stream, first + (i * LANES) as u64, &mut words);
            draw(words.as_flattened(), &mut numbers);
            out.copy_from_slice(&numbers[..out.len()]);
        }
    });
}

/// Fills `out` with normal numbers. Starts at the next multiple of 64 words, and uses as many words as a multiple of
/// 64 has numbers for.
pub fn fill_normal(rng: &mut Rng, mean: f32, std: f32, out: &mut [f32]) {
    fill(rng, out, |words, out| normals(words, mean, std, out));
}

/// Fills `out` with numbers uniform in [lo, hi). Takes words as [`fill_normal`] does.
pub fn fill_uniform(rng: &mut Rng, out: &mut [f32], lo: f32, hi: f32) {
    fill(rng, out, |words, out| uniforms(words, lo, hi, out));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa;

    /// The known-answer vectors of Random123 (kat_vectors, philox4x32 10).
    #[test]
    fn philox_gives_the_published_answers() {
        assert_eq!(philox4x32([0; 2], [0; 4]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(philox4x32([u32::MAX; 2], [u32::MAX; 4]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
        assert_eq!(
            philox4x32([0xa4093822, 0x299f31d0], [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344]),
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
        );
    }

    #[test]
    fn a_saved_state_continues_the_stream() {
        for drawn in 0..9 {
            let mut rng = Rng::new(7).stream(3);
            (0..drawn).for_each(|_| _ = rng.next_u32());
            let mut copy = Rng::from_state(rng.state());
            assert_eq!(copy, rng);
            for _ in 0..9 {
                assert_eq!(copy.next_u64(), rng.next_u64());
                assert_eq!(copy.normal().to_bits(), rng.normal().to_bits());
            }
            assert_eq!(copy.state(), [7, 3, drawn + 36]);
        }
    }

    #[test]
    fn streams_and_seeds_differ() {
        let draw = |mut rng: Rng| [rng.next_u64(), rng.next_u64()];
        let all = [Rng::new(1), Rng::new(2), Rng::new(1).stream(1), Rng::new(1 << 32)].map(draw);
        for i in 0..all.len() {
            assert!(all[i + 1..].iter().all(|x| *x != all[i]));
        }
    }

    /// χ² of counts against equal expectations.
    fn chi2(counts: &[usize]) -> f64 {
        let expected = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
        counts.iter().map(|&c| (c as f64 - expected).powi(2) / expected).sum()
    }

    #[test]
    fn uniform_numbers_are_uniform() {
        let mut rng = Rng::new(11);
        let mut out = vec![0.0; 100_003];
        fill_uniform(&mut rng, &mut out, -1.0, 3.0);
        let mut counts = [0usize; 64];
        for x in &out {
            assert!((-1.0..3.0).contains(x));
            counts[((x + 1.0) * 16.0) as usize] += 1;
        }
        // 63 degrees of freedom: mean 63, deviation 11.2; the seed is fixed, so this passes always or never.
        assert!(chi2(&counts) < 63.0 + 4.0 * 11.2, "{}", chi2(&counts));
        let mut counts = [0usize; 64];
        (0..50_000).for_each(|_| counts[(rng.uniform() * 64.0) as usize] += 1);
        assert!(chi2(&counts) < 108.0);
        let mut counts = [0usize; 64];
        (0..50_000).for_each(|_| counts[(rng.uniform_f64() * 64.0) as usize] += 1);
        assert!(chi2(&counts) < 108.0);
    }

    #[test]
    fn normal_numbers_have_the_moments_and_the_tails_of_a_normal() {
        let mut rng = Rng::new(5);
        let mut out = vec![0.0; 200_000];
        fill_normal(&mut rng, 2.0, 3.0, &mut out);
        let single: Vec<f32> = (0..200_000).map(|_| rng.normal().mul_add(3.0, 2.0)).collect();
        for out in [out, single] {
            let n = out.len() as f64;
            let z: Vec<f64> = out.iter().map(|&x| (f64::from(x) - 2.0) / 3.0).collect();
            let moment = |k: i32| z.iter().map(|z| z.powi(k)).sum::<f64>() / n;
            // Four standard errors of each moment: √(Var zᵏ / n).
            for (k, want, var) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0f64)] {
                let error = (moment(k) - want).abs();
                assert!(error < 4.0 * (var / n).sqrt(), "moment {k} is off by {error}");
            }
            let pairs = z.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / n;
            assert!(pairs.abs() < 4.0 / n.sqrt(), "neighbours correlate: {pairs}");
            for (bound, share) in [(1.0, 0.682_689), (2.0, 0.954_500), (3.0, 0.997_300)] {
                let got = z.iter().filter(|z| z.abs() < bound).count() as f64 / n;
                assert!((got - share).abs() < 4.0 * (share * (1.0 - share) / n).sqrt(), "{bound}: {got}");
            }
        }
    }

    #[test]
    fn fills_do_not_depend_on_the_threads_or_the_instructions() {
        let draw = |threads, isa, n| {
            let mut rng = Rng::new(9);
            _ = rng.next_u32();
            let (mut a, mut b) = (vec![f32::NAN; n], vec![f32::NAN; n]);
            isa::with(isa, || {
                parallel::with_threads(threads, || {
                    fill_normal(&mut rng, 0.0, 1.0, &mut a);
                    fill_uniform(&mut rng, &mut b, 0.0, 1.0);
                });
            });
            (a, b, rng.state())
        };
        for n in [0, 1, 15, 16, 17, 63, 64, 65, 2 * CHUNK + 2] {
            let one = draw(1, isa::Isa::Portable, n);
            for isa in isa::available() {
                assert_eq!(one, draw(3, isa, n));
            }
            assert_eq!(one.2[2], 64 + 2 * n.next_multiple_of(64) as u64);
        }
    }

    #[test]
    fn a_fill_takes_the_words_of_the_stream() {
        let mut rng = Rng::new(4).stream(2);
        let mut out = [0.0; 64];
        fill_uniform(&mut rng, &mut out, 0.0, 1.0);
        let mut again = Rng::new(4).stream(2);
        for l in 0..16 {
            for w in 0..4 {
                assert_eq!(out[w * 16 + l], again.uniform());
            }
        }
        assert_eq!(rng, again);
    }

    #[test]
    fn below_and_shuffle_are_fair() {
        let mut rng = Rng::new(1);
        let mut counts = [0usize; 6];
        (0..60_000).for_each(|_| counts[rng.below(6)] += 1);
        assert!(chi2(&counts) < 20.0, "{counts:?}");
        assert_eq!(rng.below(1), 0);
        let mut orders = [0usize; 64];
        for _ in 0..24_000 {
            let mut x = [0usize, 1, 2, 3];
            rng.shuffle(&mut x);
            orders[x[0] * 16 + x[1] * 4 + x[2]] += 1;
        }
        let seen: Vec<usize> = orders.into_iter().filter(|&c| c > 0).collect();
        assert_eq!(seen.len(), 24);
        assert!(chi2(&seen) < 23.0 + 4.0 * 6.8, "{seen:?}");
    }
}
