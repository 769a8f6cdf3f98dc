//! BERT, T5 and the RNN as wholes: gradients, masks, overfitting.

#[path = "../../tests/model_checks/mod.rs"]
mod model_checks;

use model_checks::{check_gradients, distance, overfit, some_ids, stir};
use motamot_course::embeddings::PositionKind;
use motamot_course::model::{GptConfig, mean_loss, pad_rows};
use motamot_course::models::{
    Bert, BertConfig, Masking, Rnn, RnnConfig, SpanCorruption, T5, T5Config, corrupt, mask_tokens,
};
use motamot_course::nn::{NormKind, Pass};
use motamot_course::transformer::{Activation, NormOrder};
use motamot_kernels::rng::Rng;
use motamot_tensor::ops::{self, IGNORE};
use motamot_tensor::{Gradients, Tensor};

fn tiny(body: GptConfig) -> GptConfig {
    GptConfig { vocab_size: 13, context: 8, width: 8, layers: 2, heads: 2, mlp_width: 12, ..body }
}

mod bert {
    use super::*;

    fn config() -> BertConfig {
        BertConfig { body: tiny(BertConfig::default().body), segments: 2 }
    }

    fn stirred(config: &BertConfig) -> Bert {
        let mut bert = Bert::new(config, &mut Rng::new(1)).unwrap();
        stir(&mut bert, 2);
        bert
    }

    #[test]
    fn gradients() {
        let (ids, segments) = (some_ids(16, 13, 3), some_ids(16, 2, 4));
        let targets = some_ids(16, 13, 5).into_iter().enumerate().map(|(i, t)| if i % 3 == 0 { t } else { IGNORE });
        let mut targets: Vec<u32> = targets.collect();
        targets[15] = IGNORE;
        let post = config();
        let pre = BertConfig {
            body: GptConfig {
                norm_order: NormOrder::Pre,
                norm: NormKind::Rms,
                activation: Activation::Swiglu,
                positions: PositionKind::Rope,
                tied: false,
                dropout: 0.1,
                ..post.body.clone()
            },
            ..post.clone()
        };
        for config in [post, pre] {
            check_gradients(&mut stirred(&config), 1e-2, 4e-3, true, &|bert, pass| {
                bert.loss(&ids, &targets, Some(&segments), &[8, 5], pass)
            });
        }
    }

    #[test]
    fn padding_has_no_influence_and_every_other_token_has() {
        let bert = stirred(&config());
        let ids = some_ids(16, 13, 3);
        let logits = |ids: &[u32]| bert.forward(ids, None, &[8, 5], &mut Pass::eval()).data().to_vec();
        let before = logits(&ids);
        for j in 0..16 {
            let mut changed = ids.clone();
            changed[j] = (changed[j] + 1) % 13;
            let after = logits(&changed);
            for i in (0..16).filter(|&i| i != j && !(13..16).contains(&i)) {
                let (row, seen) = (i * 13..(i + 1) * 13, i / 8 == j / 8 && j < 13);
                assert_eq!(before[row.clone()] != after[row], seen, "token {j} seen by {i}");
            }
        }
        // The same row with and without padding behind it.
        let short = bert.forward(&ids[8..13], None, &[5], &mut Pass::eval());
        assert!(distance(short.data(), &before[8 * 13..13 * 13]) < 1e-5);
    }

    #[test]
    fn the_loss_is_asked_at_masked_places_alone() {
        let bert = stirred(&config());
        let ids = some_ids(8, 13, 3);
        let mut targets = vec![IGNORE; 8];
        (targets[2], targets[6]) = (4, 9);
        let nll = bert.loss(&ids, &targets, None, &[8], &mut Pass::eval());
        let zero: Vec<bool> = nll.data().iter().map(|x| *x == 0.0).collect();
        assert_eq!(zero, [true, true, false, true, true, true, false, true]);
        let mean = mean_loss(&nll, &targets).item();
        assert!((mean - (nll.data()[2] + nll.data()[6]) / 2.0).abs() < 1e-6);
    }

