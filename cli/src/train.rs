//! `motamot train`: from a text to a model in a folder.

mod display;

use super::model_dir::{CHECKPOINTS, model_dir};
use super::output::note;
use super::{machine, signals};
use clap::Args;
use display::Display;
use motamot::data::{Corpus, Prepared, TokenizerSource, prepare_with};
use motamot::evaluation::bars;
use motamot::model::{Gpt, GptConfig};
use motamot::tokenizer::{Tokenizer, TokenizerKind};
use motamot::training::state::TextId;
use motamot::training::{Outcome, Precision, Run, RunConfig, TrainConfig, state};
use motamot::utils::{Error, Result};
use motamot_course::numbers::{duration, group};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Instant;

/// Train a model
///
/// Without options: the preset "mini" on the embedded Shakespeare, into models/checkpoints/mini. Ctrl-C (or SIGTERM, SIGHUP)
/// saves and stops; --resume goes on with the same bits as if it had never stopped.
#[derive(Args, Clone, Debug)]
pub struct TrainArgs {
    /// Model and recipe: nano, mini, mini-10m, char or gpt2 [default: mini]
    #[arg(value_name = "PRESET", conflicts_with = "preset")]
    name: Option<String>,
    /// The same
    #[arg(long, hide_short_help = true)]
    preset: Option<String>,
    /// Texts to learn from: files .txt, .md, .jsonl (a "text" on each line) and folders of them; may be repeated
    /// [default: the embedded Shakespeare]
    #[arg(short, long, value_name = "FILE|DIR", num_args = 1..)]
    data: Vec<PathBuf>,
    /// A text to check with [default: the last 10 % of the text that is learned from]
    #[arg(long, value_name = "FILE", requires = "data")]
    val: Option<PathBuf>,
    /// Begin with the weights and the tokenizer of a model (ours, a GPT-2 or a Llama), with a third of the preset's rate
    #[arg(long, value_name = "DIR", conflicts_with_all = ["tokenizer", "vocab"])]
    init_from: Option<PathBuf>,
    /// The model's folder [default: models/checkpoints/PRESET]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Updates in all [default: the preset's]; with --resume, more than the run began with
    #[arg(long, value_name = "N", conflicts_with = "minutes", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Plan the number of steps for about this many minutes (with --resume: more minutes), and say which number it is
    #[arg(long, value_name = "M", allow_negative_numbers = true)]
    minutes: Option<f64>,
    /// Highest learning rate [default: the preset's]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    lr: Option<f32>,
    /// Sequences per step [default: the preset's]
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Seed of everything random [default: the preset's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Threads [default: all cores]; the result does not depend on it
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// How matrix products are computed [default: the preset's]; bf16 is faster where the processor has instructions for
    /// it (AMX; AVX-512-BF16 on processors of AMD), and gives other digits than f32
    #[arg(long, value_parser = machine::precision())]
    precision: Option<Precision>,
    /// How text becomes tokens [default: the preset's]; FILE is a tokenizer.json, or a folder that holds one
    #[arg(long, value_name = "bpe|char|FILE")]
    tokenizer: Option<String>,
    /// Tokens in the vocabulary of a BPE tokenizer [default: the preset's]
    #[arg(long, value_name = "N")]
    vocab: Option<usize>,
    /// Settings in TOML, in sections [model] and [train], or the `training.json` of a run
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting, for example --set lr=5e-4 or --set positions=rope; may be repeated; an unknown key lists them all
    #[arg(long, value_name = "KEY=VALUE", num_args = 1..)]
    set: Vec<String>,
    /// Keep the models of the last K evaluations besides the best one, in folders step-N [default: none]
    #[arg(long, value_name = "K", default_value_t = 0, hide_default_value = true)]
    keep: usize,
    /// Go on with the run in the folder. With more --steps or --minutes it goes on beyond its end: a cosine warms up
    /// again and falls anew, other schedules take up where they were
    #[arg(long)]
    resume: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

/// What `--tokenizer` names.
enum Given {
    Kind(TokenizerKind),
    File(PathBuf),
}

impl TrainArgs {
    fn preset(&self) -> &str {
        self.name.as_deref().or(self.preset.as_deref()).unwrap_or("mini")
    }

    fn out(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| Path::new(CHECKPOINTS).join(self.preset()))
    }

    fn tokenizer(&self) -> Result<Option<Given>> {
        let Some(name) = &self.tokenizer else { return Ok(None) };
        if let Some(kind) = [TokenizerKind::Bpe, TokenizerKind::Char].into_iter().find(|kind| kind.name() == name) {
            return Ok(Some(Given::Kind(kind)));
        }
        match Path::new(name) {
            path if path.exists() => Ok(Some(Given::File(path.to_owned()))),
            _ => Err(Error::usage(format!("--tokenizer {name}: neither bpe nor char nor a file"))
                .help("`motamot tokenizer train` makes such a file")),
        }
    }

    /// Preset, then file, then options, then `--set`: what comes later wins.
    fn run_config(&self) -> Result<RunConfig> {
        let mut config = RunConfig::preset(self.preset())?;
        if self.init_from.is_some() {
            // What is learned already should be changed, not overwritten.
            (config.train.lr, config.train.min_lr) = (config.train.lr / 3.0, config.train.min_lr / 3.0);
        }
        if let Some(path) = &self.config {
            let text = motamot::utils::fs::read_to_string(path, 1 << 20)?;
            config.merge_file(&text, &path.display().to_string())?;
            config.train.first = 0; // of a run that was gone on with
        }
        let t = &mut config.train;
        let kind = match self.tokenizer()? {
            Some(Given::Kind(kind)) => kind,
            _ => t.tokenizer,
        };
        if t.tokenizer == TokenizerKind::Char && kind != t.tokenizer {
            config.model.vocab_size = 5000;
        }
        t.tokenizer = kind;
        t.batch = self.batch.unwrap_or(t.batch);
        t.steps = self.steps.map_or(t.steps, |steps| steps as usize);
        if let Some(lr) = self.lr {
            // The last rate keeps its part of the highest.
            (t.lr, t.min_lr) = (lr, lr * (t.min_lr / t.lr));
        }
        t.seed = self.seed.unwrap_or(t.seed);
        t.precision = self.precision.unwrap_or(t.precision);
        if let Some(vocab) = self.vocab {
            if t.tokenizer == TokenizerKind::Char {
                return Err(Error::usage("--vocab: a character tokenizer has the characters of the text")
                    .help("leave out --vocab, or use --tokenizer bpe"));
            }
            config.model.vocab_size = vocab;
        }
        for assignment in &self.set {
            config.set(assignment)?;
        }
        if self.minutes.is_some_and(|m| !(m.is_finite() && m > 0.0)) {
            return Err(Error::usage("--minutes: must be a positive number"));
        }
        config.check()?;
        Ok(config)
    }
}

/// Runs `motamot train`: 0, or 128 + n if signal n ended it.
pub fn run(args: &TrainArgs) -> Result<ExitCode> {
    machine::set_threads(args.threads)?;
    let out = args.out();
    let say = Say { quiet: args.quiet };
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Arc::new(AtomicBool::new(false));
    let signal = handle_signals(&stop, &begun, args.quiet)?;
    let mut run = if args.resume { resume(args, &out, &say)? } else { start(args, &out, &say)? };
    begun.store(true, Ordering::Relaxed);
    let mut display = Display::new(&run, &out, args.quiet);
    let outcome = run.train(&stop, &mut |event| display.show(event));
    display.finish();
    let outcome = outcome?;
    summary(&run, outcome, &out, args, &say);
    Ok(match outcome {
        Outcome::Interrupted => ExitCode::from(128 + signal.load(Ordering::Relaxed)),
        Outcome::Finished | Outcome::Stopped => ExitCode::SUCCESS,
    })
}

/// Lines for a person, unless `--quiet`.
struct Say {
    quiet: bool,
}

impl Say {
    fn line(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            note(text);
        }
    }
}

