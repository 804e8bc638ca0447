# mailproxy: everything a developer types. On a fresh Debian 12 machine two commands do all the set-up:
#   make demo    the proxy with embedded mail servers, to try it
#   make test    every check and every test; those with mail servers from Debian are skipped until `make peers` has run
#
# Override PYTHON to use another interpreter (3.11 or newer), PYTEST_ARGS to pass options to pytest, EXAMPLES with
# "many" to try many examples of each property.

PYTHON      ?= python3
PYTEST_ARGS ?=
EXAMPLES    ?= few

# A process for each core, as unit tests compute, and one for when they wait. Those with real peers mostly wait: each
# takes whole files, whose tests share their peers, in the order that tests/interop/conftest.py gives them.
UNIT_TESTS := --numprocesses $(shell echo $$(($$(nproc) + 1))) --maxprocesses 8 \
         --ignore=tests/interop --ignore=tests/packaging
INTEROP_PROCESSES := --numprocesses 6 --dist loadfile --no-loadscope-reorder

# The tests start Python hundreds of times, which must not compile each module anew.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN  := $(VENV)/bin

PEERS   := dovecot-imapd dovecot-pop3d dovecot-lmtpd dovecot-submissiond dovecot-managesieved haproxy curl openssl \
         fetchmail isync msmtp postfix swaks libnet-ssleay-perl testssl.sh chromium prometheus fail2ban
SOURCES := $(wildcard mailproxy twisted tests benchmarks)

# True when this Makefile may install Debian packages: only when asked to (`make peers`), or on a machine that is there
# for tests alone.
MAY_APT := [ -n "$(CI)$(filter peers,$(MAKECMDGOALS))" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null
APT     := DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends

.DEFAULT_GOAL := help
.PHONY: help demo test lint unit coverage interop matrix bench peers clean
MAKEFLAGS += --no-print-directory

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

demo: $(VENV)/.installed ## the proxy and embedded mail servers on loopback ports, to try it
	@exec $(BIN)/mailproxy demo

test: $(VENV)/.installed peers ## every check and test: ruff, mypy, unit tests, tests with real peers
	@$(MAKE) lint
	@$(MAKE) unit
	@$(MAKE) interop

lint: $(VENV)/.installed ## ruff check, ruff format --check, mypy --strict
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy $(SOURCES)

unit: $(VENV)/.installed ## unit tests only, with few examples of each property
	$(BIN)/python -m pytest $(UNIT_TESTS) --hypothesis-profile $(EXAMPLES) $(PYTEST_ARGS)

# Not in `test`: counting lines and branches doubles the time.
coverage: $(VENV)/.installed ## unit tests, and what of the code they run: too little fails
	@rm -f .coverage
	$(BIN)/python -m pytest $(UNIT_TESTS) --cov --cov-report= $(PYTEST_ARGS)
	$(BIN)/coverage report

interop: $(VENV)/.installed ## tests with real peers (Dovecot, Postfix, HAProxy, mail clients) and of the built wheel
	$(BIN)/python -m pytest $(INTEROP_PROCESSES) $(wildcard tests/packaging tests/interop) $(PYTEST_ARGS)

matrix: $(VENV)/.installed ## unit tests of the source distribution on each Python there is, and with the oldest dependencies
	@.ci/matrix

bench: $(VENV)/.installed ## mailproxy beside HAProxy, as ratios
	$(BIN)/python -m benchmarks

# Debian does not start a Postfix that has no configuration of its own. A machine that has another mail server keeps it.
peers: ## as root: installs the Debian packages with the peers that tests/interop talks to
	@missing=; \
	for package in $(PEERS); do \
	  [ "$$(dpkg-query -W -f='$${db:Status-Status}' $$package 2>/dev/null)" = installed ] || missing="$$missing $$package"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	if $(MAY_APT); then \
	  echo "installing the peers of tests/interop:$$missing"; \
	  case "$$missing" in (*postfix*) \
	    echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections;; \
	  esac; \
	  $(APT) update >/dev/null && $(APT) install --no-remove $$missing >/dev/null && exit 0; \
	fi; \
	echo "missing for tests/interop:$$missing; 'make peers' as root installs them"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "mailproxy needs Python 3.11 or newer; PYTHON=$(PYTHON) is not" >&2; exit 1; }
	@if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	  if $(MAY_APT); then \
	    echo "installing python3-venv"; \
	    $(APT) update >/dev/null && $(APT) install python3-venv >/dev/null; \
	  else \
	    echo "missing to make the virtual environment, install as root: apt-get install python3-venv" >&2; exit 1; \
	  fi; \
	fi
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# Dependency groups need pip 25.1; Debian 12 brings 23.0. The plugins are copied by the editable install, hence listed.
$(VENV)/.installed: pyproject.toml $(wildcard twisted/plugins/*.py) | $(VENV)/bin/python
	@echo "installing mailproxy and its development tools into $(VENV)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install -q --disable-pip-version-check --editable . --group dev
	@touch $@

clean: ## removes everything that was made here
	rm -rf $(VENV) build dist .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
	find . -name dropin.cache -delete