    #[test]
    fn masking_is_15_percent_split_80_10_10() {
        let masking = Masking { special: vec![1, 2], ..Masking::new(3, 1000) };
        let mut rng = Rng::new(8);
        let (mut asked, mut masked, mut kept) = (0, 0, 0);
        for _ in 0..500 {
            let ids: Vec<u32> =
                [1].into_iter().chain((0..100).map(|_| 10 + rng.below(900) as u32)).chain([2]).collect();
            let (input, targets) = mask_tokens(&ids, &masking, &mut rng);
            for i in 0..102 {
                if targets[i] == IGNORE {
                    assert_eq!(input[i], ids[i]);
                    continue;
                }
                assert_eq!(targets[i], ids[i]);
                assert!(ids[i] > 2, "a special token was chosen");
                asked += 1;
                masked += usize::from(input[i] == 3);
                kept += usize::from(input[i] == ids[i]);
            }
        }
        assert_eq!(asked, 500 * 15);
        // Four standard deviations of 7,500 draws.
        assert!((masked as f64 - 6000.0).abs() < 4.0 * (7500.0 * 0.16f64).sqrt(), "{masked}");
        assert!((kept as f64 - 750.0).abs() < 4.0 * (7500.0 * 0.09f64).sqrt(), "{kept}");
        let again = |seed| mask_tokens(&[5, 6, 7, 8, 9], &masking, &mut Rng::new(seed));
        assert_eq!(again(1), again(1));
        // One at least, unless nothing may be chosen.
        assert_eq!(again(1).1.iter().filter(|t| **t != IGNORE).count(), 1);
        assert_eq!(mask_tokens(&[1, 2, 1], &masking, &mut Rng::new(1)).1, [IGNORE; 3]);
    }

    #[test]
    fn one_batch_is_learned_by_heart() {
        let body = GptConfig { vocab_size: 20, context: 16, width: 32, heads: 4, ..config().body };
        let mut bert = Bert::new(&BertConfig { body, segments: 0 }, &mut Rng::new(1)).unwrap();
        let (mut rng, masking) = (Rng::new(9), Masking { rate: 0.3, ..Masking::new(19, 19) });
        let (mut ids, mut targets) = (Vec::new(), Vec::new());
        for row in some_ids(64, 19, 10).chunks(16) {
            let (input, target) = mask_tokens(row, &masking, &mut rng);
            ids.extend(input);
            targets.extend(target);
        }
        overfit(&mut bert, 3e-3, 400, 0.05, |bert, pass| {
            mean_loss(&bert.loss(&ids, &targets, None, &[16; 4], pass), &targets)
        });
    }

    #[test]
    fn a_wrong_configuration_is_named() {
        let mut wrong = config();
        wrong.body.heads = 3;
        assert!(Bert::new(&wrong, &mut Rng::new(1)).err().unwrap().to_string().starts_with("body: heads:"));
    }
}

mod t5 {
    use super::*;

    fn config() -> T5Config {
        T5Config { body: tiny(T5Config::default().body), ..T5Config::default() }
    }

    fn stirred(config: &T5Config) -> T5 {
        let mut t5 = T5::new(config, &mut Rng::new(1)).unwrap();
        stir(&mut t5, 2);
        t5
    }

    #[test]
    fn gradients() {
        let source = some_ids(14, 13, 3);
        let mut targets = some_ids(10, 13, 4);
        (targets[8], targets[9]) = (IGNORE, IGNORE);
        // ReLU has kinks: a small step crosses few of them.
        let relu = config();
        let other = T5Config {
            body: GptConfig {
                norm: NormKind::Layer,
                norm_order: NormOrder::Post,
                activation: Activation::Gelu,
                positions: PositionKind::Rope,
                kv_heads: 1,
                bias: true,
                tied: false,
                dropout: 0.1,
                ..relu.body.clone()
            },
            ..relu.clone()
        };
        for (config, h, tolerance) in [(relu, 1e-3, 1e-2), (other, 1e-2, 4e-3)] {
            check_gradients(&mut stirred(&config), h, tolerance, true, &|t5, pass| {
                t5.loss(&source, &[7, 4], &targets, pass)
            });
        }
    }

