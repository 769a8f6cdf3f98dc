//! Optimiser, schedule, loop, checkpoints, and what a run leaves to look at.

pub mod curve;
