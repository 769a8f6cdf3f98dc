//! Exercises of notebook 03: back-propagation through time, attention.