    #[test]
    fn who_sees_whom() {
        let t5 = stirred(&config());
        let (source, target) = (some_ids(14, 13, 3), some_ids(10, 13, 4));
        let logits = |source: &[u32], target: &[u32]| {
            let mut pass = Pass::eval();
            let memory = t5.encode(source, &[7, 4], &mut pass);
            t5.decode(target, &memory, &[7, 4], &mut pass).data().to_vec()
        };
        let before = logits(&source, &target);
        let row = |i: usize| i * 13..(i + 1) * 13;
        // Each target token sees all of its source but padding …
        for j in 0..14 {
            let mut changed = source.clone();
            changed[j] = (changed[j] + 1) % 13;
            let after = logits(&changed, &target);
            for i in 0..10 {
                assert_eq!(before[row(i)] != after[row(i)], i / 5 == j / 7 && j < 11, "source {j}, target {i}");
            }
        }
        // … and of the target itself and what stands before it.
        for j in 0..10 {
            let mut changed = target.clone();
            changed[j] = (changed[j] + 1) % 13;
            let after = logits(&source, &changed);
            for i in 0..10 {
                assert_eq!(before[row(i)] != after[row(i)], i / 5 == j / 5 && i >= j, "target {j}, target {i}");
            }
        }
    }

    #[test]
    fn padding_of_targets_has_no_influence() {
        let t5 = stirred(&config());
        let source = some_ids(14, 13, 3);
        let long = t5.loss(&source, &[7, 4], &[3, 4, 5, 1, 6, 1, IGNORE, IGNORE], &mut Pass::eval());
        assert_eq!(long.data()[6..], [0.0, 0.0]);
        let short = t5.loss(&source[7..11], &[4], &[6, 1], &mut Pass::eval());
        assert!(distance(&long.data()[4..6], short.data()) < 1e-5);
    }

    #[test]
    fn the_example_of_the_paper() {
        // "Thank you for inviting me to your party last week" as 10, 11, …
        let ids: Vec<u32> = (10..20).collect();
        let (source, target) = corrupt(&ids, &[(2, 2), (8, 1)], 100, 1);
        assert_eq!(source, [10, 11, 100, 14, 15, 16, 17, 101, 19]);
        assert_eq!(target, [100, 12, 13, 101, 18, 102, 1]);
        assert_eq!(corrupt(&ids, &[], 100, 1), (ids.clone(), vec![100, 1]));
    }

    #[test]
    fn spans_cover_the_share_they_should_and_nothing_is_lost() {
        let plan = SpanCorruption { rate: 0.15, mean_span: 3.0, first_sentinel: 100, sentinels: 20, end: 1 };
        let mut rng = Rng::new(5);
        for n in [2, 3, 5, 10, 64, 100] {
            for _ in 0..50 {
                let spans = plan.spans(n, &mut rng);
                let cut: usize = spans.iter().map(|s| s.1).sum();
                assert_eq!(cut, ((n as f32 * 0.15).round() as usize).max(1));
                assert_eq!(spans.len(), ((cut as f32 / 3.0).round() as usize).max(1));
                assert!(spans[0].0 > 0 && spans.windows(2).all(|w| w[0].0 + w[0].1 < w[1].0));
                let ids: Vec<u32> = (0..n as u32).map(|i| 2 + i % 90).collect();
                let (source, target) = corrupt(&ids, &spans, 100, 1);
                // Put the spans back.
                let mut whole = Vec::new();
                for id in source {
                    match target.iter().position(|t| *t == id) {
                        Some(at) if id >= 100 => whole.extend(target[at + 1..].iter().take_while(|t| **t < 100)),
                        _ => whole.push(id),
                    }
                }
                assert_eq!(whole, ids);
            }
        }
        assert!(plan.spans(1, &mut rng).is_empty() && plan.spans(0, &mut rng).is_empty());
        // More spans than sentinels allow: fewer, longer ones.
        let few = SpanCorruption { rate: 0.5, mean_span: 1.0, sentinels: 4, ..plan.clone() };
        assert_eq!(few.spans(100, &mut rng).len(), 3);
        let ids = some_ids(50, 90, 1);
        assert_eq!(plan.example(&ids, &mut Rng::new(3)), plan.example(&ids, &mut Rng::new(3)));
        assert_ne!(plan.example(&ids, &mut Rng::new(3)), plan.example(&ids, &mut Rng::new(4)));
    }

