# Everything a contributor or a visitor runs; needs make and Python 3.11 or newer, nothing else.
#
# PYTHON=/path/to/python chooses the interpreter; without it the newest one that runs is taken.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv demo test test-journeys test-databases test-browser test-faults test-oldest docs-test lint format types imports docs wheel-test openapi api-surface bench bench-outbox bench-preferences bench-campaigns ci tox upgrade clean

# Where the contract with existing code lies: beside the clone.
CONTRACT ?= ../shared/contract

BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Interpreters of pyenv, newest first: unless one is activated, its shim on the PATH starts nothing.
PYENV_ROOT ?= $(HOME)/.pyenv
PYENV_PYTHONS := $(foreach minor,14 13 12 11,$(wildcard $(PYENV_ROOT)/versions/3.$(minor)*/bin/python3.$(minor)))
DISCOVER := $(if $(PYENV_PYTHONS),--discover $(PYENV_PYTHONS))
CANDIDATES := $(foreach minor,14 13 12 11,python3.$(minor) $(filter %/python3.$(minor),$(PYENV_PYTHONS))) python3 python

# Tried in turn, and each has to start and to be able to make a virtual environment: some distributions ship Python without
# ensurepip.
define find_python
python=; \
for candidate in $(or $(PYTHON),$(CANDIDATES)); do \
	python=$$("$$candidate" -c 'import sys, ensurepip; print(sys.executable if sys.version_info >= (3, 11) else "")' 2>/dev/null) || continue; \
	[ -n "$$python" ] && break; \
done; \
if [ -z "$$python" ]; then \
	echo "Expected Python 3.11 or newer with venv and ensurepip, found none (tried: $(or $(PYTHON),$(CANDIDATES)))." >&2; \
	echo "Install it (on Debian: apt install python3 python3-venv), or run make PYTHON=/path/to/python." >&2; \
	exit 1; \
fi
endef

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do printf '  make %-14s %s\n' "$$target" "$$text"; done

# The stamps hold what .venv was made from, so that it is made anew when, and only when, that changes.
venv: ## Make or refresh .venv; every other target does this itself.
	@set -e; $(find_python); \
	made_from="$$python $$("$$python" -V) $$(cat requirements/dev.txt | cksum)"; \
	if [ "$$(cat .venv/made-from 2>/dev/null)" != "$$made_from" ]; then \
		echo "Making .venv with $$python ($$("$$python" -V)): about a minute, once."; \
		"$$python" -m venv --clear .venv; \
		$(BIN)/python -m pip install -qq --requirement requirements/dev.txt; \
		echo "$$made_from" > .venv/made-from; \
	fi
	@set -e; installed_from="$$PWD $$(cat setup.py edx_ace/__init__.py | cksum)"; \
	if [ "$$(cat .venv/installed-from 2>/dev/null)" != "$$installed_from" ]; then \
		$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .; \
		echo "$$installed_from" > .venv/installed-from; \
	fi

demo: venv ## Send 500 messages past a killed worker, in four languages, and campaigns; serve what arrived (SERVE=0: end after that).
	@$(BIN)/python test_project/manage.py demo

test: venv ## Run the tests: random order, in parallel, every warning an error.
	@PYTHONDEVMODE=1 $(BIN)/python -W error -m pytest --numprocesses auto $(ARGS)

test-journeys: venv ## Walk through the demo, the tutorial and the guides with real processes, brokers and mail servers.
	@PYTHONDEVMODE=1 $(BIN)/python -W error -m pytest --numprocesses 2 --dist loadfile $(addprefix tests/journeys/,demo.py tutorial.py unsubscribe.py celery_howto.py) $(ARGS)

test-databases: venv ## Run the tests of what has tables on PostgreSQL and on MariaDB.
	@set -e; for database in postgres mariadb; do \
		echo "On $$database:"; \
		ACE_TEST_DATABASE=$$database PYTHONDEVMODE=1 $(BIN)/python -W error -m pytest --numprocesses auto tests/outbox tests/preferences tests/tracking tests/campaigns tests/automation tests/api tests/web tests/journeys/test_campaigns.py tests/journeys/test_automation.py $(ARGS); \
	done

test-browser: venv ## Look at the pages in Chromium, with axe-core: light, dark, narrow, right to left.
	@PYTHONDEVMODE=1 $(BIN)/python -W error -m pytest tests/browser/recipients.py tests/browser/staff.py tests/browser/campaigns.py tests/browser/automation.py $(ARGS)

