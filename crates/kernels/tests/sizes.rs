//! Sizes whose product a `usize` cannot hold are refused by safe functions, as any other wrong size is, before a byte is
//! read or written: a product that wraps around to the length of a slice would pass for the right one.
#![forbid(unsafe_code)]

use motamot_kernels::attention::{AttentionGrads, Mask, Options, Shape, View, ViewMut, attention, attention_backward};
use motamot_kernels::gemm::bf16::{Matrix, gemm_bf16};
use motamot_kernels::gemm::{Init, Layout, gemm};
use motamot_kernels::{embedding, loss, rope};
use std::panic::catch_unwind;

/// Times 4 it is 0 in 64 bits (and in 32, times 16).
const HUGE: usize = 1 << (usize::BITS - 2);

/// Whether the call ends in a panic whose message names it.
fn refused(name: &str, call: impl FnOnce() + std::panic::UnwindSafe) {
    let panic = catch_unwind(call).expect_err(name);
    let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(text.contains(name), "{name}: {text}");
}

#[test]
fn products() {
    for layout in [Layout::NN, Layout::NT, Layout::TN] {
        refused("gemm", move || gemm(layout, 4, 4, HUGE, &[], &[], &mut [0.0; 16], Init::Zero));
        refused("gemm", move || gemm(layout, HUGE, 4, 4, &[], &[0.0; 16], &mut [], Init::Zero));
        refused("gemm_bf16", move || {
            gemm_bf16(layout, 4, 4, HUGE, Matrix::F32(&[]), Matrix::F32(&[]), &mut [0.0; 16], Init::Zero);
        });
    }
}

#[test]
fn rows() {
    refused("rope", || rope::rope::<f32>(&mut [], HUGE, 1, 4, &[0, 1, 2, 3], 1e4, false));
    refused("rope", || rope::rope::<f32>(&mut [0.0; 8], 8, HUGE, 4, &[0], 1e4, false));
    refused("gather", || embedding::gather(&[], &[0, 0, 0, 0], HUGE, &mut []));
    refused("cross_entropy", || loss::cross_entropy(&[], &[0, 0, 0, 0], HUGE, &mut [0.0; 4], &mut [0.0; 4]));
}

#[test]
fn views() {
    let shape = Shape { batch: 1, heads: 1, kv_heads: 1, queries: 2, keys: 2, head_dim: 4 };
    let options = Options { mask: Mask::Full, scale: 1.0, alibi: None, dropout: None };
    let dense = [0.0f32; 8];
    let view = View::dense(&dense, 2, 4);
    let far = View { row_stride: 0usize.wrapping_sub(4), ..view };
    refused("attention", move || {
        attention(shape, options, far, view, view, ViewMut::dense(&mut [0.0; 8], 2, 4), &mut [0.0; 2]);
    });
    let many = Shape { heads: HUGE, kv_heads: HUGE, ..shape };
    refused("attention", move || {
        attention(many, options, view, view, view, ViewMut::dense(&mut [0.0; 8], 2, 4), &mut [0.0; 2]);
    });
    for dk in [0usize.wrapping_sub(4), usize::MAX - 2] {
        refused("attention", move || {
            let mut data = [0.0; 24];
            let grads = AttentionGrads::Packed {
                data: &mut data,
                dq: 0,
                dv: 4,
                dk,
                row_stride: 12,
                batch_stride: 24,
                accumulate: false,
            };
            attention_backward(shape, options, view, view, view, view, &[0.0; 2], view, grads);
        });
    }
}
