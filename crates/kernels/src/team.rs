//! Threads that walk through many small stages together.
//!
//! A region of [`parallel`] costs a microsecond or so to begin and to end. That is nothing to a product of training, and
//! much to one of decoding, where a token has dozens of them. A [`Team`] begins one region for all: every member runs the
//! same program, shares out the chunks of each stage, and waits for the last of them before the next stage. Each has its
//! share, the same one in every round, and takes of the others' when it is done with it: so a member that nobody
//! disturbs meets the weights that are in its own cache.
//!
//! A member that comes late, or that the system takes its core from, holds up the others only while it has a chunk.

use crate::parallel;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

/// Rounds of waiting before the core is offered to whoever else wants it: some 20 µs.
const PATIENCE: u32 = 1 << 10;

/// Shares of a stage: more members than that have some of them in common.
const MOST: usize = 32;

/// What the members share. Chunks are numbered through, over all stages.
#[derive(Default)]
struct Progress {
    /// Of each member's share of a stage, the next chunk that nobody took.
    next: [Alone; MOST],
    /// How many shares there are.
    shares: usize,
    /// How many are done.
    done: AtomicUsize,
    /// A chunk panicked: the others must not wait for it.
    failed: AtomicBool,
}

/// A number with a cache line to itself (or two, which processors fetch in pairs).
#[derive(Default)]
#[repr(align(128))]
struct Alone(AtomicUsize);

/// One thread's place in the program.
pub(crate) struct Team<'a> {
    progress: &'a Progress,
    member: usize,
    /// The number of the first chunk of the stage that comes next.
    stage: usize,
}

/// Runs `program` on each of `members` threads (or, where there are fewer, one after the other); each must come by the
/// same stages.
pub(crate) fn run(members: usize, program: impl Fn(&mut Team) + Sync) {
    let progress = Progress { shares: members.clamp(1, MOST), ..Progress::default() };
    parallel::for_each_chunk(members, |member| program(&mut Team { progress: &progress, member, stage: 0 }));
}

impl Progress {
    /// A chunk of the stage `from..from + n` that nobody took: first of the member's own share, then of the others'.
    fn take(&self, member: usize, from: usize, n: usize) -> Option<usize> {
        (0..self.shares).find_map(|i| {
            let share = (member + i) % self.shares;
            let [first, end] = [share, share + 1].map(|i| from + i * n / self.shares);
            let advance = |next: usize| (next.max(first) < end).then_some(next.max(first) + 1);
            self.next[share].0.fetch_update(Relaxed, Relaxed, advance).ok().map(|next| next.max(first))
        })
    }
}

impl Team<'_> {
    /// Which member this is, from 0: no two at a time are the same.
    pub(crate) fn member(&self) -> usize {
        self.member
    }

    /// A stage: `f(i, own)` for i = 0, …, n − 1, each once, on any member. Before its first chunk a member calls
    /// `prepare(own)`. Returns when all chunks are done, and what they wrote can be seen.
    pub(crate) fn share<S>(
        &mut self,
        n: usize,
        own: &mut S,
        prepare: impl FnOnce(&mut S),
        mut f: impl FnMut(usize, &mut S),
    ) {
        let (progress, from) = (self.progress, self.stage);
        let end = from + n;
        self.stage = end;
        let mut prepare = Some(prepare);
        while let Some(chunk) = progress.take(self.member, from, n) {
            let unwinding = Failing(progress);
            if let Some(prepare) = prepare.take() {
                prepare(own);
            }
            f(chunk - from, own);
            std::mem::forget(unwinding);
            progress.done.fetch_add(1, Release);
        }
        let mut rounds = 0;
        while progress.done.load(Acquire) < end {
            assert!(!progress.failed.load(Relaxed), "another thread of the team panicked");
            rounds += 1;
            if rounds < PATIENCE {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}

/// Tells the others if it is dropped, which only a panic does.
struct Failing<'a>(&'a Progress);

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        self.0.failed.store(true, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::{SharedMut, with_threads};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// Each stage reads what the one before wrote, whoever wrote it.
    #[test]
    fn a_stage_sees_all_of_the_one_before() {
        for threads in [1, 2, 3, 8] {
            with_threads(threads, || {
                let (mut a, mut b) = ([1usize; 40], [0usize; 40]);
                let (shared_a, shared_b) = (SharedMut::new(&mut a), SharedMut::new(&mut b));
                run(threads, |team| {
                    for stage in 0..200 {
                        let (from, to) = if stage % 2 == 0 { (shared_a, shared_b) } else { (shared_b, shared_a) };
                        // SAFETY: this stage only reads it.
                        let add = |sum: &mut usize| *sum = unsafe { from.slice(0, 40) }.iter().sum::<usize>() % 1000;
                        team.share(7, &mut 0, add, |i, sum| {
                            // SAFETY: each chunk has its own part.
                            let part = unsafe { to.slice(i * 6, 6.min(40 - i * 6)) };
                            part.iter_mut().enumerate().for_each(|(j, x)| *x = *sum + i * 6 + j);
                        });
                    }
                });
                let (mut want, mut next) = ([1usize; 40], [0usize; 40]);
                for _ in 0..200 {
                    let sum = want.iter().sum::<usize>() % 1000;
                    next.iter_mut().enumerate().for_each(|(i, x)| *x = sum + i);
                    std::mem::swap(&mut want, &mut next);
                }
                assert_eq!((a, b), (want, next), "{threads} threads");
            });
        }
    }

    /// Whatever the number of chunks: each is done once, by somebody.
    #[test]
    fn no_chunk_is_left_out() {
        for threads in [1, 2, 3, 40] {
            with_threads(threads, || {
                let done: Vec<Vec<AtomicUsize>> =
                    (0..100).map(|stage| (0..stage * 7 % 5).map(|_| AtomicUsize::new(0)).collect()).collect();
                run(threads, |team| {
                    for stage in &done {
                        team.share(stage.len(), &mut (), |()| (), |i, ()| _ = stage[i].fetch_add(1, Relaxed));
                        assert!(stage.iter().all(|n| n.load(Relaxed) == 1));
                    }
                });
            });
        }
    }

    #[test]
    fn a_panic_ends_the_team() {
        with_threads(3, || {
            for bad in [0, 5, 9] {
                let result = catch_unwind(AssertUnwindSafe(|| {
                    run(3, |team| {
                        team.share(10, &mut (), |()| (), |i, ()| assert!(i != bad, "chunk {i} is bad"));
                        team.share(10, &mut (), |()| (), |_, ()| ());
                    });
                }));
                assert!(result.is_err());
            }
            let count = AtomicUsize::new(0);
            run(3, |team| {
                assert!(team.member() < 3);
                team.share(10, &mut (), |()| (), |_, ()| _ = count.fetch_add(1, Relaxed));
            });
            assert_eq!(count.into_inner(), 10);
        });
    }
}
