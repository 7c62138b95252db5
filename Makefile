# Everything a newcomer needs; each target sets itself up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: run test float reproduce lint docs clean

$(VENV)/.run: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/.test: $(VENV)/.run
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,rtl,export]'
	touch $@

run: $(VENV)/.run  ## the whole pipeline on the embedded data
	snakemake
	lbt results

test: $(VENV)/.test lint  ## every test but the emulated one (make reproduce), on two cores
	OMP_NUM_THREADS=1 pytest --numprocesses 2 --dist worksteal -m "not emulated"

float: $(VENV)/.test  ## the tests that touch float kernels, with the kernels of an older processor
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_CBWR=COMPATIBLE OMP_NUM_THREADS=1 \
	pytest --numprocesses 2 --dist worksteal -m "float and not slow"

reproduce: $(VENV)/.run  ## a short job of every stage, here and on two emulated processors: the same bits?
	lbt reproduce

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
