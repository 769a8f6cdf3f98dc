//! Text to token ids and back: byte-level BPE, characters, WordPiece.
