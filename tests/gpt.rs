//! The GPT as a whole: gradients, causality, cache, dropout, overfitting, in all of its variants.

mod model_checks;

use model_checks::{check_gradients, distance, overfit, some_ids, stir};
use motamot::attention::composed_weights;
use motamot::embeddings::PositionKind::{self, Alibi, Learned, None as NoPositions, Rope, Sinusoidal};
use motamot::model::{Gpt, GptConfig, mean_loss};
use motamot::nn::{KvCache, Module, NormKind, Pass};
use motamot::transformer::{Activation, NormOrder};
use motamot_kernels::panels::Format;
use motamot_kernels::rng::Rng;
use motamot_tensor::ops::{self, Attention, Mask};
use motamot_tensor::{Gradients, Tensor};

const POSITIONS: [PositionKind; 5] = [Learned, Sinusoidal, Rope, Alibi, NoPositions];

fn tiny() -> GptConfig {
    GptConfig { vocab_size: 11, context: 8, width: 8, layers: 2, heads: 4, mlp_width: 12, ..GptConfig::default() }
}

fn stirred(config: &GptConfig) -> Gpt {
    let mut gpt = Gpt::new(config, &mut Rng::new(1)).unwrap();
    stir(&mut gpt, 2);
    gpt
}

/// Every combination of the choices that a configuration offers.
fn variants() -> Vec<GptConfig> {
    let mut all = Vec::new();
    for (i, positions) in POSITIONS.into_iter().enumerate() {
        for norm in [NormKind::Layer, NormKind::Rms] {
            for norm_order in [NormOrder::Pre, NormOrder::Post] {
                for activation in [Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Swiglu] {
                    for tied in [true, false] {
                        for kv_heads in [1, 2, 4] {
                            // Bias with and without each of the others.
                            let bias = (i + usize::from(tied) + kv_heads / 2).is_multiple_of(2);
                            all.push(GptConfig {
                                positions,
                                norm,
                                norm_order,
                                activation,
                                tied,
                                kv_heads,
                                bias,
                                ..tiny()
                            });
                        }
                    }
                }
            }
        }
    }
    all
}

#[test]
fn gradients_of_every_variant() {
    let (ids, targets) = (some_ids(10, 11, 3), some_ids(10, 11, 4));
    for (i, config) in variants().iter().enumerate() {
        let mut gpt = stirred(config);
        // Every parameter on its own in one variant of eleven: 11 is coprime to each choice's number of options.
        let each = i % 11 == 0;
        // ReLU has kinks: a small step crosses few of them.
        let (h, tolerance) = if config.activation == Activation::Relu { (1e-3, 1e-2) } else { (1e-2, 4e-3) };
        println!("{config:?}");
        check_gradients(&mut gpt, h, tolerance, each, &|gpt, pass| gpt.loss(&ids, &targets, 2, pass));
    }
}

#[test]
fn gradients_through_dropout() {
    // The same random stream draws the same masks, so the loss is a fixed function of the weights.
    let mut gpt = stirred(&GptConfig { dropout: 0.2, ..tiny() });
    let (ids, targets) = (some_ids(16, 11, 3), some_ids(16, 11, 4));
    check_gradients(&mut gpt, 1e-2, 4e-3, true, &|gpt, pass| gpt.loss(&ids, &targets, 2, pass));
}

