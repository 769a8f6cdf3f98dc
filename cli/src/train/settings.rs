//! What `--set` and `--config` can set.

use crate::output::print;
use motamot::training::RunConfig;
use motamot::utils::Result;

/// Each setting and what it means; a test compares the names with those of the configuration.
const SETTINGS: [(&str, &str); 38] = [
    ("model.vocab_size", "tokens in the vocabulary (--vocab)"),
    ("model.context", "the longest sequence, in tokens"),
    ("model.width", "width of the residual stream"),
    ("model.layers", "blocks"),
    ("model.heads", "attention heads; must divide the width"),
    ("model.kv_heads", "key–value heads, 0: as many as heads; fewer is grouped-query attention"),
    ("model.head_dim", "width of a head, 0: width / heads"),
    ("model.mlp_width", "width of the MLP, 0: 4 · width"),
    ("model.positions", "learned, sinusoidal, rope, alibi or none"),
    ("model.rope_theta", "θ of rope"),
    ("model.norm", "layer or rms"),
    ("model.norm_order", "pre or post: before or after each sub-layer"),
    ("model.norm_eps", "ε of the norms"),
    ("model.activation", "gelu, gelu_tanh, relu or swiglu"),
    ("model.bias", "true or false: biases in projections and norms"),
    ("model.tied", "true or false: whether the head is the token table"),
    ("model.dropout", "dropout, in [0, 1)"),
    ("train.steps", "updates of the weights (--steps)"),
    ("train.first", "the step where the schedule begins; set by --resume --steps"),
    ("train.batch", "sequences in a forward pass (--batch)"),
    ("train.accumulate", "forward passes for one update"),
    ("train.lr", "highest learning rate (--lr)"),
    ("train.min_lr", "last learning rate"),
    ("train.warmup", "steps of warm-up"),
    ("train.decay", "cosine, wsd (warm-up–stable–decay) or constant"),
    ("train.weight_decay", "weight decay of AdamW"),
    ("train.beta1", "AdamW's memory of gradients, in [0, 1)"),
    ("train.beta2", "AdamW's memory of their squares, in [0, 1)"),
    ("train.eps", "AdamW's ε"),
    ("train.clip", "largest gradient norm, 0: no limit"),
    ("train.eval_every", "steps between evaluations, 0: twelve in all, at least 20 steps apart"),
    ("train.eval_tokens", "most validation tokens that an evaluation during training scores"),
    ("train.patience", "evaluations without a new best that end a run, 0: never"),
    ("train.sample_tokens", "tokens of the sample after each evaluation, 0: none"),
    ("train.seed", "everything random follows from it (--seed)"),
    ("train.tokenizer", "bpe or char (--tokenizer)"),
    ("train.precision", "f32 or bf16 (--precision)"),
    ("train.optimizer", "adamw or muon"),
];

/// Prints the settings with the values that a preset gives them.
pub fn list(config: &RunConfig) -> Result<()> {
    for ((name, value), (_, meaning)) in config.settings().iter().zip(SETTINGS) {
        print(format_args!("{name:<20} {value:>10}  {meaning}\n"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_told_of() {
        for preset in motamot::model::PRESETS {
            let config = RunConfig::preset(preset).unwrap();
            let names: Vec<String> = config.settings().into_iter().map(|(name, _)| name).collect();
            assert_eq!(names, SETTINGS.map(|(name, _)| name));
        }
    }

    /// A word that the list offers is one that can be set.
    #[test]
    fn the_words_that_are_told_can_be_set() {
        for (key, words) in [
            ("positions", "learned sinusoidal rope alibi none"),
            ("norm", "layer rms"),
            ("norm_order", "pre post"),
            ("activation", "gelu gelu_tanh relu swiglu"),
            ("decay", "cosine wsd constant"),
            ("tokenizer", "bpe char"),
            ("precision", "f32 bf16"),
            ("optimizer", "adamw muon"),
        ] {
            for word in words.split(' ') {
                RunConfig::preset("mini").unwrap().set(&format!("{key}={word}")).unwrap();
                let (_, meaning) = SETTINGS.iter().find(|(name, _)| name.ends_with(&format!(".{key}"))).unwrap();
                assert!(meaning.contains(word), "{key}: {word}");
            }
        }
    }
}
