use motamot::model::{Gpt, GptConfig};
use motamot::nn::{Module, Pass};
use motamot_kernels::rng::Rng;
use motamot_tensor::{Gradients, ops};
#[test]
fn smoke() {
    let config = GptConfig { vocab_size: 50, context: 16, width: 32, layers: 2, heads: 4, ..GptConfig::default() };
    let mut rng = Rng::new(1);
    let mut gpt = Gpt::new(&config, &mut rng).unwrap();
    let ids: Vec<u32> = (0..32).map(|i| (i * 7 % 50) as u32).collect();
    let targets: Vec<u32> = (0..32).map(|i| ((i + 1) * 7 % 50) as u32).collect();
    for step in 0..60 {
        let mut g = Gradients::new();
        let loss = ops::mean(&gpt.loss(&ids, &targets, 2, &mut Pass::train(&mut rng)));
        if step % 10 == 0 { println!("{step} {}", loss.item()); }
        loss.backward(&mut g);
        gpt.visit_mut("", &mut |_, p| { let d = g.get(p.id()).unwrap().to_vec(); p.data_mut().iter_mut().zip(d).for_each(|(w, g)| *w -= 0.5 * g); });
    }
    let full = gpt.forward(&ids[..16], 1, &mut Pass::eval());
    let mut cache = gpt.new_cache(1);
    for t in 0..16 {
        let l = gpt.step(&ids[t..t + 1], &mut cache);
        let d = l.data().iter().zip(&full.data()[t * 50..]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(d < 1e-5, "{t} {d}");
    }
}
