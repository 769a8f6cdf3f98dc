//! The command `motamot`: one file per subcommand. Parse, call the library, show.
#![forbid(unsafe_code)]

mod baseline;
mod bench;
mod chapters;
mod chat;
mod cours;
mod data;
mod download;
mod eval;
mod generate;
mod info;
mod load;
mod model_dir;
mod output;
mod sampling;
mod tokenizer;
#[cfg(test)]
mod toys;
mod train;

use motamot::training::Precision;
use motamot::utils::{Error, Result};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use motamot_kernels::{bf16, panels::Format};
use std::process::ExitCode;

/// Build, train and talk to a GPT-style language model, from scratch, on an ordinary CPU
#[derive(Parser, Debug)]
#[command(
    name = "motamot",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Train(train::TrainArgs),
    Generate(generate::GenerateArgs),
    Chat(chat::ChatArgs),
    Eval(eval::EvalArgs),
    Tokenizer(tokenizer::TokenizerArgs),
    Baseline(baseline::BaselineArgs),
    Data(data::DataArgs),
    Info(info::InfoArgs),
    Bench(bench::BenchArgs),
    #[command(visible_alias = "course")]
    Cours(cours::CoursArgs),
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Command::Train(_) => "train",
            Command::Generate(_) => "generate",
            Command::Chat(_) => "chat",
            Command::Eval(_) => "eval",
            Command::Tokenizer(_) => "tokenizer",
            Command::Baseline(_) => "baseline",
            Command::Data(_) => "data",
            Command::Info(_) => "info",
            Command::Bench(_) => "bench",
            Command::Cours(_) => "cours",
        }
    }
}

/// Runs the command line: 0, or 1 for a failure, or 2 for wrong usage.
fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version are "errors" to clap, of code 0. A closed pipe is nobody's fault.
            let _ = e.print();
            return ExitCode::from(e.exit_code() as u8);
        }
    };
    let name = cli.command.name();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            match e.help_line() {
                Some(help) => eprintln!("help: {help}"),
                None if e.exit_code() == 2 => eprintln!("help: `motamot {name} --help` lists what there is"),
                None => {}
            }
            ExitCode::from(e.exit_code())
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Train(args) => train::run(&args),
        Command::Generate(args) => generate::run(&args, |dir| load::model(dir, args.sampling.weights)),
        Command::Chat(args) => chat::run(&args, |dir| load::chat_model(dir, args.sampling.weights)),
        Command::Eval(args) => eval::run(&args),
        Command::Tokenizer(args) => tokenizer::run(args),
        Command::Baseline(args) => baseline::run(args, encoder),
        Command::Data(args) => data::run(args),
        Command::Info(args) => info::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Cours(args) => cours::run(&args, chapters::COURSE),
    }
}

/// The tokenizer that `baseline --tokenizer` names, a file or a model's folder.
fn encoder(path: &std::path::Path) -> Result<baseline::Encoder> {
    let tokenizer = if path.is_dir() { load::tokenizer(path)? } else { motamot::tokenizer::Tokenizer::load(path)? };
    let vocab = tokenizer.vocab_size();
    Ok(baseline::Encoder { vocab, encode: Box::new(move |bytes| tokenizer.encode_bytes(bytes)) })
}

/// Refuses a training run that the machine has no memory for, before it is killed for it.
fn check_memory(config: &motamot::training::RunConfig) -> Result<()> {
    let precision = config.train.precision.of_kernels();
    let cost = info::Cost::of(&config.model, &config.model.parts(), config.train.batch, precision);
    let bytes = cost.state.saturating_add(cost.activations);
    if Vec::<u8>::new().try_reserve_exact(bytes).is_err() {
        return Err(Error::new(format!("this takes about {:.0} GB of memory, more than there is", bytes as f64 / 1e9))
            .help("lower --batch (and raise --set accumulate), the width, the layers or the context"));
    }
    Ok(())
}

/// Says so if products in bf16 were asked for and this machine computes them in f32.
fn warn_of_precision(precision: Precision) {
    if precision == Precision::Bf16 && precision.of_kernels() == bf16::Precision::F32 {
        let isa = motamot_kernels::isa::isa();
        eprintln!("warning: products in bf16 are no faster here ({isa}); computing in f32");
        eprintln!("help: they need a processor with AVX-512-BF16 or AMX");
    }
}

/// How `--precision` is read.
fn precision() -> impl TypedValueParser<Value = Precision> {
    PossibleValuesParser::new(["f32", "bf16"]).try_map(|name| name.parse::<Precision>())
}

/// How `--weights` is read.
fn weights() -> impl TypedValueParser<Value = Format> {
    let formats = [
        PossibleValue::new("f32").help("As they are"),
        PossibleValue::new("bf16").help("Half the memory traffic"),
        PossibleValue::new("int8").help("A quarter of it, with a scale per row"),
    ];
    PossibleValuesParser::new(formats).map(|name| match name.as_str() {
        "bf16" => Format::Bf16,
        "int8" => Format::Int8,
        _ => Format::F32,
    })
}

/// "1 thread", "2 threads".
fn threads() -> String {
    let n = motamot_kernels::parallel::threads();
    format!("{n} thread{}", if n == 1 { "" } else { "s" })
}

/// `--threads N`.
fn set_threads(threads: Option<usize>) -> Result<()> {
    match threads {
        None => Ok(()),
        Some(n @ 1..=1024) => {
            motamot_kernels::parallel::set_threads(n);
            Ok(())
        }
        Some(n) => Err(Error::usage(format!("--threads {n}: must be between 1 and 1024"))),
    }
}
