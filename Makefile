# Everything a developer or CI runs. `make` alone lists it.
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
PYTHON ?= python3
BIN := .venv/bin
UV := .tools/bin/uv
COVERAGE_MIN ?= 0
URL ?= memory://
ARGS ?=
WORKERS ?= 3

export PYTHON
export UV_SYSTEM_CERTS ?= 1
export UV_PYTHON_DOWNLOADS ?= never

distributions := $(patsubst %/pyproject.toml,%,$(wildcard core/pyproject.toml plugins/*/pyproject.toml apps/*/pyproject.toml))
compile = $(UV) pip compile --quiet --universal --python-version 3.11 --all-extras \
  --group pyproject.toml:dev --generate-hashes --no-header --no-annotate --no-emit-index-url \
  --no-emit-package anymq --no-emit-package anymq-sqlite $(distributions:=/pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help setup serve demo test test-long coverage lint types format bench conform \
  services-up services-down services-status services-env lock lock-check build clean

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {gsub(/\$$\$$/, "$$", $$2); printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv with the whole workspace; does nothing when it is current
	@bash .ci/setup

serve: setup ## start the newsstand on its embedded default
	@exec $(BIN)/newsstand serve $(ARGS)

demo: setup ## send invented messengers to the newsstand for a minute; starts one if none runs
	@exec $(BIN)/newsstand demo $(ARGS)

test: setup ## run all tests but the long ones, against real servers (CI runs this)
	@exec $(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

test-long: setup ## run the tests that take minutes each
	@exec $(BIN)/python -m pytest -m long $(ARGS)

coverage: setup ## measure the branch coverage of core; COVERAGE_MIN=95 makes it a gate
	@$(BIN)/coverage erase
	@failed=0; $(BIN)/coverage run -m pytest -q -m "not long and not exclusive" $(ARGS) || failed=1; \
	$(BIN)/coverage combine -q && $(BIN)/coverage report --fail-under=$(COVERAGE_MIN) || failed=1; \
	exit $$failed

lint: setup ## check style, formatting, tox options and changelog fragments
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python .ci/check_tox.py
	@$(BIN)/python .ci/check_changelog.py

types: setup ## check the types, strictly
	@$(BIN)/mypy

format: setup ## format the code and mend what can be mended
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

bench: setup ## measure ours against the raw clients (holds the machine-wide lock)
	@exec $(BIN)/python -m benchmarks $(ARGS)

conform: setup ## run the conformance kit; on another backend: make conform URL=redis://localhost
	@exec $(BIN)/anymq conform --url $(URL) $(ARGS)

services-up: setup ## install and start the servers the tests need: ARGS="redis kafka", "valkey --proxy"
	@$(BIN)/python tools/services up $(ARGS)

services-down: setup ## stop them
	@$(BIN)/python tools/services down $(ARGS)

services-status: setup ## say which run, in which version, and where
	@$(BIN)/python tools/services status $(ARGS)

services-env: setup ## print export lines with their addresses: eval "$$(make services-env)"
	@$(BIN)/python tools/services env $(ARGS)

lock: setup ## resolve the dependencies again, keeping what still fits (ARGS=--upgrade for newest)
	@$(compile) --output-file requirements.lock $(ARGS)

lock-check: setup ## check that requirements.lock fits every pyproject.toml
	@cp requirements.lock .tools/requirements.lock
	@$(compile) --output-file .tools/requirements.lock
	@diff -u requirements.lock .tools/requirements.lock || { echo 'run: make lock'; exit 1; }

build: setup ## build the wheel and the source archive of every distribution into dist/
	@for name in $(distributions); do \
	  $(UV) build --quiet --out-dir dist $$name || exit; done; ls dist

clean: ## remove everything the targets above made
	rm -rf .venv .tools .setup.lock .tox dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
