# Millrace. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
# pytest workers. Tests spend much of their time waiting, so there may be more workers than cores.
WORKERS ?= 3
# Parts of `make test` that run at the same time. CI runs one: on a crowded machine, tests fail that would otherwise pass.
PARTS ?= $(if $(CI),1,3)
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup
LAYER := layers/shared/python
NPM := $(BIN)/python -m local.node npm --prefix web
SDK := $(BIN)/python -m local.node npm --prefix sdk/typescript
export SAM_CLI_TELEMETRY := 0
# Containers often set it. Every process that a stack or a test starts would then compile all of its code again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install wheel run test test-python test-browser test-javascript test-fast soak chaos check bench build deploy first-user page environment destroy reattach token lock format lint types imports licenses audit sam-lint openapi clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# --- set-up ------------------------------------------------------------------------------------

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.13 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)

define install_locked
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r $(1)
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@
endef

# The AWS emulator pins botocore and the product must not, so it has an environment of its own.
.venv-emulator/.done: local/requirements-emulator.txt | $(BIN)/uv
	$(BIN)/uv venv -q --clear --python $(BIN)/python .venv-emulator
	$(BIN)/uv pip install -q --python .venv-emulator/bin/python --require-hashes -r local/requirements-emulator.txt
	@touch $@

# What `make run` needs.
$(VENV)/.local: local/requirements.txt pyproject.toml .venv-emulator/.done | $(BIN)/uv
	$(call install_locked,local/requirements.txt)

# What tests and checks need, which includes everything above.
$(VENV)/.dev: tests/requirements.txt pyproject.toml .venv-emulator/.done | $(BIN)/uv
	$(call install_locked,tests/requirements.txt)
	@touch $(VENV)/.local

# aws-sam-cli pins half of PyPI, so it has an environment of its own.
.venv-sam/.done: tests/requirements-sam.txt | $(BIN)/uv
	$(BIN)/uv venv -q --clear --python $(BIN)/python .venv-sam
	$(BIN)/uv pip install -q --python .venv-sam/bin/python --require-hashes -r tests/requirements-sam.txt
	@touch $@

web/node_modules/.done: web/package-lock.json | $(VENV)/.local
	$(NPM) ci --no-audit --no-fund --loglevel=error
	@touch $@

sdk/typescript/node_modules/.done: sdk/typescript/package-lock.json | $(VENV)/.local
	$(SDK) ci --no-audit --no-fund --loglevel=error
	@touch $@

# The protocols' official clients, for the tests.
tests/clients/node_modules/.done: tests/clients/package-lock.json | $(VENV)/.local
	$(BIN)/python -m local.node npm --prefix tests/clients ci --no-audit --no-fund --loglevel=error
	@touch $@

