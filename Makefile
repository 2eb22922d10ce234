# make setup | demo | test | lint | bench | docs

PYTHON ?= $(shell command -v python3.11 || command -v python3)
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
BIN := .venv/bin
WEB := src/cellprism/atlas/web

.PHONY: help setup demo test lint bench docs

help:
	@echo "make setup   install everything into .venv"
	@echo "make demo    take a small model apart and open the atlas"
	@echo "make test    linters, types, tests, front-end build"
	@echo "make lint    linters and types only"
	@echo "make bench   speed and memory against baselines"
	@echo "make docs    build the documentation into site/"

setup: .venv/.done

.venv/.done: pyproject.toml constraints.txt tools/install_torch.sh
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	TORCH_CPU_INDEX="$(TORCH_CPU_INDEX)" tools/install_torch.sh $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test,docs]"
	touch $@

demo: setup
	$(BIN)/cellprism demo

lint: setup
	$(BIN)/ruff check src tests tools
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	@if command -v npm >/dev/null; then npm ci --silent --prefix $(WEB) && npm run --silent --prefix $(WEB) check; \
	else echo "skipped: npm is absent, so the front end is not type-checked and axe is not run"; fi
	$(BIN)/pytest
	@if command -v npm >/dev/null; then $(BIN)/python tools/check_static.py; \
	else echo "skipped: npm is absent, so the front end was not rebuilt and compared"; fi

bench: setup
	$(BIN)/cellprism bench

docs: setup
	$(BIN)/mkdocs build --strict