/// The table of a tied model gets the sum of what an untied model's table and head get.
#[test]
fn a_tied_table_gets_both_gradients() {
    let (ids, targets) = (some_ids(16, 11, 3), some_ids(16, 11, 4));
    let tied = stirred(&tiny());
    let mut untied = Gpt::new(&GptConfig { tied: false, ..tiny() }, &mut Rng::new(1)).unwrap();
    let mut weights = std::collections::HashMap::new();
    tied.visit("", &mut |path, p| drop(weights.insert(path.to_owned(), p.data().to_vec())));
    weights.insert("lm_head.weight".to_owned(), weights["wte.weight"].clone());
    untied.visit_mut("", &mut |path, p| p.data_mut().copy_from_slice(&weights[path]));
    let gradient = |gpt: &Gpt| {
        let (mut g, mut rng) = (Gradients::new(), Rng::new(1));
        mean_loss(&gpt.loss(&ids, &targets, 2, &mut Pass::train(&mut rng)), &targets).backward(&mut g);
        g
    };
    let (one, two) = (gradient(&tied), gradient(&untied));
    let (table, head) = (untied.wte.weight.id(), untied.lm_head.as_ref().unwrap().weight.id());
    let (table, head) = (two.get(table).unwrap(), two.get(head).unwrap());
    assert!(table.iter().any(|g| *g != 0.0) && head.iter().any(|g| *g != 0.0));
    let sum: Vec<f32> = table.iter().zip(head).map(|(a, b)| a + b).collect();
    assert!(distance(&sum, one.get(tied.wte.weight.id()).unwrap()) < 1e-6);
}

#[test]
fn micro_batches_accumulate() {
    let gpt = stirred(&tiny());
    let (ids, targets) = (some_ids(32, 11, 3), some_ids(32, 11, 4));
    let mut rng = Rng::new(1);
    let (mut whole, mut parts) = (Gradients::new(), Gradients::new());
    ops::sum(&gpt.loss(&ids, &targets, 4, &mut Pass::train(&mut rng))).backward(&mut whole);
    for i in 0..4 {
        let (ids, targets) = (&ids[i * 8..][..8], &targets[i * 8..][..8]);
        ops::sum(&gpt.loss(ids, targets, 1, &mut Pass::train(&mut rng))).backward(&mut parts);
    }
    gpt.visit("", &mut |path, p| {
        let d = distance(whole.get(p.id()).unwrap(), parts.get(p.id()).unwrap());
        assert!(d < 1e-4, "{path}: {d}");
    });
}

#[test]
fn the_first_loss_is_that_of_guessing() {
    let config = GptConfig { vocab_size: 500, context: 32, width: 32, layers: 2, heads: 4, ..GptConfig::default() };
    for tied in [true, false] {
        let gpt = Gpt::new(&GptConfig { tied, ..config.clone() }, &mut Rng::new(5)).unwrap();
        let (ids, targets) = (some_ids(256, 500, 6), some_ids(256, 500, 7));
        let loss = ops::mean(&gpt.loss(&ids, &targets, 8, &mut Pass::eval())).item();
        assert!((loss / 500f32.ln() - 1.0).abs() < 0.02, "{loss}");
    }
}

#[test]
fn what_comes_later_changes_nothing_before() {
    for positions in POSITIONS {
        let gpt = stirred(&GptConfig { positions, kv_heads: 2, ..tiny() });
        let ids = some_ids(16, 11, 8);
        let before = gpt.forward(&ids, 2, &mut Pass::eval());
        for j in 0..8 {
            let mut changed = ids.clone();
            changed[8 + j] = (changed[8 + j] + 1) % 11;
            let after = gpt.forward(&changed, 2, &mut Pass::eval());
            // The other row, and the tokens before: the very same bits.
            assert_eq!(before.data()[..(8 + j) * 11], after.data()[..(8 + j) * 11], "{positions:?} {j}");
            for i in j..8 {
                let row = (8 + i) * 11..(9 + i) * 11;
                // Nothing forbids a small effect; none at all would mean that the token is not seen.
                assert_ne!(before.data()[row.clone()], after.data()[row], "{positions:?} {j} {i}");
            }
        }
    }
}

