# Every target sets up what it needs: Python 3.11, its venv module and make are enough to begin.
# What is installed comes from the hash locks; a second run finds it there and starts at once.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
MODEL  := build/models/SmolLM2-135M-Instruct.Q4_1.gguf
UV     := uv==0.13.9
ARGS   ?=
# Three keep two cores busy: each waits for its installation some of the time.
TESTERS ?= 3
# On every core at once; pip would do it on one. Some packages carry files that are no Python 3.
COMPILE = $(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export HF_HUB_OFFLINE := 1
export ORT_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help serve test check format bench soak tour consumer-chat model install install-finetuning install-finetuning-provider install-dev lock clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: install model ## Start everything on this machine (ARGS="--port 9443")
	@exec $(BIN)/bailee serve $(ARGS)

tour: $(VENV)/installed-tour ## Thirty-one days of a real installation in a minute, ending in proof
	@exec $(BIN)/bailee tour $(ARGS)

consumer-chat: $(VENV)/installed-tour ## Start the example application beside `make serve` (ARGS="--port 8800")
	@exec $(BIN)/python examples/consumer_chat $(ARGS)

test: install-dev model ## Run the tests (ARGS="tests/unit -k policy")
	@$(BIN)/python -m pytest -m "not soak" -n $(TESTERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: install-dev ## Formatting, lints, types, layers, and what keeps code and documents true
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest tests/tidy

format: install-dev ## Format the code and mend what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: install model ## Measure gateway, batches, log and sealing, each ending in one JSON line
	@tools/system_packages.sh wrk=wrk nginx-light=nginx
	@$(BIN)/bailee bench gateway --json $(ARGS)
	@$(BIN)/bailee bench batch --json
	@$(BIN)/bailee bench log --json
	@$(BIN)/bailee bench seal --json

soak: install-dev model ## Run the campaigns at full size; takes hours (CONTRIBUTING.md says what they want)
	@$(BIN)/python -m pytest -m soak --timeout 0 $(ARGS)

model: $(MODEL) ## Fetch the default local model, 98 MB

install: $(VENV)/installed ## Install Bailee into .venv

install-finetuning: $(VENV)/installed-finetuning ## Install what fine-tuning needs too (torch)

install-finetuning-provider: $(VENV)/installed-tour ## Install what fine-tuning at a provider needs (the official SDK)

install-dev: $(VENV)/installed-finetuning $(VENV)/installed-dev ## Install the tools for tests and checks too

lock: ## Resolve the dependencies anew and write the hash locks
	@$(PYTHON) -m venv build/lock
	@build/lock/bin/pip install --quiet "$(UV)"
	@PATH="build/lock/bin:$$PATH" tools/lock.sh

clean: ## Remove what was installed and built; the data folder stays
	@rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find src tests tools verifier -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; name it with make PYTHON=…")'
	@echo "Making $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing Bailee and what it needs, by hash …"
	@$(BIN)/python -m pip install --quiet --no-compile --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --no-compile --no-deps --no-build-isolation --editable .
	@$(COMPILE)
	@touch $@

$(VENV)/installed-dev: requirements-dev.lock requirements-interoperability.lock $(VENV)/installed
	@echo "Installing the tools for tests and checks, by hash …"
	@$(BIN)/python -m pip install --quiet --no-compile --require-hashes --requirement requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --no-compile --require-hashes --no-deps --ignore-requires-python --requirement requirements-interoperability.lock
	@touch $@

$(VENV)/installed-finetuning: requirements-finetuning.lock tools/install_torch.sh $(VENV)/installed
	@tools/install_torch.sh $(BIN)/python
	@echo "Installing what fine-tuning needs, by hash …"
	@$(BIN)/python -m pip install --quiet --no-compile --require-hashes --no-deps --requirement requirements-finetuning.lock
	@$(COMPILE)
	@touch $@

$(VENV)/installed-tour: requirements-tour.lock $(VENV)/installed
	@echo "Installing the official SDK, which the tour uses, by hash …"
	@$(BIN)/python -m pip install --quiet --no-compile --require-hashes --requirement requirements-tour.lock
	@$(COMPILE)
	@touch $@

$(MODEL): | $(VENV)/bin/python
	@echo "Fetching the local model …"
	@$(BIN)/python tools/fetch_model.py $@
