# One menu. Every target works on a fresh machine with Python >= 3.11 and nothing else installed.
PYTHON ?= python3
BIN := .venv/bin
# Extra arguments for pip, for instance PyTorch's CPU index where no CPU wheel is at hand; see the README.
PIP_ARGUMENTS ?=
PYTEST_ARGUMENTS ?=
# More BLAS threads than one fight with the compiled kernels for the cores.
export OMP_NUM_THREADS ?= 1

.PHONY: help setup run test unit check bench soak clean

help:
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 10

setup: .venv/.ready  ## make .venv with everything in it

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_ARGUMENTS) -c constraints.txt -e '.[dev]'
	touch $@

run: setup  ## the demo: replay the last 14 days of the Australian sample into ./demo
	$(BIN)/python -m dwlim_ops demo demo

test: setup  ## the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGUMENTS)

unit: setup  ## the fast tests only
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" $(PYTEST_ARGUMENTS)

check: setup  ## lint, types, import directions
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

soak: setup  ## 130 simulated days with random faults, tables and pictures in FOLDER
	$(BIN)/python -m tests.soak $(or $(FOLDER),build/soak)

bench: setup  ## the benchmark table of the README
	$(BIN)/python -m tests.bench

clean:  ## remove the demo and every cache (not .venv)
	rm -rf demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
