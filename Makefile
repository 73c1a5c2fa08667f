# `make` alone lists what there is. CI runs the same targets.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve test test-all test-oldest lint fmt bench lock wheel clean

PYTHON ?= python3
PORT ?= 8080
ARGS ?=
# Many tests wait for processes and sockets, so more of them than two cores can be under way.
WORKERS ?= 4
# The tests start hundreds of processes, each of which would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE
VENV := .venv
BIN := $(VENV)/bin
# Stamps: what the gateway needs is installed; what the tests need is installed.
SERVES := $(VENV)/.serves
READY := $(VENV)/.installed
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip

# Shell text: stops with one line when $(PYTHON) is missing or older than 3.11.
PYTHON_IS_NEW_ENOUGH = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	{ echo "Understudy needs Python 3.11 or newer; '$(PYTHON)' is not. Try: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(SERVES) ## Start the gateway (PORT=8080 ARGS="--speed 1 --seed 7")
	@exec $(BIN)/understudy serve --port $(PORT) $(ARGS)

test: $(READY) ## Run the tests but the slow ones (ARGS="-k webhook" to choose)
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

test-all: $(READY) ## Run all the tests
	$(BIN)/python -m pytest -n $(WORKERS) -m "" --hypothesis-profile thorough $(ARGS)

test-oldest: $(READY) ## Run the gateway's tests on the oldest Starlette that it may meet
	@$(PIP) install --quiet --require-hashes --no-deps --upgrade --target $(VENV)/oldest --requirement requirements-oldest.lock
	PYTHONPATH=$(CURDIR)/$(VENV)/oldest $(BIN)/python -m pytest -n $(WORKERS) tests/gateway tests/web $(ARGS)

lint: $(READY) ## Check style, format, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(READY) ## Format the code and fix what can be fixed safely
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(READY) ## Measure polls and submits against the bare server (ARGS="--prism COMMAND --wiremock JAR")
	$(BIN)/python -m tests.bench $(ARGS)

lock: ## Pin every dependency in the lock files (ARGS=--upgrade for the newest)
	@$(PYTHON_IS_NEW_ENOUGH)
	@set -e; scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	echo "Installing uv aside ..."; \
	$(PYTHON) -m venv "$$scratch"; \
	PIP_DISABLE_PIP_VERSION_CHECK=1 "$$scratch/bin/python" -m pip install --quiet uv; \
	resolve() { \
		lock=$$1; what=$$2; shift 2; \
		echo "Resolving $$lock ..."; \
		if [ -f "$$lock" ]; then cp "$$lock" "$$scratch/lock"; else rm -f "$$scratch/lock"; fi; \
		"$$scratch/bin/uv" pip compile pyproject.toml "$$@" --universal --python-version 3.11 --generate-hashes \
			--no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet $(ARGS) -o "$$scratch/lock"; \
		{ echo "# Made by 'make lock' from pyproject.toml: $$what. Not edited by hand."; cat "$$scratch/lock"; } > "$$lock"; \
		echo "$$lock: $$(grep -c '==' "$$lock") packages"; \
	}; \
	resolve requirements.lock "runtime, media and what installs Understudy" --extra media --group build; \
	resolve requirements-dev.lock "that, the checks and dev" --extra media --extra check --group dev \
		--constraints requirements.lock; \
	sed -n 's/^ *"starlette>=\([0-9.]*\),.*/starlette==\1.0/p' pyproject.toml > "$$scratch/oldest.in"; \
	"$$scratch/bin/uv" pip compile "$$scratch/oldest.in" --no-deps --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --quiet -o "$$scratch/oldest"; \
	{ echo "# Made by 'make lock' from pyproject.toml: the lower end of a range. Not edited by hand."; \
		cat "$$scratch/oldest"; } > requirements-oldest.lock

wheel: $(READY) ## Build the wheel into dist/
	$(BIN)/python -m hatchling build --target wheel

clean: ## Remove the environment, caches and build results
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Compiling every module takes as long as the rest; Python compiles what is imported when it first is.
INSTALL := $(PIP) install --no-compile --require-hashes --progress-bar on

$(SERVES): pyproject.toml requirements.lock
	@$(PYTHON_IS_NEW_ENOUGH)
	@if [ ! -x $(BIN)/pip ]; then echo "Creating $(VENV) with $$($(PYTHON) --version) ..."; $(PYTHON) -m venv --clear $(VENV); fi
	@echo "Installing the gateway's packages into $(VENV) (once) ..."
	@$(INSTALL) --requirement requirements.lock
	@echo "Installing Understudy itself, editable ..."
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "Ready: $(BIN)/understudy"

$(READY): $(SERVES) requirements-dev.lock
	@echo "Installing what the tests need into $(VENV) (once) ..."
	@$(INSTALL) --requirement requirements-dev.lock
	@touch $@
