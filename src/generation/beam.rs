//! Beam search: the most likely continuations instead of a random one.

use std::sync::atomic::{AtomicBool, Ordering};

use motamot_kernels::activation::exp;
use motamot_kernels::math::ln_f64;

use super::generate::check_prompt;
use super::{CausalModel, Decoder, FinishReason};
use crate::utils::{Error, Result};

/// The knobs of [`beam_search`].
#[derive(Clone, Debug)]
pub struct BeamOptions<'a> {
    /// How many continuations are followed at a time, W; also the most that are returned.
    pub width: usize,
    /// A in score = log-probability / length^A: 0 compares plain log-probabilities, more favours longer texts.
    pub length_penalty: f32,
    /// Most tokens after the prompt.
    pub max_tokens: usize,
    /// Ids from here on are never chosen.
    pub vocab_size: usize,
    /// Tokens that end a continuation.
    pub stop_tokens: &'a [u32],
    /// Looked at before every step; `true` returns the best so far.
    pub cancel: Option<&'a AtomicBool>,
}

/// A continuation found by [`beam_search`].
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// The tokens after the prompt, without the stop token.
    pub tokens: Vec<u32>,
    /// Sum of the tokens' log-probabilities in nats, the stop token's included.
    pub log_prob: f64,
    /// log_prob / length^A, where the stop token counts.
    pub score: f64,
    /// Why it ended.
    pub finish: FinishReason,
}

/// A continuation of one running beam by one token.
struct Extension {
    log_prob: f64,
    beam: usize,
    token: u32,
}

/// Finds up to W continuations with the best scores, best first.
///
/// Each step extends the W running beams by every token and looks at the best extensions in order. Those that stop (a
/// stop token, or `stops(tokens)`, or the last step) are finished if they are among the first W; of the others the
/// first W run on. It ends when no running beam can overtake the W finished ones any more: as `transformers` with
/// `early_stopping="never"`, except that the bound here is exact. Ties go to the earlier beam, then to the lower id.
pub fn beam_search<M: CausalModel>(
    model: &M,
    prompt: &[u32],
    options: &BeamOptions,
    mut stops: impl FnMut(&[u32]) -> bool,
) -> Result<Vec<Hypothesis>> {
    let (width, penalty) = (options.width, f64::from(options.length_penalty));
    if width == 0 {
        return Err(Error::usage("beam width is 0").help("4 is a usual width; 1 is greedy"));
    }
    if !penalty.is_finite() {
        return Err(Error::usage(format!("length penalty is {penalty}")).help("1 is usual; 0 means none"));
    }
    check_prompt(model, prompt)?;
    let score = |log_prob: f64, length: usize| log_prob / (length as f64).powf(penalty);
    let mut finished: Vec<Hypothesis> = Vec::new();
    if options.max_tokens == 0 {
        return Ok(finished);
    }
    let mut decoder = Decoder::new(model, 1);
    let mut rows = vec![decoder.insert(prompt)];
    let mut log_probs = vec![0.0];
    for length in 1..=options.max_tokens {
        let cancelled = options.cancel.is_some_and(|c| c.load(Ordering::Relaxed));
        if cancelled {
            finished.extend(log_probs.iter().enumerate().map(|(beam, &log_prob)| Hypothesis {
                tokens: decoder.tokens(rows[beam])[prompt.len()..].to_vec(),
                log_prob,
                score: score(log_prob, (length - 1).max(1)),
                finish: FinishReason::Cancelled,
            }));
            keep_best(&mut finished, width);
            break;
        }
        let mut running: Vec<Extension> = Vec::new();
        for (rank, extension) in best_extensions(&decoder, &rows, &log_probs, options)?.into_iter().enumerate() {
            if running.len() == width {
                break;
            }
            let Extension { log_prob, beam, token } = extension;
            let mut tokens = decoder.tokens(rows[beam])[prompt.len()..].to_vec();
            let by_token = options.stop_tokens.contains(&token);
            if !by_token {
                tokens.push(token);
            }
            let stopped = by_token || stops(&tokens);
            if !stopped && length < options.max_tokens {
                running.push(extension);
            } else if rank < width {
                let finish = if stopped { FinishReason::Stop } else { FinishReason::Length };
                finished.push(Hypothesis { tokens, log_prob, score: score(log_prob, length), finish });
            }
        }
        keep_best(&mut finished, width);
        let Some(best) = running.first() else { break };
        // A log-probability only falls: the best that it can still score is at the one or the other end of its growth.
        let reachable = score(best.log_prob, length + 1).max(score(best.log_prob, options.max_tokens));
        if finished.len() == width && finished.last().is_some_and(|worst| worst.score >= reachable) {
            break;
        }
        log_probs = running.iter().map(|e| e.log_prob).collect();
        decoder.select(&mut rows, &running.iter().map(|e| e.beam).collect::<Vec<_>>());
        decoder.advance(&rows.iter().zip(&running).map(|(row, e)| (*row, e.token)).collect::<Vec<_>>());
    }
    Ok(finished)
}

