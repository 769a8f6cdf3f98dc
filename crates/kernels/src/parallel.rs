//! One pool of threads, and loops over chunks that are shared between them.
//!
//! A *region* is one call of [`for_each_chunk`]. Its chunks are handed out one index at a time to whoever is free, so
//! threads of unequal speed stay busy; what a chunk computes must not depend on who runs it. Between regions a worker
//! looks for the next one for about 50 µs before it goes to sleep: the regions of a training step follow each other
//! faster than that, and waking a sleeper costs more than a small region.

use crate::isa::{self, Isa};
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// How long a waiting thread looks before it goes to sleep. By the clock, not by count: a look takes up to four times as
/// long on one processor as on another. (Where there is no clock, there are no threads that wait.)
const SPIN: Duration = Duration::from_micros(50);
/// More than this many threads are never used by one region.
const MAX_THREADS: usize = 1 << 12;

static THREADS: AtomicUsize = AtomicUsize::new(0); // 0: not asked for yet

thread_local! {
    /// Is this thread running a chunk of a region that others share?
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static THREADS_HERE: Cell<usize> = const { Cell::new(0) }; // 0: no override
}

/// How many threads a region started by this thread may use, the caller included.
///
/// By default as many as the machine lets this process run at once, or what the environment variable
/// `MOTAMOT_THREADS` says.
pub fn threads() -> usize {
    match (THREADS_HERE.get(), THREADS.load(Relaxed)) {
        (0, 0) => {
            let (n, warning) = default_threads(std::env::var("MOTAMOT_THREADS").ok().as_deref());
            // Whoever comes first decides, and only that one warns.
            if THREADS.compare_exchange(0, n, Relaxed, Relaxed).is_ok()
                && let Some(warning) = warning
            {
                crate::warn(&warning);
            }
            THREADS.load(Relaxed)
        }
        (0, n) => n,
        (n, _) => n,
    }
}

fn default_threads(wanted: Option<&str>) -> (usize, Option<String>) {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    match wanted.map(str::trim).filter(|w| !w.is_empty()) {
        None => (cores, None),
        Some(w) => match w.parse::<usize>() {
            Ok(n) if (1..=MAX_THREADS).contains(&n) => (n, None),
            _ => {
                let warning = format!("MOTAMOT_THREADS={w}: expected a number from 1 to {MAX_THREADS}; using {cores}");
                (cores, Some(warning))
            }
        },
    }
}

/// Sets how many threads each region from now on may use (at least 1), for the whole process.
pub fn set_threads(n: usize) {
    THREADS.store(n.clamp(1, MAX_THREADS), Relaxed);
}

/// Runs `f` with the regions that this thread starts held to `n` threads: for tests and benchmarks.
pub fn with_threads<R>(n: usize, f: impl FnOnce() -> R) -> R {
    struct Restore(usize);
    impl Drop for Restore {
        fn drop(&mut self) {
            THREADS_HERE.set(self.0);
        }
    }
    let _restore = Restore(THREADS_HERE.replace(n.clamp(1, MAX_THREADS)));
    f()
}

/// Runs `f(0)`, …, `f(n − 1)`, each once, in any order and on any thread; returns when all are done.
///
/// The caller runs everything itself if there is only one chunk or one thread, if it is itself inside a chunk, or if
/// the pool is busy with another thread's region. A panic of a chunk comes out here, after the other threads stopped.
pub fn for_each_chunk(n: usize, f: impl Fn(usize) + Sync) {
    let helpers = threads().min(n).saturating_sub(1);
    if helpers == 0 || INSIDE.get() {
        return (0..n).for_each(f);
    }
    let owner = match POOL.owner.try_lock() {
        Ok(owner) => owner,
        Err(TryLockError::Poisoned(owner)) => owner.into_inner(),
        Err(TryLockError::WouldBlock) => return (0..n).for_each(f),
    };
    POOL.run(owner, helpers, n, &f);
}

/// Cuts `data` into pieces of `chunk` elements (the last may be shorter) and runs `f(index, piece)` on each.
pub fn chunks_mut<T: Send>(data: &mut [T], chunk: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let len = data.len();
    let shared = SharedMut::new(data);
    for_each_chunk(len.div_ceil(chunk), |i| {
        // SAFETY: each index is run once, and the pieces of different indices do not overlap.
        f(i, unsafe { shared.slice(i * chunk, chunk.min(len - i * chunk)) });
    });
}

