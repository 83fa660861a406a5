# Millrace. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
# Of pytest: much of a test is waiting, so there may be more of them than cores.
WORKERS ?= 3
# Parts of `make test` at the same time. CI has time, and a crowded machine fails tests that a user would not see fail.
PARTS ?= $(if $(CI),1,3)
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup
LAYER := layers/shared/python
NPM := $(BIN)/python -m local.node npm --prefix web
SDK := $(BIN)/python -m local.node npm --prefix sdk/typescript
export SAM_CLI_TELEMETRY := 0
# Containers often set it. Each of the processes that a stack or a test starts would compile all of its code.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install wheel run test test-python test-browser test-javascript test-fast soak chaos check bench build deploy first-user page environment destroy reattach token lock format lint types imports licences audit sam-lint openapi clean

help: ## this list
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

# The emulator of AWS pins botocore, which the product must not, so it lives alone.
.venv-emulator/.done: local/requirements-emulator.txt | $(BIN)/uv
	$(BIN)/uv venv -q --clear --python $(BIN)/python .venv-emulator
	$(BIN)/uv pip install -q --python .venv-emulator/bin/python --require-hashes -r local/requirements-emulator.txt
	@touch $@

# What `make run` needs.
$(VENV)/.local: local/requirements.txt pyproject.toml .venv-emulator/.done | $(BIN)/uv
	$(call install_locked,local/requirements.txt)

# What tests and checks need: everything above and more.
$(VENV)/.dev: tests/requirements.txt pyproject.toml .venv-emulator/.done | $(BIN)/uv
	$(call install_locked,tests/requirements.txt)
	@touch $(VENV)/.local

# aws-sam-cli pins half of PyPI, so it lives alone.
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

# Official clients of the protocols, for the tests.
tests/clients/node_modules/.done: tests/clients/package-lock.json | $(VENV)/.local
	$(BIN)/python -m local.node npm --prefix tests/clients ci --no-audit --no-fund --loglevel=error
	@touch $@

