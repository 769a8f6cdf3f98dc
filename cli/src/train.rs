//! `motamot train`: from a text to a model in a folder.

use super::output::{note, visible};
use super::{machine, model_dir::CHECKPOINTS, signals};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use motamot::data::{Corpus, Prepared, TokenizerSource, prepare};
use motamot::evaluation::bars;
use motamot::tokenizer::TokenizerKind;
use motamot::training::state::TextId;
use motamot::training::{Event, Metrics, Outcome, Precision, Run, RunConfig, TrainConfig, state};
use motamot::utils::{Error, Result};
use motamot_course::numbers::{duration, group};
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// Train a model
///
/// Without options: the preset "mini" on the embedded Shakespeare, into models/checkpoints/mini. Ctrl-C (or SIGTERM, SIGHUP)
/// saves and stops; --resume goes on with the same bits as if it had never stopped.
#[derive(Args, Clone, Debug)]
pub struct TrainArgs {
    /// Model and recipe: nano, mini, mini-10m, char or gpt2
    #[arg(long, default_value = "mini")]
    preset: String,
    /// A text file or a folder of .txt files [default: the embedded Shakespeare]
    #[arg(long, value_name = "FILE|DIR")]
    data: Option<PathBuf>,
    /// The model's folder [default: models/checkpoints/PRESET]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Updates to make [default: the preset's]
    #[arg(long, value_name = "N", conflicts_with = "minutes")]
    steps: Option<usize>,
    /// Plan the number of steps for this many minutes, and say which number it is
    #[arg(long, value_name = "M", allow_negative_numbers = true)]
    minutes: Option<f64>,
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
    /// How text becomes tokens [default: the preset's]
    #[arg(long, value_parser = super::tokenizer::kind())]
    tokenizer: Option<TokenizerKind>,
    /// Tokens in the vocabulary of a BPE tokenizer [default: the preset's]
    #[arg(long, value_name = "N")]
    vocab: Option<usize>,
    /// Settings in TOML, in sections [model] and [train]; `training.json` of a run shows them all
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting, for example --set lr=5e-4 or --set positions=rope; may be repeated; an unknown key lists them all
    #[arg(long, value_name = "KEY=VALUE", num_args = 1..)]
    set: Vec<String>,
    /// Go on with the run in the folder
    #[arg(long)]
    resume: bool,
    /// Print nothing but errors
    #[arg(long)]
    quiet: bool,
}

