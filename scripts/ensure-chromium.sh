#!/usr/bin/env bash
# Makes sure that a Chromium is there for the browser tests; without one those tests skip themselves.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }

for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null; then exit 0; fi
done

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "Installing Debian's chromium for the browser tests (once)."
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if { apt-get update && apt-get install -y --no-install-recommends chromium; } >"$log" 2>&1; then
        exit 0
    fi
    tail -n 5 "$log" >&2
    say "Chromium could not be installed; the browser tests will be skipped."
    exit 0
fi

say "No Chromium or Chrome was found, and this user cannot install one; the browser tests will be skipped."
say "To run them, install the package 'chromium' with your system's package manager."
