# `make` alone lists what there is to do.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?= -n auto --dist worksteal --durations=10
INSTALL_ARGS ?= -m install
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Whatever is compiled once is not compiled again by each of the processes that run tests.
unexport PYTHONDONTWRITEBYTECODE

# The first Python 3.11 or newer; `make demo PYTHON=/path/to/python` names another one.
PYTHON ?= $(shell for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$candidate && break; done)

# Every Python that is found, one of each minor version, oldest first.
PYTHONS ?= $(shell for minor in 11 12 13 14 15; do \
	for candidate in python3.$$minor $(HOME)/.pyenv/versions/3.$$minor.*/bin/python; do \
	$$candidate -c "import sys; sys.exit(sys.version_info[1] - $$minor)" 2>/dev/null \
	&& echo $$candidate && break; done; done; true)

# Debian's python3 comes without ensurepip unless python3-venv is installed. Then the system's
# own pip fills the environment, which pip can do from outside since 22.3.
PIP = $(if $(shell test -x $(BIN)/pip && echo yes),$(BIN)/python,$(PYTHON)) -m pip \
	--python $(BIN)/python
INSTALL = $(PIP) install --quiet --require-hashes --no-deps --requirement

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 15

.PHONY: demo
demo: $(VENV)/.runtime ## run the main job on this machine: sandbox, provider, a flow, its history
	@$(BIN)/python -m braid demo

.PHONY: venv
venv: $(VENV)/.test ## a virtual environment in .venv, from the hashed locks, tests included

.PHONY: test
test: $(VENV)/.test ## the whole test-suite (PYTEST_ARGS="-n auto ...")
	$(BIN)/python -m pytest $(PYTEST_ARGS)

.PHONY: test-fast
test-fast: $(VENV)/.test ## the unit tests that are quick, in less than a minute
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow" tests/unit

.PHONY: coverage
coverage: $(VENV)/.test ## which lines the tests reach (COVERAGE_TESTS="tests/unit tests/store tests/hpc")
	$(BIN)/python -m pytest -n auto --dist worksteal --cov --cov-report=term:skip-covered \
		$(or $(COVERAGE_TESTS),tests/unit tests/store tests/hpc)

.PHONY: test-install
test-install: $(VENV)/.test ## the wheel, the image, peers, other globus-sdk: each in its own environment
	$(BIN)/python -m pytest $(INSTALL_ARGS) tests/install tests/functional/clients

.PHONY: test-pythons
test-pythons: ## demo and test-suite on each Python from 3.11 that is found (PYTHONS="...")
	@for python in $(PYTHONS); do \
		name=.venv-$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		echo "== $$python"; \
		$(MAKE) --no-print-directory demo test VENV=$$name PYTHON=$$python || exit 1; done

# With the newest Python that is found: $(ON_NEWEST) TARGET.
ON_NEWEST = newest=$(lastword $(PYTHONS)); \
	name=.venv-$$($$newest -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	$(MAKE) --no-print-directory VENV=$$name PYTHON=$$newest

.PHONY: venv-newest
venv-newest: ## the environment of test-newest
	@$(ON_NEWEST) venv

.PHONY: test-newest
test-newest: ## the tests of stores and recording on the newest Python that is found
	@$(ON_NEWEST) test \
		PYTEST_ARGS='$(PYTEST_ARGS) tests/store tests/hpc tests/unit/store -k "not postgresql"'

.PHONY: check
check: $(VENV)/.test ## format, lint, types, import direction
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/unit/test_import_direction.py

.PHONY: docs
docs: $(VENV)/.test ## write docs/reference again from the code
	$(BIN)/python -m braid.reference docs/reference

.PHONY: site
site: $(VENV)/.docs ## the documentation as a site in build/site; every warning is an error
	$(BIN)/sphinx-build -W --keep-going --quiet -c docs -d build/doctrees . build/site
	@echo "open build/site/index.html"

.PHONY: bench
bench: $(VENV)/.test ## the benchmarks, each beside its floor in the same run
	@for script in $$(ls benchmarks/*.py | grep -v -e '/_' -e '/soak' -e '/results'); do \
		echo "== $$script"; $(BIN)/python $$script || exit 1; done

.PHONY: results
results: $(VENV)/.test ## run the benchmarks and write docs/results.md (ten minutes or so)
	$(BIN)/python benchmarks/results.py $(RESULTS_ARGS)

.PHONY: soak
soak: $(VENV)/.test ## five minutes of MPI ranks recording, with faults in between
	$(BIN)/python benchmarks/soak.py

.PHONY: lock
lock: ## resolve pyproject.toml again into the locks (needs network; uses uv)
	$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install --quiet uv
	$(VENV)-lock/bin/uv pip compile --quiet --universal --generate-hashes --no-header \
		--extra all pyproject.toml --output-file requirements.lock
	$(VENV)-lock/bin/uv pip compile --quiet --universal --generate-hashes --no-header \
		--extra test pyproject.toml --output-file requirements-test.lock
	$(VENV)-lock/bin/uv pip compile --quiet --universal --generate-hashes --no-header \
		--constraint requirements-test.lock \
		--extra docs pyproject.toml --output-file requirements-docs.lock
	echo 'setuptools>=77' | $(VENV)-lock/bin/uv pip compile --quiet --universal \
		--generate-hashes --no-header --python-version 3.11 - --output-file requirements-build.lock
	rm -rf $(VENV)-lock

.PHONY: clean
clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .venv-3.* .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Braid needs Python 3.11 or newer: apt-get install python3, or make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV)

# The project itself is installed in place, with a setuptools that is pinned by hash too: build
# isolation would fetch an unpinned one.
EDITABLE = $(PIP) install --quiet --no-deps --no-build-isolation --editable .

$(VENV)/.runtime: requirements.lock requirements-build.lock pyproject.toml | $(BIN)/python
	@echo "Installing Braid's requirements into $(VENV) (a minute at most) ..."
	@$(INSTALL) requirements.lock --requirement requirements-build.lock
	@$(EDITABLE)
	@touch $@

$(VENV)/.test: requirements-test.lock requirements-build.lock pyproject.toml | $(BIN)/python
	@echo "Installing Braid's requirements, with those of the tests, into $(VENV) ..."
	@$(INSTALL) requirements-test.lock --requirement requirements-build.lock
	@$(EDITABLE)
	@touch $@ $(VENV)/.runtime

# On top of the tests' packages: the lock has the same versions of what both need.
$(VENV)/.docs: requirements-docs.lock $(VENV)/.test
	@$(INSTALL) requirements-docs.lock
	@touch $@
