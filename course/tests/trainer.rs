//! The trainer is open: another optimiser and another objective, written here in a few lines each, go through it.

use motamot::checkpoint::{Folder, Save};
use motamot::data::TokenDataset;
use motamot::model::GptConfig;
use motamot::nn::{Module, Param, Pass};
use motamot::training::state::OPTIMIZER;
use motamot::training::{AdamW, Decay, Objective, Optimizer, Precision, Progress, Schedule, Settings, Step, Trainer};
use motamot_course::models::{Bert, BertConfig, Masking, mask_tokens};
use motamot_kernels::rng::Rng;
use motamot_tensor::ops::{self, IGNORE};
use motamot_tensor::{Buf, Gradients, ParamId, Tensor};

/// Stochastic gradient descent with momentum: u ← μu + g; w ← w − lr·u.
struct Sgd {
    momentum: f32,
}

impl Optimizer for Sgd {
    fn memory(&self, _: &str, _: &Param) -> &'static [&'static str] {
        &["velocity"]
    }

    fn update(&self, _: &str, p: &mut Param, gradient: &[f32], memory: &mut [Buf], step: &Step) {
        let velocity = &mut memory[0];
        p.update(|w| {
            for ((w, u), g) in w.iter_mut().zip(velocity.iter_mut()).zip(gradient) {
                *u = self.momentum * *u + g * step.clip;
                *w -= step.lr * *u;
            }
        });
    }
}

/// Guess the masked tokens of rows of a text.
struct MaskedWords<'a> {
    data: &'a TokenDataset,
    masking: Masking,
    rows: usize,
    context: usize,
}

impl Objective<Bert> for MaskedWords<'_> {
    /// What is read, and the targets.
    type Batch = (Vec<u32>, Vec<u32>);

    fn batch(&self, rng: &mut Rng) -> Self::Batch {
        let text = self.data.sample(self.rows, self.context, |n| rng.below(n)).inputs;
        let rows = text.chunks(self.context).map(|row| mask_tokens(row, &self.masking, rng));
        let (inputs, targets): (Vec<_>, Vec<_>) = rows.unzip();
        (inputs.concat(), targets.concat())
    }

    fn targets(&self, (_, targets): &Self::Batch) -> usize {
        targets.iter().filter(|&&t| t != IGNORE).count()
    }

    fn loss(&self, bert: &Bert, (inputs, targets): &Self::Batch, scale: f32, pass: &mut Pass) -> Tensor {
        let lengths = vec![self.context as u32; self.rows];
        ops::scale(&ops::sum(&bert.loss(inputs, targets, None, &lengths, pass)), scale)
    }
}

const STEPS: usize = 40;

fn trainer(optimizer: Box<dyn Optimizer>, lr: f32, progress: Progress) -> Trainer<Bert> {
    let body = BertConfig::default().body;
    let body = GptConfig { vocab_size: 30, context: 16, width: 32, layers: 2, heads: 2, dropout: 0.1, ..body };
    let bert = Bert::new(&BertConfig { body, segments: 0 }, &mut Rng::new(1)).unwrap();
    let schedule = Schedule { first: 0, lr, min_lr: lr, warmup: 4, steps: STEPS, decay: Decay::Constant };
    Trainer::new(bert, optimizer, Settings { schedule, accumulate: 2, clip: 1.0, precision: Precision::F32 }, progress)
}

/// A text in which each token follows from the one before it.
fn text() -> TokenDataset {
    TokenDataset::new((0..600).map(|i| 1 + (i * 7) % 28).collect())
}

fn weights(bert: &Bert) -> Vec<f32> {
    let mut all = Vec::new();
    bert.visit("", &mut |_, p| all.extend_from_slice(p.data()));
    all
}

