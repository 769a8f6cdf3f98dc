//! Where the time of a step goes: each op's forward and backward, without a clock in any op.
//!
//! A step runs its ops one after the other on one thread, and each ends by recording itself. So the time between two
//! ends belongs to the op that ends; [`mark`] does the same for what is no op, as the optimiser. Ops that are a whole
//! sub-layer end their parts one by one.

use std::cell::RefCell;
use std::time::{Duration, Instant};

/// What was spent under one name since [`start`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The op, or what [`mark`] was given.
    pub name: &'static str,
    /// How often it ran forward.
    pub calls: usize,
    /// Time of its forward passes.
    pub forward: Duration,
    /// Time of its backward passes.
    pub backward: Duration,
}

struct Profile {
    last: Instant,
    rows: Vec<Row>,
}

thread_local! {
    static PROFILE: RefCell<Option<Profile>> = const { RefCell::new(None) };
}

/// Begins to count on this thread, from zero.
pub fn start() {
    PROFILE.set(Some(Profile { last: Instant::now(), rows: Vec::new() }));
}

/// Ends counting: the rows, in order of first use. Empty if nothing was counted.
pub fn stop() -> Vec<Row> {
    PROFILE.take().map(|profile| profile.rows).unwrap_or_default()
}

/// The time since the last end was spent on `name`. Does nothing unless counting.
pub fn mark(name: &'static str) {
    end(name, false);
}

/// One end of an op.
pub(crate) fn end(name: &'static str, backward: bool) {
    add(name, backward, !backward);
}

/// The end of a part of an op that has others of this name: the call is counted with one of those.
pub(crate) fn end_part(name: &'static str, backward: bool) {
    add(name, backward, false);
}

fn add(name: &'static str, backward: bool, call: bool) {
    PROFILE.with_borrow_mut(|profile| {
        let Some(Profile { last, rows }) = profile else { return };
        let now = Instant::now();
        let spent = now - std::mem::replace(last, now);
        let at = rows.iter().position(|row| row.name == name).unwrap_or_else(|| {
            rows.push(Row { name, calls: 0, forward: Duration::ZERO, backward: Duration::ZERO });
            rows.len() - 1
        });
        let row = &mut rows[at];
        row.calls += usize::from(call);
        if backward {
            row.backward += spent;
        } else {
            row.forward += spent;
        }
    });
}
