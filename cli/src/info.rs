//! `motamot info`: what a model consists of, and what it costs.

use super::model_dir::model_dir;
use super::output::print;
use clap::Args;
use motamot::checkpoint::read_config;
use motamot::model::{GptConfig, PRESETS, Part, preset};
use motamot::training::RunConfig;
use motamot::transformer::NormOrder;
use motamot::utils::{Error, Result};
use motamot_course::numbers::group;
use motamot_kernels::bf16::Precision;
use motamot_tensor::ops::{CHUNK_LOGITS, CHUNK_ROWS};
use serde_json::json;
use std::path::PathBuf;

/// Show the parameters, FLOP per token and memory of a model
#[derive(Args, Clone, Debug)]
pub struct InfoArgs {
    /// A preset: nano, mini, mini-10m, char or gpt2 [default: all of them, a line each]
    #[arg(value_name = "PRESET", conflicts_with_all = ["preset", "model"])]
    name: Option<String>,
    /// The same
    #[arg(long, conflicts_with = "model", hide_short_help = true)]
    preset: Option<String>,
    /// A model's folder, or its name under models/checkpoints
    #[arg(short, long, value_name = "DIR|NAME")]
    model: Option<PathBuf>,
    /// One setting of the preset's model, for example --set layers=12; may be repeated
    #[arg(long, value_name = "KEY=VALUE", num_args = 1..)]
    set: Vec<String>,
    /// Sequences per training step, for the memory
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1 << 20))]
    batch: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a model costs.
pub(super) struct Cost {
    parameters: usize,
    /// FLOP per token of a forward pass; training takes three times as many.
    pub(super) flop: usize,
    /// Bytes: weights; weights, gradients and AdamW's moments; activations of a training step; a full cache, per sequence.
    pub(super) weights: usize,
    pub(super) state: usize,
    pub(super) activations: usize,
    pub(super) cache: usize,
}

impl Cost {
    pub(super) fn of(c: &GptConfig, parts: &[Part], batch: usize, precision: Precision) -> Cost {
        let parameters: usize = parts.iter().map(|p| p.parameters).sum();
        let (q, kv) = (c.heads * c.head_dim(), c.kv_heads() * c.head_dim());
        let f = c.mlp_width() * if c.activation == motamot::transformer::Activation::Swiglu { 3 } else { 2 };
        // Bytes of what is kept for the backward, per token and block: in f32 two norms' outputs, q k v, the attention's
        // output, the MLP's two sides, and the residual stream and its branch after each sub-layer.
        let (inner, bf16) = (2 * c.width + (q + 2 * kv) + q + f, precision == Precision::Bf16);
        let per_block = match c.norm_order {
            // Each sub-layer is one op, which adds its branch at once and keeps the rest in two bytes.
            NormOrder::Pre if bf16 => 2 * inner + 4 * 2 * c.width,
            _ => 4 * (inner + 4 * c.width),
        };
        let per_token = c.layers * per_block + 4 * 3 * c.width;
        // The gradients that the loss computes on the way, and a chunk of logits.
        let rows = (CHUNK_LOGITS / c.vocab_size.max(1)).max(CHUNK_ROWS).min(c.context.saturating_mul(batch));
        let loss = c.vocab_size.saturating_mul(if bf16 { 2 } else { 4 } * rows + 4 * c.width);
        Cost {
            parameters,
            flop: 2 * parts.iter().map(|p| p.multiply_adds).sum::<usize>(),
            weights: 4 * parameters,
            // In bf16 each matrix is packed besides, as it is and turned.
            state: (if bf16 { 20 } else { 16 }) * parameters,
            activations: c.context.saturating_mul(per_token).saturating_mul(batch).saturating_add(loss),
            cache: 4 * 2 * c.layers * c.context * kv,
        }
    }
}

fn mega(bytes: usize) -> String {
    if bytes < 1_000_000_000 {
        format!("{:.1} MB", bytes as f64 / 1e6)
    } else {
        format!("{:.1} GB", bytes as f64 / 1e9)
    }
}

