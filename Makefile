# The five commands. Each installs first what the machine lacks: infra/setup/install.sh.
SHELL := bash
PYTHON := .venv/bin/python
MINUTES := 20
SEED := $(shell date -u +%Y%m%d)

.PHONY: help run test check test-long bench install

help:
	@echo 'make run                      everything on this machine, on port 7071, until Ctrl-C (ONCE=1: stop after the report)'
	@echo 'make test                     the whole suite, with coverage'
	@echo 'make check                    format, lint, types and unit tests'
	@echo 'make test-long MINUTES= SEED= random lanes for so many minutes (20)'
	@echo 'make bench                    speed and memory of a backup, as ratios'

run: install
	@exec $(PYTHON) -m local run $(if $(filter-out 0,$(ONCE)),--once)

# A folder of its own keeps one file per process together and the tree clean.
test: install
	@rm -rf .coverage.d && mkdir .coverage.d
	@COVERAGE_FILE="$$PWD/.coverage.d/data" $(PYTHON) -m pytest -n 3 --dist loadfile --cov --durations=15

check: install
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m ruff check
	$(PYTHON) -m mypy .
	$(PYTHON) -m pytest -m unit

test-long: install
	@exec $(PYTHON) -m tests.long --minutes $(MINUTES) --seed $(SEED)

bench: install
	@exec $(PYTHON) -m bench.backup

install:
	@bash infra/setup/install.sh
