//! Which instructions this machine has, asked once; and the macro that compiles one body for each of them.
//!
//! The choice never changes a result: every kernel gives the same bits on every instruction set, because multiply-adds
//! are fused everywhere and sums have a fixed shape. It only changes the time. `MOTAMOT_ISA` lowers it for a whole
//! process, [`with`] for one call.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// An instruction set that the kernels are compiled for, the better one the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// What every machine of this architecture has. On x86-64 without FMA its fused multiply-add is a slow call.
    Portable,
    /// 128-bit vectors with FMA, on every 64-bit ARM.
    Neon,
    /// 256-bit vectors with FMA: x86-64 since 2013.
    Avx2,
    /// 512-bit vectors (F, VL, BW and DQ).
    Avx512,
    /// The same, with products of bf16 pairs (`vdpbf16ps`). In f32 it is [`Isa::Avx512`].
    Avx512Bf16,
    /// The same, with tiles of bf16 pairs (AMX). In f32 it is [`Isa::Avx512`].
    Amx,
}

impl Isa {
    const ALL: [Isa; 6] = [Isa::Portable, Isa::Neon, Isa::Avx2, Isa::Avx512, Isa::Avx512Bf16, Isa::Amx];

    fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Neon => "neon",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Avx512Bf16 => "avx512bf16",
            Isa::Amx => "amx",
        }
    }

    fn runs_here(self) -> bool {
        match self {
            Isa::Portable => true,
            Isa::Neon => cfg!(target_arch = "aarch64"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                Isa::Avx2.runs_here()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => Isa::Avx512.runs_here() && is_x86_feature_detected!("avx512bf16"),
            #[cfg(target_arch = "x86_64")]
            Isa::Amx => Isa::Avx512Bf16.runs_here() && amx_granted(),
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 | Isa::Avx512 | Isa::Avx512Bf16 | Isa::Amx => false,
        }
    }

    /// Whether products in bf16 have instructions of their own here.
    pub fn has_bf16(self) -> bool {
        self >= Isa::Avx512Bf16
    }
}

/// Whether the processor has AMX tiles with bf16 products, and the system lets this process use them.
///
/// Linux keeps tiles from processes that do not ask for them, because they make the state of a thread 8 KiB larger. The
/// permission is for all threads, also those that run already.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn amx_granted() -> bool {
    use std::ffi::c_long;
    const SYS_ARCH_PRCTL: c_long = 158;
    const ARCH_REQ_XCOMP_PERM: c_long = 0x1023;
    const TILE_DATA: c_long = 18;
    unsafe extern "C" {
        fn syscall(number: c_long, ...) -> c_long;
    }
    static GRANTED: OnceLock<bool> = OnceLock::new();
    *GRANTED.get_or_init(|| {
        // Bits 22 and 24 of leaf 7, which every processor with AVX2 has: amx-bf16 and amx-tile.
        let wanted = 1 << 22 | 1 << 24;
        std::arch::x86_64::__cpuid_count(7, 0).edx & wanted == wanted
            // SAFETY: this call has no other effect than the permission; a system that does not know it refuses.
            && unsafe { syscall(SYS_ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, TILE_DATA) } == 0
    })
}

#[cfg(all(target_arch = "x86_64", not(target_os = "linux")))]
fn amx_granted() -> bool {
    false
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Isa {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let wanted = s.trim().to_ascii_lowercase();
        Isa::ALL.into_iter().find(|isa| isa.name() == wanted).ok_or_else(|| {
            format!("unknown instruction set {s:?}: expected portable, neon, avx2, avx512, avx512bf16 or amx")
        })
    }
}

/// Every instruction set that this machine can run, [`Isa::Portable`] first.
pub fn available() -> Vec<Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.runs_here()).collect()
}

thread_local! {
    static OVERRIDE: Cell<Option<Isa>> = const { Cell::new(None) };
}

/// The instruction set that kernels called from this thread use.
///
/// It is the best one of the machine, unless the environment variable `MOTAMOT_ISA` names a lower one, unless this
/// thread is inside [`with`].
#[inline]
pub fn isa() -> Isa {
    OVERRIDE.get().unwrap_or_else(of_process)
}

fn of_process() -> Isa {
    static CHOICE: OnceLock<Isa> = OnceLock::new();
    *CHOICE.get_or_init(|| {
        let (isa, warning) = choose(&available(), std::env::var("MOTAMOT_ISA").ok().as_deref());
        if let Some(warning) = warning {
            crate::warn(&warning);
        }
        isa
    })
}

