#!/usr/bin/env bash
# Whether the kernels, the tensors and the library compile for 32 bits without threads, files and a clock:
# `cargo check` for wasm32-unknown-unknown. dev/wasm.sh [--install]
# It takes rustup's target if it is there (rustup target add wasm32-unknown-unknown), else Debian's compiler, which has the
# sources of its standard library (rustc-web, rust-web-src; --install fetches them, as root). Without either it is skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

target=wasm32-unknown-unknown
packages=(-p motamot-kernels -p motamot-tensor -p motamot)
libraries=$(rustc --print sysroot)/lib/rustlib/$target/lib

if [ -d "$libraries" ]; then
    exec cargo check --locked --target "$target" "${packages[@]}"
fi
if [ "${1:-}" = --install ] && ! [ -d /usr/lib/rustlib/src ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    (apt-get update && apt-get install --yes --no-install-recommends rustc-web rust-web-src) >/dev/null || true
fi
if [ -x /usr/bin/rustc ] && [ -d /usr/lib/rustlib/src ]; then
    # build-std is not stable yet; std itself is built from the sources beside the compiler.
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 exec cargo check --locked --target "$target" -Z build-std=std,panic_abort \
        --target-dir target/wasm "${packages[@]}"
fi
echo "skipped: no standard library for $target (rustup target add $target, or Debian's rustc-web and rust-web-src)"