/// [`chunks_mut`] over two slices at once: piece `i` of each goes to the same `f(i, ..)`.
///
/// # Panics
/// If the slices have a different number of pieces.
#[track_caller]
pub fn chunks2_mut<T: Send, U: Send>(
    (a, chunk_a): (&mut [T], usize),
    (b, chunk_b): (&mut [U], usize),
    f: impl Fn(usize, &mut [T], &mut [U]) + Sync,
) {
    let (n, len_b) = (a.len().div_ceil(chunk_a), b.len());
    assert_eq!(n, len_b.div_ceil(chunk_b), "chunks2_mut: {n} pieces of the first slice, not as many of the second");
    let b = SharedMut::new(b);
    chunks_mut(a, chunk_a, |i, a| {
        // SAFETY: each index is run once, and the pieces of different indices do not overlap.
        f(i, a, unsafe { b.slice(i * chunk_b, chunk_b.min(len_b - i * chunk_b)) });
    });
}

/// [`chunks_mut`] over three slices at once: piece `i` of each goes to the same `f(i, ..)`.
///
/// # Panics
/// If the slices have a different number of pieces.
#[track_caller]
pub fn chunks3_mut<T: Send, U: Send, V: Send>(
    (a, chunk_a): (&mut [T], usize),
    (b, chunk_b): (&mut [U], usize),
    (c, chunk_c): (&mut [V], usize),
    f: impl Fn(usize, &mut [T], &mut [U], &mut [V]) + Sync,
) {
    let len_c = c.len();
    let n = a.len().div_ceil(chunk_a);
    assert_eq!(n, len_c.div_ceil(chunk_c), "chunks3_mut: {n} pieces of the first slice, not as many of the third");
    let c = SharedMut::new(c);
    chunks2_mut((a, chunk_a), (b, chunk_b), |i, a, b| {
        // SAFETY: each index is run once, and the pieces of different indices do not overlap.
        f(i, a, b, unsafe { c.slice(i * chunk_c, chunk_c.min(len_c - i * chunk_c)) });
    });
}

/// A slice that the chunks of a region write disjoint parts of.
#[derive(Clone, Copy)]
pub(crate) struct SharedMut<'a, T> {
    data: *mut T,
    len: usize,
    _borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: it only hands out parts of a slice that it was given mutably, under the contract of `slice`.
unsafe impl<T: Send> Send for SharedMut<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SharedMut<'_, T> {}

impl<'a, T> SharedMut<'a, T> {
    pub(crate) fn new(data: &'a mut [T]) -> Self {
        SharedMut { data: data.as_mut_ptr(), len: data.len(), _borrow: PhantomData }
    }

    /// The `len` elements from `start` on.
    ///
    /// # Safety
    /// While the result lives, no other slice that holds one of these elements may be in use.
    ///
    /// # Panics
    /// If they are not all inside.
    #[allow(clippy::mut_from_ref)] // what it is for
    pub(crate) unsafe fn slice(&self, start: usize, len: usize) -> &'a mut [T] {
        assert!(start <= self.len && len <= self.len - start, "SharedMut: {start}+{len} of {}", self.len);
        // SAFETY: inside the slice that `new` borrowed, and not aliased by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(start), len) }
    }

    /// The same, to be read.
    ///
    /// # Safety
    /// While the result lives, nothing may write one of these elements.
    ///
    /// # Panics
    /// If they are not all inside.
    pub(crate) unsafe fn read(&self, start: usize, len: usize) -> &'a [T] {
        assert!(start <= self.len && len <= self.len - start, "SharedMut: {start}+{len} of {}", self.len);
        // SAFETY: inside the slice that `new` borrowed, and not written by the caller's promise.
        unsafe { std::slice::from_raw_parts(self.data.add(start), len) }
    }

    /// Where the slice starts; what is written through it must keep to the contract of [`SharedMut::slice`].
    pub(crate) fn as_ptr(&self) -> *mut T {
        self.data
    }
}

/// What the workers need to know of the region in progress.
struct Job {
    f: *const (dyn Fn(usize) + Sync),
    n: usize,
    isa: Option<Isa>,
}

/// `gate` holds two counts: how many workers may still join the region, and how many are in it.
const ENTERED: usize = 1;
const SEAT: usize = 1 << 16;

