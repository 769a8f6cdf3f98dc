#!/usr/bin/env bash
# Every notebook, cell by cell, in Jupyter's real Rust kernel, compared with its recorded outputs: runs/kernel.sh [NN …]
# Sets up what is missing (./learn): about ten minutes the first time on two cores, for the kernel is compiled. Too slow for
# .ci/run, which runs the same cells as ordinary programs; do this after a change of the notebooks or of their machinery.
set -euo pipefail
cd "$(dirname "$0")/.."

# Without the sources of the standard library the kernel infers no types. Where rustup has no network, Debian's will do.
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ] && [ ! -d "${RUST_SRC_PATH:-/nowhere}" ] &&
    ! compgen -G '/usr/src/rustc-*/library' >/dev/null && ! rustup component add rust-src; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update && apt-get install -y rust-web-src
    fi
fi
exec ./learn --check "$@"
