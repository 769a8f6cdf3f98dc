//! Word2Vec: examples, gradients by tape and by hand, neighbours.

#[path = "../../tests/model_checks/mod.rs"]
mod model_checks;

use model_checks::{check_gradients, distance, overfit, stir};
use motamot_course::models::word2vec::{Example, Method, Vocabulary};
use motamot_course::models::{Word2Vec, Word2VecConfig};
use motamot_course::nn::{Module, Pass};
use motamot_kernels::rng::Rng;
use motamot_tensor::{Gradients, ops};

/// Two worlds whose words never meet: whoever loves Juliet never crosses the sea.
fn corpus() -> Vec<String> {
    let mut rng = Rng::new(6);
    let worlds = [["romeo", "juliet", "love", "night", "balcony"], ["ship", "sea", "storm", "captain", "island"]];
    let mut words = Vec::new();
    for _ in 0..300 {
        let world = worlds[rng.below(2)];
        words.extend((0..8).map(|_| world[rng.below(5)].to_owned()));
        words.extend(["the".to_owned(), "the".to_owned()]);
    }
    words
}

fn config(method: Method) -> Word2VecConfig {
    Word2VecConfig { method, width: 8, window: 3, negatives: 4, subsample: 0.05, learning_rate: 0.05 }
}

fn model(method: Method) -> (Word2Vec, Vec<u32>) {
    let vocabulary = Vocabulary::new(corpus(), 1);
    let ids = vocabulary.encode(corpus());
    (Word2Vec::new(&config(method), vocabulary, &mut Rng::new(1)).unwrap(), ids)
}

fn examples(model: &Word2Vec, ids: &[u32]) -> Vec<Example> {
    let mut all = Vec::new();
    model.for_each_example(ids, &mut Rng::new(2), |e| all.push(e.clone()));
    all
}

#[test]
fn examples_come_from_the_window() {
    let (skip, ids) = model(Method::SkipGram);
    for e in examples(&skip, &ids) {
        assert_eq!((e.inputs.len(), e.negatives.len()), (1, 4));
        assert!(!e.negatives.contains(&e.target));
    }
    // Without subsampling, in one window of text: each word's reach is 1 to 3.
    let mut whole = config(Method::SkipGram);
    whole.subsample = 0.0;
    let vocabulary = Vocabulary::new(["a", "b", "c", "d", "e"], 1);
    let whole = Word2Vec::new(&whole, vocabulary.clone(), &mut Rng::new(1)).unwrap();
    let mut met = [[0; 5]; 5];
    let mut rng = Rng::new(9);
    for _ in 0..300 {
        whole.for_each_example(&[0, 1, 2, 3, 4], &mut rng, |e| met[e.inputs[0] as usize][e.target as usize] += 1);
    }
    for (a, row) in met.iter().enumerate() {
        for (b, n) in row.iter().enumerate() {
            assert_eq!(*n > 0, a != b && a.abs_diff(b) <= 3, "{a} {b}: {n}");
        }
    }
    let mut reach = [0; 4];
    for _ in 0..600 {
        let mut targets = Vec::new();
        whole.for_each_example(&[0, 1, 2, 3], &mut rng, |e| {
            if e.inputs == [0] {
                targets.push(e.target)
            }
        });
        assert_eq!(targets, (1..=targets.len() as u32).collect::<Vec<_>>());
        reach[targets.len()] += 1;
    }
    assert!(reach[0] == 0 && reach[1..].iter().all(|n| (150..250).contains(n)), "{reach:?}");
    let cbow = Word2Vec::new(&Word2VecConfig { method: Method::Cbow, ..whole.config().clone() }, vocabulary, &mut rng);
    for e in examples(&cbow.unwrap(), &[0, 1, 2, 3, 4]) {
        assert!(!e.inputs.contains(&e.target) && !e.inputs.is_empty());
    }
}

#[test]
fn frequent_words_are_left_out() {
    let (skip, ids) = model(Method::SkipGram);
    let the = skip.vocabulary().id("the").unwrap();
    let share = |words: &[u32]| words.iter().filter(|w| **w == the).count() as f64 / words.len() as f64;
    let inputs: Vec<u32> = examples(&skip, &ids).iter().map(|e| e.inputs[0]).collect();
    // "the" has a share of 0.2 and is kept with √(0.05/0.2) = 1/2; the others, 0.08 each, with 0.79.
    assert!((share(&ids) - 0.2).abs() < 1e-9);
    assert!((share(&inputs) - 0.1 / (0.1 + 0.8 * 0.79)).abs() < 0.02, "{}", share(&inputs));
}