/// The first signal asks for an end after this step; the second does not wait. Before the first step there is nothing to
/// save. Which one it was comes back, once there was one.
fn handle_signals(stop: &Arc<AtomicBool>, begun: &Arc<AtomicBool>, quiet: bool) -> Result<Arc<AtomicU8>> {
    let (stop, begun, which) = (stop.clone(), begun.clone(), Arc::new(AtomicU8::new(signals::INTERRUPT)));
    let first = which.clone();
    signals::on_end(move |signal| {
        if !begun.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed) {
            std::process::exit(128 + i32::from(signal));
        }
        first.store(signal, Ordering::Relaxed);
        stop.store(true, Ordering::Relaxed);
        if !quiet {
            note("\nstopping after this step and saving (Ctrl-C again: at once, losing what is not saved)");
        }
    })?;
    Ok(which)
}

/// Texts as the configuration wants them. A tokenizer that is not `given` is trained, and the model gets its vocabulary.
fn load_data(
    (corpus, val): (Corpus, Option<Corpus>),
    config: &mut RunConfig,
    given: Option<Tokenizer>,
    say: &Say,
) -> Result<(Prepared, Vec<(String, f64)>)> {
    for note in corpus.notes.iter().chain(val.iter().flat_map(|val| &val.notes)) {
        say.line(format_args!("note: {note}"));
    }
    let asked = config.model.vocab_size;
    let source = match given {
        Some(tokenizer) => TokenizerSource::Given(Box::new(tokenizer)),
        None => TokenizerSource::Train { kind: config.train.tokenizer, vocab_size: asked },
    };
    let trained = matches!(source, TokenizerSource::Train { .. });
    let data = prepare_with(&corpus, val.as_ref(), source)?;
    if trained {
        config.model.vocab_size = data.tokenizer.vocab_size();
        if config.train.tokenizer == TokenizerKind::Bpe && data.tokenizer.vocab_size() < asked {
            let (has, asked) = (group(data.tokenizer.vocab_size()), group(asked));
            say.line(format_args!("note: the text gives only {has} of the {asked} tokens that were asked for"));
        }
    }
    Run::check_data(config, &data)?;
    let bars = bars(&corpus, val.as_ref(), &data)?;
    say.line(format_args!(
        "{}: {} bytes; {} tokens to learn from, {} to check with, {:.2} bytes per token, vocabulary {}",
        data.name,
        group(corpus.bytes.len()),
        group(data.train.len()),
        group(data.val.len()),
        data.train_bytes as f64 / data.train.len() as f64,
        data.tokenizer.vocab_size()
    ));
    Ok((data, bars))
}

