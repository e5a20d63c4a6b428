# Every target does the set-up it needs. `make` alone lists them.
#
# The environment is .venv: made by the system's Python, filled from the hashed lock files,
# and refilled when one of them changes. A stamp makes the second run instant.

PYTHONS := $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11)
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
RUNTIME := $(STAMPS)/runtime
DEV := $(STAMPS)/dev

# Tests run in so many processes; each has its own PostgreSQL, which is what two cores bear.
PROCESSES ?= 2
# More for the command, as in: make test ARGS="tests/ledger -k expiry".
ARGS ?=
# make test COVERAGE=yes counts lines and branches too, which takes half as long again; .ci/run does.
COVERAGE ?=
# Which long test `make chaos` runs, as pytest -k reads it: make chaos STAGE=r06.
STAGE ?=

COVERED := --cov --cov-report= $(if $(COVERAGE_THRESHOLD),--cov-fail-under=$(COVERAGE_THRESHOLD))

COMPILE := $(BIN)/uv --quiet pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

# Hundreds of processes are started by tests; each would compile everything anew.
export PYTHONDONTWRITEBYTECODE :=
# The builder of the docs advertises its successor otherwise.
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo run data test coverage lint docs format gate bench chaos soak mutants lock clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(DEV) ## Install everything a developer needs into .venv.

demo: $(RUNTIME) ## Show the product on recorded charging sessions; Ctrl-C ends it.
	@$(BIN)/python -m nerava demo $(ARGS)

run: $(RUNTIME) ## Serve the product with your own settings (docs/settings.md).
	@$(BIN)/python -m nerava migrate
	@NERAVA_ENV=$${NERAVA_ENV:-development} $(BIN)/python -m nerava serve $(ARGS)

data: $(RUNTIME) ## Fetch recorded charging sessions and a map extract, checked by SHA-256.
	@$(BIN)/python -m nerava data fetch $(ARGS)

test: $(DEV) ## Run the quick suite on SQLite and on PostgreSQL (COVERAGE=yes counts lines).
	@$(BIN)/python -m compileall -q -j $(PROCESSES) src
	@$(BIN)/python -m pytest -n $(PROCESSES) --dist worksteal $(if $(COVERAGE),$(COVERED)) $(ARGS)

coverage: $(DEV) ## Say what the last `make test COVERAGE=yes` covered; the ledger's floor is 100 %.
	@$(BIN)/python -m coverage report --skip-covered
	@$(BIN)/python -m coverage report --include 'src/nerava/ledger/*' --skip-covered --fail-under 100

lint: $(DEV) ## Check style, types, imports, own rules, dependencies and security.
	@failed=; \
	say() { echo "lint: $$*"; "$$@" || failed="$$failed $$(basename $$1)"; }; \
	say $(BIN)/ruff check --quiet --output-format concise src tests tools; \
	say $(BIN)/ruff format --quiet --check src tests tools; \
	say $(BIN)/mypy --no-error-summary; \
	say $(BIN)/lint-imports; \
	say $(BIN)/python -m tools.lint src tests; \
	say $(BIN)/deptry --no-ansi src; \
	say $(BIN)/bandit --quiet --recursive --configfile pyproject.toml src; \
	say $(BIN)/mkdocs --quiet build --strict; \
	if [ -n "$$failed" ]; then echo "lint: failed:$$failed"; exit 1; fi; \
	echo "lint: clean"

docs: $(DEV) ## Build the docs as a site into build/site; a dead link fails.
	@$(BIN)/mkdocs --quiet build --strict

format: $(DEV) ## Format the code and fix what can be fixed safely.
	@$(BIN)/ruff check --fix src tests tools || true
	@$(BIN)/ruff format src tests tools

gate: $(DEV) ## Ask everything that has to be true of a build before production (ARGS="--only lint").
	@scripts/prod_gate.sh $(ARGS)

bench: $(DEV) ## Measure the ledger beside pgbench, in one run.
	@$(BIN)/python -m nerava bench ledger $(ARGS)

chaos: $(DEV) ## Run the long forms: kills, lost replies, tampering (STAGE= picks one).
	@$(BIN)/python -m pytest -n 0 -m chaos --timeout 7200 $(if $(STAGE),-k '$(STAGE)') tests $(ARGS)

soak: $(DEV) ## Do business for an hour while a fault comes every two minutes (SOAK_S= says how long).
	@SOAK_S=$${SOAK_S:-3600} $(BIN)/python -m pytest -n 0 -m chaos --timeout 90000 tests/chaos/test_r31_soak.py $(ARGS)

mutants: $(DEV) ## Break the core in every small way; tests must notice 95 % (ARGS= picks some).
	@$(if $(ARGS),,rm -rf mutants)
	@$(BIN)/mutmut run --max-children $(PROCESSES) $(ARGS)
	@$(BIN)/python -m tools.mutants

lock: $(STAMPS)/uv ## Resolve the dependencies anew and write the hashed lock files.
	@$(COMPILE) --upgrade pyproject.toml --output-file requirements.lock
	@$(COMPILE) --upgrade pyproject.toml --extra dev --constraint requirements.lock --output-file requirements-dev.lock
	@$(COMPILE) pyproject.toml --extra aws --extra tracing --constraint requirements-dev.lock --output-file requirements-image.lock
	@echo uv | $(COMPILE) --upgrade - --output-file requirements-setup.lock

clean: ## Remove .venv and what tools left behind; databases under var/ stay.
	rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis mutants htmlcov build dist .coverage .coverage.*
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment ---

$(STAMPS)/uv: requirements-setup.lock tools/environment.sh
	@sh tools/environment.sh create $(VENV) $(PYTHONS)
	@mkdir -p $(STAMPS) && touch $@

$(RUNTIME): requirements.lock tools/environment.sh | $(STAMPS)/uv
	@sh tools/environment.sh fill $(VENV) requirements.lock
	@touch $@

$(DEV): requirements-dev.lock tools/environment.sh | $(STAMPS)/uv
	@sh tools/environment.sh fill $(VENV) requirements-dev.lock
	@touch $@ $(RUNTIME)