/// The instruction set for a process with this value of `MOTAMOT_ISA`, and what to say if the value is of no use.
fn choose(available: &[Isa], wanted: Option<&str>) -> (Isa, Option<String>) {
    let best = available.iter().copied().max().unwrap_or(Isa::Portable);
    match wanted.filter(|w| !w.trim().is_empty()).map(Isa::from_str) {
        None => (best, None),
        Some(Ok(isa)) if available.contains(&isa) => (isa, None),
        Some(Ok(isa)) => (best, Some(format!("MOTAMOT_ISA={isa}: this machine cannot run it; using {best}"))),
        Some(Err(e)) => (best, Some(format!("MOTAMOT_ISA: {e}; using {best}"))),
    }
}

/// Runs `f` with the kernels called from this thread held to `isa`: for tests and benchmarks.
///
/// The pool's threads take over the choice of the thread whose work they do.
///
/// # Panics
/// If this machine cannot run `isa`.
#[track_caller]
pub fn with<R>(isa: Isa, f: impl FnOnce() -> R) -> R {
    assert!(isa.runs_here(), "isa::with: this machine cannot run {isa}");
    inherit(Some(isa), f)
}

/// This thread's override, for [`inherit`] on another thread.
pub(crate) fn current_override() -> Option<Isa> {
    OVERRIDE.get()
}

/// Runs `f` with another thread's override, which was checked there.
pub(crate) fn inherit<R>(isa: Option<Isa>, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<Isa>);
    impl Drop for Restore {
        fn drop(&mut self) {
            OVERRIDE.set(self.0);
        }
    }
    let _restore = Restore(OVERRIDE.replace(isa));
    f()
}