#[test]
fn the_cache_changes_nothing() {
    for positions in POSITIONS {
        for kv_heads in [1, 2, 4] {
            for norm_order in [NormOrder::Pre, NormOrder::Post] {
                let gpt = stirred(&GptConfig { positions, kv_heads, norm_order, ..tiny() });
                let ids = some_ids(24, 11, 9);
                let full = gpt.forward(&ids, 3, &mut Pass::eval());
                let want = |t: usize| -> Vec<f32> {
                    (0..3).flat_map(|row| full.data()[(row * 8 + t) * 11..][..11].to_vec()).collect()
                };
                let piece = |from: usize, to: usize| -> Vec<u32> {
                    (0..3).flat_map(|row| ids[row * 8 + from..row * 8 + to].to_vec()).collect()
                };
                let mut logits = Vec::new();
                let mut check = |cache: &mut KvCache, from: usize, to: usize, what: &str| {
                    gpt.decode_composed(&[0, 1, 2], &piece(from, to), cache, &mut logits);
                    assert_eq!(logits.len(), 3 * 11);
                    let t = to - 1;
                    let d = distance(&logits, &want(t));
                    assert!(d < 2e-5, "{positions:?}, {kv_heads} key heads, {what}, token {t}: {d}");
                };
                // One by one.
                let mut cache = gpt.new_cache(3);
                for t in 0..8 {
                    check(&mut cache, t, t + 1, "one by one");
                }
                assert!((0..3).all(|row| cache.len(row) == 8));
                // Every way to split in three, one or two of which may be empty.
                for a in 1..8 {
                    for b in a + 1..=8 {
                        (0..3).for_each(|row| cache.truncate(row, 0));
                        check(&mut cache, 0, a, "first part");
                        check(&mut cache, a, b, "second part");
                        if b < 8 {
                            check(&mut cache, b, 8, "third part");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn copied_rows_carry_on() {
    for positions in POSITIONS {
        let gpt = stirred(&GptConfig { positions, kv_heads: 2, ..tiny() });
        let ids = some_ids(16, 11, 10);
        let mut cache = gpt.new_cache(2);
        let mut logits = Vec::new();
        gpt.decode_composed(&[0, 1], &[&ids[..5], &ids[8..13]].concat(), &mut cache, &mut logits);
        // Rows 2 and 3 are new, and copies of row 1.
        for copy in [2, 3] {
            assert_eq!(cache.push_row(), copy);
            cache.copy_row(1, copy);
        }
        let from = [1, 0, 1, 1];
        let more = some_ids(12, 11, 11);
        gpt.decode_composed(&[1, 0, 2, 3], &more, &mut cache, &mut logits);
        let rows: Vec<u32> =
            from.iter().zip(more.chunks(3)).flat_map(|(&r, more)| [&ids[r * 8..][..5], more].concat()).collect();
        let full = gpt.forward(&rows, 4, &mut Pass::eval());
        let want: Vec<f32> = full.data().chunks(8 * 11).flat_map(|row| row[7 * 11..].to_vec()).collect();
        assert!(distance(&logits, &want) < 2e-5, "{positions:?}");
        // Fewer tokens again.
        cache.truncate(3, 0);
        assert_eq!((cache.rows(), cache.len(0), cache.len(3)), (4, 8, 0));
    }
}

#[test]
#[should_panic(expected = "9 tokens exceed the context of 8")]
fn the_context_has_an_end() {
    let gpt = stirred(&tiny());
    let mut cache = gpt.new_cache(1);
    gpt.decode_composed(&[0], &some_ids(8, 11, 1), &mut cache, &mut Vec::new());
    gpt.decode_composed(&[0], &[1], &mut cache, &mut Vec::new());
}

#[test]
fn dropout_is_for_training_alone() {
    let mut gpt = stirred(&GptConfig { dropout: 0.3, ..tiny() });
    let ids = some_ids(16, 11, 12);
    let eval = |gpt: &Gpt| gpt.forward(&ids, 2, &mut Pass::eval()).data().to_vec();
    let train = |gpt: &Gpt, seed| gpt.forward(&ids, 2, &mut Pass::train(&mut Rng::new(seed))).data().to_vec();
    assert_eq!(eval(&gpt), eval(&gpt));
    assert_ne!(train(&gpt, 1), eval(&gpt));
    assert_ne!(train(&gpt, 1), train(&gpt, 2));
    assert_eq!(train(&gpt, 1), train(&gpt, 1));
    gpt.set_dropout(0.0);
    assert_eq!(train(&gpt, 1), eval(&gpt));
}

#[test]
fn evaluation_records_nothing_and_frozen_parameters_get_nothing() {
    let mut gpt = stirred(&tiny());
    let (ids, targets) = (some_ids(16, 11, 3), some_ids(16, 11, 4));
    assert!(!gpt.loss(&ids, &targets, 2, &mut Pass::eval()).is_tracked());
    gpt.visit_mut("", &mut |path, p| p.set_trainable(path.starts_with("h.1.mlp")));
    let (mut g, mut rng) = (Gradients::new(), Rng::new(1));
    ops::sum(&gpt.loss(&ids, &targets, 2, &mut Pass::train(&mut rng))).backward(&mut g);
    gpt.visit("", &mut |path, p| assert_eq!(g.get(p.id()).is_some(), p.is_trainable(), "{path}"));
}

/// The fused op against the weights written out, times the values.
#[test]
fn the_weights_for_pictures_are_the_ones_used() {
    let (b, t, h, g, d) = (2, 5, 4, 2, 6);
    let values: Vec<f32> = {
        let mut rng = Rng::new(3);
        (0..b * t * (h + 2 * g) * d).map(|_| rng.normal()).collect()
    };
    let qkv = Tensor::new(&values, [b, t, (h + 2 * g) * d]);
    for mask in [Mask::Full, Mask::Causal, Mask::Padding(vec![3, 5]), Mask::CausalPadding(vec![2, 4]), Mask::Window(2)]
    {
        for alibi in [None, Some(motamot::embeddings::alibi_slopes(h))] {
            let a = Attention { kv_heads: g, mask: mask.clone(), alibi, ..Attention::causal(h, d) };
            let weights = composed_weights(&qkv, &a);
            let fused = ops::attention_packed(&qkv, a);
            for (i, y) in fused.data().iter().enumerate() {
                let (row, query, head, c) = (i / (t * h * d), i / (h * d) % t, i / d % h, i % d);
                let value =
                    |key: usize| values[(row * t + key) * (h + 2 * g) * d + (h + g) * d + head / (h / g) * d + c];
                let weight = |key: usize| weights.data()[((row * h + head) * t + query) * t + key];
                let want: f32 = (0..t).map(|key| weight(key) * value(key)).sum();
                assert!((y - want).abs() < 1e-5, "{mask:?} {i}: {y} {want}");
            }
        }
    }
}

#[test]
fn one_batch_is_learned_by_heart() {
    let config = GptConfig { vocab_size: 20, context: 16, width: 32, layers: 2, heads: 4, ..GptConfig::default() };
    for (positions, norm, activation, tied) in [
        (Learned, NormKind::Layer, Activation::GeluTanh, true),
        (Rope, NormKind::Rms, Activation::Swiglu, false),
        (Alibi, NormKind::Layer, Activation::Relu, true),
    ] {
        let config = GptConfig { positions, norm, activation, tied, ..config.clone() };
        let mut gpt = Gpt::new(&config, &mut Rng::new(1)).unwrap();
        let text = some_ids(4 * 17, 20, 13);
        let ids: Vec<u32> = text.chunks(17).flat_map(|row| row[..16].to_vec()).collect();
        let targets: Vec<u32> = text.chunks(17).flat_map(|row| row[1..].to_vec()).collect();
        overfit(&mut gpt, 1e-2, 400, 0.05, |gpt, pass| ops::mean(&gpt.loss(&ids, &targets, 4, pass)));
    }
}

/// In fewer bits every variant answers as the same model with rounded weights would, with and without a cache.
#[test]
fn quantised_weights_are_used_and_are_close() {
    let ids = some_ids(7, 11, 5);
    for config in variants() {
        let mut gpt = stirred(&config);
        let whole = gpt.forward(&ids, 1, &mut Pass::eval());
        for (format, bound) in [(Format::Bf16, 0.05), (Format::Int8, 0.15)] {
            gpt.quantise(Some(format));
            let rounded = gpt.forward(&ids, 1, &mut Pass::eval());
            let size = whole.data().iter().fold(0.0f32, |max, x| max.max(x.abs()));
            let far = distance(whole.data(), rounded.data());
            assert!(far > 0.0 && far < bound * size, "{format:?}: {far} of {size}, {config:?}");
            let (mut cache, mut logits) = (gpt.new_cache(1), Vec::new());
            for (t, id) in ids.iter().enumerate() {
                gpt.decode_composed(&[0], &[*id], &mut cache, &mut logits);
                let row = &rounded.data()[t * 11..][..11];
                let far = distance(row, &logits);
                assert!(far < 1e-4 * size, "{format:?}: the cache differs by {far}");
            }
        }
        gpt.quantise(None);
        assert_eq!(gpt.forward(&ids, 1, &mut Pass::eval()).data(), whole.data());
        gpt.quantise(Some(Format::Int8));
        let trained = gpt.forward(&ids, 1, &mut Pass::train(&mut Rng::new(1)));
        assert_eq!(trained.data(), whole.data(), "training uses the weights themselves");
        gpt.visit_mut("", &mut |_, p| p.data_mut()[0] += 0.0);
        assert_eq!(gpt.forward(&ids, 1, &mut Pass::eval()).data(), whole.data(), "changed weights are used");
    }
}

/// The kernel of decoding against the layers one by one: the same bits, in each format, for one row and for more than one
/// pass over the weights serves; and in f32 those of the whole text at once.
#[test]
fn decoding_has_the_bits_of_the_layers() {
    for config in variants() {
        let mut gpt = stirred(&config);
        for rows in [1, 3, 9] {
            let ids = some_ids(rows * 8, 11, 5);
            let token = |t: usize| -> Vec<u32> { (0..rows).map(|row| ids[row * 8 + t]).collect() };
            gpt.quantise(None);
            let whole = gpt.forward(&ids, rows, &mut Pass::eval());
            for format in [Format::F32, Format::Bf16, Format::Int8] {
                gpt.quantise(Some(format));
                let (mut a, mut b) = (gpt.new_cache(rows), gpt.new_cache(rows));
                let (mut logits, mut judge) = (Vec::new(), Vec::new());
                let all: Vec<usize> = (0..rows).collect();
                for t in 0..8 {
                    // Two tokens at once in the beginning: the layers fill the kernel's cache.
                    if t == 1 {
                        let two: Vec<u32> = (0..rows).flat_map(|row| ids[row * 8..][..2].to_vec()).collect();
                        all.iter().for_each(|row| a.truncate(*row, 0));
                        gpt.decode_composed(&all, &two, &mut a, &mut logits);
                    } else {
                        gpt.decode_token(&all, &token(t), &mut a, &mut logits);
                    }
                    gpt.decode_composed(&all, &token(t), &mut b, &mut judge);
                    if t != 1 || format == Format::F32 {
                        assert_eq!(logits, judge, "{format:?}, {rows} rows, token {t}, {config:?}");
                    }
                    let last = (0..rows).flat_map(|row| &whole.data()[(row * 8 + t) * 11..][..11]);
                    assert!(format != Format::F32 || logits.iter().eq(last), "{rows} rows, token {t}, {config:?}");
                }
                assert!(all.iter().all(|row| (a.len(*row), b.len(*row)) == (8, 8)));
            }
        }
    }
}

#[test]
#[should_panic(expected = "9 tokens exceed the context of 8")]
fn decoding_ends_with_the_context_too() {
    let gpt = stirred(&tiny());
    let (mut cache, mut logits) = (gpt.new_cache(1), Vec::new());
    for _ in 0..9 {
        gpt.decode_token(&[0], &[1], &mut cache, &mut logits);
    }
}
