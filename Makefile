# Everything a newcomer needs: `make demo`, `make test`. Both set themselves up.
PY  ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, ssl, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN  = .venv/bin
# Two for each core that CI has: a third of the tests' time is waiting for other processes.
WORKERS ?= 4
SECONDS ?= 60
SEEDS   ?= 1000
# What else has a long version.
SOAKED = tests/unit/market/test_block_events.py tests/unit/market/test_many_portfolios.py \
	tests/unit/market/test_market_billing_walk.py tests/command/test_demo_speaks.py tests/command/test_operations.py

# Hundreds of processes are started by the tests: without kept bytecode each compiles 300 modules anew, a third of its start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup peers demo test soak sim check bench fuzz docs screenshots clean

help:
	@echo "make demo   three gateways do a season of business on this machine"
	@echo "make test   all tests                make check  lint, types, house rules"
	@echo "make bench  measured speeds          make docs   write the generated pages again"
	@echo "make soak   the long versions of the tests of loss, kills, large files and random walks"
	@echo "make sim SEEDS=1000    gateways in simulated worlds, each seed another"
	@echo "make screenshots        every page of two portals, into docs/screenshots"
	@echo "make fuzz SECONDS=60   coverage-guided fuzzing of everything that reads bytes from outside"

setup: .venv/ready

.venv/ready: requirements/dev.txt pyproject.toml
	@test -n "$(PY)" || { echo "Python 3.11 or newer is needed (with venv): none found"; exit 1; }
	$(PY) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Software that the tests talk to, each in an environment of its own: what is not there, its tests skip and say so.
peers: setup
	$(BIN)/python -m bench.peers

demo: setup
	$(BIN)/intertie demo

test: setup peers
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder  # the long ones first, as they are listed

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_tidy.py

bench: setup
	$(BIN)/python -m bench $(ONLY)

soak: setup
	INTERTIE_SOAK=1 INTERTIE_SIM_SEEDS=$(SEEDS) $(BIN)/python -m pytest -o timeout=3600 tests/faults tests/exchange/test_walks.py $(SOAKED)

sim: setup
	$(BIN)/python -m sim --seeds $(SEEDS)

screenshots: setup
	$(BIN)/python -m tools.screenshots

fuzz: setup
	$(BIN)/python -m fuzz --seconds $(SECONDS) $(ONLY)

docs: setup
	$(BIN)/python tools/write_docs.py

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
