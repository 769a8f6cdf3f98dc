//! Exercises of notebook 02: word vectors.