sdk/typescript/dist/index.js: sdk/typescript/node_modules/.done sdk/typescript/llms.txt $(wildcard docs/*.md) $(shell find sdk/typescript/src -type f 2>/dev/null)
	$(SDK) run --silent build
	@touch $@

# The page is built from the sources of our own client.
web/dist/index.html: web/node_modules/.done sdk/typescript/node_modules/.done $(shell find web/src web/public web/*.html web/*.ts web/*.json sdk/typescript/src -type f 2>/dev/null)
	$(NPM) run --silent build

wheel: $(VENV)/.local web/dist/index.html sdk/typescript/dist/index.js ## build the package that projects install, in dist/
	$(BIN)/python -m hatchling build -t wheel

install: $(VENV)/.dev .venv-sam/.done web/node_modules/.done sdk/typescript/node_modules/.done tests/clients/node_modules/.done ## install everything that tests and checks need

# --- on one machine ----------------------------------------------------------------------------

run: $(VENV)/.local web/dist/index.html ## start the whole stack on http://localhost:8080 (MILLRACE_PORT changes the port)
	@exec $(BIN)/python -m local --demo --configuration app $(ARGS)

token: ## print a bearer token for the running stack (ARGS="--user ann@example.com --role customer")
	@$(BIN)/python -m local.token $(ARGS)

ifdef ARGS
# With a path or an option of pytest, one run collects all tests and builds only what they need.
test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)
else
test: $(VENV)/.dev .venv-sam/.done web/dist/index.html sdk/typescript/dist/index.js tests/clients/node_modules/.done ## run every test that needs no AWS account (ARGS=path runs some of them)
	@$(MAKE) --no-print-directory -j$(PARTS) test-python test-browser test-javascript
endif

# Only the first part shows its progress. The output of the others is printed when they are finished.
define quietly
@said=$$(mktemp); { $(1); } > $$said 2>&1 && code=0 || code=$$?; cat $$said; rm $$said; exit $$code
endef

test-python:
	$(PYTEST) -m "not bench and not browser"

# In separate processes, because Playwright keeps an event loop running.
test-browser: WORKERS = 2
test-browser:
	$(call quietly,$(PYTEST) -m browser)

test-javascript:
	$(call quietly,$(NPM) test --silent && $(SDK) test --silent)

# These tests do not wait, so there is one worker for each of two cores. A third would only collect the tests once more.
test-fast: WORKERS = 2
test-fast: $(VENV)/.dev ## run the tests that need no emulator, stack or browser (under a minute)
	$(PYTEST) -m fast $(ARGS)

soak: $(VENV)/.dev ## run the long form of storms, simulations and properties (an hour)
	MILLRACE_SOAK=1 $(PYTEST) -m soak $(ARGS)

chaos: $(VENV)/.dev ## kill processes and fail AWS calls for five minutes, then count what was accepted (ARGS="--seed 7")
	$(BIN)/python -m tests.chaos $(ARGS)

bench: $(VENV)/.dev .venv-sam/.done ## measure speed against a baseline and other frameworks
	$(BIN)/python -m tests.bench $(ARGS)

# --- quality -----------------------------------------------------------------------------------

check: lint types imports sam-lint licenses audit test ## run what CI runs

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev web/node_modules/.done sdk/typescript/node_modules/.done
	$(BIN)/mypy
	$(SDK) run --silent types
	$(NPM) run --silent types

imports: $(VENV)/.dev
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

licenses: $(VENV)/.dev ## list every shipped package with its license and write sbom.json (CycloneDX)
	$(BIN)/python -m local.bill_of_materials
	$(BIN)/python -m local.bill_of_materials sbom.json

audit: $(VENV)/.dev web/node_modules/.done ## report withdrawn, deprecated and vulnerable packages, as far as the registries know
	$(BIN)/python -m local.audit

sam-lint: .venv-sam/.done
	.venv-sam/bin/sam validate --lint --region us-east-1

format: $(VENV)/.dev ## format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# --- deploy ------------------------------------------------------------------------------------

# sam looks for python3.13 by name. If this environment has it, it is found here.
build: export PATH := $(CURDIR)/$(BIN):$(PATH)
build: .venv-sam/.done $(VENV)/.local ## sam build (needs python3.13), then strip and compile the functions
	@python3.13 -c '' 2>/dev/null || { echo "Functions are built with python3.13: put it on PATH, or use make PYTHON=python3.13"; exit 1; }
	$(BIN)/python -m local.app template.yaml template.app.json
	.venv-sam/bin/sam build --template template.app.json
	$(BIN)/python -m local.artifact .aws-sam/build python3.13
	$(BIN)/python -m cloud.gradual .aws-sam/build/template.yaml $(if $(GRADUAL),--shift $(GRADUAL)) $(if $(SNAPSTART),--snapstart)

deploy: build web/dist/index.html ## deploy to AWS and print what to do next (ARGS="--config-env prod")
	$(BIN)/python -m cloud.deploy $(ARGS)

first-user: $(VENV)/.local ## create an admin of a new organization, and print a token (ARGS="--email you@example.com")
	@$(BIN)/python -m cloud.first_user $(ARGS)

page: $(VENV)/.local web/dist/index.html ## serve the page on this machine for a stack without CloudFront
	@$(BIN)/python -m cloud.page $(ARGS)

environment: $(VENV)/.local ## print the variables of the deployed functions, for `millrace.serve` (docs/hosting.md)
	@$(BIN)/python -m cloud.environment $(ARGS)

destroy: $(VENV)/.local ## delete the stack and keep accounts and data (ARGS=--data deletes them, too)
	@$(BIN)/python -m cloud.destroy $(ARGS)

reattach: $(VENV)/.local ## create a stack from what `make destroy` has kept
	@$(BIN)/python -m cloud.reattach $(ARGS)

# --- upkeep ------------------------------------------------------------------------------------

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
lock: | $(BIN)/uv ## update the lock files
	$(LOCK) pyproject.toml --extra dev --no-emit-package millrace -o tests/requirements.txt $(ARGS)
	$(LOCK) pyproject.toml --extra local --no-emit-package millrace -c tests/requirements.txt -o local/requirements.txt $(ARGS)
	$(LOCK) pyproject.toml -c tests/requirements.txt -o $(LAYER)/requirements.txt $(ARGS)
	echo a2a-sdk | $(LOCK) - -c tests/requirements.txt -o functions/a2a/requirements.txt $(ARGS)
	cp functions/a2a/requirements.txt functions/notify_tasks/requirements.txt
	printf '%s\n' 'psycopg[binary]' pymysql sqlalchemy | $(LOCK) - -c tests/requirements.txt -o functions/deliver/requirements.txt $(ARGS)
	echo opentelemetry-proto | $(LOCK) - -c tests/requirements.txt -o functions/record/requirements.txt $(ARGS)
	echo 'psycopg[binary]' | $(LOCK) - -c tests/requirements.txt -o functions/change_capture/requirements.txt $(ARGS)
	printf '%s\n' espeakng-loader lameenc langcodes markdown-it-py sentencex | $(LOCK) - -c tests/requirements.txt -o functions/voice/requirements.txt $(ARGS)
	printf '%s\n' 'ministack==1.5.33' cryptography httptools uvicorn | $(LOCK) - -o local/requirements-emulator.txt $(ARGS)
	echo uvicorn | $(LOCK) - -c tests/requirements.txt -o functions/serve-requirements.txt $(ARGS)
	echo aws-sam-cli | $(LOCK) - -o tests/requirements-sam.txt $(ARGS)

openapi: $(VENV)/.dev sdk/typescript/node_modules/.done ## update docs/openapi.json, the types of the client and the table of error codes
	$(BIN)/python -m local.openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json
	$(SDK) run --silent generate
	$(BIN)/python -m local.troubleshooting

clean: ## remove everything that make created (environments, builds, caches)
	rm -rf .venv .venv-emulator .venv-sam .aws-sam web/dist web/node_modules sdk/typescript/dist sdk/typescript/node_modules tests/clients/node_modules .mypy_cache .ruff_cache .pytest_cache
