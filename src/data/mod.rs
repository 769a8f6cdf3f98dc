//! Text files, splits, token caches and batches.
