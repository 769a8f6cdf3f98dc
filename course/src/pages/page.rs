//! A page of a chapter while it is written.

use std::collections::BTreeSet;

use super::chapter::Chapter;
use crate::Lang;

/// A chapter's cells as HTML, and its sections.
pub(super) struct Body {
    pub html: String,
    /// Anchor and text of each section.
    pub sections: Vec<(String, String)>,
    /// How many questions wait for a choice.
    pub predictions: usize,
}

/// What is open while cells are put into it.
#[derive(PartialEq)]
pub(super) enum Fold {
    /// A detour.
    Deeper,
    /// What a question waits for.
    Answer,
}

/// A page that is being written.
pub(super) struct Page<'a> {
    pub(super) chapter: &'a Chapter,
    pub(super) known: &'a [&'a str],
    /// Anchors given so far.
    pub(super) taken: BTreeSet<String>,
    /// Whether the title has been seen; a page has one.
    pub(super) titled: bool,
    pub(super) picture: usize,
    pub(super) fold: Option<Fold>,
    /// Whether the output of the next cell of code answers a question.
    pub(super) asked: bool,
    pub(super) body: Body,
}

impl Page<'_> {
    pub(super) fn lang(&self) -> Lang {
        self.chapter.lang
    }
}
