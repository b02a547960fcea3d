# Each target works on a fresh clone: it makes the environment in .venv and installs what it needs first.
.PHONY: demo test check fuzz bench clean
.DEFAULT_GOAL := demo

VENV := .venv
BIN := $(VENV)/bin
ENVIRONMENT := $(VENV)/installed

$(ENVIRONMENT): pyproject.toml constraints.txt tools/setup
	tools/setup environment

demo: $(ENVIRONMENT)   ## the whole pipeline on a made-up miniature world, ending with tables and a report
	$(BIN)/xstilts demo

check: $(ENVIRONMENT)  ## format, lint, types, layers, sizes
	tools/check

PYTEST_OPTIONS ?=
test: $(ENVIRONMENT)   ## tools/check, then every test; Slurm and Chromium are installed first where this runs as root
	tools/setup slurm
	tools/setup browser
	tools/check
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

fuzz: $(ENVIRONMENT)   ## 25,000 damaged grids, profiles, data sets and records: each is read or refused by one readable error
	$(BIN)/python -m pytest -m fuzz -n auto tests/fuzz

bench: $(ENVIRONMENT)  ## figures of docs/performance.md, as JSON (others need a cluster, data or hours)
	$(BIN)/python tools/bench_help.py
	$(BIN)/python tools/bench_plan.py
	$(BIN)/python tools/bench_demo.py
	$(BIN)/python tools/bench_collect.py
	$(BIN)/python tools/bench_retrieval.py
	$(BIN)/python tools/bench_report.py

clean:                 ## the environment and the caches; experiments/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
