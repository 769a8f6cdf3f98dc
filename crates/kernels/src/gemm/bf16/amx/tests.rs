//! These run the machine code of [`super::block`]: on the unit where there is one, else on the emulator.
//! Over 500 lines: blocks, whole products, attention and the emulator itself are checked on one set of tiles.

use super::super::{Packed, portable};
use super::emulator::{self, Instruction, Tile, TileFile};
use super::*;
use crate::activation::Activation;
use crate::attention::{self, AttentionGrads, View, ViewMut};
use crate::bf16::{Bf16, Element, pair, round, to_f32};
use crate::fused::{gemm_bf16_activated, gemm_bf16_cross_entropy, gemm_bf16_multiplied};
use crate::gemm::micro::Start;
use crate::gemm::product::Product;
use crate::gemm::{Init, Layout, driver};
use crate::isa::{self, Isa};
use crate::parallel::{self, SharedMut};
use crate::rng::Rng;
use crate::testing::normals;
use std::os::unix::process::ExitStatusExt;

const NAN: f32 = f32::NAN;
/// What stands around C and must stay.
const AROUND: f32 = 1e30;

fn has_unit() -> bool {
    isa::available().contains(&Isa::Amx)
}

/// Tiles, whether there is a unit or not.
fn tiles() -> Held {
    if !has_unit() {
        emulator::install();
    }
    // SAFETY: the instructions are there or are emulated.
    unsafe { hold() }
}

/// A block's operands, with NaNs in A and B where nothing must come from, and room around C.
struct Operands {
    a: Vec<u32>,
    a_row: usize,
    b: Vec<u32>,
    pairs: usize,
    c: Vec<f32>,
    c_row: usize,
    bias: Vec<f32>,
    rows: usize,
    cols: usize,
}

impl Operands {
    fn new(rows: usize, cols: usize, pairs: usize, [a_gap, c_gap]: [usize; 2]) -> Operands {
        let whole = pairs.next_multiple_of(PAIRS);
        let (a_row, c_row) = (whole + a_gap, cols + c_gap);
        let numbers = |seed, len| normals(seed, 2 * len).as_chunks().0.iter().map(|[x, y]| pair(*x, *y)).collect();
        let (mut a, mut b): (Vec<u32>, Vec<u32>) = (numbers(1, ROWS * a_row), numbers(2, whole * COLS));
        for (e, a) in a.iter_mut().enumerate() {
            match (e / a_row, e % a_row) {
                (i, p) if i >= rows || p >= whole => *a = pair(NAN, NAN),
                (_, p) if p >= pairs => *a = 0,
                _ => (),
            }
        }
        for (e, b) in b.iter_mut().enumerate() {
            match (e / COLS, e % COLS) {
                (p, _) if p >= pairs => *b = 0,
                (_, j) if j >= cols => *b = pair(NAN, NAN),
                _ => (),
            }
        }
        let mut c = normals(3, (ROWS + 1) * c_row.max(COLS));
        let around = |e: usize| e % c_row >= cols || e / c_row >= rows;
        c.iter_mut().enumerate().filter(|(e, _)| around(*e)).for_each(|(_, c)| *c = AROUND);
        Operands { a, a_row, b, pairs, c, c_row, bias: normals(4, cols), rows, cols }
    }

    fn starts(&self) -> [Start; 3] {
        [Start::Zero, Start::Load, Start::Row(self.bias.as_ptr())]
    }

    /// C as the block leaves it.
    fn run(&self, start: Start) -> Vec<f32> {
        let mut c = self.c.clone();
        let block = Block {
            a: self.a.as_ptr(),
            a_row: self.a_row,
            b: self.b.as_ptr(),
            pairs: self.pairs,
            c: c.as_mut_ptr(),
            c_row: self.c_row,
            rows: self.rows,
            cols: self.cols,
            start,
        };
        let _tiles = tiles();
        // SAFETY: `new` made the operands as large as the block says, and the tiles are held.
        unsafe { super::block(&block) };
        c
    }

