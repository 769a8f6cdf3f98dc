//! `motamot tokenizer train|encode|decode|show`.

use super::load;
use super::model_dir::model_dir;
use super::output::{note, reached};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use motamot::data::Corpus;
use motamot::tokenizer::{BpeOptions, SPECIAL_TOKENS, Tokenizer, TokenizerKind, WordPieceOptions};
use motamot::utils::{Error, Result};
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Train a tokenizer, turn text into ids and back, look inside.
#[derive(Args, Debug)]
pub struct TokenizerArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Learn a vocabulary from text and write tokenizer.json
    Train(TrainArgs),
    /// Print the ids of a text
    Encode(EncodeArgs),
    /// Print the text of ids
    Decode(DecodeArgs),
    /// Print kind, size, first merges and longest tokens; with a text, its tokens in colours
    Show(ShowArgs),
}

/// How a kind of tokenizer is read from the command line.
pub fn kind() -> impl TypedValueParser<Value = TokenizerKind> {
    PossibleValuesParser::new(TokenizerKind::ALL.map(TokenizerKind::name)).try_map(|name| name.parse::<TokenizerKind>())
}

#[derive(Args, Debug)]
struct TrainArgs {
    /// Text files (.txt, .md, .jsonl) and folders of them, all of which is learned from [default: the embedded Shakespeare]
    #[arg(short, long, value_name = "FILE|DIR", num_args = 1..)]
    data: Vec<PathBuf>,
    /// Size of the vocabulary, special tokens included (bpe and wordpiece) [default: 5000]
    #[arg(long, value_name = "N")]
    vocab: Option<usize>,
    /// What the tokens are: byte pairs as in GPT-2, characters, or sub-words as in BERT
    #[arg(long, value_parser = kind(), default_value = "bpe")]
    kind: TokenizerKind,
    /// Pairs seen less often are not merged (bpe and wordpiece) [default: 2]
    #[arg(long, value_name = "N")]
    min_frequency: Option<u64>,
    /// Lower-case and strip accents first (wordpiece)
    #[arg(long)]
    lowercase: bool,
    /// Add the special tokens to the characters (char)
    #[arg(long)]
    specials: bool,
    /// Where to write
    #[arg(long, value_name = "FILE", default_value = "tokenizer.json")]
    out: PathBuf,
}

