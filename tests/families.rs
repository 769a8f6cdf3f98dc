//! Configurations of GPT-2 and Llama that `transformers` has computed: the same loss, and the same greedy text.

use motamot::checkpoint::{Item, load_model, write_tensors};
use motamot::data::TokenDataset;
use motamot::evaluation::evaluate;
use motamot::generation::{Request, SamplingOptions, generate};
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::Path;

/// Made by dev/golden/families.py.
const GOLDEN: &str = include_str!("../dev/golden/families.json");

/// The weights of a tensor, as the script makes them: splitmix64 from the FNV-1a hash of the name; a norm's are near 1.
fn weights(name: &str, shape: &[usize]) -> Vec<f32> {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let start = name.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    let norm = shape.len() == 1 && name.ends_with("weight");
    let weight = |i: u64| {
        let mut z = start.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let u = ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 24) as f32 - 0.5;
        if norm { 1.0 + u * 0.5 } else { u * 0.5 }
    };
    (1..=shape.iter().product::<usize>() as u64).map(weight).collect()
}

fn numbers<T: TryFrom<u64>>(value: &Value) -> Vec<T> {
    value.as_array().unwrap().iter().filter_map(|n| T::try_from(n.as_u64()?).ok()).collect()
}

fn save(case: &Value, dir: &Path) {
    std::fs::write(dir.join("config.json"), case["config"].to_string()).unwrap();
    let tensors: Vec<(&String, Vec<usize>, Vec<f32>)> = case["tensors"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, shape)| {
            let shape = numbers(shape);
            let data = weights(name, &shape);
            (name, shape, data)
        })
        .collect();
    let items = tensors.iter().map(|(name, shape, data)| Item::slice(name.as_str(), shape.clone(), data)).collect();
    let mut bytes = Vec::new();
    write_tensors(&mut bytes, dir, items, &[("format", "pt")]).unwrap();
    std::fs::write(dir.join("model.safetensors"), bytes).unwrap();
}

#[test]
fn every_configuration_gives_the_numbers_of_transformers() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 40);
    let mut worst = 0.0f64;
    for case in cases {
        let dir = tempfile::tempdir().unwrap();
        save(case, dir.path());
        let gpt = load_model(dir.path()).unwrap_or_else(|e| panic!("{}: {e}", case["config"]));
        let ids: Vec<u32> = numbers(&case["ids"]);
        let data = TokenDataset::new(ids.clone());
        let found = evaluate(&gpt, &data, ids.len(), gpt.config().context).unwrap().nats_per_token;
        let gap = (found - case["nats_per_token"].as_f64().unwrap()).abs();
        assert!(gap < 2e-5, "{}: {gap}", case["config"]);
        worst = worst.max(gap);
        let greedy: Vec<u32> = numbers(&case["greedy"]);
        let sampling = SamplingOptions { greedy: true, ..SamplingOptions::default() };
        let request = Request { max_tokens: greedy.len(), ..Request::new(&gpt, &ids[..2], &sampling) };
        let text = generate(&gpt, &request, |_, _| Ok(ControlFlow::Continue(()))).unwrap();
        assert_eq!(text.samples[0].tokens, greedy, "{}", case["config"]);
    }
    assert!(worst > 0.0, "two programs that agree to the last bit are one program");
}