fn start(args: &TrainArgs, out: &Path, say: &Say) -> Result<Run> {
    let mut config = args.run_config()?;
    let (model, given) = given(args, &mut config)?;
    let corpora = (Corpus::open(&args.data)?, args.val.as_deref().map(Corpus::load).transpose()?);
    check_names(args)?;
    let (data, bars) = load_data(corpora, &mut config, given, say)?;
    machine::check_memory(&config)?;
    machine::warn_of_precision(config.train.precision);
    if let Some(minutes) = args.minutes {
        config.train.steps = plan(&config, &data, minutes)?;
        say.line(format_args!("about {minutes} minutes: the same as --steps {}", config.train.steps));
    }
    if let Some(old) = state::set_aside(out)? {
        say.line(format_args!("the earlier run in {} is now in {}", out.display(), old.display()));
    }
    let text = TextId::of(&data, &args.data, args.val.as_deref());
    let mut run = match model {
        Some(gpt) => Run::of(gpt, &config, data, text, bars, out)?,
        None => Run::new(&config, data, text, bars, out)?,
    };
    run.keep = args.keep;
    say.line(format_args!(
        "{}: {} parameters, {} steps of {} tokens ({:.1} passes over the text), {}, {}{}",
        args.init_from.as_ref().map_or(args.preset().to_owned(), |dir| format!("from {}", dir.display())),
        group(motamot::nn::Module::parameter_count(&run.trainer.model)),
        config.train.steps,
        config.tokens_per_step(),
        config.train.steps as f64 * config.tokens_per_step() as f64 / run.data.train.len() as f64,
        machine::threads(),
        motamot_kernels::isa::isa(),
        machine::precision_hint(config.train.precision)
    ));
    Ok(run)
}

