//! `motamot data list|get`: the texts that can be learned from.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::data::corpus::{EMBEDDED, EMBEDDED_NAME};
use crate::data::download::{self, Options, SOURCES};
use crate::utils::Result;

/// List the known texts, or fetch one.
#[derive(Args, Clone, Debug)]
pub struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum DataCommand {
    /// Show the embedded text and those that can be fetched
    List,
    /// Fetch a text, check it, and say how to train on it
    Get(GetArgs),
}

#[derive(Args, Clone, Debug)]
struct GetArgs {
    /// The name of the text, from `motamot data list`
    name: String,
    /// The folder to put it in
    #[arg(long, value_name = "DIR", default_value = "data/downloads")]
    out: PathBuf,
    /// Another address for the same content
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
}

/// Runs `motamot data`.
pub fn run(args: DataArgs) -> Result<()> {
    match args.command {
        DataCommand::List => {
            println!(
                "{:<18} {:>9} bytes  compiled in, used without --data: {EMBEDDED_NAME}",
                "(embedded)",
                EMBEDDED.len()
            );
            for s in SOURCES {
                println!("{:<18} {:>9} bytes  {}", s.name, s.bytes, s.about);
            }
            println!("\nAny text file or folder of .txt files works as well: --data PATH");
        }
        DataCommand::Get(get) => {
            let source = download::find(&get.name)?;
            let options =
                Options { url: get.url, progress: !get.quiet && std::io::stderr().is_terminal(), ..Options::default() };
            let fetched = download::get(source, &get.out, &options)?;
            let path = fetched.path.display();
            match fetched.transferred {
                0 => println!("{path} is already there and whole"),
                n => println!("{path}: {n} bytes fetched, checksum correct"),
            }
            println!("train on it with: motamot train --data {path}");
        }
    }
    Ok(())
}
