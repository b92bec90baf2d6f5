# Quorate. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
DESTDIR ?=
OCF := $(DESTDIR)/usr/lib/ocf
VENV := .venv
BIN := $(VENV)/bin
QUORATE := $(BIN)/quorate
# Which lab: two can exist side by side, as in `make lab LAB=second SUBNET=172.30.78.0/24`.
LAB ?= quorate
SUBNET ?=
RELEASE ?= 12
# What `make chaos` runs, and the folder that its report goes to.
SCENARIOS ?= all
REPORT ?=
REPORT := $(or $(REPORT),chaos-$(shell date +%Y%m%d-%H%M%S))
OTHER := lab/topologies/heartbeat.yaml
# How often `make reaction` kills each service, how much of its hours `make calm` takes, how many seconds `make idle-cost`
# looks, and the folder that the figures go to.
ROUNDS ?= 20
CALM ?= 1
IDLE ?= 600
FIGURES ?=
FIGURES := $(or $(FIGURES),figures-$(shell date +%Y%m%d-%H%M%S))
UP = $(QUORATE) lab up --name $(LAB) --release $(RELEASE) $(if $(SUBNET),--subnet $(SUBNET))
export QUORATE_LAB = $(LAB)
export QUORATE_SUBNET = $(SUBNET)
.NOTPARALLEL:
AGENTS := dashboard galera keystone nova-api rabbitmq sentinel

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

.PHONY: lab
lab: engine $(VENV)/.installed ## Bring up the three-node lab, load the CIB, run the drill (set-up included)
	$(UP)
	$(QUORATE) lab drill --name $(LAB)

.PHONY: lab-down
lab-down: $(VENV)/.installed ## Remove the lab: containers, network, state (images stay)
	$(QUORATE) lab down --name $(LAB)

.PHONY: test
test: engine $(VENV)/.installed ## Run every test, the lab's included (set-up included)
	$(MAKE) --no-print-directory check
	$(UP)
	$(BIN)/python -m pytest

.PHONY: test-long
test-long: engine $(VENV)/.installed ## The tests that `make test` has no time for: a second lab with the other provider's agents
	$(QUORATE) lab down --name $(LAB)
	QUORATE_CHAOS=1 $(BIN)/python -m pytest tests/lab/test_other_provider.py

.PHONY: test-unit
test-unit: $(VENV)/.installed ## Run the tests that need no lab
	$(BIN)/python -m pytest -m 'not lab'

.PHONY: check
check: $(VENV)/.installed ## Lint, types, import direction
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: bench
bench: engine $(VENV)/.installed ## CPU of meta-data and monitors as ratios, beside other providers' agents
	$(UP)
	$(QUORATE) lab bench --name $(LAB)

.PHONY: chaos
chaos: engine $(VENV)/.installed ## Break the lab in every way, judge what clients saw, write a report (SCENARIOS, REPORT)
	$(QUORATE) chaos run $(SCENARIOS) --name $(LAB) --release $(RELEASE) $(if $(SUBNET),--subnet $(SUBNET)) --report $(REPORT)

.PHONY: chaos-compare
chaos-compare: engine $(VENV)/.installed ## The same scenarios on our agents and on the other provider's, side by side
# One after the other: two labs at once would take the machine from each other. A verdict that is not as expected
# ends neither run: it is what the comparison is there to show.
	$(QUORATE) lab down --name $(LAB)-heartbeat
	-$(QUORATE) chaos run $(SCENARIOS) --name $(LAB) --seed 1 --report $(REPORT)/quorate
	$(QUORATE) lab down --name $(LAB)
	-$(QUORATE) chaos run $(SCENARIOS) --name $(LAB)-heartbeat --topology $(OTHER) --seed 1 --report $(REPORT)/heartbeat
	$(QUORATE) lab down --name $(LAB)-heartbeat
	$(QUORATE) chaos compare $(REPORT)/quorate $(REPORT)/heartbeat --html $(REPORT)/index.html

.PHONY: reaction
reaction: engine $(VENV)/.installed ## How soon a killed service is acted on: with the sentinel, and by polling (ROUNDS, FIGURES)
	$(UP)
	$(QUORATE) lab reaction --name $(LAB) --rounds $(ROUNDS) --sentinel --label sentinel --save $(FIGURES)/sentinel.json
	$(QUORATE) lab reaction --name $(LAB) --rounds $(ROUNDS) --label polling --save $(FIGURES)/polling.json \
	  --beside $(FIGURES)/sentinel.json --markdown $(FIGURES)/reaction.md

.PHONY: reaction-all
reaction-all: reaction ## The same, and the other provider's agents beside it
	$(QUORATE) lab down --name $(LAB)
	$(QUORATE) lab down --name $(LAB)-heartbeat
	$(QUORATE) lab up --name $(LAB)-heartbeat --release $(RELEASE) --topology $(OTHER)
	$(QUORATE) lab reaction --name $(LAB)-heartbeat --rounds $(ROUNDS) --label heartbeat --save $(FIGURES)/heartbeat.json \
	  --beside $(FIGURES)/sentinel.json --beside $(FIGURES)/polling.json --markdown $(FIGURES)/reaction.md
	$(QUORATE) lab down --name $(LAB)-heartbeat

.PHONY: calm
calm: engine $(VENV)/.installed ## Load, freeze and restart the lab with the sentinel: it must report nothing (CALM, FIGURES)
	$(UP)
	$(QUORATE) lab calm --name $(LAB) --sentinel --scale $(CALM) --markdown $(FIGURES)/calm.md

.PHONY: idle-cost
idle-cost: engine $(VENV)/.installed ## CPU of an idle node, everything counted: with the sentinel, and by polling (IDLE, FIGURES)
	$(UP)
	$(QUORATE) lab idle-cost --name $(LAB) --seconds $(IDLE) --sentinel --markdown $(FIGURES)/idle-sentinel.md
	$(QUORATE) lab idle-cost --name $(LAB) --seconds $(IDLE) --markdown $(FIGURES)/idle-polling.md

.PHONY: engine
engine: ## Install what is missing and start a Docker engine if none answers
	@lab/setup.sh engine

# The packages come first: Debian's python3 has no pip for a venv until python3-venv is there.
$(VENV)/.installed: pyproject.toml
	@lab/setup.sh packages
	@echo "setup: Python environment in $(VENV) ..."
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

.PHONY: install
install: ## Lay out a node under DESTDIR: the OCF agents, the sentinel and the packages they need
	install -d $(OCF)/resource.d/quorate $(OCF)/lib/quorate/lib/sentinel $(OCF)/lib/quorate/agents $(DESTDIR)/usr/sbin
	install -m 0644 .src/quorate/__init__.py $(OCF)/lib/quorate/
	install -m 0644 lib/*.py $(OCF)/lib/quorate/lib/
	install -m 0644 lib/sentinel/*.py $(OCF)/lib/quorate/lib/sentinel/
	install -m 0644 agents/*.py $(OCF)/lib/quorate/agents/
	for agent in $(AGENTS); do install -m 0755 agents/launcher $(OCF)/resource.d/quorate/$$agent || exit 1; done
	install -m 0755 agents/node-command $(DESTDIR)/usr/sbin/quorate-sentinel
# Byte code that names the path it will run from. PYTHON must be the version that the node has.
	$(PYTHON) -m compileall -q -f -s "$(DESTDIR)" -p / $(OCF)/lib/quorate

.PHONY: clean
clean: ## Remove the Python environment and caches
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