struct Pool {
    /// Held by the thread whose region it is; counts the workers that were ever started.
    owner: Mutex<usize>,
    /// Written by the owner while `gate` is 0; read by a worker that entered.
    job: UnsafeCell<Option<Job>>,
    gate: AtomicUsize,
    /// The next chunk that nobody took.
    next: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// For the two waits: workers without a region, and an owner whose workers are not done.
    sleep: Mutex<()>,
    wake_workers: Condvar,
    sleeping: AtomicUsize,
    wake_owner: Condvar,
    owner_sleeps: AtomicBool,
}

// SAFETY: `job` is only touched as its comment says; all else is Sync by itself.
unsafe impl Sync for Pool {}

static POOL: Pool = Pool {
    owner: Mutex::new(0),
    job: UnsafeCell::new(None),
    gate: AtomicUsize::new(0),
    next: AtomicUsize::new(0),
    panic: Mutex::new(None),
    sleep: Mutex::new(()),
    wake_workers: Condvar::new(),
    sleeping: AtomicUsize::new(0),
    wake_owner: Condvar::new(),
    owner_sleeps: AtomicBool::new(false),
};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at `ready` for a while without giving up the core.
fn spin_until(ready: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    loop {
        for _ in 0..32 {
            if ready() {
                return true;
            }
            std::hint::spin_loop();
        }
        if start.elapsed() > SPIN {
            return ready();
        }
    }
}

impl Pool {
    fn run(&'static self, mut started: MutexGuard<'_, usize>, helpers: usize, n: usize, f: &(dyn Fn(usize) + Sync)) {
        while *started < helpers {
            let thread = std::thread::Builder::new().name(format!("kernel-{}", *started + 1));
            match thread.spawn(|| self.work()) {
                Ok(_) => *started += 1,
                Err(_) => break, // fewer threads: slower, but right
            }
        }
        let helpers = helpers.min(*started);

        // SAFETY: only makes the lifetime of `f` longer. No worker uses it after `gate` is back to 0, and this function
        // does not return, nor unwind, before that.
        let f: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(f) };
        // SAFETY: we own the pool and `gate` is 0, so no worker is reading.
        unsafe { *self.job.get() = Some(Job { f, n, isa: isa::current_override() }) };
        self.next.store(0, SeqCst);
        self.gate.store(helpers * SEAT, SeqCst);
        // A worker counts itself as sleeping and *then* looks at the gate once more: one of us two sees the other.
        let sleepers = self.sleeping.load(SeqCst);
        if sleepers > 0 {
            let _guard = lock(&self.sleep);
            if sleepers <= helpers {
                self.wake_workers.notify_all();
            } else {
                (0..helpers).for_each(|_| self.wake_workers.notify_one());
            }
        }

        self.take_chunks(f, n);