/// The model of `--init-from`, and the tokenizer that it or `--tokenizer` brings.
fn given(args: &TrainArgs, config: &mut RunConfig) -> Result<(Option<Gpt>, Option<Tokenizer>)> {
    if let Some(dir) = &args.init_from {
        let dir = model_dir(Some(dir))?;
        let preset = RunConfig::preset(args.preset())?.model;
        let unset = GptConfig { dropout: preset.dropout, ..config.model.clone() };
        if unset != preset {
            return Err(Error::usage("--init-from: the settings of the model are those of the folder")
                .help("of [model], only dropout can be set; leave the others out"));
        }
        let (gpt, tokenizer) = super::load::model(&dir, None)?;
        config.model = GptConfig { dropout: config.model.dropout, ..gpt.config().clone() };
        config.train.tokenizer = tokenizer.kind();
        return Ok((Some(gpt), Some(tokenizer)));
    }
    let Some(Given::File(path)) = args.tokenizer()? else { return Ok((None, None)) };
    if args.vocab.is_some() {
        return Err(
            Error::usage("--vocab: the tokenizer of a file has the tokens that it has").help("leave out --vocab")
        );
    }
    let tokenizer = super::tokenizer::open_path(&path)?;
    (config.model.vocab_size, config.train.tokenizer) = (tokenizer.vocab_size(), tokenizer.kind());
    Ok((None, Some(tokenizer)))
}

/// The paths of the texts go into `training.json`, which is UTF-8.
fn check_names(args: &TrainArgs) -> Result<()> {
    match args.data.iter().chain(&args.val).find(|path| path.to_str().is_none()) {
        Some(path) => Err(Error::new(format!("{}: its name is not UTF-8", path.display()))
            .help("rename it: a run remembers which text it learned from")),
        None => Ok(()),
    }
}

fn resume(args: &TrainArgs, out: &Path, say: &Say) -> Result<Run> {
    let fixed = [
        ("--preset", (args.name.is_some() || args.preset.is_some()) && args.out.is_some()),
        ("--init-from", args.init_from.is_some()),
        ("--lr", args.lr.is_some()),
        ("--batch", args.batch.is_some()),
        ("--seed", args.seed.is_some()),
        ("--tokenizer", args.tokenizer.is_some()),
        ("--vocab", args.vocab.is_some()),
        ("--precision", args.precision.is_some()),
        ("--config", args.config.is_some()),
        ("--set", !args.set.is_empty()),
    ];
    if let Some((option, _)) = fixed.iter().find(|(_, given)| *given) {
        return Err(Error::usage(format!("{option} cannot be changed by --resume"))
            .help("a resumed run goes on as it began; leave the option out, or start another with --out DIR"));
    }
    let mut loaded = state::load(out)?;
    machine::check_memory(&loaded.config)?;
    let mut config = loaded.config.clone();
    let text = match args.data.is_empty() {
        true => TextId { val: args.val.clone().or(loaded.text.val.clone()), ..loaded.text.clone() },
        false => TextId { paths: args.data.clone(), val: args.val.clone(), ..loaded.text.clone() },
    };
    let (data, bars) = load_data(text.open()?, &mut config, Some(loaded.tokenizer.clone()), say)?;
    let now = TextId::of(&data, &text.paths, text.val.as_deref());
    if now.tokens_sha256 != loaded.text.tokens_sha256 {
        return Err(Error::new(format!("{} is not the text that this run began with", data.name))
            .help("name that text with --data, or start another run with --out DIR"));
    }
    let at = loaded.trainer.progress.step;
    let steps = match (args.steps, args.minutes) {
        (Some(steps), _) => Some(steps as usize),
        (None, Some(minutes)) => Some(at + plan(&config, &data, minutes)?),
        (None, None) => None,
    };
    if let Some(steps) = steps {
        loaded.go_on(steps)?;
        let how = match loaded.config.train.first == at && at > 0 {
            true => "the learning rate warms up again and falls anew",
            false => "the schedule goes on as if it had always been that long",
        };
        say.line(format_args!("going on after step {at}, now to step {steps}: {how}"));
    } else if at == config.train.steps {
        say.line(format_args!("all {at} steps are made; --resume --steps {} would make as many again", 2 * at));
    } else {
        say.line(format_args!("going on after step {at} of {}", config.train.steps));
    }
    loaded.text = now;
    let mut run = Run::resume(loaded, data, bars, out)?;
    run.keep = args.keep;
    Ok(run)
}

