//! The kinds of tokenizer, by the names that configurations and command lines use.

use crate::utils::{Error, Result};
use serde::{Deserialize, Serialize};

/// What of a `tokenizer.json` is understood, for messages.
pub(super) const SUPPORTED: &str =
    "supported are byte-level BPE (GPT-2's cut), WordPiece (BERT's), and one token per character";

/// What a tokenizer's tokens are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenizerKind {
    /// Byte-level byte pair encoding.
    Bpe,
    /// One token per character.
    Char,
    /// BERT's sub-words.
    WordPiece,
}

impl TokenizerKind {
    /// Every kind.
    pub const ALL: [TokenizerKind; 3] = [TokenizerKind::Bpe, TokenizerKind::Char, TokenizerKind::WordPiece];

    /// The name that `FromStr` and configurations read.
    pub fn name(self) -> &'static str {
        match self {
            TokenizerKind::Bpe => "bpe",
            TokenizerKind::Char => "char",
            TokenizerKind::WordPiece => "wordpiece",
        }
    }
}

impl std::fmt::Display for TokenizerKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for TokenizerKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<TokenizerKind> {
        TokenizerKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            Error::usage(format!("tokenizer {name:?}"))
                .help(format!("there are {}", TokenizerKind::ALL.map(TokenizerKind::name).join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_command_lines_use_the_same_names() {
        for kind in TokenizerKind::ALL {
            assert_eq!(kind.name().parse::<TokenizerKind>().unwrap(), kind);
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(TokenizerKind::ALL.map(|kind| kind.to_string()), ["bpe", "char", "wordpiece"]);
        let error = "words".parse::<TokenizerKind>().unwrap_err();
        assert!(error.exit_code() == 2 && error.help_line().unwrap().contains("bpe, char, wordpiece"));
    }
}