/// Best score first; of equals the one that was found first.
fn keep_best(finished: &mut Vec<Hypothesis>, width: usize) {
    finished.sort_by(|a, b| b.score.total_cmp(&a.score));
    finished.truncate(width);
}

/// The best extensions in order: enough that W can run on even if every beam's stop tokens are among them, and W more
/// for those that stop by a string.
fn best_extensions<M: CausalModel>(
    decoder: &Decoder<M>,
    rows: &[usize],
    log_probs: &[f64],
    options: &BeamOptions,
) -> Result<Vec<Extension>> {
    let wanted = options.width.saturating_mul(2 + options.stop_tokens.len());
    let by_rank = |a: &Extension, b: &Extension| {
        b.log_prob.total_cmp(&a.log_prob).then(a.beam.cmp(&b.beam)).then(a.token.cmp(&b.token))
    };
    let (mut all, mut shifted, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for (beam, (row, &so_far)) in rows.iter().zip(log_probs).enumerate() {
        let logits = decoder.logits(*row);
        let logits = &logits[..options.vocab_size.min(logits.len())];
        let clean = |l: f32| if l.is_nan() { f64::NEG_INFINITY } else { f64::from(l) };
        let top = logits.iter().copied().map(clean).fold(f64::NEG_INFINITY, f64::max);
        if !top.is_finite() {
            return Err(Error::new("the model gives no usable probabilities: its logits are NaN or infinite")
                .help("the checkpoint is damaged or its training diverged; try an earlier one"));
        }
        shifted.clear();
        shifted.extend(logits.iter().map(|&l| (clean(l) - top) as f32));
        weights.resize(shifted.len(), 0.0);
        exp(&shifted, &mut weights);
        let log_total = top + ln_f64(weights.iter().map(|&w| f64::from(w)).sum());
        let row = logits.iter().enumerate().filter(|(_, l)| clean(**l) > f64::NEG_INFINITY);
        all.extend(row.map(|(token, &l)| Extension {
            log_prob: so_far + clean(l) - log_total,
            beam,
            token: token as u32,
        }));
        if all.len() > wanted {
            all.select_nth_unstable_by(wanted, by_rank);
            all.truncate(wanted);
        }
    }
    all.sort_unstable_by(by_rank);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::super::toy::{bigram, hashed};
    use super::*;

    fn options(width: usize, length_penalty: f32, max_tokens: usize) -> BeamOptions<'static> {
        BeamOptions { width, length_penalty, max_tokens, vocab_size: 1000, stop_tokens: &[0], cancel: None }
    }

    /// Every continuation that ends with token 0 or has `max` tokens, scored by its definition.
    fn exhaustive(model: &impl CausalModel, prompt: &[u32], max: usize, penalty: f64) -> Vec<(f64, Vec<u32>)> {
        let (mut open, mut done) = (vec![(0.0, Vec::new())], Vec::new());
        for length in 1..=max {
            for (log_prob, tokens) in std::mem::take(&mut open) {
                let all: Vec<u32> = prompt.iter().chain(&tokens).copied().collect();
                let logits = model.logits_after(&all);
                let total = logits.iter().map(|&l| f64::from(l).exp()).sum::<f64>().ln();
                for (token, &l) in logits.iter().enumerate() {
                    let log_prob: f64 = log_prob + f64::from(l) - total;
                    let score = log_prob / (length as f64).powf(penalty);
                    let longer: Vec<u32> = tokens.iter().copied().chain([token as u32]).collect();
                    match (token, length == max) {
                        (0, _) => done.push((score, tokens.clone())),
                        (_, true) => done.push((score, longer)),
                        _ => open.push((log_prob, longer)),
                    }
                }
            }
        }
        done.sort_by(|a, b| b.0.total_cmp(&a.0));
        done
    }

    #[test]
    fn a_beam_of_v_to_the_l_is_exhaustive() {
        let model = hashed(4, 32);
        for penalty in [0.0, 1.0, 2.5, -1.0] {
            for prompt in [&[1u32][..], &[2, 3, 1], &[3, 3]] {
                let all = exhaustive(&model, prompt, 4, penalty);
                let found = beam_search(&model, prompt, &options(256, penalty as f32, 4), |_| false).unwrap();
                assert_eq!(found.len(), all.len(), "wider than there are continuations");
                for (ours, (score, tokens)) in found.iter().zip(&all) {
                    assert!((ours.score - score).abs() < 1e-5 && &ours.tokens == tokens, "{ours:?} {score} {tokens:?}");
                }
            }
        }
    }

    #[test]
    fn hypotheses_equal_those_of_transformers() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../dev/golden/sampling_literals.json")).unwrap();
        let ids = |v: &serde_json::Value| -> Vec<u32> {
            v.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as u32).collect()
        };
        let row = |v: &serde_json::Value| v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
        let model = bigram(golden["table"].as_array().unwrap().iter().map(row).collect(), 32);
        for case in golden["beam"].as_array().unwrap() {
            let number = |name: &str| case[name].as_f64().unwrap();
            let options =
                options(number("width") as usize, number("length_penalty") as f32, number("max_tokens") as usize);
            let ours = beam_search(&model, &ids(&case["prompt"]), &options, |_| false).unwrap();
            let theirs = case["hypotheses"].as_array().unwrap();
            assert_eq!(ours.len(), theirs.len());
            for (a, b) in ours.iter().zip(theirs) {
                let mut tokens = a.tokens.clone();
                if a.finish == FinishReason::Stop {
                    tokens.push(0);
                }
                assert_eq!(tokens, ids(&b["tokens"]), "{options:?}");
                assert!((a.score - b["score"].as_f64().unwrap()).abs() < 1e-5, "{a:?} {b}");
            }
        }
    }

    #[test]
    fn width_one_is_greedy_also_beyond_the_window() {
        use super::super::{Request, SamplingOptions, generate_naive};
        let model = hashed(9, 6);
        let greedy = SamplingOptions { greedy: true, ..SamplingOptions::default() };
        for prompt in [&[1u32][..], &[2, 3, 4, 5], &[8, 7, 6, 5, 4, 3, 2, 1, 2]] {
            let request = Request { max_tokens: 25, stop_tokens: &[0], ..Request::new(&model, prompt, &greedy) };
            let judge = generate_naive(&model, &request).unwrap().remove(0);
            let beam = beam_search(&model, prompt, &options(1, 0.0, 25), |_| false).unwrap().remove(0);
            assert_eq!((beam.tokens, beam.finish), (judge.tokens, judge.finish));
        }
    }

    #[test]
    fn stop_strings_and_cancelling() {
        let model = hashed(5, 32);
        let no_stop = BeamOptions { stop_tokens: &[], ..options(3, 1.0, 8) };
        let found = beam_search(&model, &[1], &no_stop, |tokens| tokens.ends_with(&[2])).unwrap();
        assert_eq!(found.len(), 3);
        for h in &found {
            let at = h.tokens.iter().position(|&t| t == 2);
            match h.finish {
                FinishReason::Stop => assert_eq!(at, Some(h.tokens.len() - 1)),
                _ => assert_eq!((at, h.tokens.len()), (None, 8)),
            }
        }
        assert!(found.iter().any(|h| h.finish == FinishReason::Stop));
        let flag = AtomicBool::new(true);
        let cancelled = BeamOptions { cancel: Some(&flag), ..no_stop.clone() };
        let cancelled = beam_search(&model, &[1], &cancelled, |_| false).unwrap();
        assert_eq!((cancelled.len(), cancelled[0].finish), (1, FinishReason::Cancelled));
        assert!(beam_search(&model, &[1], &options(0, 1.0, 8), |_| false).is_err());
        assert!(beam_search(&model, &[1], &options(2, f32::NAN, 8), |_| false).is_err());
        assert!(beam_search(&model, &[], &options(2, 1.0, 8), |_| false).is_err());
        assert!(beam_search(&model, &[1], &options(2, 1.0, 0), |_| false).unwrap().is_empty());
    }
}
