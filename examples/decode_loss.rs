//! What weights in fewer bits cost where text is generated: the loss token by token with a cache, in each format.
//!
//! ```text
//! cargo run --release --example decode_loss MODEL FILE
//! ```
//!
//! The last tenth of the file is scored in windows of the context. `motamot eval --weights int8` scores whole windows at
//! once, whose products are other ones: with int8 weights a token's inputs are rounded, too.

use motamot::checkpoint::load_model;
use motamot::tokenizer::Tokenizer;
use motamot::utils::{Error, Result};
use motamot_kernels::loss::cross_entropy;
use motamot_kernels::panels::Format;
use std::path::Path;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, file] = &args[..] else { return Err(Error::usage("decode_loss MODEL FILE")) };
    let mut gpt = load_model(model)?;
    let tokenizer = Tokenizer::load(Path::new(model).join("tokenizer.json"))?;
    let text = std::fs::read(file).map_err(|e| Error::new(format!("{file}: {e}")))?;
    let ids = tokenizer.encode_bytes(&text[text.len() / 10 * 9..])?;
    for format in [Format::F32, Format::Bf16, Format::Int8] {
        gpt.quantise(Some(format));
        let (mut cache, mut logits) = (gpt.new_cache(1), Vec::new());
        let (mut sum, mut count, mut nll) = (0.0, 0, [0.0]);
        for window in ids.chunks(gpt.config().context) {
            cache.truncate(0, 0);
            for pair in window.windows(2) {
                gpt.decode_token(&[0], &pair[..1], &mut cache, &mut logits);
                cross_entropy(&logits, &pair[1..], logits.len(), &mut nll, &mut [0.0]);
                sum += f64::from(nll[0]);
                count += 1;
            }
        }
        println!("{:<5} {:.5} nats per token, {count} tokens", format!("{format:?}"), sum / f64::from(count.max(1)));
    }
    Ok(())
}
