# make install | demo | test | bench | clean. Needs Python 3.11 or newer and make; everything else comes from here.

# The first of these that is new enough; another one: make PYTHON=/path/to/python3
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11 python,$(if $(shell $(p) -c "import sys; print(1 if sys.version_info >= (3, 11) else str())" 2>/dev/null),$(p))))
VENV := .venv
BIN := $(VENV)/bin
# Made anew when what is installed should change. The scoring core is compiled here, so that no start waits for it. uv does in seconds what takes pip a minute; where it cannot reach
# the packages that pip can (a mirror that only pip knows), pip does it, and says what is wrong if it cannot either.
# Packages are compiled to bytecode as pip does it: where Python may not write that, each start took twice as long.
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo watch test check bench clean constraints

help:
	@echo "make demo      see it work: a private Kafka, a worker, the query service and a replayed social world"
	@echo "make watch     the same with a Prometheus beside it, if that is installed"
	@echo "make test      lint, types and all tests, the ones on a real Kafka included"
	@echo "make bench     throughput of the whole path beside the ceiling and textbook Faust"
	@echo "make install   what they begin with: $(VENV) with the command credence in $(BIN)"
	@echo "make clean     remove what was made here; the downloaded Kafka stays in the user cache"

install: $(STAMP)

$(STAMP): pyproject.toml load_tests/pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer was found. Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "$(PYTHON) is too old: Python 3.11 or newer is needed. Name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c "import ensurepip, venv" 2>/dev/null || { echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Installing into $(VENV), once: some minutes …"
	@if [ -t 1 ]; then while sleep 1; do printf .; done & trap "kill $$!" EXIT; fi; \
	  { test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV); } && \
	  { $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv \
	  && $(BIN)/uv pip install --quiet --system-certs --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable ".[dev,plot]" --editable ./load_tests 2>/dev/null \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev,plot]" --editable ./load_tests \
	  || { echo "The packages could not be installed. Behind a proxy: HTTPS_PROXY; with a certificate authority of your own: PIP_CERT=/path/to/ca.pem" >&2; exit 1; }; } \
	  && $(BIN)/python -m streams.scoring.rehearsal
	@touch $(STAMP)

watch: install
	@$(BIN)/credence demo --watch

demo: install
	@$(BIN)/credence demo

# Five processes also on two cores: half of what tests do is waiting. tests/conftest.py has the long modules begin first.
test: check
	$(BIN)/pytest --numprocesses 5 --dist loadfile --no-loadscope-reorder

check: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: install
	@$(BIN)/credence bench

# Rewrites constraints.txt from what is installed.
constraints: install
	@{ sed -n "/^#/p" constraints.txt; $(BIN)/python -m pip freeze --exclude-editable --exclude pip --exclude setuptools; } > constraints.new
	@mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