    /// Reversing words of different lengths: learned by heart, then written by the decoder on its own.
    #[test]
    fn one_batch_is_learned_by_heart_and_written() {
        let body = GptConfig { vocab_size: 20, context: 10, width: 32, heads: 4, ..config().body };
        let mut t5 = T5::new(&T5Config { body, ..config() }, &mut Rng::new(1)).unwrap();
        let words: Vec<Vec<u32>> =
            [5, 3, 7, 4].iter().map(|&n| some_ids(n, 18, n as u64).iter().map(|id| id + 2).collect()).collect();
        let reversed: Vec<Vec<u32>> = words.iter().map(|w| w.iter().rev().copied().collect()).collect();
        let (source, lengths) = pad_rows(&words, 0);
        let ended: Vec<Vec<u32>> = reversed.iter().map(|w| [&w[..], &[1]].concat()).collect();
        let (targets, _) = pad_rows(&ended, IGNORE);
        overfit(&mut t5, 5e-3, 400, 0.05, |t5, pass| mean_loss(&t5.loss(&source, &lengths, &targets, pass), &targets));
        assert_eq!(t5.greedy(&source, &lengths, 10), reversed);
        assert_eq!(t5.greedy(&source, &lengths, 2), reversed.iter().map(|w| w[..2].to_vec()).collect::<Vec<_>>());
    }
}

mod rnn {
    use super::*;

    fn stirred() -> Rnn {
        let mut rnn = Rnn::new(&RnnConfig { vocab_size: 7, width: 6 }, &mut Rng::new(1)).unwrap();
        stir(&mut rnn, 2);
        rnn
    }

    #[test]
    fn gradients_through_time() {
        let (ids, targets) = (some_ids(24, 7, 3), some_ids(24, 7, 4));
        check_gradients(&mut stirred(), 1e-2, 4e-3, true, &|rnn, pass| rnn.loss(&ids, &targets, &rnn.start(2), pass).0);
    }

    /// The gradient of one state, by back-propagation through time written out: h = tanh(a), a = W_x[x] + h′·W_h + b.
    #[test]
    fn the_tape_is_back_propagation_through_time() {
        let rnn = stirred();
        let (ids, targets) = (some_ids(5, 7, 3), some_ids(5, 7, 4));
        let mut rng = Rng::new(1);
        let mut g = Gradients::new();
        ops::sum(&rnn.loss(&ids, &targets, &rnn.start(1), &Pass::train(&mut rng)).0).backward(&mut g);
        let (c, v) = (6, 7);
        let (wh, wy) = (rnn.wh.weight.data(), rnn.head.weight.data());
        let states = rnn.states(&ids, &rnn.start(1), &Pass::eval());
        let (mut dwh, mut later) = (vec![0.0; c * c], vec![0.0; c]);
        for t in (0..5).rev() {
            let h = states[t].data();
            let logits: Vec<f32> = rnn.head.forward(&states[t], &Pass::eval()).data().to_vec();
            let sum: f32 = logits.iter().map(|x| x.exp()).sum();
            let d_logits: Vec<f32> =
                (0..v).map(|j| logits[j].exp() / sum - f32::from(j == targets[t] as usize)).collect();
            // dh: from the loss of this step, and from the step after.
            let da: Vec<f32> = (0..c)
                .map(|i| {
                    let here: f32 = (0..v).map(|j| wy[i * v + j] * d_logits[j]).sum();
                    (here + later[i]) * (1.0 - h[i] * h[i])
                })
                .collect();
            for i in 0..c {
                let before = if t > 0 { states[t - 1].data()[i] } else { 0.0 };
                (0..c).for_each(|j| dwh[i * c + j] += before * da[j]);
                later[i] = (0..c).map(|j| wh[i * c + j] * da[j]).sum();
            }
        }
        assert!(distance(&dwh, g.get(rnn.wh.weight.id()).unwrap()) < 1e-5);
    }

