# Everything runs in .venv, which the first call makes; `PYTHON=python3.13 make test` makes it with that interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PEERS ?= .venv-peers
# Workers of pytest-xdist: WORKERS=auto is faster, one process shows what tests print (the table of scenarios).
WORKERS ?= 0
# Modules of benchmarks/ that `make bench` runs.
BENCHMARKS ?= speed sweeps million resting loading cold
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
# Stamps carry the interpreter's version, so that another PYTHON makes the environment anew.
READY := $(VENV)/.ready-$(VERSION)
VIZ := $(VENV)/.viz-$(VERSION)
DEV := $(VENV)/.dev-$(VERSION)
OBJECTS := $(VENV)/.objects-$(VERSION)

.DEFAULT_GOAL := help
.PHONY: help demo test object wheel lint format types layers mutants bench peers lowest release clean

help:
	@echo "make demo     a backtest of real data; writes demo/"
	@echo "make test     the whole test suite (ARGS='-k name' for a part)"
	@echo "make object   compile the kernel into ml4t_kernel/machine_code: no process compiles it again until it is edited"
	@echo "make lint     ruff: lint and format check      make format   ruff: mend both"
	@echo "make types    mypy                             make layers   import contracts"
	@echo "make bench    benchmarks against the floor     make mutants  do the tests notice a broken kernel?"
	@echo "make peers    other engines against the same floor, on equal results only, in an environment of their own"
	@echo "make lowest   the suite with the lowest dependencies that are allowed"
	@echo "make release  source archive and wheels of every platform, into dist/"
	@echo "make clean    remove .venv, caches and demo/"

$(READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "ml4t-kernel needs Python 3.11 or newer, $(PYTHON) is not: PYTHON=python3.13 make ..." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VIZ): $(READY) pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[viz]'
	@touch $@

$(DEV): $(READY) pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VIZ)

$(OBJECTS): $(DEV)
	$(BIN)/python -m pip install --quiet --editable '.[objects]'
	@touch $@

object: $(OBJECTS)
	$(BIN)/python -m ml4t_kernel.objects.build

# The wheel of Linux x86-64, tried in environments without Numba. Its objects are those of `make object`.
wheel: object
	$(BIN)/python -m pip install --quiet build hatchling
	rm -rf dist && ML4T_TARGET=linux-x86_64 $(BIN)/python -m build --wheel --no-isolation >/dev/null
	.ci/wheel dist/*.whl

demo: $(VIZ)
	$(BIN)/python -m facade.demo

test: $(DEV)
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(DEV)
	$(BIN)/mypy

layers: $(DEV)
	$(BIN)/lint-imports

mutants: $(DEV)
	$(BIN)/python -m tests.mutants.run $(ARGS)

bench: $(DEV)
	@set -e; for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name $(ARGS); done

# The others, each on its own: what pip says of one that cannot be installed is kept, and printed.
$(PEERS)/.ready-$(VERSION): pyproject.toml
	$(PYTHON) -m venv --clear $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --editable .
	@mkdir $(PEERS)/refused
	@for peer in 'vectorbt>=1.2' 'vectorbt-rust>=1.2' 'raptorbt>=0.13' 'ml4t-backtest>=0.2'; do \
	  echo "$$peer"; name=$${peer%%>*}; $(PEERS)/bin/python -m pip install --quiet "$$peer" 2> $(PEERS)/refused/$$name \
	  && rm $(PEERS)/refused/$$name || true; done
	@touch $@

peers: $(PEERS)/.ready-$(VERSION)
	$(PEERS)/bin/python -m benchmarks.peers $(ARGS)

lowest:
	.ci/lowest $(ARGS)

release: $(DEV)
	VENV=$(VENV) .ci/release

clean:
	rm -rf $(VENV) $(PEERS) .venv-lowest demo dist ml4t_kernel/machine_code
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .grimp_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
