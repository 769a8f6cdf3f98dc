//! `motamot baseline`: what counting n-grams reaches, in the metric and on the split of every model.

use super::output::{note, print};
use std::path::{Path, PathBuf};

use clap::Args;

use motamot::data::{Corpus, split};
use motamot::evaluation::{Baseline, baselines, characters};
use motamot::utils::Result;

/// Score n-grams (interpolated Witten–Bell) on the last 10 % of a text: what a model has to beat.
#[derive(Args, Clone, Debug)]
pub struct BaselineArgs {
    /// Text files (.txt, .md, .jsonl) and folders of them [default: the embedded Shakespeare]
    #[arg(short, long, value_name = "FILE|DIR", num_args = 1..)]
    data: Vec<PathBuf>,
    /// The longest n-gram
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=32))]
    order: u8,
    /// What is counted: "char", or the tokens of a tokenizer.json (or of a model's folder)
    #[arg(long, value_name = "FILE|char", default_value = "char")]
    tokenizer: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Text to ids.
pub type Encode = dyn Fn(&[u8]) -> Result<Vec<u32>>;

/// A tokenizer as far as a baseline needs it.
pub struct Encoder {
    /// The size of its vocabulary.
    pub vocab: usize,
    /// Text to ids.
    pub encode: Box<Encode>,
}

/// Runs `motamot baseline`; `open` loads the tokenizer that `--tokenizer FILE` names.
pub fn run(args: BaselineArgs, open: impl FnOnce(&Path) -> Result<Encoder>) -> Result<()> {
    let corpus = Corpus::open(&args.data)?;
    corpus.notes.iter().for_each(|text| note(format_args!("note: {text}")));
    let parts = split(&corpus.bytes).map_err(|e| e.at(&corpus.name))?;
    let (train, val, vocab, what) = if args.tokenizer == "char" {
        let s = characters(parts.train, parts.val);
        (s.train, s.val, s.vocab, s.what)
    } else {
        let encoder = open(Path::new(&args.tokenizer))?;
        ((encoder.encode)(parts.train)?, (encoder.encode)(parts.val)?, encoder.vocab, "tokens")
    };
    let rows = baselines(&train, &val, parts.val, usize::from(args.order), vocab).map_err(|e| e.at(&corpus.name))?;
    if args.json {
        let report = serde_json::json!({
            "data": corpus.name, "symbols": what, "vocab": vocab, "train_symbols": train.len(), "val_symbols": val.len(),
            "val_bytes": parts.val.len(), "baselines": rows, "best_order": best(&rows),
        });
        print(format_args!("{report}\n"))?;
    } else {
        print(format_args!(
            "{}: {} {what} to count, {} to score ({} bytes), {vocab} different\n",
            corpus.name,
            train.len(),
            val.len(),
            parts.val.len()
        ))?;
        print(format_args!("{}", table(&rows, what)))?;
    }
    Ok(())
}

/// The order with the fewest bits per byte.
pub fn best(rows: &[Baseline]) -> usize {
    rows.iter().min_by(|a, b| a.bits_per_byte.total_cmp(&b.bits_per_byte)).map_or(0, |r| r.order)
}

/// The rows as text, the best one marked.
pub fn table(rows: &[Baseline], what: &str) -> String {
    let symbol = what.trim_end_matches('s');
    let mut out = format!(
        "{:>2}  {:>14}  {:>10}  {:>10}  {:>10}\n",
        "n",
        format!("nats/{symbol}"),
        "nats/char",
        "bits/byte",
        "perplexity"
    );
    for r in rows {
        let chars = r.nats_per_char.map_or("–".to_string(), |n| format!("{n:.3}"));
        let mark = if r.order == best(rows) { "  ← best" } else { "" };
        out += &format!(
            "{:>2}  {:>14.3}  {chars:>10}  {:>10.3}  {:>10.2}{mark}\n",
            r.order, r.nats_per_symbol, r.bits_per_byte, r.perplexity
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_row_is_marked_and_only_that_one() {
        let row = |order, bits_per_byte| Baseline {
            order,
            nats_per_symbol: 1.0,
            nats_per_char: None,
            bits_per_byte,
            perplexity: 2.7,
        };
        let text = table(&[row(1, 4.0), row(2, 2.0), row(3, 2.5)], "tokens");
        let marked: Vec<_> = text.lines().filter(|l| l.contains("best")).collect();
        assert_eq!(marked.len(), 1);
        assert!(marked[0].trim_start().starts_with('2'), "{text}");
        assert!(text.contains("nats/token"));
    }

    #[test]
    fn the_tokens_of_a_tokenizer_can_be_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("text.txt");
        std::fs::write(&path, "to be or not to be ".repeat(30)).unwrap();
        let args = BaselineArgs { data: vec![path], order: 3, tokenizer: "some.json".into(), json: true };
        let open = |path: &Path| {
            assert_eq!(path, Path::new("some.json"));
            Ok(Encoder { vocab: 256, encode: Box::new(|t| Ok(t.iter().map(|&b| b.into()).collect())) })
        };
        run(args, open).unwrap();
    }
}
