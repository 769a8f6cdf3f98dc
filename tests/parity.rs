//! Ten steps of the preset `char` against PyTorch's, from the same weights and batches (dev/golden/parity.py).

use motamot::data::{Corpus, TokenizerSource, prepare};
use motamot::tokenizer::TokenizerKind;
use motamot::training::{RunConfig, Trainer};

#[test]
fn char_trains_as_in_pytorch() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("../dev/golden/char_parity.json")).unwrap();
    let mut config = RunConfig::preset("char").unwrap();
    config.model.dropout = 0.0;
    config.train.batch = golden["batch"].as_u64().unwrap() as usize;
    let source = TokenizerSource::Train { kind: TokenizerKind::Char, vocab_size: 0 };
    let data = prepare(&Corpus::embedded(), source).unwrap();
    config.model.vocab_size = data.tokenizer.vocab_size();
    let mut trainer = Trainer::new(&config).unwrap();
    for (step, want) in golden["losses"].as_array().unwrap().iter().enumerate() {
        let (want, got) = (want.as_f64().unwrap(), f64::from(trainer.step(&data.train).unwrap().loss));
        assert!((want - got).abs() < 1e-4, "step {}: PyTorch {want}, here {got}", step + 1);
    }
    assert_eq!(trainer.progress.step, 10);
}
