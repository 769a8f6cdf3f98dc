use super::*;

const OFF: SamplingOptions = SamplingOptions {
    temperature: 1.0,
    top_k: 0,
    top_p: 1.0,
    min_p: 0.0,
    repetition_penalty: 1.0,
    greedy: false,
    seed: 0,
};

fn support(probs: &[f32]) -> Vec<usize> {
    (0..probs.len()).filter(|&i| probs[i] > 0.0).collect()
}

#[test]
fn without_filters_the_draw_is_that_of_the_list_of_candidates() {
    for seed in 0..200 {
        let mut logits = random_logits(seed, 300);
        logits[(seed % 300) as usize] = f32::NAN;
        let options = SamplingOptions { temperature: 0.3 + seed as f32 / 100.0, repetition_penalty: 1.3, ..OFF };
        // A floor that no weight falls below, but that is a filter all the same.
        let listed = SamplingOptions { min_p: f32::MIN_POSITIVE, ..options.clone() };
        let [mut plain, mut judge] = [&options, &listed].map(|o| Sampler::new(o, 300, Rng::new(seed)));
        for _ in 0..20 {
            let [a, b] = [&mut plain, &mut judge].map(|s| s.sample(&logits).unwrap());
            assert_eq!(a, b);
            [&mut plain, &mut judge].into_iter().for_each(|s| s.observe(&[a]));
        }
    }
}

fn random_logits(seed: u64, n: usize) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    (0..n).map(|_| 3.0 * rng.normal()).collect()
}

#[test]
fn distributions_equal_those_of_transformers() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../../dev/golden/sampling_literals.json")).unwrap();
    let floats = |v: &serde_json::Value| -> Vec<f32> {
        v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
    };
    let cases = golden["sampling"].as_array().unwrap();
    assert_eq!(cases.len(), 36);
    for case in cases {
        let mut options = OFF;
        for (name, value) in case["options"].as_object().unwrap() {
            let value = value.as_f64().unwrap();
            match name.as_str() {
                "temperature" => options.temperature = value as f32,
                "top_k" => options.top_k = value as usize,
                "top_p" => options.top_p = value as f32,
                "min_p" => options.min_p = value as f32,
                "repetition_penalty" => options.repetition_penalty = value as f32,
                other => panic!("unknown option {other}"),
            }
        }
        let history: Vec<u32> = floats(&case["history"]).iter().map(|&x| x as u32).collect();
        let ours = distribution(&floats(&case["logits"]), &history, &options).unwrap();
        let theirs = floats(&case["probs"]);
        for (a, b) in ours.iter().zip(&theirs) {
            // What is filtered is exactly 0 on both sides; subnormal probabilities are 0 here.
            assert!((*a == 0.0) == (*b < 2e-38), "{options:?}: {a} instead of {b}");
            assert!((a - b).abs() <= 1e-5 * b + 2e-38, "{options:?}: {a} instead of {b}");
        }
    }
}

#[test]
fn fifty_thousand_draws_follow_the_distribution() {
    // T = 1 and no filter: the softmax itself; then all filters: what `distribution` says.
    let logits: Vec<f32> = (0..20).map(|i| (i as f32 * 0.7).sin() * 1.5).collect();
    let softmax: Vec<f64> = {
        let e: Vec<f64> = logits.iter().map(|&l| f64::from(l).exp()).collect();
        e.iter().map(|x| x / e.iter().sum::<f64>()).collect()
    };
    let filtered =
        SamplingOptions { temperature: 1.7, top_k: 15, top_p: 0.9, min_p: 0.2, repetition_penalty: 1.3, ..OFF };
    let filtered_probs = distribution(&logits, &[3, 4], &filtered).unwrap();
    let filtered_probs = filtered_probs.iter().map(|&p| f64::from(p)).collect();
    for (options, probs) in [(OFF, softmax), (filtered, filtered_probs)] {
        let mut sampler = Sampler::new(&options, 20, Rng::new(11).stream(2));
        sampler.observe(&[3, 4]);
        let mut counts = [0u32; 20];
        for _ in 0..50_000 {
            counts[sampler.sample(&logits).unwrap() as usize] += 1;
        }
        let mut chi2 = 0.0;
        let mut bins = 0;
        for (&count, &p) in counts.iter().zip(&probs) {
            if p == 0.0 {
                assert_eq!(count, 0);
            } else {
                chi2 += (f64::from(count) - 50_000.0 * p).powi(2) / (50_000.0 * p);
                bins += 1;
            }
        }
        // 99.9 % quantile of chi-squared with 19 degrees of freedom: 43.8. Fewer bins: the bound is only looser.
        assert!(bins > 3 && chi2 < 43.8, "chi² {chi2} over {bins} bins");
    }
}

