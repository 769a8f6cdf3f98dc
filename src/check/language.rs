//! Exercises of notebook 00: n-grams, entropy, training pairs.