/// Runs `motamot info`.
pub fn run(args: &InfoArgs) -> Result<()> {
    let named = args.name.as_ref().or(args.preset.as_ref());
    if named.is_none() && !args.set.is_empty() {
        return Err(Error::usage("--set: of which preset?").help("for example: info mini --set layers=12"));
    }
    let (name, config) = match (named, &args.model) {
        (Some(name), _) => {
            let mut config = RunConfig::preset(name)?;
            args.set.iter().try_for_each(|assignment| config.set(assignment))?;
            config.check()?;
            (name.clone(), config.model)
        }
        (None, Some(dir)) => {
            let dir = model_dir(Some(dir))?;
            (dir.display().to_string(), read_config(&dir)?)
        }
        (None, None) => return overview(args),
    };
    let parts = config.parts();
    let [cost, in_bf16] = [Precision::F32, Precision::Bf16].map(|p| Cost::of(&config, &parts, args.batch, p));
    if args.json {
        print(format_args!("{}\n", report(&name, &config, &parts, [&cost, &in_bf16])))?;
        return Ok(());
    }
    let c = &config;
    print(format_args!(
        "{name}: vocabulary {}, context {}, width {}, {} layers, {} heads of {}{}\n",
        group(c.vocab_size),
        c.context,
        c.width,
        c.layers,
        c.heads,
        c.head_dim(),
        if c.kv_heads() == c.heads { String::new() } else { format!(" ({} key–value heads)", c.kv_heads()) }
    ))?;
    print(format_args!("\n{:<24}{:>14}{:>8}{:>20}\n", "part", "parameters", "share", "FLOP/token forward"))?;
    for part in &parts {
        let share = 100.0 * part.parameters as f64 / cost.parameters as f64;
        print(format_args!(
            "{:<24}{:>14}{share:>7.1}%{:>20}\n",
            part.name,
            group(part.parameters),
            group(2 * part.multiply_adds)
        ))?;
    }
    print(format_args!("{:<24}{:>14}{:>7.1}%{:>20}\n", "all", group(cost.parameters), 100.0, group(cost.flop)))?;
    print(format_args!("\ntraining: {} FLOP per token (forward, and twice that backward)\n", group(3 * cost.flop)))?;
    print(format_args!(
        "memory:   weights {}; with gradients and AdamW's moments {}, with --precision bf16 {}\n",
        mega(cost.weights),
        mega(cost.state),
        mega(in_bf16.state)
    ))?;
    print(format_args!(
        "          activations of a step of {} × {}: about {}, with --precision bf16 {}\n",
        args.batch,
        c.context,
        mega(cost.activations),
        mega(in_bf16.activations)
    ))?;
    print(format_args!("          a full key–value cache: {} per sequence\n", mega(cost.cache)))?;
    Ok(())
}

fn report(name: &str, config: &GptConfig, parts: &[Part], [cost, in_bf16]: [&Cost; 2]) -> serde_json::Value {
    json!({
        "name": name, "config": config, "parts": parts, "parameters": cost.parameters,
        "flop_per_token_forward": cost.flop, "flop_per_token_training": 3 * cost.flop,
        "bytes": {
            "weights": cost.weights, "training_state": cost.state, "training_state_bf16": in_bf16.state,
            "activations": cost.activations, "activations_bf16": in_bf16.activations, "kv_cache": cost.cache,
        },
    })
}

fn overview(args: &InfoArgs) -> Result<()> {
    if !args.json {
        print(format_args!(
            "{:<10}{:>14}{:>8}{:>9}{:>7}{:>8}{:>7}{:>18}{:>12}\n",
            "preset", "parameters", "vocab", "context", "width", "layers", "heads", "FLOP/token train", "memory"
        ))?;
    }
    let mut reports = Vec::new();
    for name in PRESETS {
        let c = preset(name)?;
        let parts = c.parts();
        let [cost, in_bf16] = [Precision::F32, Precision::Bf16].map(|p| Cost::of(&c, &parts, args.batch, p));
        if args.json {
            reports.push(report(name, &c, &parts, [&cost, &in_bf16]));
            continue;
        }
        print(format_args!(
            "{name:<10}{:>14}{:>8}{:>9}{:>7}{:>8}{:>7}{:>18}{:>12}\n",
            group(cost.parameters),
            group(c.vocab_size),
            c.context,
            c.width,
            c.layers,
            c.heads,
            group(3 * cost.flop),
            mega(cost.state + cost.activations)
        ))?;
    }
    if args.json {
        print(format_args!("{}\n", json!(reports)))?;
    } else {
        print(format_args!(
            "\nmemory: of training with {} sequences a step; --preset NAME or --model DIR shows the parts\n",
            args.batch
        ))?;
    }
    Ok(())
}
