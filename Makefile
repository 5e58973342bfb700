# What can be done in this checkout; "make" alone lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup browser demo up down test lint format lock bench soak clean

PYTHON := .venv/bin/python

help:  ## List what can be done
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## Get everything ready: Python packages, firebase-tools, a Firestore emulator
	@scripts/setup

demo: setup  ## Two processes call each other, from nothing; MEDIA=file.mp4 plays another clip
	@$(PYTHON) scripts/demo.py

up: setup  ## Start the local suite in the background, and say what to try next
	@.venv/bin/firertc up --detach

down:  ## Stop the local suite
	@.venv/bin/firertc down

test: browser  ## Check the style and the types, and run every test
	@$(PYTHON) scripts/check.py $(ARGS)

browser:
	@scripts/setup --browser

lint:  ## Check style and types
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@MYPYPATH=client:functions:tests/functions $(PYTHON) -m mypy --strict \
	  --explicit-package-bases client functions tests bench scripts/demo.py scripts/check.py
	@npm run --silent lint --prefix web/sdk
	@npm run --silent lint --prefix web/pages

format:  ## Put the code in order
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

lock:  ## Pin the Python packages anew (ARGS=--upgrade takes the newest)
	@scripts/lock $(ARGS)

bench: setup  ## Measure
	@$(PYTHON) -m bench $(ARGS)

MINUTES ?= 30
CUTS ?= 200

soak: setup  ## Cut a call 200 times in half an hour, make 1,000 calls; MINUTES, CUTS, SEED, ARGS
	@$(PYTHON) -m tests.faults --minutes $(MINUTES) --cuts $(CUTS) $(if $(SEED),--seed $(SEED)) $(ARGS)

clean:  ## Stop the suite and remove what was made here
	@[ ! -x .venv/bin/firertc ] || .venv/bin/firertc down
	@rm -rf .venv node_modules functions/venv .firertc .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
