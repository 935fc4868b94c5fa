#!/usr/bin/env bash
# Makes .venv, installs VilaFace into it, gets the weight files. Called by the Makefile:
#   setup.sh demo      what users need
#   setup.sh test      the same and the tools for the tests
#   setup.sh weights   only the weight files
# Every step checks what is already there, so a run that was cut off is simply repeated.
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${1:?usage: setup.sh demo|test|weights}
python=${VILAFACE_PYTHON:-python3}
venv=.venv
# Lies in the environment while pip writes to it. Found at the start, it tells that pip was killed and may have
# left packages that look complete; then the environment is made anew (pip's cache keeps what was downloaded).
installing=$venv/.installing

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "Set-up stopped: $*"
    exit 1
}

check_python() {
    command -v "$python" >/dev/null || fail "there is no '$python'. Install Python 3.11 or newer, or name one in VILAFACE_PYTHON."
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "'$python' is too old; VilaFace needs Python 3.11 or newer. Name another one in VILAFACE_PYTHON."
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "'$python' cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv."
}

# A CUDA build of PyTorch that the user already has is taken over instead of downloading another.
has_cuda_torch() {
    "$python" - 2>/dev/null <<'PY'
import sys
import torch
version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
sys.exit(not ((2, 11) <= version < (2, 14) and torch.version.cuda and torch.cuda.is_available()))
PY
}

make_venv() {
    if [ ! -e "$installing" ] && [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        return
    fi
    check_python
    local options=()
    if has_cuda_torch; then
        say "Making $venv with $python; its PyTorch with CUDA is used."
        options=(--system-site-packages)
    else
        say "Making $venv with $python."
    fi
    # --clear also repairs an environment that was cut off half-way or whose Python is gone.
    "$python" -m venv --clear "${options[@]}" "$venv" || fail "the virtual environment could not be made."
}

install_project() {
    local extras=$1
    touch "$installing"
    local pip=("$venv/bin/python" -m pip --disable-pip-version-check install --no-compile)
    # In a terminal pip shows what it downloads; in a log only what goes wrong.
    if [ ! -t 2 ]; then pip+=(--quiet --quiet); fi
    if [ -n "${TORCH_INDEX_ARGS:-}" ]; then
        say "Installing PyTorch with $TORCH_INDEX_ARGS."
        # Split into words on purpose: it holds several arguments.
        # shellcheck disable=SC2086
        "${pip[@]}" $TORCH_INDEX_ARGS 'torch>=2.11,<2.14' ||
            pip_failed "PyTorch could not be installed with TORCH_INDEX_ARGS."
    fi
    say "Installing VilaFace and what it needs (a minute or two)."
    "${pip[@]}" -e ".[$extras]" || pip_failed "pip could not install everything; run the same command again to go on."
    rm -f "$installing"
}

# pip that fails by itself has tidied up, so the environment can be kept; only a killed one is not trusted.
pip_failed() {
    local status=$?
    if [ "$status" -lt 128 ]; then rm -f "$installing"; fi
    fail "$1"
}

case $profile in
    demo) extras=demo,train ;;
    test) extras=demo,train,dev ;;
    weights)
        # Says nothing when every file is there and right; else what it gets (240 MB to download, 175 kept).
        exec "$venv/bin/vilaface" weights fetch --quiet
        ;;
    *) fail "unknown profile '$profile'." ;;
esac

make_venv
install_project "$extras"
touch "$venv/.stamp-$profile"
# The test profile holds all of the demo profile.
if [ "$profile" = test ]; then touch "$venv/.stamp-demo"; fi
say "VilaFace is installed in $venv."