    /// The same in plain Rust, for numbers that are neither subnormal nor huge.
    fn twin(&self, start: Start) -> Vec<f32> {
        let mut c = self.c.clone();
        let halves = |pair: u32| [to_f32(pair as u16), to_f32((pair >> 16) as u16)];
        for i in 0..self.rows {
            for j in 0..self.cols {
                let c = &mut c[i * self.c_row + j];
                *c = match start {
                    Start::Zero => 0.0,
                    Start::Load => *c,
                    Start::Row(_) => self.bias[j],
                };
                for step in (0..self.pairs).step_by(PAIRS) {
                    let (mut even, mut odd) = (0.0f32, 0.0f32);
                    for p in step..self.pairs.min(step + PAIRS) {
                        let ([x0, x1], [y0, y1]) = (halves(self.a[i * self.a_row + p]), halves(self.b[p * COLS + j]));
                        even = x0.mul_add(y0, even);
                        odd = x1.mul_add(y1, odd);
                    }
                    *c += even + odd;
                }
            }
        }
        c
    }
}

/// The bits of NaNs may differ.
fn bits(c: &[f32]) -> Vec<u32> {
    c.iter().map(|c| if c.is_nan() { 0x7fc0_0000 } else { c.to_bits() }).collect()
}

#[test]
fn blocks_of_every_size() {
    for rows in [1, 15, 16, 17, 31, 32] {
        for cols in [1, 15, 16, 17, 31, 32] {
            for pairs in [1, 16, 41] {
                for gaps in [[0, 0], [3, 7]] {
                    let operands = Operands::new(rows, cols, pairs, gaps);
                    for start in operands.starts() {
                        let (got, want) = (operands.run(start), operands.twin(start));
                        assert_eq!(bits(&got), bits(&want), "{rows}×{cols}, {pairs} pairs, gaps {gaps:?}, {start:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn long_sums_and_none() {
    for pairs in [0, 256] {
        let operands = Operands::new(32, 32, pairs, [16, 100]);
        for start in operands.starts() {
            assert_eq!(bits(&operands.run(start)), bits(&operands.twin(start)), "{pairs} pairs, {start:?}");
        }
    }
}

#[test]
fn whole_products_with_any_number_of_threads() {
    // Tiles by the emulator, packing by plain Rust where there is nothing else.
    let unit = if has_unit() { &UNIT } else { &Unit { rows: ROWS, hold, block, ..portable::UNIT } };
    drop(tiles());
    for layout in [Layout::NN, Layout::NT, Layout::TN] {
        for [m, n, k] in [[1, 1, 1], [33, 65, 70], [100, 40, 700]] {
            let (a, b, before) = (normals(1, m * k), normals(2, k * n), normals(3, m * n));
            // The definition of the block's sums, which no blocking changes.
            let mut want = before.clone();
            for (e, want) in want.iter_mut().enumerate() {
                let (i, j) = (e / n, e % n);
                for step in (0..k).step_by(2 * PAIRS) {
                    let mut chains = [0.0f32; 2];
                    for p in step..k.min(step + 2 * PAIRS) {
                        let x = round(a[if layout == Layout::TN { p * m + i } else { i * k + p }]);
                        let y = round(b[if layout == Layout::NT { j * k + p } else { p * n + j }]);
                        chains[p % 2] = x.mul_add(y, chains[p % 2]);
                    }
                    *want += chains[0] + chains[1];
                }
            }
            for threads in 1..4 {
                let mut c = before.clone();
                let (a, b) = (a[..].into(), b[..].into());
                let (a_row, c_all) = (if layout == Layout::TN { m } else { k }, SharedMut::new(&mut c));
                let product = Product { layout, m, n, k, a, a_row, b, c: c_all, init: Init::Accumulate };
                parallel::with_threads(threads, || driver::multiply(unit, &product));
                assert_eq!(c, want, "{layout:?} {m}×{n}×{k}, {threads} threads");
            }
        }
    }
}

/// What training calls, on tiles and in the vectors of the same processor: all the same but for the order of sums.
#[test]
fn attention_and_what_follows_a_product() {
    if !isa::available().contains(&Isa::Avx512Bf16) {
        return; // what packs for tiles does not run here
    }
    drop(tiles());
    let halves = |seed, n| normals(seed, n).iter().map(|x| Bf16::of(*x)).collect::<Vec<_>>();
    for (batch, heads, kv_heads, head_dim, time) in [(1, 2, 2, 32, 64), (2, 3, 1, 24, 70), (1, 1, 1, 80, 150)] {
        let (c, row) = (heads * head_dim, (heads + 2 * kv_heads) * head_dim);
        let (qkv, d_out) = (halves(1, batch * time * row), halves(2, batch * time * c));
        let (x, w) = (normals(3, batch * time * c), normals(4, c * 70));
        let targets: Vec<u32> = (0..batch * time).map(|i| (i * 7 % 70) as u32).collect();
        let run = || {
            let shape = attention::Shape { batch, heads, kv_heads, head_dim, queries: time, keys: time };
            let scale = 1.0 / (head_dim as f32).sqrt();
            let opts = attention::Options { scale, mask: attention::Mask::Causal, alibi: None, dropout: None };
            let part = |offset| View { data: &qkv[..], offset, row_stride: row, batch_stride: time * row };
            let (q, k, v) = (part(0), part(c), part(c + kv_heads * head_dim));
            let mut out = vec![Bf16(0x7fc0); batch * time * c];
            let (mut lse, mut d_qkv) = (vec![0.0; batch * heads * time], vec![Bf16(0x7fc0); qkv.len()]);
            attention::attention_bf16(shape, opts, q, k, v, ViewMut::dense(&mut out, time, c), &mut lse);
            let grads = AttentionGrads::Packed {
                data: &mut d_qkv,
                dq: 0,
                dk: c,
                dv: c + kv_heads * head_dim,
                row_stride: row,
                batch_stride: time * row,
                accumulate: false,
            };
            let (y, dy) = (View::dense(&out[..], time, c), View::dense(&d_out[..], time, c));
            attention::attention_backward_bf16(shape, opts, q, k, v, y, &lse, dy, grads);

            let (m, packed) = (batch * time, Packed::new(70, c, &w, false));
            let new = || vec![Bf16(0x7fc0); m * 70];
            let (mut a, mut slope, mut d) = (new(), new(), vec![Bf16(0x7fc0); m * 96]);
            let mut nll = vec![f32::NAN; m];
            gemm_bf16_activated(m, &x[..], &packed, None, Activation::GeluTanh, &mut a, &mut slope);
            let mut du = slope.clone();
            gemm_bf16_multiplied(m, &x[..], &packed, [&mut du]);
            gemm_bf16_cross_entropy(m, &x[..], &packed, &targets, &vec![1.0; m], &mut nll, &mut d);
            [out, d_qkv, a, slope, du, d].map(|x| x.iter().map(|x| x.get()).collect::<Vec<_>>())
        };
        let want = isa::with(Isa::Avx512Bf16, run);
        for threads in [1, 2] {
            let got = isa::inherit(Some(Isa::Amx), || parallel::with_threads(threads, run));
            for (part, (got, want)) in got.iter().zip(&want).enumerate() {
                for (e, (got, want)) in got.iter().zip(want).enumerate() {
                    let near = (got - want).abs() <= 0.02 * (0.2 + want.abs());
                    assert!(near, "part {part}, element {e}, heads of {head_dim}: {got} is not {want}");
                }
            }
        }
    }
}

/// A bf16 whose products with others of its kind are near the smallest normal number or, now and then, a special one.
fn tiny_or_special(rng: &mut Rng) -> u32 {
    let special = [0x0000, 0x8000, 0x0001, 0x807f, 0x0080, 0x8080, 0x3f80, 0x7f7f, 0xff7f, 0x7f80, 0xff80, 0x7fc0];
    let bits = rng.next_u32();
    let exponent = 63 + rng.below(4) as u32;
    if rng.below(100) == 0 { special[rng.below(special.len())] } else { bits & 0x807f | exponent << 7 }
}

#[test]
fn the_unit_and_the_emulator_agree_on_special_numbers() {
    let mut rng = Rng::new(5);
    let mut kinds = [0; 4];
    for _ in 0..20 {
        let pairs: [Tile; 4] = std::array::from_fn(|_| {
            std::array::from_fn(|_| {
                std::array::from_fn(|_| tiny_or_special(&mut rng) | tiny_or_special(&mut rng) << 16)
            })
        });
        let sums: [[f32; 32]; 32] = std::array::from_fn(|_| {
            std::array::from_fn(|_| to_f32(tiny_or_special(&mut rng) as u16) * 2.0f32.powi(-62))
        });
        // Two tiles of A above each other, two of B side by side, as `block` has them.
        let a: Vec<u32> = pairs[..2].iter().flatten().flatten().copied().collect();
        let b: Vec<u32> = (0..16).flat_map(|p| [pairs[2][p], pairs[3][p]].concat()).collect();
        let mut c = sums;
        let block = Block {
            a: a.as_ptr(),
            a_row: 16,
            b: b.as_ptr(),
            pairs: 16,
            c: c.as_mut_ptr().cast(),
            c_row: 32,
            rows: 32,
            cols: 32,
            start: Start::Load,
        };
        let held = tiles();
        // SAFETY: the operands have these sizes, and the tiles are held.
        unsafe { super::block(&block) };
        drop(held);
        for (above, left) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let at = |i: usize, j: usize| (16 * above + i, 16 * left + j);
            let mut want: Tile =
                std::array::from_fn(|i| std::array::from_fn(|j| sums[at(i, j).0][at(i, j).1].to_bits()));
            emulator::multiply(&mut want, &pairs[above], &pairs[2 + left], [16; 3]);
            for i in 0..16 {
                for j in 0..16 {
                    let (got, want) = (c[at(i, j).0][at(i, j).1], f32::from_bits(want[i][j]));
                    assert_eq!(bits(&[got]), bits(&[want]), "{:?}: {got:e} is not {want:e}", at(i, j));
                    kinds[[got.is_nan(), got.is_infinite(), got == 0.0, true].iter().position(|&k| k).unwrap()] += 1;
                }
            }
        }
    }
    assert!(kinds.iter().all(|&count| count > 10), "NaN, infinite, zero, normal: {kinds:?}");
}

#[test]
fn a_multiply_add_is_that_of_the_processor_told_to_flush_subnormal_numbers() {
    if !is_x86_feature_detected!("fma") {
        return;
    }
    let by_processor = |x: f32, y: f32, c: f32| {
        // Round to the nearest, no exceptions, subnormal numbers in and out are zeros.
        let (mode, mut before, mut sum) = (0x9fc0u32, 0u32, c);
        // SAFETY: the instructions were asked for; the mode is put back.
        unsafe {
            asm!(
                "stmxcsr [{before}]",
                "ldmxcsr [{mode}]",
                "vfmadd231ss {sum}, {x}, {y}",
                "ldmxcsr [{before}]",
                before = in(reg) &raw mut before,
                mode = in(reg) &raw const mode,
                sum = inout(xmm_reg) sum,
                x = in(xmm_reg) x,
                y = in(xmm_reg) y,
                options(nostack),
            );
        }
        sum
    };
    let check = |x: f32, y: f32, c: f32| {
        let (got, want) = (emulator::multiply_add(x, y, c), by_processor(x, y, c));
        assert_eq!(bits(&[got]), bits(&[want]), "{x:e}·{y:e} + {c:e}: {got:e} is not {want:e}");
        want
    };
    let mut rng = Rng::new(6);
    let (mut flushed, mut kept) = (0, 0);
    for _ in 0..200_000 {
        let [x, y, c] = [(); 3].map(|()| to_f32(tiny_or_special(&mut rng) as u16));
        let c = c * 2.0f32.powi(-62) * (1.0 + f32::EPSILON * rng.below(1 << 23) as f32);
        let sum = check(x, y, c);
        flushed += u32::from(sum == 0.0 && x.mul_add(y, c).is_subnormal());
        kept += u32::from(sum.abs() >= f32::MIN_POSITIVE && sum.abs() < 4.0 * f32::MIN_POSITIVE);
    }
    assert!(flushed > 1000 && kept > 1000, "{flushed} flushed, {kept} just not");
    // A little below the smallest normal number, in eighths of the last of its 24 bits: what rounds up to it there is
    // normal, what only does so with the coarser last bit of subnormal numbers is not.
    let sums = (0..20).map(|eighths| {
        let (x, y) = (-(eighths as f32) * 2.0f32.powi(-76), 2.0f32.powi(-77));
        assert_eq!(check(-x, y, -f32::MIN_POSITIVE), -check(x, y, f32::MIN_POSITIVE));
        check(x, y, f32::MIN_POSITIVE)
    });
    assert_eq!(sums.filter(|&sum| sum == f32::MIN_POSITIVE).count(), 5);
}

#[test]
fn instructions_are_read_as_assemblers_write_them() {
    use Instruction::*;
    // The number of a register times 0x1000 stands for its value.
    let (rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi) = (0, 0x1000, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000, 0x7000);
    let (r8, r9, r10, r12, r13, r15) = (0x8000, 0x9000, 0xa000, 0xc000, 0xd000, 0xf000);
    // As GNU as and LLVM encode what the comment says.
    let known: [(&[u8], Instruction); 14] = [
        // ldtilecfg [rax] · [r9 + 64] · [rbp] · [rax + rcx*1]
        (&[0xc4, 0xe2, 0x78, 0x49, 0x00], Configure { from: rax }),
        (&[0xc4, 0xc2, 0x78, 0x49, 0x41, 0x40], Configure { from: r9 + 64 }),
        (&[0xc4, 0xe2, 0x78, 0x49, 0x45, 0x00], Configure { from: rbp }),
        (&[0xc4, 0xe2, 0x78, 0x49, 0x04, 0x08], Configure { from: rax + rcx }),
        // tilerelease · tilezero tmm5
        (&[0xc4, 0xe2, 0x78, 0x49, 0xc0], Release),
        (&[0xc4, 0xe2, 0x7b, 0x49, 0xe8], Zero { tile: 5 }),
        // tileloadd tmm0, [rdi + rsi*1] · tmm7, [r13 + r12*2 + 64] · tmm3, [rsp + rbx*8 - 128]
        (&[0xc4, 0xe2, 0x7b, 0x4b, 0x04, 0x37], Load { tile: 0, from: rdi, stride: rsi }),
        (&[0xc4, 0x82, 0x7b, 0x4b, 0x7c, 0x65, 0x40], Load { tile: 7, from: r13 + 64, stride: 2 * r12 }),
        (&[0xc4, 0xe2, 0x7b, 0x4b, 0x5c, 0xdc, 0x80], Load { tile: 3, from: rsp - 128, stride: 8 * rbx }),
        // tileloadd tmm2, [r8 + r15*4 + 0x12345] · tmm1, [rdx] · tileloaddt1 tmm4, [rcx + rdx*1]
        (
            &[0xc4, 0x82, 0x7b, 0x4b, 0x94, 0xb8, 0x45, 0x23, 0x01, 0x00],
            Load { tile: 2, from: r8 + 0x12345, stride: 4 * r15 },
        ),
        (&[0xc4, 0xe2, 0x7b, 0x4b, 0x0c, 0x22], Load { tile: 1, from: rdx, stride: 0 }),
        (&[0xc4, 0xe2, 0x79, 0x4b, 0x24, 0x11], Load { tile: 4, from: rcx, stride: rdx }),
        // tilestored [r10 + rax*1 + 64], tmm6 · tdpbf16ps tmm3, tmm5, tmm7
        (&[0xc4, 0xc2, 0x7a, 0x4b, 0x74, 0x02, 0x40], Store { tile: 6, to: r10 + 64, stride: rax }),
        (&[0xc4, 0xe2, 0x42, 0x5c, 0xdd], Multiply { sums: 3, a: 5, b: 7 }),
    ];
    // No byte behind the instruction may be looked at: the slices end there.
    let decode = |code: &[u8]| emulator::decode(|i| code[i], |n| 0x1000 * n);
    for (code, instruction) in known {
        assert_eq!(decode(code), Some((instruction, code.len())), "{code:x?}");
    }
    let others: [&[u8]; 7] = [
        &[0x0f, 0x0b],                                                 // ud2
        &[0xc4, 0xe2, 0x79, 0x49, 0x00],                               // sttilecfg [rax]
        &[0xc4, 0xe2, 0x4b, 0x5e, 0xc4],                               // tdpbssd tmm0, tmm4, tmm6
        &[0xc4, 0xe2, 0x4b, 0x5c, 0xc4],                               // tdpfp16ps tmm0, tmm4, tmm6
        &[0xc4, 0xe2, 0x7b, 0x4b, 0x0c, 0x35, 0x00, 0x00, 0x00, 0x00], // tileloadd tmm1, [rsi*1]
        &[0xc4, 0xe2, 0x7b, 0x4b, 0x00],                               // tileloadd without an index byte
        &[0xc4, 0xe2, 0x71, 0x8c, 0x00],                               // vpmaskmovd xmm0, xmm1, [rax]
    ];
    for code in others {
        assert_eq!(decode(code), None, "{code:x?}");
    }
}

/// Eight tiles of the same shape.
fn shapes(rows: u8, row_bytes: u16) -> Shapes {
    let mut shapes = Shapes { row_bytes: [0; 16], rows: [0; 16], ..WHOLE };
    shapes.rows[..8].fill(rows);
    shapes.row_bytes[..8].fill(row_bytes);
    shapes
}

#[test]
fn only_the_shape_of_a_tile_is_loaded_and_stored() {
    let mut file = TileFile::new();
    file.configure(&shapes(3, 8)).unwrap();
    let from: Vec<u32> = (0..64).collect();
    let mut to = vec![0u32; 64];
    let [from, to_at] = [from.as_ptr().expose_provenance(), to.as_mut_ptr().expose_provenance()];
    // SAFETY: three rows of 8 bytes, 16 or 20 bytes apart, are within 64 elements.
    unsafe {
        file.execute(Instruction::Load { tile: 2, from, stride: 16 }).unwrap();
        file.execute(Instruction::Store { tile: 2, to: to_at, stride: 20 }).unwrap();
    }
    assert_eq!(file.tiles[2][1], [4, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(file.tiles[2][3], [0; 16]);
    assert_eq!(to[..16], [0, 1, 0, 0, 0, 4, 5, 0, 0, 0, 8, 9, 0, 0, 0, 0]);
    assert_eq!(to[16..], [0; 48]);
}

#[test]
fn what_the_manual_forbids_is_refused() {
    let mut file = TileFile::new();
    let mut refused = |shapes: Shapes, instruction: Option<Instruction>| {
        // SAFETY: none of the instructions below touches memory.
        let run = |file: &mut TileFile| instruction.map_or(Ok(()), |i| unsafe { file.execute(i) });
        file.configure(&shapes).and_then(|()| run(&mut file)).err().unwrap_or("nothing")
    };
    let product = |sums, a, b| Some(Instruction::Multiply { sums, a, b });
    assert_eq!(refused(shapes(16, 64), product(0, 4, 6)), "nothing");
    assert!(refused(Shapes { palette: 2, ..shapes(16, 64) }, None).contains("palette"));
    assert!(refused(Shapes { reserved: [1; 14], ..shapes(16, 64) }, None).contains("reserved"));
    assert!(refused(Shapes { rows: [16; 16], ..shapes(16, 64) }, None).contains("reserved"));
    assert!(refused(Shapes { start_row: 1, ..shapes(16, 64) }, None).contains("later row"));
    assert!(refused(shapes(17, 64), None).contains("at most 16 rows"));
    assert!(refused(shapes(16, 68), None).contains("at most 16 rows"));
    assert!(refused(shapes(0, 64), None).contains("without rows"));
    assert!(refused(Shapes { palette: 0, ..shapes(16, 64) }, product(0, 4, 6)).contains("not configured"));
    assert!(refused(shapes(0, 0), Some(Instruction::Zero { tile: 1 })).contains("not configured"));
    assert!(refused(shapes(16, 62), product(0, 4, 6)).contains("whole elements"));
    assert!(refused(shapes(16, 64), product(4, 4, 6)).contains("different"));
    assert!(refused(shapes(16, 64), product(0, 6, 6)).contains("different"));
    assert!(refused(shapes(16, 32), product(0, 4, 6)).contains("do not fit"));
    // 3×5 = 3×2 pairs by 2 pairs ×5 is allowed.
    let mut narrow = shapes(3, 20);
    (narrow.row_bytes[4], narrow.rows[6]) = (8, 2);
    assert_eq!(refused(narrow, product(0, 4, 6)), "nothing");
}

/// Runs `crash` in another process, as the test of this name, and says how that ended.
fn in_a_process(name: &str, crash: fn()) -> Option<(Option<i32>, String)> {
    const CHILD: &str = "MOTAMOT_TEST_CRASH";
    if std::env::var_os(CHILD).is_some() {
        crash();
        return None;
    }
    let path = format!("{}::{name}", module_path!().split_once("::").unwrap().1);
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", &path, "--nocapture"]).env(CHILD, "1").output().unwrap();
    Some((output.status.signal(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn other_illegal_instructions_stay_so() {
    let crash = || {
        emulator::install();
        // SAFETY: raises the signal, and does nothing else.
        unsafe { asm!("ud2") };
    };
    if let Some((signal, _)) = in_a_process("other_illegal_instructions_stay_so", crash) {
        assert_eq!(signal, Some(4));
    }
}

#[test]
fn tiles_are_of_one_thread_and_given_back() {
    let crash = || {
        std::thread::scope(|scope| {
            let held = tiles();
            scope.spawn(|| drop(tiles())).join().unwrap();
            // Still ours.
            // SAFETY: the tile has a shape.
            unsafe { asm!("tilezero tmm0", out("tmm0") _) };
            drop(held);
            eprintln!("so far");
            // SAFETY: no memory is touched; the tile has no shape.
            unsafe { asm!("tilezero tmm0", out("tmm0") _) };
        });
    };
    if let Some((signal, said)) = in_a_process("tiles_are_of_one_thread_and_given_back", crash) {
        assert!(said.contains("so far"), "{said}");
        if has_unit() {
            assert_eq!(signal, Some(4));
        } else {
            assert_eq!(signal, Some(6));
            assert!(said.contains("emulated AMX: a tile is used that was not configured on this thread"), "{said}");
        }
    }
}
