#!/usr/bin/env bash
# The HTML edition in a real browser (dev/browser.py), in both languages, light and dark, narrow and wide.
# dev/browser.sh [--install] [--shots DIR]
# It takes Chromium with its driver and Python 3 (Debian: chromium, chromium-driver; --install fetches them, as root). Without
# them it is skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

there() { command -v chromedriver >/dev/null && command -v chromium >/dev/null && command -v python3 >/dev/null; }
if [ "${1:-}" = --install ]; then
    shift
    if ! there && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        (apt-get update && apt-get install --yes --no-install-recommends chromium chromium-driver python3) >/dev/null || true
    fi
fi
if ! there; then
    echo "skipped: no chromium, chromedriver and python3 (Debian: chromium, chromium-driver, python3)"
    exit
fi
book=$(mktemp -d)
trap 'rm -rf "$book"' EXIT
cargo xtask book --out "$book" >/dev/null
python3 dev/browser.py "$book" "$@"
