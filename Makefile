# Every target sets up what it needs; a second call finds it done. `make help` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Some machines forbid Python to keep what it has compiled: hundreds of processes would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
ARGS ?=
ONLY ?=

# Hosts of package registries, and paths of the machine that a file was written on. The brackets keep this line from matching itself.
UNWANTED := p[y]pi\.org|p[y]thonhosted\.org|registry\.n[p]mjs|c[r]ates\.io|repo1?\.m[a]ven|m[a]ven\.org|proxy\.g[o]lang|deb\.d[e]bian\.org|(^|[^A-Za-z0-9_.-])/w[o]rk/|/t[m]p/v/

.PHONY: help
help: ## Show this list
	@echo "Deskstream. Each target sets up what it needs in $(VENV), the first time."
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# -- the product -------------------------------------------------------------------------------------------------

.PHONY: run demo
run: $(INSTALLED) ## Start everything here, with a simulated shop and a live view; Ctrl-C stops it
	$(BIN)/python -m deploy.local run $(ARGS)

demo: $(INSTALLED) ## Play one fixed day, check that every contact is accounted for, print a summary
	$(BIN)/python -m deploy.local demo $(ARGS)

# -- the code ----------------------------------------------------------------------------------------------------

.PHONY: fmt check test bench recompute train soak fuzz mutants generate tools clean lock
fmt: $(INSTALLED) ## Format the code and repair what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: check-format check-lint check-types check-imports check-schemas check-alerts check-manifests check-names check-glossary check-wording ## Format, lint, types, imports, schemas, alert rules, manifests, vocabulary, wording (-k: go on after a failure)

test: $(INSTALLED) ## Run the tests on the real Kafka and ClickHouse; ARGS="-k words --stack=containers"
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not benchmark and not soak" $(ARGS)

bench: $(INSTALLED) ## Measure against Quix Streams, Faust and bare clients; ONLY=tickets or ONLY=sink runs one group
	$(BIN)/python -m tests.benchmarks $(ONLY)

recompute: $(INSTALLED) ## Recompute all clocks under other rules, beside the live tables: make recompute CONFIG=DIR [ARGS="--into NAME"]
	@test -n "$(CONFIG)" || { echo "make recompute needs the rules: CONFIG=DIR of policies.yaml; see ARGS=--help" >&2; exit 2; }
	$(BIN)/python -m stream_processors recompute --config $(CONFIG) $(ARGS)

train: $(INSTALLED) ## Train the suggester of why-tags, some four minutes; ARGS="--corrections FILE.csv --out FILE"
	$(BIN)/python -m stream_processors train $(ARGS)

soak: $(INSTALLED) ## Run the long tests (a table says what each fault cost), and the property tests with new examples; ARGS as for test
	$(BIN)/python -m pytest -m "soak or (hypothesis and not benchmark)" --hypothesis-profile searching --timeout 0 $(ARGS)

N ?= 1000000
SEED ?= 1
fuzz: $(INSTALLED) ## Send broken inputs to everything that strangers reach, each within 250 ms of CPU and 200 MB; N=20000 SEED=2 ONLY=mail,http
	$(BIN)/python -m tests.fuzz --inputs $(N) --seed $(SEED) --only "$(ONLY)" $(ARGS)

mutants: $(INSTALLED) ## Change the code a little, place by place: some test must notice; ONLY=path for a whole file, ARGS="--seed 2"
	$(BIN)/python -m tests.mutants $(ONLY) $(ARGS)

generate: $(INSTALLED) ## Write what is derived from the code: schemas, chat's protocol, metrics, alert rules, dashboards, manifests, acknowledgements
	$(BIN)/python -m schemas.evolution --write
	$(BIN)/python -m producers chat --asyncapi > producers/sources/chat/asyncapi.json
	$(BIN)/python -m deploy.grafana --write
	$(BIN)/python -m schemas.metrics_table > deploy/prometheus/METRICS.md
	$(BIN)/python -m schemas.settings_table > deploy/docs/settings.md
	$(BIN)/python -m deploy.prometheus --write
	$(BIN)/python -m deploy.kubernetes.generate --write
	for locale in en zh-Hans zh-Hant ja; do \
		$(BIN)/python -m stream_processors preview --all --locale $$locale > deploy/docs/acknowledgements/$$locale.txt || exit 1; done

