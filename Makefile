# make demo   two real models on real questions, compared (sets up what it needs)
# make test   checks and tests (sets up what they need)
.DEFAULT_GOAL := help
.PHONY: help setup demo test check docs docs-models format clean system
.DELETE_ON_ERROR:

PY := .venv/bin/python
# One more than the two cores: tests wait for programs, and a third uses what they leave.
JOBS ?= 3
# The tests start weigh a few hundred times; without its bytecode each start would compile it anew.
unexport PYTHONDONTWRITEBYTECODE

help:
	@echo "make setup        prepare .venv (make demo and make test do it by themselves)"
	@echo "make demo         two real models on real questions, compared"
	@echo "make test         checks and tests"
	@echo "make check        format, lint, types, import layers, docs"
	@echo "make docs         write generated docs, renew the output shown in them"
	@echo "make docs-models  the same for output that needs real models"
	@echo "make format       format the code"
	@echo "make clean        remove .venv, caches and the demo's store"

.venv/.demo: pyproject.toml scripts/setup
	@bash scripts/setup demo
	@touch $@

.venv/.dev: pyproject.toml scripts/setup
	@bash scripts/setup dev
	@touch $@ .venv/.demo

setup: .venv/.dev

demo: .venv/.demo
	@bash scripts/demo

system:
	@bash scripts/system

test: setup system
	@$(MAKE) --no-print-directory check
	$(PY) -m pytest -n $(JOBS) --dist loadscope --no-loadscope-reorder $(PYTEST_ARGS)

check: setup
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	.venv/bin/lint-imports
	$(PY) docs/make_cli.py --check
	$(PY) docs/check.py

docs: setup
	$(PY) docs/make_cli.py
	$(PY) docs/check.py --write

docs-models: setup
	$(PY) docs/check.py --models

format: setup
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

clean:
	rm -rf .venv demo-store demo-report .ruff_cache .mypy_cache .pytest_cache .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