#[test]
fn temperature_to_zero_is_greedy_and_ties_go_to_the_lowest_id() {
    for seed in 0..20 {
        let logits = random_logits(seed, 300);
        let draw = |options: SamplingOptions| Sampler::new(&options, 300, Rng::new(seed)).sample(&logits).unwrap();
        let greedy = draw(SamplingOptions { greedy: true, ..OFF });
        for temperature in [0.0, f32::MIN_POSITIVE, 1e-30, 1e-4] {
            assert_eq!(draw(SamplingOptions { temperature, ..OFF }), greedy);
        }
        assert_eq!(draw(SamplingOptions { top_k: 1, ..OFF }), greedy);
        assert_eq!(draw(SamplingOptions { top_p: 0.0, ..OFF }), greedy);
    }
    let mut tied = Sampler::new(&SamplingOptions { greedy: true, ..OFF }, 4, Rng::new(0));
    assert_eq!(tied.sample(&[1.0, 2.0, 2.0, 0.0]).unwrap(), 1);
    let probs = distribution(&[1.0, 2.0, 2.0, 0.0], &[], &SamplingOptions { top_p: 0.1, ..OFF }).unwrap();
    assert_eq!(probs, [0.0, 1.0, 0.0, 0.0]);
    // As in transformers, top-k keeps all that equal the k-th.
    let probs = distribution(&[1.0, 2.0, 2.0, 0.0], &[], &SamplingOptions { top_k: 1, ..OFF }).unwrap();
    assert_eq!(probs, [0.0, 0.5, 0.5, 0.0]);
}

#[test]
fn top_p_keeps_the_smallest_set_that_reaches_p() {
    for seed in 0..30 {
        // Up to 700 tokens of nearly equal weight, so that several rounds of the partial sort are needed.
        let logits: Vec<f32> = random_logits(seed, 700).iter().map(|l| l * (seed as f32 / 30.0)).collect();
        let full = distribution(&logits, &[], &OFF).unwrap();
        for p in [0.0, 0.01, 0.5, 0.9, 0.9999] {
            let kept = support(&distribution(&logits, &[], &SamplingOptions { top_p: p, ..OFF }).unwrap());
            let mass: f64 = kept.iter().map(|&i| f64::from(full[i])).sum();
            let smallest = kept.iter().map(|&i| full[i]).fold(f32::INFINITY, f32::min);
            assert!(!kept.is_empty() && mass >= f64::from(p) - 1e-6);
            assert!(kept.len() == 1 || mass - f64::from(smallest) < f64::from(p) + 1e-6);
            assert!((0..700).all(|i| kept.contains(&i) || full[i] <= smallest));
        }
    }
}

#[test]
fn nan_and_infinity_in_the_logits() {
    let nan = f32::NAN;
    let (inf, neg) = (f32::INFINITY, f32::NEG_INFINITY);
    let options = SamplingOptions { top_k: 3, top_p: 0.95, min_p: 0.01, repetition_penalty: 1.5, ..OFF };
    for options in [OFF, options, SamplingOptions { greedy: true, ..OFF }] {
        let mut sampler = Sampler::new(&options, 5, Rng::new(1));
        sampler.observe(&[0, 1, 2, 3, 4]);
        for _ in 0..50 {
            assert!([1, 4].contains(&sampler.sample(&[nan, 1.0, neg, nan, 1.0]).unwrap()));
            assert!([1, 2].contains(&sampler.sample(&[3.0, inf, inf, nan, neg]).unwrap()));
        }
        for bad in [&[nan, nan][..], &[neg, neg], &[neg, nan], &[]] {
            assert!(sampler.sample(bad).is_err());
        }
    }
}

#[test]
fn seeds_reproduce_and_streams_differ() {
    let logits = random_logits(1, 1000);
    let draw = |seed, stream| {
        let mut sampler = Sampler::new(&OFF, 1000, Rng::new(seed).stream(stream));
        (0..40).map(|_| sampler.sample(&logits).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(draw(7, 0), draw(7, 0));
    assert_ne!(draw(7, 0), draw(8, 0));
    assert_ne!(draw(7, 0), draw(7, 1));
}

#[test]
fn values_outside_their_range_are_usage_errors() {
    let bad = [
        SamplingOptions { temperature: -0.1, ..OFF },
        SamplingOptions { temperature: f32::NAN, ..OFF },
        SamplingOptions { temperature: f32::INFINITY, ..OFF },
        SamplingOptions { top_p: 1.1, ..OFF },
        SamplingOptions { top_p: f32::NAN, ..OFF },
        SamplingOptions { min_p: -0.5, ..OFF },
        SamplingOptions { repetition_penalty: 0.0, ..OFF },
        SamplingOptions { repetition_penalty: f32::INFINITY, ..OFF },
    ];
    for options in bad {
        let error = options.validate().unwrap_err();
        assert!(error.exit_code() == 2 && error.help_line().is_some());
        assert!(distribution(&[1.0], &[], &options).is_err());
    }
    assert!(OFF.validate().is_ok() && SamplingOptions::default() == OFF);
}