sdk/typescript/dist/index.js: sdk/typescript/node_modules/.done sdk/typescript/llms.txt $(wildcard docs/*.md) $(shell find sdk/typescript/src -type f 2>/dev/null)
	$(SDK) run --silent build
	@touch $@

# The page is built from the sources of our own client.
web/dist/index.html: web/node_modules/.done sdk/typescript/node_modules/.done $(shell find web/src web/public web/*.html web/*.ts web/*.json sdk/typescript/src -type f 2>/dev/null)
	$(NPM) run --silent build

wheel: $(VENV)/.dev web/dist/index.html sdk/typescript/dist/index.js ## the package that projects install, in dist/
	$(BIN)/python -m hatchling build -t wheel

install: $(VENV)/.dev .venv-sam/.done web/node_modules/.done sdk/typescript/node_modules/.done tests/clients/node_modules/.done ## everything that tests and checks need

# --- on one machine ----------------------------------------------------------------------------

run: $(VENV)/.local web/dist/index.html ## the whole stack on http://localhost:8080 (MILLRACE_PORT moves it)
	@exec $(BIN)/python -m local --demo --configuration app $(ARGS)

token: ## print a bearer token for the running stack (ARGS="--user ann@example.com --role customer")
	@$(BIN)/python -m local.token $(ARGS)

ifdef ARGS
# A path or an option of pytest: only what these tests need is made, and one run finds them all.
test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)
else
test: $(VENV)/.dev .venv-sam/.done web/dist/index.html sdk/typescript/dist/index.js tests/clients/node_modules/.done ## every test that needs no AWS account (ARGS=path: some of them)
	@$(MAKE) --no-print-directory -j$(PARTS) test-python test-browser test-javascript
endif

# Beside the first, whose progress is shown: what the others say comes in one piece when they are over.
define quietly
@said=$$(mktemp); { $(1); } > $$said 2>&1 && code=0 || code=$$?; cat $$said; rm $$said; exit $$code
endef

test-python:
	$(PYTEST) -m "not bench and not browser"

# In processes of their own: Playwright keeps an event loop running.
test-browser: WORKERS = 2
test-browser:
	$(call quietly,$(PYTEST) -m browser)

test-javascript:
	$(call quietly,$(NPM) test --silent && $(SDK) test --silent)

# These wait for nothing, so there is one for each of two cores: a third would only collect once more.
test-fast: WORKERS = 2
test-fast: $(VENV)/.dev ## what needs no emulator, no stack and no browser: under a minute
	$(PYTEST) -m fast $(ARGS)

soak: $(VENV)/.dev ## the long form of storms, simulations and properties: an hour
	MILLRACE_SOAK=1 $(PYTEST) -m soak $(ARGS)

chaos: $(VENV)/.dev ## five minutes of kills and of AWS failing; then what was accepted is counted (ARGS="--seed 7")
	$(BIN)/python -m tests.chaos $(ARGS)

bench: $(VENV)/.dev .venv-sam/.done ## measure speed: ratios against a baseline and a peer
	$(BIN)/python -m tests.bench $(ARGS)

# --- quality -----------------------------------------------------------------------------------

check: lint types imports sam-lint licences audit test ## what CI runs

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev web/node_modules/.done sdk/typescript/node_modules/.done
	$(BIN)/mypy
	$(SDK) run --silent types
	$(NPM) run --silent types

imports: $(VENV)/.dev
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

licences: $(VENV)/.dev ## every shipped package with its licence; sbom.json (CycloneDX)
	$(BIN)/python -m local.bill_of_materials
	$(BIN)/python -m local.bill_of_materials sbom.json

audit: $(VENV)/.dev web/node_modules/.done ## withdrawn, deprecated and vulnerable packages, as far as the registries tell
	$(BIN)/python -m local.audit

sam-lint: .venv-sam/.done
	.venv-sam/bin/sam validate --lint --region us-east-1

format: $(VENV)/.dev ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# --- deploy ------------------------------------------------------------------------------------

# Of the environment of make itself, where that is Python 3.13: sam looks for it by name.
build: export PATH := $(CURDIR)/$(BIN):$(PATH)
build: .venv-sam/.done $(VENV)/.local ## sam build (needs python3.13), cut to size and compiled
	@python3.13 -c '' 2>/dev/null || { echo "Functions are built with python3.13: put it on PATH, or use make PYTHON=python3.13"; exit 1; }
	$(BIN)/python -m local.app template.yaml template.app.json
	.venv-sam/bin/sam build --template template.app.json
	$(BIN)/python -m local.artifact .aws-sam/build python3.13
	$(BIN)/python -m cloud.gradual .aws-sam/build/template.yaml $(if $(GRADUAL),--shift $(GRADUAL)) $(if $(SNAPSTART),--snapstart)

deploy: build web/dist/index.html ## deploy to AWS and say what to do next (ARGS="--config-env prod")
	$(BIN)/python -m cloud.deploy $(ARGS)

first-user: $(VENV)/.local ## an admin of a new organization, and a token (ARGS="--email you@example.com")
	@$(BIN)/python -m cloud.first_user $(ARGS)

page: $(VENV)/.local web/dist/index.html ## the page on this machine for a stack without CloudFront
	@$(BIN)/python -m cloud.page $(ARGS)

environment: $(VENV)/.local ## the variables of the deployed functions, for `millrace.serve` (docs/hosting.md)
	@$(BIN)/python -m cloud.environment $(ARGS)

destroy: $(VENV)/.local ## delete the stack; accounts and data stay (ARGS=--data deletes them)
	@$(BIN)/python -m cloud.destroy $(ARGS)

reattach: $(VENV)/.local ## a stack of what `make destroy` left behind
	@$(BIN)/python -m cloud.reattach $(ARGS)

# --- upkeep ------------------------------------------------------------------------------------

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
lock: | $(BIN)/uv ## renew the lock files
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

openapi: $(VENV)/.dev sdk/typescript/node_modules/.done ## renew docs/openapi.json, the types of the client and the table of error codes
	$(BIN)/python -m local.openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json
	$(SDK) run --silent generate
	$(BIN)/python -m local.troubleshooting

clean: ## remove what was made (environments, builds, caches)
	rm -rf .venv .venv-emulator .venv-sam .aws-sam web/dist web/node_modules sdk/typescript/dist sdk/typescript/node_modules tests/clients/node_modules .mypy_cache .ruff_cache .pytest_cache
