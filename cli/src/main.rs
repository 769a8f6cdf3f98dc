//! The command `motamot`: one file per subcommand. Parse, call the library, show.
#![forbid(unsafe_code)]
// They panic where nobody reads: `output::print` and `output::note` do not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

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
mod machine;
mod model_dir;
mod models;
mod output;
mod sampling;
mod session;
mod signals;
mod tokenizer;
#[cfg(test)]
mod toys;
mod train;

use motamot::utils::Result;

use clap::{Parser, Subcommand};
use output::note;
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
    Models(models::ModelsArgs),
    Verify(models::VerifyArgs),
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
            Command::Models(_) => "models",
            Command::Verify(_) => "verify",
            Command::Tokenizer(_) => "tokenizer",
            Command::Baseline(_) => "baseline",
            Command::Data(_) => "data",
            Command::Info(_) => "info",
            Command::Bench(_) => "bench",
            Command::Cours(_) => "cours",
        }
    }
}

/// Runs the command line: 0, or 1 for a failure, or 2 for wrong usage, or 128 + n if signal n ended it.
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
        Ok(code) => code,
        Err(e) => {
            note(format_args!("error: {e}"));
            match e.help_line() {
                Some(help) => note(format_args!("help: {help}")),
                None if e.exit_code() == 2 => note(format_args!("help: `motamot {name} --help` lists what there is")),
                None => {}
            }
            ExitCode::from(e.exit_code())
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Train(args) => return train::run(&args),
        Command::Generate(args) => machine::set_threads(args.sampling.threads)
            .and_then(|()| generate::run(&args, |dir| load::model(dir, args.sampling.weights))),
        Command::Chat(args) => machine::set_threads(args.sampling.threads)
            .and_then(|()| chat::run(&args, |dir| load::chat_model(dir, args.sampling.weights))),
        Command::Eval(args) => eval::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Verify(args) => models::verify(&args),
        Command::Tokenizer(args) => tokenizer::run(args),
        Command::Baseline(args) => baseline::run(args, encoder),
        Command::Data(args) => data::run(args),
        Command::Info(args) => info::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Cours(args) => cours::run(&args, chapters::COURSE),
    }
    .map(|()| ExitCode::SUCCESS)
}

/// The tokenizer that `baseline --tokenizer` names, a file or a model's folder.
fn encoder(path: &std::path::Path) -> Result<baseline::Encoder> {
    let tokenizer = tokenizer::open_path(path)?;
    let vocab = tokenizer.vocab_size();
    Ok(baseline::Encoder { vocab, encode: Box::new(move |bytes| tokenizer.encode_bytes(bytes)) })
}