/// Compiles a function for every instruction set, and calls the version that [`isa()`](isa) names.
///
/// ```text
/// vectorise! {
///     /// y = a·x + y
///     fn axpy_body(y: &mut [f32], a: f32, x: &[f32]) {
///         let (ys, y_tail) = y.as_chunks_mut::<16>();
///         let (xs, x_tail) = x.as_chunks::<16>();
///         for (y, x) in ys.iter_mut().zip(xs) {
///             for l in 0..16 {
///                 y[l] = a.mul_add(x[l], y[l]);
///             }
///         }
///         for (y, x) in y_tail.iter_mut().zip(x_tail) {
///             *y = a.mul_add(*x, *y);
///         }
///     }
/// }
/// axpy_body(y, 2.0, x); // an ordinary function
/// ```
///
/// - Whatever the body calls must be `#[inline(always)]` (or tiny, such as `f32::mul_add`, `f32::abs`, `f32::to_bits`,
///   `array::from_fn`): a call that is not inlined is compiled once, for the portable instruction set.
/// - Arguments are `name: type` (no patterns, no `mut`, no named lifetimes). Generics are either all const
///   (`fn f<const ADD: bool>(..)`) or types with one bound each (`fn f<F: Fn(f32) -> f32 + Copy>` is two bounds: make a
///   trait), after which const ones may follow a `;`. Prefer a trait with an `#[inline(always)]` method to a closure,
///   which LLVM may leave as a call.
/// - Several functions may stand in one `vectorise!`.
/// - Dispatch costs about a nanosecond: call it per row or per chunk, not per element. It may be called inside a chunk
///   of [`crate::parallel`]: the pool's threads inherit the caller's choice.
macro_rules! vectorise {
    () => {};
    // No generics, or const generics.
    (
        $(#[$meta:meta])* $vis:vis fn $name:ident $(<$(const $g:ident : $gt:ty),+ $(,)?>)?
        ($($arg:ident : $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block $($rest:tt)*
    ) => {
        $crate::isa::vectorise!(@emit [$(#[$meta])*] [$vis] $name [$($(const $g: $gt),+)?] [$($($g),+)?]
            ($($arg: $ty),*) [$($ret)?] $body);
        $crate::isa::vectorise!($($rest)*);
    };
    // Type generics, and const generics after a `;`.
    (
        $(#[$meta:meta])* $vis:vis fn $name:ident
        <$($g:ident : $bound:path),+ $(; $(const $c:ident : $ct:ty),+)? $(,)?>
        ($($arg:ident : $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block $($rest:tt)*
    ) => {
        $crate::isa::vectorise!(@emit [$(#[$meta])*] [$vis] $name [$($g: $bound),+ $(, $(const $c: $ct),+)?]
            [$($g),+ $(, $($c),+)?] ($($arg: $ty),*) [$($ret)?] $body);
        $crate::isa::vectorise!($($rest)*);
    };
    (
        @emit [$($attr:tt)*] [$vis:vis] $name:ident [$($decl:tt)*] [$($use:tt)*]
        ($($arg:ident : $ty:ty),*) [$($ret:ty)?] $body:block
    ) => {
        $($attr)*
        $vis fn $name<$($decl)*>($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body<$($decl)*>($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2<$($decl)*>($($arg: $ty),*) $(-> $ret)? {
                body::<$($use)*>($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
            fn avx512<$($decl)*>($($arg: $ty),*) $(-> $ret)? {
                body::<$($use)*>($($arg),*)
            }

            match $crate::isa::isa() {
                // SAFETY: `isa()` only names what this machine was found to have.
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Isa::Avx2 => unsafe { avx2::<$($use)*>($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Isa::Avx512 | $crate::isa::Isa::Avx512Bf16 | $crate::isa::Isa::Amx => unsafe {
                    avx512::<$($use)*>($($arg),*)
                },
                // NEON with FMA is part of what every aarch64 compilation may use.
                _ => body::<$($use)*>($($arg),*),
            }
        }
    };
}
pub(crate) use vectorise;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for isa in Isa::ALL {
            assert_eq!(isa.to_string().parse::<Isa>(), Ok(isa));
        }
        assert_eq!(" AVX2\n".parse::<Isa>(), Ok(Isa::Avx2));
        assert!("sse9".parse::<Isa>().unwrap_err().contains("\"sse9\""));
        assert_eq!(format!("{:>7}|", Isa::Avx2), "   avx2|");
    }

    #[test]
    fn portable_is_always_there_and_the_order_is_by_speed() {
        let all = available();
        assert_eq!(all[0], Isa::Portable);
        assert!(all.is_sorted());
        assert!(all.contains(&isa()));
    }

    #[test]
    fn the_environment_lowers_but_never_raises() {
        let here = [Isa::Portable, Isa::Avx2];
        assert_eq!(choose(&here, None), (Isa::Avx2, None));
        assert_eq!(choose(&here, Some("")), (Isa::Avx2, None));
        assert_eq!(choose(&here, Some("portable")), (Isa::Portable, None));
        for useless in ["avx512", "neon", "fast"] {
            let (isa, warning) = choose(&here, Some(useless));
            assert_eq!(isa, Isa::Avx2);
            assert!(warning.is_some_and(|w| w.contains(useless) && w.contains("using avx2")));
        }
    }

    #[test]
    fn with_is_undone_even_by_a_panic() {
        let before = isa();
        with(Isa::Portable, || assert_eq!(isa(), Isa::Portable));
        assert_eq!(isa(), before);
        let caught = std::panic::catch_unwind(|| with(Isa::Portable, || panic!("on purpose")));
        assert!(caught.is_err());
        assert_eq!(isa(), before);
    }

    trait Op {
        fn apply(x: f32) -> f32;
    }
    struct Square;
    impl Op for Square {
        #[inline(always)]
        fn apply(x: f32) -> f32 {
            x * x
        }
    }

    vectorise! {
        fn weighted(y: &mut [f32], a: f32, x: &[f32]) {
            for (y, x) in y.iter_mut().zip(x) {
                *y = a.mul_add(*x, *y);
            }
        }

        fn last<const N: usize>(x: &[f32]) -> f32 {
            x[x.len() - N]
        }

        /// Attributes pass through.
        fn map<O: Op>(x: &mut [f32]) {
            for x in x {
                *x = O::apply(*x);
            }
        }
    }

    #[test]
    fn the_macro_takes_every_form_and_gives_the_same_bits() {
        for isa in available() {
            with(isa, || {
                let x: Vec<f32> = (0..37).map(|i| (i as f32).sqrt()).collect();
                let mut y: Vec<f32> = (0..37).map(|i| 1.0 / (1.0 + i as f32)).collect();
                let expected: Vec<f32> = x.iter().zip(&y).map(|(x, y)| 0.3f32.mul_add(*x, *y)).collect();
                weighted(&mut y, 0.3, &x);
                assert_eq!(y, expected, "{isa}");
                assert_eq!(last::<2>(&x), x[35]);
                let mut z = x.clone();
                map::<Square>(&mut z);
                assert_eq!(z[9], 9.0f32.sqrt() * 9.0f32.sqrt());
            });
        }
    }
}