#[test]
fn gradients() {
    for method in [Method::SkipGram, Method::Cbow] {
        let (mut model, ids) = model(method);
        stir(&mut model, 3);
        let examples = examples(&model, &ids[..20]);
        check_gradients(&mut model, 1e-2, 4e-3, true, &|model, pass| model.loss(&examples, pass));
    }
}

/// One step by hand moves every vector by exactly what the tape's gradient says, repeated words included.
#[test]
fn the_step_by_hand_is_the_tapes() {
    for method in [Method::SkipGram, Method::Cbow] {
        let (mut model, ids) = model(method);
        stir(&mut model, 4);
        let mut all = examples(&model, &ids[..40]);
        all.push(Example { inputs: vec![1, 1, 2], target: 1, negatives: vec![3, 3, 0, 2] });
        for e in all {
            let (mut rng, mut g) = (Rng::new(1), Gradients::new());
            let loss = ops::sum(&model.loss(std::slice::from_ref(&e), &Pass::train(&mut rng)));
            let value = loss.item();
            loss.backward(&mut g);
            let mut want = Vec::new();
            model.visit("", &mut |_, p| {
                want.push(p.data().iter().zip(g.get(p.id()).unwrap()).map(|(w, g)| w - 0.1 * g).collect::<Vec<_>>());
            });
            assert!((model.step(&e, 0.1) - value).abs() < 1e-5);
            let mut want = want.iter();
            model.visit("", &mut |path, p| {
                let d = distance(p.data(), want.next().unwrap());
                assert!(d < 1e-6, "{path} {e:?}: {d}");
            });
        }
    }
}

#[test]
fn words_that_meet_become_neighbours() {
    for method in [Method::SkipGram, Method::Cbow] {
        let (mut trained, ids) = model(method);
        let mut reports = Vec::new();
        trained.train(&ids, 8, &mut Rng::new(5), |progress, loss| reports.push((progress, loss)));
        assert!(reports.len() > 50 && reports.windows(2).all(|w| w[0].0 < w[1].0));
        assert!(reports.last().unwrap().1 < 0.9 * reports[0].1, "{reports:?}");
        for (word, world) in
            [("romeo", ["juliet", "love", "night", "balcony"]), ("sea", ["ship", "storm", "captain", "island"])]
        {
            let near = trained.neighbours(word, 4).unwrap();
            assert!(near.iter().all(|(w, _)| world.contains(w)), "{method:?} {word}: {near:?}");
            assert!(near.windows(2).all(|w| w[0].1 >= w[1].1) && near[0].1 <= 1.0001);
        }
        assert!(trained.neighbours("hamlet", 4).is_none());
        // The same seed, the same bits.
        let (mut again, _) = model(method);
        again.train(&ids, 8, &mut Rng::new(5), |_, _| {});
        assert_eq!(again.input.weight.data(), trained.input.weight.data());
    }
}

#[test]
fn an_analogy_is_a_parallelogram() {
    let (mut model, _) = model(Method::SkipGram);
    let id = |w: &str| model.vocabulary().id(w).unwrap() as usize;
    let places = [("romeo", [1.0, 0.2]), ("juliet", [1.0, 1.0]), ("captain", [-0.2, 0.9]), ("ship", [-0.6, 1.2])];
    let places: Vec<(usize, [f32; 2])> = places.iter().map(|(w, p)| (id(w), *p)).collect();
    let data = model.input.weight.data_mut();
    data.fill(0.0);
    // Everyone else looks the other way.
    data.chunks_mut(8).for_each(|row| row[7] = -1.0);
    for (id, [x, y]) in places {
        data[id * 8..][..8].copy_from_slice(&[x, y, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
    // juliet − romeo + captain, each of length 1, points to (−0.49, 1.49): the ship.
    let found = model.analogy("romeo", "juliet", "captain", 1).unwrap();
    assert_eq!(found[0].0, "ship");
    assert!(model.analogy("romeo", "hamlet", "captain", 1).is_none());
}

#[test]
fn one_batch_is_learned_by_heart() {
    let (mut model, _) = model(Method::SkipGram);
    // Inputs and outputs paired one to one, told apart from two others each.
    let examples: Vec<Example> = (0..8)
        .map(|i| Example { inputs: vec![i], target: (i + 1) % 8, negatives: vec![(i + 3) % 8, (i + 6) % 8] })
        .collect();
    overfit(&mut model, 5e-2, 400, 0.05, |model, pass| ops::mean(&model.loss(&examples, pass)));
}

#[test]
fn a_text_of_one_word_is_an_error() {
    let vocabulary = Vocabulary::new(["a", "a"], 1);
    let error = Word2Vec::new(&config(Method::Cbow), vocabulary, &mut Rng::new(1)).err().unwrap();
    assert!(error.to_string().starts_with("vocabulary: 1 words"));
}
