#!/usr/bin/env bash
# The program on systems that this machine is not: dev/platforms.sh [--install] [arm] [windows] [macos] [32bit]
#
#   arm      64-bit ARM under emulation (qemu-user): the tests of the kernels, then 20 steps of training, resumed, and a text
#   windows  64-bit Windows under Wine: train, resume, generate, chat
#   macos    `cargo check` for Apple's ARM: nothing is linked or run
#   32bit    `cargo check` for wasm32 (dev/wasm.sh)
#
# Without a name: all of them. The weights must be those that this machine itself trains, bit for bit. It takes Debian's
# compiler with the sources of its standard library and the tools of each system (--install fetches them, as root); what is
# missing is skipped, and the end says so. About ten minutes the first time. Run it before a release.
set -euo pipefail
cd "$(dirname "$0")/.."

install=
names=()
for argument in "$@"; do
    case $argument in
        --install) install=yes ;;
        arm | windows | macos | 32bit) names+=("$argument") ;;
        *) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    esac
done
[ "${#names[@]}" -gt 0 ] || names=(arm windows macos 32bit)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
builds=$PWD/target/platforms
results=()

# fetch PACKAGE …, from Debian's archive.
fetch() {
    [ -n "$install" ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || return 0
    apt-get update >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@" >/dev/null 2>&1 || true
}

fetch rustc-web rust-web-src
std=(-Z "build-std=std,panic_abort")
# debian COMMAND …: with Debian's compiler, which can make its standard library for any system.
debian() { RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 "$@"; }
has_sources() { [ -x /usr/bin/rustc ] && [ -d /usr/lib/rustlib/src ]; }

train() { # train FOLDER PROGRAM …: 12 steps, stopped there by their number, then 8 more
    local folder=$1
    shift
    "$@" train nano --data data/tiny_shakespeare.txt --steps 12 --seed 7 --set decay=constant --quiet --out "$folder"
    "$@" train --resume --steps 20 --quiet --out "$folder"
}

# same FOLDER NAME: whether the weights there are this machine's.
same() {
    local file
    for file in model.safetensors optimizer.safetensors; do
        cmp "$work/here/$file" "$1/$file" || { results+=("$2: FAILED, other weights than here") && return 1; }
    done
}

native() {
    [ -d "$work/here" ] || { cargo build --release --locked -p motamot-cli && train "$work/here" target/release/motamot; }
}

arm() {
    fetch qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross
    local target=aarch64-unknown-linux-gnu
    if ! has_sources || ! command -v qemu-aarch64 >/dev/null || ! command -v aarch64-linux-gnu-gcc >/dev/null; then
        results+=("arm: skipped (Debian: rustc-web rust-web-src qemu-user gcc-aarch64-linux-gnu)") && return
    fi
    native
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
    debian cargo test --locked --target $target --target-dir "$builds" "${std[@]}" -p motamot-kernels -p motamot-tensor --lib --tests
    debian cargo build --release --locked --target $target --target-dir "$builds" "${std[@]}" -p motamot-cli
    local program=(qemu-aarch64 -L /usr/aarch64-linux-gnu "$builds/$target/release/motamot")
    train "$work/arm" "${program[@]}"
    same "$work/arm" arm
    "${program[@]}" generate --model "$work/arm" --max-tokens 8 ROMEO:
    results+=("arm: ok, the kernels' tests pass and the weights are this machine's")
}

windows() {
    fetch gcc-mingw-w64-x86-64 wine wine64
    local target=x86_64-pc-windows-gnu wine
    wine=$(command -v wine64 || command -v wine || echo /usr/lib/wine/wine64)
    if ! has_sources || ! command -v x86_64-w64-mingw32-gcc >/dev/null || ! [ -x "$wine" ]; then
        results+=("windows: skipped (Debian: rustc-web rust-web-src gcc-mingw-w64-x86-64 wine)") && return
    fi
    native
    export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc CC_x86_64_pc_windows_gnu=x86_64-w64-mingw32-gcc
    debian cargo build --release --locked --target $target --target-dir "$builds" "${std[@]}" -p motamot-cli
    mkdir -p "$work/bin"
    cp "$builds/$target/release/motamot.exe" "$work/bin/"
    # The random numbers that Rust asks Windows for; Wine 8 has not this name for them.
    printf '%s\n' '#include <windows.h>' 'BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);' \
        '__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T n) { return SystemFunction036(data, (ULONG)n); }' \
        >"$work/prng.c"
    x86_64-w64-mingw32-gcc -shared -o "$work/bin/bcryptprimitives.dll" "$work/prng.c" -ladvapi32
    export WINEPREFIX=$work/wine WINEDEBUG=-all
    local program=("$wine" "$work/bin/motamot.exe")
    train "$work/windows" "${program[@]}"
    same "$work/windows" windows
    "${program[@]}" generate --model "$work/windows" --max-tokens 8 ROMEO:
    printf 'Good morrow.\n/quit\n' | "${program[@]}" chat --model "$work/windows" --max-tokens 8
    results+=("windows: ok under Wine: train, resume, generate, chat, and the weights are this machine's")
}

macos() {
    has_sources || { results+=("macos: skipped (Debian: rustc-web rust-web-src)") && return; }
    # ring, for fetching texts, wants Apple's C compiler: the command is checked without what it compiles in C.
    debian cargo check --locked --target aarch64-apple-darwin --target-dir "$builds" "${std[@]}" \
        -p motamot-kernels -p motamot-tensor -p motamot -p motamot-course
    results+=("macos: the library and the course compile; nothing was linked or run")
}

for name in "${names[@]}"; do
    printf '\n=== %s\n' "$name"
    case $name in
        32bit) dev/wasm.sh ${install:+--install} && results+=("32bit: the library compiles for wasm32, if it was not skipped above") ;;
        *) "$name" ;;
    esac
done
printf '\n'
printf '%s\n' "${results[@]}"