        // Nobody may join any more; wait for those who did.
        self.gate.fetch_and(SEAT - 1, SeqCst);
        if !spin_until(|| self.gate.load(SeqCst) == 0) {
            let mut guard = lock(&self.sleep);
            self.owner_sleeps.store(true, SeqCst);
            while self.gate.load(SeqCst) != 0 {
                guard = self.wake_owner.wait(guard).unwrap_or_else(PoisonError::into_inner);
            }
            self.owner_sleeps.store(false, SeqCst);
        }
        let panic = lock(&self.panic).take();
        drop(started);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Runs chunks until none is left; a panic is kept for the owner and ends the region.
    fn take_chunks(&self, f: &(dyn Fn(usize) + Sync), n: usize) {
        INSIDE.set(true);
        let result = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let i = self.next.fetch_add(1, Relaxed);
                if i >= n {
                    break;
                }
                f(i);
            }
        }));
        INSIDE.set(false);
        if let Err(panic) = result {
            self.next.store(n, Relaxed);
            lock(&self.panic).get_or_insert(panic);
        }
    }

    fn join(&self) -> bool {
        self.gate.try_update(SeqCst, SeqCst, |gate| (gate >= SEAT).then(|| gate - SEAT + ENTERED)).is_ok()
    }

    /// The life of a worker.
    fn work(&self) {
        loop {
            if !self.join() {
                if !spin_until(|| self.gate.load(SeqCst) >= SEAT) {
                    let mut guard = lock(&self.sleep);
                    self.sleeping.fetch_add(1, SeqCst);
                    while self.gate.load(SeqCst) < SEAT {
                        guard = self.wake_workers.wait(guard).unwrap_or_else(PoisonError::into_inner);
                    }
                    self.sleeping.fetch_sub(1, SeqCst);
                }
                continue;
            }
            // SAFETY: we entered, so the owner does not write `job`, and what it points to lives, until we leave.
            if let Some(job) = unsafe { &*self.job.get() } {
                // SAFETY: as above.
                let f = unsafe { &*job.f };
                isa::inherit(job.isa, || self.take_chunks(f, job.n));
            }
            self.gate.fetch_sub(ENTERED, SeqCst);
            if self.owner_sleeps.load(SeqCst) {
                let _guard = lock(&self.sleep);
                self.wake_owner.notify_all();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn every_index_runs_once() {
        for t in [1, 2, 3, 8] {
            with_threads(t, || {
                for n in [0, 1, 2, 3, 17, 1000] {
                    let hits: Vec<AtomicU32> = (0..n).map(|_| AtomicU32::new(0)).collect();
                    for_each_chunk(n, |i| {
                        hits[i].fetch_add(1, Relaxed);
                    });
                    assert!(hits.iter().all(|h| h.load(Relaxed) == 1), "{t} threads, {n} chunks");
                }
            });
        }
    }

    #[test]
    fn many_small_regions_from_many_threads() {
        std::thread::scope(|s| {
            for t in 0..4 {
                s.spawn(move || {
                    with_threads(1 + t, || {
                        for round in 0..500 {
                            let mut data = vec![0usize; 40];
                            chunks_mut(&mut data, 7, |i, part| part.fill(i + round));
                            assert!(data.iter().enumerate().all(|(j, &x)| x == j / 7 + round));
                        }
                    });
                });
            }
        });
    }

    #[test]
    fn sleeping_workers_wake_up() {
        with_threads(3, || {
            for _ in 0..5 {
                std::thread::sleep(Duration::from_millis(2)); // much longer than anyone looks
                let sum = AtomicUsize::new(0);
                for_each_chunk(100, |i| {
                    sum.fetch_add(i, Relaxed);
                });
                assert_eq!(sum.into_inner(), 4950);
            }
        });
    }

    #[test]
    fn a_region_inside_a_region_runs_in_place() {
        with_threads(3, || {
            let sum = AtomicUsize::new(0);
            for_each_chunk(10, |i| {
                for_each_chunk(10, |j| {
                    sum.fetch_add(i * 10 + j, Relaxed);
                });
            });
            assert_eq!(sum.into_inner(), 4950);
        });
    }

    #[test]
    fn a_panic_comes_out_and_the_pool_goes_on() {
        with_threads(2, || {
            for bad in [0, 50, 99] {
                let caught = catch_unwind(|| for_each_chunk(100, |i| assert!(i != bad, "chunk {i} is bad")));
                let message = *caught.unwrap_err().downcast::<String>().unwrap();
                assert_eq!(message, format!("chunk {bad} is bad"));
                assert!(!INSIDE.get());
                let count = AtomicUsize::new(0);
                for_each_chunk(100, |_| {
                    count.fetch_add(1, Relaxed);
                });
                assert_eq!(count.into_inner(), 100);
            }
        });
    }

    #[test]
    fn workers_use_the_callers_instruction_set() {
        for isa in isa::available() {
            isa::with(isa, || {
                with_threads(3, || {
                    for_each_chunk(64, |_| {
                        assert_eq!(isa::isa(), isa);
                        std::thread::sleep(Duration::from_micros(20)); // let the others have some
                    });
                });
            });
        }
    }

    #[test]
    fn slices_are_cut_alike() {
        let (mut a, mut b, mut c) = (vec![0usize; 10], vec![0usize; 7], vec![0u8; 4]);
        chunks3_mut((&mut a, 3), (&mut b, 2), (&mut c, 1), |i, a, b, c| {
            a.fill(i);
            b.fill(10 * i);
            c.fill(i as u8);
        });
        assert_eq!(a, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]);
        assert_eq!(b, [0, 0, 10, 10, 20, 20, 30]);
        assert_eq!(c, [0, 1, 2, 3]);
        let wrong = catch_unwind(move || chunks2_mut((&mut a, 5), (&mut b, 2), |_, _, _| ()));
        assert!(wrong.is_err());
    }

    #[test]
    fn the_number_of_threads_comes_from_the_environment() {
        let cores = default_threads(None).0;
        assert_eq!(default_threads(Some(" 3 ")), (3, None));
        assert_eq!(default_threads(Some("")), (cores, None));
        for useless in ["0", "-1", "many", "1000000"] {
            let (n, warning) = default_threads(Some(useless));
            assert_eq!(n, cores);
            assert!(warning.is_some_and(|w| w.contains(useless)));
        }
    }
}