tools: $(INSTALLED) ## Fetch the real Prometheus, Alertmanager, dovecot and exim that the tests use (Debian's, into .tools)
	$(BIN)/python -m deploy.tools

clean: ## Remove the environment, caches and build output; what the pipeline stored in .data stays
	rm -rf $(VENV) .tools .bench .mutants .fuzz dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.data/*' -prune -exec rm -rf {} +

lock: ## Resolve requirements.lock anew from pyproject.toml (needs uv)
	@command -v uv > /dev/null || { echo "make lock needs uv: install it, then try again" >&2; exit 2; }
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --quiet $(ARGS) -o requirements.lock

# -- the parts of `make check` -----------------------------------------------------------------------------------

.PHONY: check-format check-lint check-types check-imports check-schemas check-alerts check-manifests check-names check-glossary check-wording
check-format: $(INSTALLED)
	$(BIN)/ruff format --check .

check-lint: $(INSTALLED)
	$(BIN)/ruff check .

check-types: $(INSTALLED)
	$(BIN)/mypy

check-imports: $(INSTALLED)
	$(BIN)/lint-imports

check-schemas: $(INSTALLED)
	$(BIN)/python -m schemas.evolution

check-alerts: $(INSTALLED)
	$(BIN)/python -m deploy.prometheus

check-manifests: $(INSTALLED)
	$(BIN)/python -m deploy.kubernetes.generate

check-names:
	@if git grep -nIE '$(UNWANTED)'; then echo "^ name no package registry's host and no path of one machine" >&2; exit 1; fi

check-glossary: $(INSTALLED)
	$(BIN)/python -m tests.support.glossary

check-wording: $(INSTALLED)
	$(BIN)/python -m stream_processors language-check --own stream_processors/config schemas/replies/shipped $(wildcard deploy/local/help)

# -- the environment ---------------------------------------------------------------------------------------------

# The lock is complete (no dependency to resolve) and all of it is wheels (nothing to build, so no unlocked build tool).
# Without --no-compile pip takes two and a half times as long. Of the Pythons 3.11 comes first: the tests run on it most.
QUIETLY := --quiet --disable-pip-version-check --progress-bar off --no-deps
$(INSTALLED): requirements.lock pyproject.toml
	@python= ; for candidate in $(PYTHON) python3.11 python3.12 python3.13 python3 python; do \
	    if "$$candidate" -c '$(SUPPORTED)' 2> /dev/null; then python=$$candidate; break; fi; \
	done; \
	$(BIN)/python -c '$(SUPPORTED)' 2> /dev/null || rm -rf $(VENV); \
	if [ ! -e $(VENV) ] && [ -z "$$python" ]; then echo "no Python 3.11, 3.12 or 3.13 found: install one, or name it with PYTHON=..." >&2; exit 2; fi; \
	echo "Setting up $(VENV) (once; about a minute) ..."; \
	if command -v uv > /dev/null; then \
	    [ -e $(VENV) ] || uv venv --quiet --python "$$python" $(VENV); \
	    uv pip install --quiet --python $(BIN)/python --require-hashes --only-binary :all: -r requirements.lock; \
	    uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	    [ -e $(VENV) ] || "$$python" -m venv $(VENV); \
	    $(BIN)/python -m pip --version > /dev/null 2>&1 || $(BIN)/python -m ensurepip > /dev/null; \
	    $(BIN)/python -m pip install $(QUIETLY) --require-hashes --only-binary :all: --no-compile -r requirements.lock; \
	    $(BIN)/python -m pip install $(QUIETLY) --no-build-isolation -e .; \
	fi; \
	touch $@