# One file or more; all by default. Much of its time each waits for something, so that two cores run three at a time.
SCENARIOS ?= tests/faults/scenarios/*.py tests/faults/celery_brokers.py

test-faults: venv ## Kill, freeze and cut off workers while they deliver, on PostgreSQL and on MariaDB; count what arrived.
	@set -e; for database in postgres mariadb; do \
		echo "On $$database:"; \
		ACE_TEST_DATABASE=$$database PYTHONDEVMODE=1 $(BIN)/python -W error -m pytest --numprocesses 3 --dist worksteal \
			-rfEsP --durations 0 --durations-min 1 $(SCENARIOS) $(ARGS); \
	done

docs-test: venv ## Run every example in the docs, the README and the docstrings.
	@PYTHONDEVMODE=1 $(BIN)/python -W error -m pytest -p no:randomly README.rst docs edx_ace $(ARGS)

test-oldest: venv ## Run the tests on the oldest Django and the oldest Python that is here.
	@$(BIN)/tox run --colored no -e oldest $(DISCOVER)

tox: venv ## Run the tests on every supported Python and Django; interpreters that are missing are skipped by name.
	@$(BIN)/tox run $(DISCOVER)

lint: venv ## Check style and format with ruff.
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

format: venv ## Let ruff repair style and format.
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

types: venv ## Check types with mypy --strict.
	@$(BIN)/mypy --strict edx_ace/

imports: venv ## Check the direction of imports.
	@$(BIN)/lint-imports

docs: venv ## Build the documentation into docs/_build/html, warnings as errors.
	@$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs docs/_build/html
	@echo "docs/_build/html/index.html"

wheel-test: venv ## Build the wheel and use it from outside the tree.
	@$(BIN)/python -W error -m pytest tests/packaging.py $(ARGS)

openapi: venv ## Write the schemas of the endpoints to docs/reference/openapi*.yaml, warnings as errors.
	@for of in "edx_ace.api.urls edx_ace.api.schema.SETTINGS openapi.yaml" \
		"edx_ace.api.automation.urls edx_ace.api.automation.describing.SETTINGS openapi-automation.yaml"; do \
		set -e -- $$of; \
		DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python -W error -m django spectacular --pythonpath . --urlconf $$1 \
			--custom-settings $$2 --validate --fail-on-warn --skip-checks --file docs/reference/$$3; \
	done

api-surface: venv ## Check that every name which existing code imports is there.
	@if [ -f $(CONTRACT)/check_api_surface.py ]; then \
		$(BIN)/python $(CONTRACT)/check_api_surface.py; \
	elif [ "$$CI" = true ]; then \
		echo "Expected $(CONTRACT)/check_api_surface.py, found nothing there; CONTRACT=folder says where it is." >&2; exit 1; \
	else \
		echo "SKIPPED: $(CONTRACT)/check_api_surface.py is not beside this clone; CONTRACT=folder says where it is."; \
	fi

bench: venv ## Measure beside the released edx-ace 1.15.0: ten minutes, or single rows with ARGS="json css".
	@$(BIN)/python benchmarks/run.py $(ARGS)

bench-outbox: venv ## Measure the outbox beside others, on PostgreSQL and Redis; single rows with ARGS="claim".
	@$(BIN)/python benchmarks/outbox.py $(ARGS)

bench-preferences: venv ## Measure what preferences cost, on PostgreSQL; single rows with ARGS="permit".
	@$(BIN)/python benchmarks/preferences.py $(ARGS)

bench-campaigns: venv ## Measure campaigns of a million recipients, on PostgreSQL; single rows with ARGS="count".
	@$(BIN)/python benchmarks/campaigns.py $(ARGS)

ci: ## Run everything that has to pass before a merge.
	@.ci/run

upgrade: venv ## Compile requirements/*.in and setup.py to pinned requirements/*.txt.
	@set -e; export UV_CUSTOM_COMPILE_COMMAND="make upgrade"; \
	compile="$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras --no-emit-index-url --no-emit-find-links"; \
	$$compile setup.py requirements/dev.in --output-file requirements/dev.txt; \
	$$compile setup.py requirements/test.in --constraint requirements/dev.txt --no-annotate --no-emit-package django --output-file requirements/test.txt

clean: ## Remove everything that these targets made.
	@rm -rf .venv benchmarks/.venv-* .tox build dist *.egg-info docs/_build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
