//! What is folded in a notebook's prose: Jupyter and code-hosting sites fold `<details>`.

/// A text behind a summary.
pub fn folded(summary: &str, text: &str) -> String {
    format!("<details>\n<summary>{summary}</summary>\n\n{text}\n\n</details>")
}

/// A text of which all but a first heading is [`folded`], without the fold; any other text as it is.
pub fn unfolded(text: &str) -> String {
    let parts = text.split_once("<details>\n<summary>").and_then(|(before, rest)| {
        let (_, inside) = rest.split_once("</summary>\n\n")?;
        Some((before, inside.strip_suffix("\n\n</details>")?))
    });
    match parts {
        Some((before, inside)) if before.trim().lines().count() < 2 => format!("{before}{inside}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fold_is_undone() {
        let inner = folded("hint", "b");
        for text in [format!("a\n\n{inner}\n\nc"), "a".to_owned()] {
            assert_eq!(unfolded(&folded("s", &text)), text);
            assert_eq!(unfolded(&format!("### T\n\n{}", folded("s", &text))), format!("### T\n\n{text}"));
        }
        assert_eq!(unfolded("### T"), "### T");
        let two = format!("a\nb\n\n{inner}");
        assert_eq!(unfolded(&two), two);
    }
}
