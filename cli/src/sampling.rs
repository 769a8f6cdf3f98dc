//! The options that `generate` and `chat` share.

use std::hash::{BuildHasher, RandomState};

use clap::Args;

use motamot::generation::SamplingOptions;
use motamot::utils::{Error, Result};
use motamot_kernels::panels::Format;

/// Temperature when none is given.
pub const TEMPERATURE: f32 = 0.8;
/// Top-k when neither top-k nor top-p nor min-p is given.
pub const TOP_K: usize = 50;

/// How tokens are chosen and when the text ends.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Sampling")]
pub struct SamplingArgs {
    /// Most tokens to generate
    #[arg(short = 'n', long, value_name = "N", default_value_t = 200)]
    pub max_tokens: usize,

    /// Below 1 safer, above 1 bolder; 0 always takes the likeliest token [default: 0.8]
    #[arg(short = 't', long, value_name = "T", allow_negative_numbers = true, value_parser = number)]
    pub temperature: Option<f32>,

    /// Draw among the K likeliest tokens only; 0 = all [default: 50, unless --top-p or --min-p is given]
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    pub top_k: Option<usize>,

    /// Draw among the likeliest tokens that together have probability P
    #[arg(long, value_name = "P", allow_negative_numbers = true, value_parser = number)]
    pub top_p: Option<f32>,

    /// Drop tokens less likely than P times the likeliest
    #[arg(long, value_name = "P", allow_negative_numbers = true, value_parser = number)]
    pub min_p: Option<f32>,

    /// Make tokens that are already in the text less likely; 1 = off, try 1.1 to 1.3
    #[arg(long, value_name = "R", allow_negative_numbers = true, value_parser = number)]
    pub repetition_penalty: Option<f32>,

    /// Always take the likeliest token
    #[arg(long, conflicts_with_all = ["temperature", "top_k", "top_p", "min_p"])]
    pub greedy: bool,

    /// End the text before any of these strings (\n, \t and \\ are understood)
    #[arg(long, value_name = "S", num_args = 1..)]
    pub stop: Vec<String>,

    /// The same seed gives the same text; without one it is different each time
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Bits in which the weights are read: fewer are faster and less exact (`motamot eval --weights` says how much)
    /// [default: f32]
    #[arg(long, value_parser = crate::machine::weights())]
    pub weights: Option<Format>,

    /// Threads [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

impl SamplingArgs {
    /// The options, checked; without `--seed` with a fresh seed.
    pub fn options(&self) -> Result<SamplingOptions> {
        let filtered = self.top_p.is_some() || self.min_p.is_some();
        let options = SamplingOptions {
            temperature: self.temperature.unwrap_or(TEMPERATURE),
            top_k: self.top_k.unwrap_or(if filtered { 0 } else { TOP_K }),
            top_p: self.top_p.unwrap_or(1.0),
            min_p: self.min_p.unwrap_or(0.0),
            repetition_penalty: self.repetition_penalty.unwrap_or(1.0),
            greedy: self.greedy,
            // Short enough to type again.
            seed: self.seed.unwrap_or_else(|| RandomState::new().hash_one(0u8) & 0xFFFF_FFFF),
        };
        options.validate()?;
        Ok(options)
    }

    /// The stop strings, with `\n`, `\t` and `\\` replaced.
    pub fn stops(&self) -> Result<Vec<String>> {
        if self.stop.iter().any(String::is_empty) {
            return Err(Error::usage("a stop string is empty").help("leave out --stop to stop at no string"));
        }
        Ok(self.stop.iter().map(|s| unescape(s)).collect())
    }
}

/// A number as programs write it: with a point.
pub fn number(text: &str) -> std::result::Result<f32, String> {
    text.parse().map_err(|_| match text.replace(',', ".") {
        point if point != text && point.parse::<f32>().is_ok() => format!("write {point}, with a point"),
        _ => "not a number; write for example 0.8".to_string(),
    })
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.as_str().chars().next()) {
            ('\\', Some(escaped @ ('n' | 't' | '\\'))) => {
                chars.next();
                out.push(match escaped {
                    'n' => '\n',
                    't' => '\t',
                    other => other,
                });
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_what_replaces_them() {
        let args = SamplingArgs::default();
        let options = args.options().unwrap();
        assert_eq!((options.temperature, options.top_k, options.top_p), (TEMPERATURE, TOP_K, 1.0));
        assert_ne!(options.seed, args.options().unwrap().seed, "fresh seeds");
        let options = SamplingArgs { top_p: Some(0.9), seed: Some(4), ..SamplingArgs::default() }.options().unwrap();
        assert_eq!((options.top_k, options.top_p, options.seed), (0, 0.9, 4));
        let bad = SamplingArgs { temperature: Some(-1.0), ..SamplingArgs::default() };
        assert_eq!(bad.options().unwrap_err().exit_code(), 2);
    }

    #[test]
    fn stop_strings_are_unescaped() {
        let stops = |s: &str| SamplingArgs { stop: vec![s.into()], ..SamplingArgs::default() }.stops();
        assert_eq!(stops(r"\n\nA\tb\\n\x\").unwrap(), ["\n\nA\tb\\n\\x\\"]);
        assert_eq!(stops("").unwrap_err().exit_code(), 2);
    }
}
