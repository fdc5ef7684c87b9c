VENV ?= .venv
PY := $(VENV)/bin/python
export OMP_NUM_THREADS ?= 2

.PHONY: help setup demo test lint format bench clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

$(VENV)/.installed: pyproject.toml .ci/constraints.txt
	test -x $(PY) || python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet -c .ci/constraints.txt -e ".[dev,torch]"
	touch $@

setup: $(VENV)/.installed  ## make the virtual environment and install everything

demo: setup  ## new features for real data, in under a minute once installed
	$(PY) -m featurekit.cli demo --out demo-output

test: setup  ## the whole test suite, in two processes
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2

lint: setup  ## style, types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: setup  ## put the code into shape
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: setup  ## the side-by-side benchmarks (long; see benchmarks/README.md)
	$(PY) -m benchmarks.imports
	$(PY) -m benchmarks.scoring
	$(PY) -m benchmarks.noise
	$(PY) -m benchmarks.large
	$(PY) -m benchmarks.exact_parity
	$(PY) -m benchmarks.speed
	$(PY) -m benchmarks.cost
	$(PY) -m benchmarks.quality
	for what in distance inf_fs selection sequential_attention; do \
	  $(PY) -m benchmarks.$$what || exit 1; done
	for what in scoring files pairs large noise recall search; do \
	  $(PY) -m benchmarks.ranking_$$what || exit 1; done

clean:  ## remove what the commands made
	rm -rf $(VENV) demo-output build dist *.egg-info