/// Which tokenizer to use.
#[derive(Args, Debug)]
struct Source {
    /// A tokenizer.json, or a folder that holds one
    #[arg(long, value_name = "FILE|DIR", conflicts_with = "model")]
    tokenizer: Option<PathBuf>,
    /// A model's folder, or its name under models/checkpoints
    #[arg(short, long, value_name = "DIR|NAME")]
    model: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct EncodeArgs {
    #[command(flatten)]
    source: Source,
    /// The text; without it standard input is read
    #[arg(allow_hyphen_values = true)]
    text: Option<String>,
    /// Read names of special tokens in the text as special tokens
    #[arg(long)]
    with_specials: bool,
    /// Print {"ids": […], "tokens": […]}
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct DecodeArgs {
    #[command(flatten)]
    source: Source,
    /// Token ids, separated by spaces or commas; without any standard input is read
    #[arg(value_name = "IDS")]
    ids: Vec<String>,
}

#[derive(Args, Debug)]
struct ShowArgs {
    #[command(flatten)]
    source: Source,
    /// A text whose tokens to show
    text: Option<String>,
}

/// Runs `motamot tokenizer …`.
pub fn run(args: TokenizerArgs) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    match args.command {
        Command::Train(args) => train(&args, &mut out),
        Command::Encode(args) => encode(&args, &mut out),
        Command::Decode(args) => decode(&args, &mut out),
        Command::Show(args) => show(&args, colour, &mut out),
    }
}

fn train(args: &TrainArgs, out: &mut dyn Write) -> Result<()> {
    let char = args.kind == TokenizerKind::Char;
    let without_effect = [
        ("--vocab", args.vocab.is_some() && char, "a character tokenizer has the characters of the text"),
        ("--min-frequency", args.min_frequency.is_some() && char, "a character tokenizer merges nothing"),
        ("--lowercase", args.lowercase && args.kind != TokenizerKind::WordPiece, "only wordpiece changes its text"),
        ("--specials", args.specials && !char, "only characters come without special tokens"),
    ];
    if let Some((option, _, why)) = without_effect.iter().find(|(_, given, _)| *given) {
        return Err(
            Error::usage(format!("{option} has no effect on {}", args.kind)).help(format!("{why}: leave it out"))
        );
    }
    let corpus = Corpus::open(&args.data)?;
    corpus.notes.iter().for_each(|text| note(format_args!("note: {text}")));
    let texts: Vec<&[u8]> = corpus.documents.iter().map(|range| &corpus.bytes[range.clone()]).collect();
    let size = corpus.bytes.len();
    let (vocab_size, min_frequency) = (args.vocab.unwrap_or(5000), args.min_frequency.unwrap_or(2));
    let start = Instant::now();
    let tokenizer = match args.kind {
        TokenizerKind::Bpe => {
            Tokenizer::train_bpe(&texts, &BpeOptions { vocab_size, min_frequency, ..Default::default() })?
        }
        TokenizerKind::Char => {
            let specials = if args.specials { &SPECIAL_TOKENS[..] } else { &[] };
            Tokenizer::chars(&utf8(&texts)?.concat(), specials)?
        }
        TokenizerKind::WordPiece => {
            let options =
                WordPieceOptions { vocab_size, min_frequency, lowercase: args.lowercase, ..Default::default() };
            Tokenizer::train_wordpiece(utf8(&texts)?, &options)?
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    tokenizer.save(&args.out)?;
    say(
        out,
        format_args!(
            "{} tokenizer of {} tokens from {size} bytes in {seconds:.2} s: {}\n",
            tokenizer.kind(),
            tokenizer.vocab_size(),
            args.out.display()
        ),
    )?;
    if !char && tokenizer.vocab_size() < vocab_size {
        say(out, format_args!("fewer than {vocab_size}: no other pair occurs {min_frequency} times\n"))?;
    }
    Ok(())
}

fn encode(args: &EncodeArgs, out: &mut dyn Write) -> Result<()> {
    let tokenizer = open(&args.source)?;
    let text = match &args.text {
        Some(text) => text.clone().into_bytes(),
        None => read_stdin()?,
    };
    let ids = match args.with_specials {
        true => tokenizer.encode_with_specials(utf8_of(&text, "text")?)?,
        false => tokenizer.encode_bytes(&text)?,
    };
    if args.json {
        let tokens: Vec<_> = ids.iter().map(|id| String::from_utf8_lossy(tokenizer.token_bytes(*id))).collect();
        return say(out, format_args!("{}\n", serde_json::json!({"ids": ids, "tokens": tokens})));
    }
    let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
    say(out, format_args!("{}\n", ids.join(" ")))
}

fn decode(args: &DecodeArgs, out: &mut dyn Write) -> Result<()> {
    let tokenizer = open(&args.source)?;
    let text = match args.ids.is_empty() {
        true => utf8_of(&read_stdin()?, "standard input")?.to_string(),
        false => args.ids.join(" "),
    };
    // What `encode --json` prints.
    let object = serde_json::from_str::<serde_json::Value>(&text).ok();
    let text = object.and_then(|object| Some(object.get("ids")?.to_string())).unwrap_or(text);
    let mut ids = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']')).filter(|word| !word.is_empty())
    {
        let id = word.parse::<u32>().ok().filter(|id| (*id as usize) < tokenizer.vocab_size());
        ids.push(id.ok_or_else(|| {
            Error::usage(format!("{:?} is not a token id", word.chars().take(40).collect::<String>()))
                .help(format!("ids of this tokenizer are 0 to {}", tokenizer.vocab_size() - 1))
        })?);
    }
    let mut bytes = tokenizer.decode_bytes(&ids);
    bytes.push(b'\n');
    reached(out.write_all(&bytes)).map(drop)
}

fn show(args: &ShowArgs, colour: bool, out: &mut dyn Write) -> Result<()> {
    let tokenizer = open(&args.source)?;
    if let Some(text) = &args.text {
        return show_text(&tokenizer, text, colour, out);
    }
    say(out, format_args!("kind        {}\ntokens      {}\n", tokenizer.kind(), tokenizer.vocab_size()))?;
    let specials: Vec<String> = tokenizer.specials().map(|(name, id)| format!("{name} {id}")).collect();
    if !specials.is_empty() {
        say(out, format_args!("special     {}\n", specials.join("  ")))?;
    }
    say(out, format_args!("sha256      {}\n", tokenizer.fingerprint()))?;
    let visible = |id: u32| format!("{:?}", String::from_utf8_lossy(tokenizer.token_bytes(id)));
    if !tokenizer.merges().is_empty() {
        say(out, format_args!("first merges of {}\n", tokenizer.merges().len()))?;
        for merge in tokenizer.merges().iter().take(10) {
            say(
                out,
                format_args!(
                    "  {:>6}  {} + {} = {}\n",
                    merge.id,
                    visible(merge.left),
                    visible(merge.right),
                    visible(merge.id)
                ),
            )?;
        }
    }
    if tokenizer.kind() == TokenizerKind::Char {
        let all: String = (0..tokenizer.vocab_size() as u32).take(200).map(|id| tokenizer.decode(&[id])).collect();
        return say(out, format_args!("characters  {all:?}\n"));
    }
    let mut ids: Vec<u32> = (0..tokenizer.vocab_size() as u32).filter(|id| !tokenizer.is_special(*id)).collect();
    ids.sort_by_key(|id| std::cmp::Reverse(tokenizer.token_bytes(*id).len()));
    say(out, format_args!("longest tokens\n"))?;
    for id in ids.into_iter().take(10) {
        say(out, format_args!("  {id:>6}  {}\n", visible(id)))?;
    }
    Ok(())
}

/// The tokens of a text: on a terminal with coloured backgrounds, elsewhere between bars; then the counts.
fn show_text(tokenizer: &Tokenizer, text: &str, colour: bool, out: &mut dyn Write) -> Result<()> {
    let ids = tokenizer.encode(text)?;
    let mut line = String::new();
    for (i, id) in ids.iter().enumerate() {
        // Control characters would move the cursor: shown escaped, but for line ends.
        let token = String::from_utf8_lossy(tokenizer.token_bytes(*id)).into_owned();
        let token: String = token
            .chars()
            .flat_map(|c| match c {
                '\n' => vec!['⏎', '\n'],
                c if c.is_control() => c.escape_debug().collect(),
                c => vec![c],
            })
            .collect();
        match colour {
            true => line.push_str(&format!("\x1b[30;{}m{token}\x1b[0m", [102, 103, 104, 105, 106][i % 5])),
            false => line.push_str(&format!("{token}|")),
        }
    }
    let (tokens, chars, bytes) = (ids.len(), text.chars().count(), text.len());
    let ratio = chars as f64 / tokens.max(1) as f64;
    say(
        out,
        format_args!("{line}\n{tokens} tokens, {chars} characters, {bytes} bytes: {ratio:.2} characters per token\n"),
    )
}

fn open(source: &Source) -> Result<Tokenizer> {
    match &source.tokenizer {
        Some(path) => open_path(path),
        None => match &source.model {
            Some(dir) if dir.join("tokenizer.json").is_file() => open_path(dir),
            dir => open_path(&model_dir(dir.as_deref())?),
        },
    }
}

/// The tokenizer in a file, or in a model's folder.
pub fn open_path(path: &Path) -> Result<Tokenizer> {
    if path.is_dir() { load::tokenizer(path) } else { Tokenizer::load(path) }
}

fn utf8<'a>(texts: &[&'a [u8]]) -> Result<Vec<&'a str>> {
    texts.iter().map(|text| utf8_of(text, "--data")).collect()
}