impl TrainArgs {
    fn out(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| Path::new(CHECKPOINTS).join(&self.preset))
    }

    /// Preset, then file, then options, then `--set`: what comes later wins.
    fn run_config(&self) -> Result<RunConfig> {
        let mut config = RunConfig::preset(&self.preset)?;
        if let Some(path) = &self.config {
            let text = motamot::utils::fs::read_to_string(path, 1 << 20)?;
            config.merge_toml(&text, &path.display().to_string())?;
        }
        let t = &mut config.train;
        let kind = self.tokenizer.unwrap_or(t.tokenizer);
        if t.tokenizer == TokenizerKind::Char && kind != t.tokenizer {
            config.model.vocab_size = 5000;
        }
        t.tokenizer = kind;
        t.batch = self.batch.unwrap_or(t.batch);
        t.steps = self.steps.unwrap_or(t.steps);
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

/// A text as the configuration wants it; the model's vocabulary becomes the tokenizer's.
fn load_data(
    path: Option<&Path>,
    config: &mut RunConfig,
    given: Option<motamot::tokenizer::Tokenizer>,
    say: &Say,
) -> Result<(Prepared, Vec<(String, f64)>)> {
    let corpus = Corpus::open(path)?;
    let source = match given {
        Some(tokenizer) => TokenizerSource::Given(Box::new(tokenizer)),
        None => TokenizerSource::Train { kind: config.train.tokenizer, vocab_size: config.model.vocab_size },
    };
    let data = prepare(&corpus, source)?;
    config.model.vocab_size = data.tokenizer.vocab_size();
    Run::check_data(config, &data)?;
    let bars = bars(&corpus, &data)?;
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
    let (data, bars) = load_data(args.data.as_deref(), &mut config, None, say)?;
    machine::check_memory(&config)?;
    machine::warn_of_precision(config.train.precision);
    if let Some(minutes) = args.minutes {
        config.train.steps = plan(&config, &data, minutes, say)?;
    }
    if let Some(old) = state::set_aside(out)? {
        say.line(format_args!("the earlier run in {} is now in {}", out.display(), old.display()));
    }
    let text = TextId::of(&data, args.data.as_deref());
    let run = Run::new(&config, data, text, bars, out)?;
    say.line(format_args!(
        "{}: {} parameters, {} steps of {} tokens ({:.1} passes over the text), {}, {}",
        args.preset,
        group(motamot::nn::Module::parameter_count(&run.trainer.model)),
        config.train.steps,
        config.tokens_per_step(),
        config.train.steps as f64 * config.tokens_per_step() as f64 / run.data.train.len() as f64,
        machine::threads(),
        motamot_kernels::isa::isa()
    ));
    Ok(run)
}

fn resume(args: &TrainArgs, out: &Path, say: &Say) -> Result<Run> {
    let fixed = [
        ("--steps", args.steps.is_some()),
        ("--minutes", args.minutes.is_some()),
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
    let mut config = loaded.config.clone();
    let path = args.data.clone().or_else(|| loaded.text.path.clone());
    let (data, bars) = load_data(path.as_deref(), &mut config, Some(loaded.tokenizer.clone()), say)?;
    let now = TextId::of(&data, path.as_deref());
    if now.tokens_sha256 != loaded.text.tokens_sha256 {
        return Err(Error::new(format!("{} is not the text that this run began with", data.name))
            .help("name that text with --data, or start another run with --out DIR"));
    }
    say.line(format_args!("going on after step {} of {}", loaded.trainer.progress.step, config.train.steps));
    loaded.text = now;
    Run::resume(loaded, data, bars, out)
}

/// The number of steps that fit in a time, from a few steps of a model of the same size.
fn plan(config: &RunConfig, data: &Prepared, minutes: f64, say: &Say) -> Result<usize> {
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
    say.line(format_args!("{minutes} minutes at {step:.3} s a step: the same as --steps {steps}"));
    Ok(steps)
}

/// A few words of the validation text, as a prompt to try.
fn first_words(data: &Prepared) -> String {
    let ids = data.val.tokens();
    let text = data.tokenizer.decode(&ids[..ids.len().min(80)]);
    let line = text.lines().map(str::trim).filter(|line| !line.contains('\u{fffd}')).nth(1).unwrap_or_default();
    line.split_whitespace().take(4).collect::<Vec<_>>().join(" ")
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

/// How the user calls this program: by name, or through cargo from a checkout.
fn program() -> &'static str {
    let built = |exe: PathBuf| exe.parent().is_some_and(|p| p.ends_with("target/release"));
    if std::env::current_exe().is_ok_and(built) { "cargo run --release --" } else { "motamot" }
}

/// What a person sees while the model learns: a bar on a terminal, plain lines elsewhere.
struct Display {
    bar: ProgressBar,
    steps: usize,
    /// Whether control characters would steer a terminal.
    terminal: bool,
    /// Whether there is no bar: elsewhere than on a terminal, and on one that cannot move its cursor.
    plain: bool,
    quiet: bool,
    partial: bool,
    last_line: Instant,
    val: Option<f64>,
    bars: Vec<(String, f64)>,
    /// Where the curve goes, and what turns nats per token into bits per byte.
    dir: PathBuf,
    bytes_per_token: f64,
    /// When the steps of the last minute were made.
    recent: VecDeque<(Instant, usize)>,
}

impl Display {
    fn new(run: &Run, dir: &Path, quiet: bool) -> Display {
        let steps = run.config.train.steps;
        let terminal = std::io::stderr().is_terminal();
        let bar = if quiet || !terminal { ProgressBar::hidden() } else { ProgressBar::new(steps as u64) };
        // As wide as the terminal is: a line that wraps could not be drawn over.
        if let Ok(style) = ProgressStyle::with_template("{bar:16} {pos}/{len} {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_position(run.trainer.progress.step as u64);
        Display {
            steps,
            terminal,
            plain: bar.is_hidden(),
            bar,
            quiet,
            partial: run.evaluates_a_part(),
            last_line: Instant::now(),
            val: None,
            bars: run.bars.clone(),
            dir: dir.to_owned(),
            bytes_per_token: run.data.train_bytes as f64 / run.data.train.len() as f64,
            recent: VecDeque::from([(Instant::now(), run.trainer.progress.step)]),
        }
    }

    fn print(&self, text: &str) {
        match (self.quiet, self.plain) {
            (true, _) => {}
            (false, true) => note(text),
            // Not by the bar, which pads each line to the width that the terminal has now.
            (false, false) => self.bar.suspend(|| note(text)),
        }
    }

    fn show(&mut self, event: Event) {
        match event {
            Event::Step(row) => self.step(row),
            Event::Evaluated { step, result, best, rows } => {
                self.val = Some(result.bits_per_byte);
                let below =
                    self.bars.iter().filter(|(_, bar)| result.bits_per_byte < *bar).map(|(name, _)| name.as_str());
                let below: Vec<&str> = below.collect();
                self.print(&format!(
                    "step {step}: validation{} {:.4} nats/token, {:.4} bits/byte, perplexity {:.1}{}{}",
                    if self.partial { " (a part)" } else { "" },
                    result.nats_per_token,
                    result.bits_per_byte,
                    result.perplexity,
                    if best { ", best so far, saved" } else { "" },
                    if below.is_empty() { String::new() } else { format!(" · beats the {}", below.join(" and the ")) }
                ));
                if let Err(e) = motamot_course::curve::draw(&self.dir, rows, &self.bars, self.bytes_per_token) {
                    self.print(&format!("warning: the curve could not be drawn: {e}"));
                }
            }
            Event::Warning(text) => self.print(&format!("warning: {text}")),
            Event::Sample(text) => {
                let text = if self.terminal { visible(text) } else { text.into() };
                self.print(&format!("  │ {}", text.trim().replace('\n', "\n  │ ")));
            }
        }
    }

    fn step(&mut self, row: &Metrics) {
        // By the last minute: evaluations, samples and saves take their time, too, and the machine may be busy for a while.
        let now = Instant::now();
        while self.recent.len() > 1 && now - self.recent[0].0 > Duration::from_secs(60) {
            self.recent.pop_front();
        }
        let (then, step) = self.recent[0];
        self.recent.push_back((now, row.step));
        let seconds_per_step = (now - then).as_secs_f64() / (row.step - step).max(1) as f64;
        let left = duration(seconds_per_step * (self.steps - row.step) as f64);
        let val = self.val.map_or(String::new(), |v| format!(" · val {v:.3}"));
        let message = format!("loss {:.3}{val} · {:.0} tokens/s · {left} left", row.train_loss, row.tokens_per_s);
        self.bar.set_position(row.step as u64);
        self.bar.set_message(message.clone());
        if self.plain && (self.last_line.elapsed() > Duration::from_secs(10) || row.step == 1) {
            self.last_line = Instant::now();
            self.print(&format!("step {}/{} · {message}", row.step, self.steps));
        }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn summary(run: &Run, outcome: Outcome, out: &Path, args: &TrainArgs, say: &Say) {
    let p = &run.trainer.progress;
    let flag = |value: &Path| quoted(&value.display().to_string());
    let data = args.data.as_deref().map_or(String::new(), |d| format!(" --data {}", flag(d)));
    match outcome {
        Outcome::Interrupted => {
            say.line(format_args!("saved after step {} of {}; go on with", p.step, run.config.train.steps));
            let preset =
                if args.out.is_some() { format!("--out {}", flag(out)) } else { format!("--preset {}", args.preset) };
            say.line(format_args!("  {} train {preset}{data} --resume", program()));
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
    let prompt = match args.data {
        None => "ROMEO:".to_owned(),
        Some(_) => first_words(&run.data),
    };
    say.line(format_args!("  {} generate --model {} --prompt {}", program(), flag(out), quoted(&prompt)));
    // A character tokenizer may not know the names that chat begins with.
    if run.data.tokenizer.encode("ROMEO:\nJULIET:\n").is_ok() {
        say.line(format_args!("  {} chat --model {}", program(), flag(out)));
    }
}
