//! From logits to text: samplers, beam search, token streams.