/// The number of steps that fit in a time, from a few steps of a model of the same size.
fn plan(config: &RunConfig, data: &Prepared, minutes: f64) -> Result<usize> {
    const TRIALS: usize = 5;
    // The passes of a step take the same time each.
    let mut one = config.clone();
    one.train.accumulate = 1;
    let (mut trial, objective) = (one.trainer()?, one.objective(&data.train));
    trial.step(&objective)?;
    let mut seconds = Vec::new();
    for _ in 0..TRIALS {
        let clock = Instant::now();
        trial.step(&objective)?;
        seconds.push(clock.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let step = seconds[TRIALS / 2] * config.train.accumulate as f64;
    // Each evaluation runs the validation split forward, about a third of the work of training on as many tokens.
    let tokens = data.val.len().min(config.train.eval_tokens) as f64;
    let evaluation = step * tokens / config.tokens_per_step() as f64 / 3.0;
    let fits = |seconds: f64| (seconds / step).max(1.0);
    let all = fits(minutes * 60.0);
    let every = TrainConfig { steps: all as usize, ..config.train.clone() }.eval_every();
    let steps = fits(minutes * 60.0 - all / every as f64 * evaluation) as usize;
    Ok(steps)
}

/// A few words of the validation text, as a prompt to try.
fn first_words(data: &Prepared) -> String {
    let ids = data.val.tokens();
    let text = data.tokenizer.decode(&ids[..ids.len().min(400)]);
    // The first line may be the rest of one that was cut.
    let mut lines = text.lines().skip(1).chain(text.lines().take(1)).map(str::trim);
    let fit = |line: &&str| line.contains(char::is_alphabetic) && !line.contains(['\u{fffd}', '<']);
    let line = lines.find(fit).unwrap_or_default();
    line.chars()
        .filter(|c| !c.is_control())
        .collect::<String>()
        .split_whitespace()
        .take(4)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether the text is a play: lines such as "JULIET:" alone, whose names `chat` can play.
fn is_a_play(data: &Prepared) -> bool {
    let ids = data.val.tokens();
    let text = data.tokenizer.decode(&ids[..ids.len().min(4000)]);
    let heading = |line: &&str| line.ends_with(':') && line.len() < 40 && line.starts_with(char::is_uppercase);
    text.lines().filter(heading).count() >= 5
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=+@,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// How the user called this program: through cargo, by a path, or by name.
fn program() -> String {
    let built = |exe: PathBuf| exe.parent().is_some_and(|p| p.ends_with("target/release"));
    if std::env::var_os("CARGO").is_some() && std::env::current_exe().is_ok_and(built) {
        return "cargo run --release --".into();
    }
    let called = std::env::args().next().filter(|called| called.contains(std::path::is_separator));
    called.map_or("motamot".into(), |called| quoted(&called))
}

fn summary(run: &Run, outcome: Outcome, out: &Path, args: &TrainArgs, say: &Say) {
    let p = &run.trainer.progress;
    let flag = |value: &Path| quoted(&value.display().to_string());
    match outcome {
        Outcome::Interrupted => {
            say.line(format_args!("saved after step {} of {}; go on with", p.step, run.config.train.steps));
            let preset = if args.out.is_some() { format!("--out {}", flag(out)) } else { args.preset().to_owned() };
            say.line(format_args!("  {} train {preset} --resume", program()));
            return;
        }
        Outcome::Stopped => {
            say.line(format_args!("stopped early: no better model for {} evaluations", p.evaluations_since_best))
        }
        Outcome::Finished => {}
    }
    if let (Some((_, step)), Some(best)) = (p.best, run.best()) {
        say.line(format_args!(
            "{} steps in {}; best model: step {step}, {:.4} nats/token, {:.4} bits/byte, in {}",
            p.step,
            duration(p.elapsed_s),
            best.nats_per_token,
            best.bits_per_byte,
            out.display()
        ));
    }
    say.line("try it:");
    let prompt = match run.text().paths.is_empty() {
        true => "ROMEO:".to_owned(),
        false => first_words(&run.data),
    };
    say.line(format_args!("  {} generate --model {} --prompt {}", program(), flag(out), quoted(&prompt)));
    // A character tokenizer may not know the names that chat begins with.
    if is_a_play(&run.data) && run.data.tokenizer.encode("ROMEO:\nJULIET:\n").is_ok() {
        say.line(format_args!("  {} chat --model {}", program(), flag(out)));
    }
}
