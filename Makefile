# Windlass. `make` alone lists what there is; `make demo` and `make test` set everything up by themselves.
# A fresh machine needs git, make and Python 3.11 or newer, nothing else.

# The Python that makes .venv: yours (`make demo PYTHON=/path/to/python3`), or the first of these that is new enough.
PYTHON ?=
PYTHONS := $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11)

# Debian packages of programs that the tests use and Python packages cannot bring. `make ci` installs those that are missing;
# tests name theirs with @pytest.mark.needs(program=…, package=…).
SYSTEM_PACKAGES := bubblewrap chromium-headless-shell fonts-dejavu-core pgbouncer nodejs openssl systemd

# The oldest PostgreSQL that Windlass works with: `make test-pg15` holds the store against it. In CI its package is installed first.
PG15 := /usr/lib/postgresql/15/bin
PG15_PACKAGES := postgresql-15

# Our parts: every folder that holds a distribution. `.` is the meta distribution, which names the others.
PARTS := proto kernel $(patsubst %/pyproject.toml,%,$(wildcard kernel/*/pyproject.toml plugins/*/pyproject.toml clients/*/pyproject.toml)) .
PYPROJECTS := $(PARTS:%=%/pyproject.toml)
DISTRIBUTIONS := windlass windlass-proto windlass-kernel $(notdir $(filter kernel/% plugins/% clients/%,$(PARTS)))

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Typed by rule: the parts and the generator strictly, then the tests and the bench, whose modules are named from this folder.
STRICT := kernel plugins clients proto/generate.py

# Many images of containers set it, and then each of the thousands of programs that tests start compiles our source anew.
unexport PYTHONDONTWRITEBYTECODE
# Tests wait for a good part of their time: one more of them at a time than there are processors.
WORKERS = $$(( $$(getconf _NPROCESSORS_ONLN) + 1 ))

.DEFAULT_GOAL := help
.PHONY: help demo test test-pg15 ci-pg15 lint format proto lock sim machine long screenshots mutants chaos bench ci system-packages clean venv
.DELETE_ON_ERROR:

help:  ## list what there is
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-9s %s\n", $$1, $$2 }'

demo: .venv/.installed  ## run real scripts, live, from nothing
	@$(BIN)/windlass demo

test: .venv/.installed  ## run every test (choose with ARGS='-k word'; ARGS='-n 0' runs them one by one)
	@PYTEST_XDIST_AUTO_NUM_WORKERS=$(WORKERS) \
	  $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal -m 'not calm' $(ARGS); most=$$?; \
	$(BIN)/python -m pytest -n auto --maxprocesses 2 --dist loadfile --no-loadscope-reorder -m calm $(ARGS); calm=$$?; \
	case "$$most $$calm" in "0 0"|"0 5"|"5 0") ;; *) exit 1;; esac  # 5: none was chosen

test-pg15: .venv/.installed  ## the store's tests on PostgreSQL 15 (apt install postgresql-15)
	@test -x $(PG15)/postgres || { echo 'windlass: needs $(PG15_PACKAGES): apt install $(PG15_PACKAGES), or name yours: make $@ PG15=/path/to/bin' >&2; exit 1; }
	@WINDLASS_TEST_POSTGRES=$(PG15) $(BIN)/python -m pytest tests/contract tests/store $(ARGS)

lint: .venv/.installed  ## style, types, import contracts, generated code
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy $(STRICT)
	$(BIN)/mypy --explicit-package-bases $(wildcard bench) tests
	$(BIN)/lint-imports --no-logo
	$(BIN)/python proto/generate.py --check
	cd proto && ../$(BIN)/buf lint

format: .venv/.installed  ## rewrite the code in the house style
	$(BIN)/ruff check --fix --show-fixes
	$(BIN)/ruff format

proto: .venv/.installed  ## generate the Python stubs from the .proto files
	$(BIN)/python proto/generate.py

lock: .venv/.installed  ## write requirements.lock anew from the pyproject files (UPGRADE=1 takes the newest)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  $(if $(UPGRADE),--upgrade) $(DISTRIBUTIONS:%=--no-emit-package %) --group dev pyproject.toml --output-file requirements.lock

sim: .venv/.installed  ## simulated histories with faults (SEEDS=300, FIRST_SEED=1)
	@SEEDS=$(or $(SEEDS),300) FIRST_SEED=$(FIRST_SEED) $(BIN)/python -m pytest tests/sim --timeout 0

chaos: .venv/.installed  ## real processes under faults, against a ledger (CI profile, at most 4 min; MINUTES=60, SEED=1)
	@$(BIN)/python -m tests.chaos $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))
machine: .venv/.installed  ## both stores through the same histories (HISTORIES=2000, STEPS=60; SHRINK=1 shortens a failing one)
	@HISTORIES=$(or $(HISTORIES),2000) STEPS=$(or $(STEPS),60) $(BIN)/python -m pytest tests/contract/test_stores_agree.py

long: .venv/.installed  ## the long forms of tests: 200 kills of a drainer, every order of feeds, … (WINDLASS_DATA=/folder; ARGS='-k word')
	@BUFFER_KILLS=$(or $(BUFFER_KILLS),200) BUFFER_OUTAGE=$(or $(BUFFER_OUTAGE),30) BUFFER_HISTORIES=$(or $(BUFFER_HISTORIES),500) \
	  TREE_KILLS=$(or $(TREE_KILLS),60) TREE_GENERATIONS=$(or $(TREE_GENERATIONS),60) TREE_READERS=$(or $(TREE_READERS),4) \
	  TREE_PAGES=$(or $(TREE_PAGES),1500) TREE_SECONDS=$(or $(TREE_SECONDS),900) WINDLASS_THOROUGH=1 WINDLASS_TEST_EVERY_STAGE=1 \
	  $(BIN)/python -m pytest tests/plugins/entities tests/plugins/buffer tests/clients/test_buffer_client_histories.py --timeout 0 $(ARGS)

# What docs/console.md shows; the tests photograph more.
SHOWN := overview overview-idle overview-unreachable active bulk history card card-waiting log launch scripts script schedules schedule nodes agent \
  lanes pools kind plugins entities entity buffer audit tokens sign-in

screenshots: .venv/.installed  ## the console's pages as docs/console/*.png (all widths and themes in .screenshots)
	@rm -rf .screenshots && WINDLASS_SCREENSHOTS=$(CURDIR)/.screenshots $(BIN)/python -m pytest tests/console $(ARGS)
	@mkdir -p docs/console && for page in $(SHOWN); do cp .screenshots/$$page-wide-light.png docs/console/$$page.png; done

mutants: .venv/.installed  ## plant known faults in a copy of the source: each must be caught (choose with ARGS=word)
	@$(BIN)/python -m tests.mutants $(ARGS)

bench: .venv/.installed  ## measure this machine (options in ARGS)
	@$(BIN)/python -m bench $(ARGS)

ci: system-packages  ## what CI runs: system packages, lint, every test
	@$(MAKE) --no-print-directory lint test

ci-pg15: SYSTEM_PACKAGES += $(PG15_PACKAGES)
ci-pg15: system-packages  ## what CI runs against the oldest PostgreSQL
	@$(MAKE) --no-print-directory test-pg15

# Installs through apt only what is missing; asks sudo when it is not root.
system-packages:
	@missing=; for package in $(SYSTEM_PACKAGES); do \
	  dpkg-query --show --showformat='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	  echo "ci: installing$$missing"; \
	  if [ "$$(id -u)" = 0 ]; then as_root=env; else as_root='sudo env'; fi; \
	  $$as_root apt-get -q update && $$as_root DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends $$missing; \
	fi

clean:  ## remove .venv and every cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

venv: .venv/.installed  ## only set up .venv
	@echo "windlass: .venv is ready"

# --no-deps: the lock is the whole answer and pip need not look for another; `pip check` then proves that it is one.
.venv/.installed: requirements.lock $(PYPROJECTS)
	@for python in $(PYTHONS); do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; \
	done; \
	if [ -z "$$python" ]; then \
	  echo 'windlass: needs Python 3.11 or newer, and found none among: $(PYTHONS)' >&2; \
	  echo '          Install one, or name yours: make $(or $(MAKECMDGOALS),venv) PYTHON=/path/to/python3' >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "windlass: $$python cannot make virtual environments. On Debian or Ubuntu: apt install python3-venv" >&2; exit 1; \
	fi; \
	echo "windlass: setting up .venv with $$("$$python" --version)"; \
	$(BIN)/python -c '' 2>/dev/null && $(PIP) --version >/dev/null 2>&1 || "$$python" -m venv --clear .venv
	@echo 'windlass: installing the locked packages'
	@$(PIP) install -qq --no-user --no-deps --require-hashes --requirement requirements.lock
	@echo 'windlass: installing our own parts, editable'
	@$(PIP) install -qq --no-user --no-deps --no-build-isolation --no-index $(PARTS:%=--editable ./%)
	@$(PIP) check
	@touch $@
