//! Exercises of notebook 01: BPE, WordPiece, special tokens.
