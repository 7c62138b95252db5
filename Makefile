# Everything a newcomer needs; each target sets itself up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: run test lint docs clean

$(VENV)/.run: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/.test: $(VENV)/.run
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,rtl,export]'
	touch $@

run: $(VENV)/.run  ## the whole pipeline on the embedded data
	snakemake --cores all
	lbt results

test: $(VENV)/.test lint  ## every test, on two cores
	OMP_NUM_THREADS=1 pytest --numprocesses 2 --dist worksteal

lint: $(VENV)/.test
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	lbt schema --check

docs: $(VENV)/.test  ## the generated pages
	lbt schema

clean:
	rm -rf results logs .lbt .snakemake
