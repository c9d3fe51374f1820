# make demo    watch a supervised application start, lose and heal hundreds of children
# make test    run the tests
# make check   the tests, the type checks and the linter
# make clean   forget everything made here
#
# Nothing has to be installed before but Python 3.11 or newer: .venv is made on the way.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check lint types clean
.DELETE_ON_ERROR:

demo: .venv/demo-ready
	@$(BIN)/regrow demo

# A call may run on the caller's stack or through the queue, and no program may notice: each suite runs both ways,
# and once with a coin thrown for every call.
test: .venv/dev-ready
	REGROW_INLINE=on $(BIN)/python -m pytest -q
	REGROW_INLINE=off $(BIN)/python -m pytest -q
	REGROW_INLINE=random $(BIN)/python -m pytest -q

check: lint types test

lint: .venv/dev-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev-ready
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
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
