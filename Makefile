# make demo    watch a supervised application start, lose and heal hundreds of children
# make test    run the tests
# make check   the tests, the type checks and the linter
# make conformance   which test holds which behaviour of Elixir; with WRITE=1 docs/conformance.md as well
# make mutants      break behaviours on purpose, and see the tests of their rows fail; ROWS="DS-07 SUP-29" for some
# make oracle  N random scenarios on regrow and on the real Elixir (N=500, SEED=... to have them again)
# make record  play the hand-written scenarios on the real Elixir again, and keep its traces
# make bench   regrow, Elixir, asyncio and the peers side by side: ONLY=call,cast SYSTEMS=regrow,elixir ROUNDS=5 QUICK=1
# make clean   forget everything made here
#
# Nothing has to be installed before but Python 3.11 or newer: .venv is made on the way.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check lint types clean conformance mutants oracle record bench
.DELETE_ON_ERROR:

demo: .venv/demo-ready
	@$(BIN)/regrow demo

# A call may run on the caller's stack or through the queue, and no program may notice: each suite runs both ways,
# and once with a coin thrown for every call. What a person looks at, terminal and browser, is tried once.
FACES := tests/cli tests/observer/test_browser.py tests/observer/test_observer_page.py tests/observer/test_mcp.py
test: .venv/dev-ready
	REGROW_INLINE=on $(BIN)/python -m pytest -q
	REGROW_INLINE=off $(BIN)/python -m pytest -q $(FACES:%=--ignore=%)
	REGROW_INLINE=random $(BIN)/python -m pytest -q $(FACES:%=--ignore=%)

check: lint types test

lint: .venv/dev-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev-ready
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

# The marks are read from the source, so this needs no package.
conformance: .venv/bin/pip
	@$(BIN)/python -m conformance.table $(if $(WRITE),--write)

mutants: .venv/dev-ready
	@$(BIN)/python -m conformance.mutants $(ROWS)

N ?= 500

oracle: .venv/dev-ready
	$(BIN)/python -m conformance.oracle $(N) $(SEED)

record: .venv/dev-ready
	$(BIN)/python -m conformance.record

# The systems are installed into bench/.cache on the first run. CLOCK=cpu is for a machine that is shared.
bench: .venv/bin/pip
	$(BIN)/python -m bench.run $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(if $(SYSTEMS),--systems $(SYSTEMS)) \
	    $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(CLOCK),--clock $(CLOCK)) $(if $(WRITE),--write)

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist bench/.cache bench/.cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/demo-ready: .venv/bin/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cli,demo]'
	@touch $@

.venv/dev-ready: .venv/bin/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# Plain Python where it can make a venv, else uv, which brings a Python of its own.
.venv/bin/pip:
	@rm -rf .venv
	@if $(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    $(PYTHON) -m venv .venv; \
	elif command -v uv >/dev/null; then \
	    uv venv --quiet --seed --python '>=3.11' .venv; \
	elif $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "$(PYTHON) cannot make a virtual environment: it lacks venv or ensurepip."; \
	    echo "On Debian and Ubuntu: sudo apt-get install python3-venv. Or install uv (https://docs.astral.sh/uv)."; \
	    exit 1; \
	else \
	    echo "regrow needs Python 3.11 or newer, and $(PYTHON) is not."; \
	    echo "Name another one, as in: make demo PYTHON=python3.12. Or install uv (https://docs.astral.sh/uv)."; \
	    exit 1; \
	fi
