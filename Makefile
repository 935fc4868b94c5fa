# VilaFace: set-up, demo and checks. `make help` lists the targets.
#
# Settings (environment or `make VARIABLE=...`):
#   VILAFACE_PYTHON   the Python (3.11 or newer) that makes .venv; default python3
#   TORCH_INDEX_ARGS  extra arguments for the installation of PyTorch. On Linux x86-64 a plain pip takes the
#                     CUDA build of PyTorch (several GB) even without an NVIDIA GPU, unless pip is configured
#                     with a CPU wheel. To get the small build: TORCH_INDEX_ARGS='--index-url ADDRESS' with the
#                     address that pytorch.org's "Get started" page shows for "CPU".
#   VILAFACE_HOME     where weight files go; default ~/.cache/vilaface

VILAFACE_PYTHON ?= python3
TORCH_INDEX_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
SETUP := VILAFACE_PYTHON='$(VILAFACE_PYTHON)' TORCH_INDEX_ARGS='$(TORCH_INDEX_ARGS)' bash scripts/setup.sh

# Nothing calls home: no usage statistics, no model hub.
export GRADIO_ANALYTICS_ENABLED := False
export HF_HUB_OFFLINE := 1
# Packages are installed without compiled bytecode; the first import must be allowed to write it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo serve test lint bench weights
.DEFAULT_GOAL := help

help:
	@echo "make setup   install VilaFace into .venv and get the weight files"
	@echo "make demo    set-up, then edit the bundled photo"
	@echo "make serve   set-up, then the web page on http://127.0.0.1:7860"
	@echo "make test    set-up, then every check and test"
	@echo "make lint    set-up, then ruff and mypy only"
	@echo "make bench   set-up, then all benchmarks"

# One stamp per profile; written last, so a broken set-up is repaired by the next run.
$(VENV)/.stamp-demo: pyproject.toml scripts/setup.sh
	@$(SETUP) demo
$(VENV)/.stamp-test: pyproject.toml scripts/setup.sh
	@$(SETUP) test

# The weights are checked each time (a few seconds), since the cache lies outside the repository.
setup: $(VENV)/.stamp-demo weights

weights: | $(VENV)/.stamp-demo
	@bash scripts/setup.sh weights

demo: setup
	@$(BIN)/python -m apps.demo

serve: setup
	@$(BIN)/vilaface serve

lint: $(VENV)/.stamp-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

test: lint weights
	@bash scripts/ensure-chromium.sh
	$(BIN)/pytest -m 'not slow and not browser'
	$(BIN)/pytest -m 'slow and not browser'
	$(BIN)/pytest -m browser

bench: setup
	$(BIN)/python benchmarks/run_all.py
