//! `motamot data list|get`: the texts that can be learned from.

use super::output::print;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::download::{self, SOURCES};
use motamot::data::corpus::{EMBEDDED, EMBEDDED_NAME};
use motamot::utils::Result;

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
}

/// Runs `motamot data`.
pub fn run(args: DataArgs) -> Result<()> {
    match args.command {
        DataCommand::List => {
            print(format_args!(
                "{:<18} {:>9} bytes  compiled in, used without --data: {EMBEDDED_NAME}\n",
                "(embedded)",
                EMBEDDED.len()
            ))?;
            for s in SOURCES {
                print(format_args!("{:<18} {:>9} bytes  {}\n", s.name, s.bytes, s.about))?;
            }
            print(format_args!("\nAny text file or folder of .txt files works as well: --data PATH\n"))?;
        }
        DataCommand::Get(get) => {
            let source = download::find(&get.name)?;
            let (path, fetched) = download::get(source, &get.out, get.url.as_deref())?;
            let path = path.display();
            match fetched {
                false => print(format_args!("{path} is already there and whole\n"))?,
                true => print(format_args!("{path}: {} bytes fetched, checksum correct\n", source.bytes))?,
            }
            print(format_args!("train on it with: motamot train --data {path}\n"))?;
        }
    }
    Ok(())
}
