# Everything a developer or a user types. `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
# Python 3.11 where it runs, else whatever python3 is; pip says if that is too old.
PYTHON ?= $(shell python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3)
# CI brings its own environment: EDGEKIT_PYTHON names its interpreter, and nothing is installed here.
EDGEKIT_PYTHON ?=
VENV := .venv
DEMO_VENV := .venv-demo
RUN := $(if $(EDGEKIT_PYTHON),$(EDGEKIT_PYTHON),$(VENV)/bin/python)
SETUP := $(if $(EDGEKIT_PYTHON),,$(VENV)/.ready)
PIP_FLAGS := --quiet --disable-pip-version-check -c constraints.txt
DATA ?= ../shared/data
MODELS ?= ../shared/models
PACKAGED := $(shell find edgekit model_zoo targets firmware_bridge -type f -not -name '*.py[co]')

.PHONY: help setup demo test test-slow bench check format lint type layers golden bundles train-thermal \
        train-sar docs size clean

help:  ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(DEMO_VENV)/.ready  ## watch the shipped detectors at work, over MQTT (no torch)
	@$(DEMO_VENV)/bin/edgekit demo --out out/demo

test: $(SETUP)  ## the default tests
	$(RUN) -m pytest -q -m "not slow"

test-slow: $(SETUP)  ## the tests that take minutes
	$(RUN) -m pytest -q -m slow

bench: $(SETUP)  ## kernels of the frame path beside OpenCV's; read the ratios of medians
	$(RUN) -m pytest -q benchmarks --benchmark-only --benchmark-columns=median,iqr,rounds

check: format-check lint type layers test  ## all that CI checks

setup: $(SETUP)  ## the developer's environment, in .venv

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install $(PIP_FLAGS) torch
	$(VENV)/bin/pip install $(PIP_FLAGS) -e '.[dev]'
	@touch $@

# Installed as a user would install it, so it is made again when a file of the packages changes.
$(DEMO_VENV)/.ready: pyproject.toml constraints.txt $(PACKAGED)
	@$(PYTHON) -m venv $(DEMO_VENV)
	@$(DEMO_VENV)/bin/pip install $(PIP_FLAGS) '.[demo]'
	@touch $@

.PHONY: format-check
format-check: $(SETUP)
	$(RUN) -m ruff format --check .

format: $(SETUP)  ## format the code
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

lint: $(SETUP)  ## ruff
	$(RUN) -m ruff check .

type: $(SETUP)  ## mypy
	$(RUN) -m mypy

layers: $(SETUP)  ## import-linter: who may import whom
	$(dir $(RUN))lint-imports --no-cache

docs: $(SETUP)  ## check the documents: links lead somewhere, shown commands parse
	$(RUN) -m pytest -q tests/docs

golden: $(SETUP)  ## make the golden vectors again (MODELS=folder of the full ones); read the diff
	$(RUN) tests/golden/rotated_iou/make.py
	$(RUN) tests/golden/models/make.py $(MODELS)

bundles: $(SETUP)  ## make the shipped INT8 bundles again from the checkpoints (DATA=folder of the sets)
	$(RUN) -m edgekit.export.shipped --data $(DATA)
	$(RUN) -m edgekit.export.results

train-thermal: $(SETUP)  ## train the shipped thermal detector (DATA=...; resumes)
	$(RUN) -m edgekit.cli.main train edgekit/train/recipes/thermal.toml --data $(DATA)/uav-thermal-obb --out runs/thermal

train-sar: $(SETUP)  ## train the shipped SAR detector, from the thermal one (DATA=...; resumes)
	$(RUN) -m edgekit.cli.main train edgekit/train/recipes/sar-ships.toml --data $(DATA)/sar-ships \
	  --init model_zoo/checkpoints/lwganet_l0-obb-thermal.safetensors --out runs/sar-ships

size:  ## installed megabytes of the demo's environment
	@du -sm $(DEMO_VENV)/lib/python3*/site-packages/* | sort -rn | head -20

clean:  ## remove what can be made again
	rm -rf $(VENV) $(VENV)-ci $(DEMO_VENV) build dist out .pytest_cache .mypy_cache .ruff_cache .hypothesis
