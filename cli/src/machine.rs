//! What this machine can do: its memory, its threads, its precision.

use crate::info::Cost;
use crate::output::note;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use motamot::training::{Precision, RunConfig, available};
use motamot::utils::by_name::Named;
use motamot::utils::{Error, Result};
use motamot_kernels::{isa, panels::Format, parallel};

/// Refuses a training run that the machine has no memory for, before it is killed for it.
pub fn check_memory(config: &RunConfig) -> Result<()> {
    let precision = available(config.train.precision);
    let cost = Cost::of(&config.model, &config.model.parts(), config.train.batch, precision);
    let bytes = cost.state.saturating_add(cost.activations);
    if Vec::<u8>::new().try_reserve_exact(bytes).is_err() {
        return Err(Error::new(format!("this takes about {:.0} GB of memory, more than there is", bytes as f64 / 1e9))
            .help("lower --batch (and raise --set accumulate), the width, the layers or the context"));
    }
    Ok(())
}

/// Says so if products in bf16 were asked for and this machine computes them in f32.
pub fn warn_of_precision(precision: Precision) {
    if available(precision) != precision {
        let isa = isa::isa();
        note(format_args!("warning: products in bf16 are no faster here ({isa}); computing in f32"));
        note("help: they pay with AMX, and with AVX-512-BF16 on processors of AMD");
    }
}

/// What to say beside the instructions of a run in f32 where products in bf16 would be faster.
pub fn precision_hint(precision: Precision) -> &'static str {
    match precision == Precision::F32 && available(Precision::Bf16) == Precision::Bf16 {
        true => ", f32 (--precision bf16 is faster here)",
        false => "",
    }
}

/// How `--precision` is read.
pub fn precision() -> impl TypedValueParser<Value = Precision> {
    PossibleValuesParser::new(Precision::NAMES.iter().map(|(_, name)| *name))
        .map(|name| Precision::of_name(&name).unwrap_or_default())
}

/// How `--weights` is read.
pub fn weights() -> impl TypedValueParser<Value = Format> {
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
pub fn threads() -> String {
    let n = parallel::threads();
    format!("{n} thread{}", if n == 1 { "" } else { "s" })
}

/// `--threads N`.
pub fn set_threads(threads: Option<usize>) -> Result<()> {
    match threads {
        None => Ok(()),
        Some(n @ 1..=1024) => {
            parallel::set_threads(n);
            Ok(())
        }
        Some(n) => Err(Error::usage(format!("--threads {n}: must be between 1 and 1024"))),
    }
}
