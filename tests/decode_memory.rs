//! Decoding a token takes no memory from the system, once the first tokens have run.

use motamot::generation::{Request, SamplingOptions, generate};
use motamot::model::{Gpt, GptConfig};
use motamot_kernels::allocations::{CountingAllocator, allocations};
use motamot_kernels::panels::Format;
use motamot_kernels::parallel::{for_each_chunk, with_threads};
use motamot_kernels::rng::Rng;
use std::ops::ControlFlow;
use std::sync::Barrier;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// One test alone, because the counter is the process's.
#[test]
fn a_token_allocates_nothing() {
    let config = GptConfig { vocab_size: 300, context: 64, width: 64, layers: 2, heads: 4, ..GptConfig::default() };
    let mut gpt = Gpt::new(&config, &mut Rng::new(1)).unwrap();
    let plain = SamplingOptions { seed: 1, ..SamplingOptions::default() };
    let filtered = SamplingOptions { top_k: 40, top_p: 0.9, min_p: 0.01, repetition_penalty: 1.1, ..plain.clone() };
    // A thread that starts takes memory of its own: neither goes on before the other is there.
    let both = Barrier::new(2);
    with_threads(2, || for_each_chunk(2, |_| _ = both.wait()));
    for format in [Format::F32, Format::Bf16, Format::Int8] {
        gpt.quantise(Some(format));
        for (threads, num, sampling) in [(1, 1, &plain), (2, 1, &filtered), (1, 4, &filtered), (2, 9, &plain)] {
            let request = Request { num, max_tokens: 63, ..Request::new(&gpt, &[0], sampling) };
            let (mut token, mut before, mut after) = (0, 0, 0);
            let generated = with_threads(threads, || {
                generate(&gpt, &request, |_, _| {
                    token += 1;
                    // The prompt and the first three tokens of each sample may take what they need.
                    if token == 4 * num {
                        before = allocations();
                    }
                    after = allocations();
                    Ok(ControlFlow::Continue(()))
                })
            });
            assert_eq!(generated.unwrap().stats.generated, 63 * num);
            assert_eq!(after - before, 0, "{format:?}, {threads} threads, {num} samples");
        }
    }
}