fn utf8_of<'a>(text: &'a [u8], what: &str) -> Result<&'a str> {
    std::str::from_utf8(text).map_err(|e| {
        Error::new(format!("{what}: byte offset {}: not UTF-8", e.valid_up_to()))
            .help("convert the text to UTF-8, or use --kind bpe, which takes any bytes")
    })
}

fn read_stdin() -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut text);
    read.map_err(|e| Error::new("cannot read standard input").caused_by(e))?;
    Ok(text)
}

fn say(out: &mut dyn Write, text: std::fmt::Arguments) -> Result<()> {
    reached(out.write_fmt(text)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: TokenizerArgs,
    }

    fn call(words: &[&str]) -> Result<String> {
        let cli = Cli::try_parse_from([&["tokenizer"], words].concat()).map_err(|e| Error::usage(e.to_string()))?;
        let mut out = Vec::new();
        match cli.args.command {
            Command::Train(args) => train(&args, &mut out)?,
            Command::Encode(args) => encode(&args, &mut out)?,
            Command::Decode(args) => decode(&args, &mut out)?,
            Command::Show(args) => show(&args, false, &mut out)?,
        }
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn train_encode_decode_show() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        let (data, file) = (path("text.txt"), path("tokenizer.json"));
        std::fs::write(&data, "the king and the queen and the fool\n".repeat(9)).unwrap();
        for (kind, vocab) in [("bpe", "280"), ("char", "5000"), ("wordpiece", "40")] {
            let data = if kind == "char" { dir.path().to_str().unwrap() } else { &data };
            let size = if kind == "char" { &[][..] } else { &["--vocab", vocab] };
            let train = [&["train", "--data", data, "--kind", kind, "--out", &file], size].concat();
            let said = call(&train).unwrap();
            assert!(said.starts_with(&format!("{kind} tokenizer of ")), "{said}");
            let ids = call(&["encode", "--tokenizer", &file, "the king"]).unwrap();
            let words: Vec<&str> = ids.split_whitespace().collect();
            let model = dir.path().to_str().unwrap();
            let text = call(&[&["decode", "--model", model], &words[..]].concat()).unwrap();
            assert_eq!(text, "the king\n");
            let json = call(&["encode", "--tokenizer", &file, "--json", "the king"]).unwrap();
            let json: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(json["ids"].as_array().unwrap().len(), words.len());
            assert!(call(&["show", "--tokenizer", &file]).unwrap().contains(kind));
            let shown = call(&["show", "--tokenizer", &file, "the king"]).unwrap();
            assert!(shown.contains("|") && shown.contains("8 characters, 8 bytes"), "{shown}");
        }
    }

    #[test]
    fn nonsense_is_a_usage_error() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_str().unwrap();
        let exit_code = |words: &[&str]| call(words).unwrap_err().exit_code();
        assert_eq!(exit_code(&["train", "--data", folder]), 1); // no text in it
        assert_eq!(exit_code(&["train", "--kind", "words"]), 2);
        assert_eq!(exit_code(&["encode", "--tokenizer", "a", "--model", "b", "text"]), 2);
        assert_eq!(exit_code(&["decode", "--model", folder, "1"]), 1);
        let (data, file) = (dir.path().join("a.txt"), dir.path().join("t.json"));
        let (data, file) = (data.to_str().unwrap(), file.to_str().unwrap());
        std::fs::write(data, "").unwrap();
        assert_eq!(exit_code(&["train", "--data", data, "--out", file]), 1);
        std::fs::write(data, "abc abc").unwrap();
        assert_eq!(exit_code(&["train", "--data", data, "--out", file, "--vocab", "12"]), 2);
        call(&["train", "--data", data, "--out", file, "--vocab", "270"]).unwrap();
        for ids in ["999999", "x", "-", "4294967296", "1.5"] {
            assert_eq!(exit_code(&["decode", "--tokenizer", file, ids]), 2, "{ids}");
        }
    }
}