    #[test]
    fn chunks_carry_the_state_on_and_cut_the_gradient() {
        let rnn = stirred();
        let (ids, targets) = (some_ids(8, 7, 3), some_ids(8, 7, 4));
        let mut rng = Rng::new(1);
        let whole = rnn.loss(&ids, &targets, &rnn.start(1), &Pass::eval()).0;
        let pass = Pass::train(&mut rng);
        let (first, state) = rnn.loss(&ids[..5], &targets[..5], &rnn.start(1), &pass);
        assert!(first.is_tracked() && !state.is_tracked());
        let (second, _) = rnn.loss(&ids[5..], &targets[5..], &state, &pass);
        assert_eq!([first.data(), second.data()].concat(), whole.data());
        // Truncated: the gradient of the second chunk alone is that of a text that starts there.
        let (mut cut, mut full) = (Gradients::new(), Gradients::new());
        ops::sum(&second).backward(&mut cut);
        let (_, carried) = rnn.forward(&ids[..5], &rnn.start(1), &pass);
        assert!(carried.is_tracked());
        ops::sum(&rnn.loss(&ids[5..], &targets[5..], &carried, &pass).0).backward(&mut full);
        let id = rnn.wx.weight.id();
        assert_ne!(cut.get(id), full.get(id));
        // Step by step writes the same.
        let mut state = rnn.start(1);
        for t in 0..8 {
            let (logits, next) = rnn.step(&ids[t..t + 1], &state);
            assert_eq!(ops::cross_entropy(&logits, &targets[t..t + 1]).data(), &whole.data()[t..t + 1]);
            state = next;
        }
    }

    /// ∂L_t/∂h_{t−k} = ∂L_t/∂h_t · Π J, J = W_h·diag(1 − h²): written out with small matrices.
    #[test]
    fn gradients_by_distance() {
        let rnn = stirred();
        let (ids, targets) = (some_ids(12, 7, 3), some_ids(2, 7, 4));
        let got = rnn.gradient_by_distance(&ids, &targets);
        assert_eq!(got.len(), 6);
        let (c, v, wh, wy) = (6, 7, rnn.wh.weight.data(), rnn.head.weight.data());
        let mut want = [0.0f32; 6];
        for row in 0..2 {
            let states = rnn.states(&ids[row * 6..][..6], &rnn.start(1), &Pass::eval());
            let logits = rnn.head.forward(&states[5], &Pass::eval()).data().to_vec();
            let sum: f32 = logits.iter().map(|x| x.exp()).sum();
            let d: Vec<f32> = (0..v).map(|j| logits[j].exp() / sum - f32::from(j == targets[row] as usize)).collect();
            let mut dh: Vec<f32> = (0..c).map(|i| (0..v).map(|j| wy[i * v + j] * d[j]).sum()).collect();
            for k in 0..6 {
                want[k] += dh.iter().map(|x| x * x).sum::<f32>().sqrt() / 2.0;
                let h = states[5 - k].data();
                dh = (0..c).map(|i| (0..c).map(|j| wh[i * c + j] * (1.0 - h[j] * h[j]) * dh[j]).sum()).collect();
            }
        }
        for (k, (got, want)) in got.iter().zip(want).enumerate() {
            assert!((got - want).abs() < 1e-4 * want.max(1e-3), "distance {k}: {got} {want}");
        }
    }

    #[test]
    fn a_long_text_neither_recurses_nor_overflows() {
        let rnn = stirred();
        let (ids, targets) = (some_ids(20_000, 7, 3), some_ids(20_000, 7, 4));
        let (mut rng, mut g) = (Rng::new(1), Gradients::new());
        ops::mean(&rnn.loss(&ids, &targets, &rnn.start(1), &Pass::train(&mut rng)).0).backward(&mut g);
        assert!(g.get(rnn.wh.weight.id()).unwrap().iter().all(|x| x.is_finite()));
    }

    #[test]
    fn one_batch_is_learned_by_heart() {
        let mut rnn = Rnn::new(&RnnConfig { vocab_size: 20, width: 32 }, &mut Rng::new(1)).unwrap();
        let text = some_ids(4 * 17, 20, 13);
        let ids: Vec<u32> = text.chunks(17).flat_map(|row| row[..16].to_vec()).collect();
        let targets: Vec<u32> = text.chunks(17).flat_map(|row| row[1..].to_vec()).collect();
        overfit(&mut rnn, 1e-2, 400, 0.05, |rnn, pass| ops::mean(&rnn.loss(&ids, &targets, &rnn.start(4), pass).0));
    }
}

#[test]
fn padding_makes_a_rectangle() {
    let (ids, lengths) = pad_rows(&[vec![5, 6], vec![], vec![7, 8, 9]], 0);
    assert_eq!((ids, lengths), (vec![5, 6, 0, 0, 0, 0, 7, 8, 9], vec![2, 0, 3]));
    let nll = Tensor::new(&[1.0, 0.0, 3.0], [3]);
    assert_eq!(mean_loss(&nll, &[4, IGNORE, 4]).item(), 2.0);
}