#[test]
fn bert_learns_masked_words_by_either_optimiser_and_resumes_with_the_same_bits() {
    let data = text();
    let objective = MaskedWords { data: &data, masking: Masking::new(0, 30), rows: 8, context: 16 };
    type Make = fn() -> Box<dyn Optimizer>;
    let optimizers: [(Make, f32, &[&str]); 2] = [
        (|| Box::new(AdamW::default()), 1e-2, &["m", "v", "weights"]),
        (|| Box::new(Sgd { momentum: 0.9 }), 0.1, &["velocity", "weights"]),
    ];
    for (optimizer, lr, kinds) in optimizers {
        let mut whole = trainer(optimizer(), lr, Progress::new(3));
        let mut losses = Vec::new();
        while !whole.is_finished() {
            losses.push(whole.step(&objective).unwrap().loss);
        }
        let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
        let (first, last) = (mean(&losses[..5]), mean(&losses[STEPS - 5..]));
        assert!(last < 0.8 * first, "{kinds:?}: {first} → {last}");

        let mut part = trainer(optimizer(), lr, Progress::new(3));
        (0..15).for_each(|_| _ = part.step(&objective).unwrap());
        let dir = tempfile::tempdir().unwrap();
        let mut save = Save::begin(dir.path()).unwrap();
        part.write(&mut save).unwrap();
        save.json("training.json", &part.progress).unwrap();
        save.commit().unwrap();

        let folder = Folder::open(dir.path()).unwrap();
        let tensors = folder.tensors(OPTIMIZER).unwrap();
        let mut there: Vec<&str> = tensors.entries().keys().filter_map(|name| name.split('.').next()).collect();
        there.dedup();
        assert_eq!(there, kinds, "state is saved by name");
        let progress: Progress = folder.json("training.json").unwrap();
        let mut resumed = trainer(optimizer(), lr, progress);
        resumed.read(&folder.tensors(OPTIMIZER).unwrap()).unwrap();
        while !resumed.is_finished() {
            let _ = resumed.step(&objective).unwrap();
        }
        assert!(weights(&whole.model) == weights(&resumed.model), "{kinds:?}: the same bits");
        assert_eq!(whole.progress, resumed.progress);
    }
}

/// Between backward and update a step can be looked at, and its gradients exchanged: here two workers with half of the
/// batches each make the step of one with all of them.
#[test]
fn gradients_can_be_summed_between_backward_and_update() {
    struct Half<'a>(MaskedWords<'a>, usize);
    impl Objective<Bert> for Half<'_> {
        type Batch = (Vec<u32>, Vec<u32>);
        fn batch(&self, rng: &mut Rng) -> Self::Batch {
            let (mine, other) = (self.0.batch(rng), self.0.batch(rng));
            if self.1 == 0 { mine } else { other }
        }
        fn targets(&self, batch: &Self::Batch) -> usize {
            self.0.targets(batch)
        }
        fn loss(&self, bert: &Bert, batch: &Self::Batch, scale: f32, pass: &mut Pass) -> Tensor {
            self.0.loss(bert, batch, scale, pass)
        }
    }
    let data = text();
    let words = || MaskedWords { data: &data, masking: Masking::new(0, 30), rows: 4, context: 16 };
    let adamw = || Box::new(AdamW::default());
    let mut workers = [0, 1].map(|rank| (trainer(adamw(), 1e-2, Progress::new(3)), Half(words(), rank)));
    let pending = workers.each_mut().map(|(t, objective)| t.backward(objective).unwrap());
    assert!((pending[0].loss - pending[1].loss).abs() > 1e-6, "different batches");
    let mut ids: Vec<ParamId> = Vec::new();
    workers[0].0.model.visit("", &mut |_, p| ids.push(p.id()));
    let mut others: Vec<ParamId> = Vec::new();
    workers[1].0.model.visit("", &mut |_, p| others.push(p.id()));
    // All-reduce: both get the mean.
    let [(a, _), (b, _)] = &mut workers;
    for (i, j) in ids.iter().zip(&others) {
        let mean = |a: &Gradients, b: &Gradients| -> Vec<f32> {
            let (a, b) = (a.get(*i).unwrap(), b.get(*j).unwrap());
            a.iter().zip(b).map(|(a, b)| 0.5 * (a + b)).collect()
        };
        let mean = mean(a.gradients(), b.gradients());
        a.gradients().get_mut(*i).unwrap().copy_from_slice(&mean);
        b.gradients().get_mut(*j).unwrap().copy_from_slice(&mean);
    }
    let [first, second] = pending;
    let before = weights(&a.model);
    let reports = [a.update(first).unwrap(), b.update(second).unwrap()];
    assert_eq!(reports[0].grad_norm, reports[1].grad_norm);
    assert!(weights(&a.model) == weights(&b.model), "both workers hold the same model");
    assert!(weights(&a.model) != before);
}
