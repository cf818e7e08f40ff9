# The developer's vocabulary. Nothing is installed outside this folder (and chromium, if root,
# for the browser tests).
.DEFAULT_GOAL := help
.PHONY: help site dlsia test-dlsia compose compose-up compose-down compose-logs compose-env compose-demo compose-test images base-image verify drift secrets lab lab-down lab-status lab-test test-full demo up down status env check test lint format lock reference bench bench-deploy molecule clean browser
SHELL := /bin/bash

PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV_VERSION := 0.13.9
UV := .tools/uv/bin/uv
BIN := .venv/bin
LOCKED := uv.lock pyproject.toml $(wildcard services/*/pyproject.toml)

# uv keeps to the Python of this machine, and to the folder of this repository.
export UV_PYTHON := $(PYTHON)
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := $(if $(CI),1,0)
export VIRTUAL_ENV :=

help: ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "make: Python 3.11 is needed, $(PYTHON) is not; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv .tools/uv
	@.tools/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# What running needs.
.venv/.run: $(LOCKED) | $(UV)
	@echo "installing what running needs into .venv …" >&2
	@$(UV) sync --frozen --quiet --inexact --no-dev --extra local
	@touch $@

# What the compose profile needs besides podman or docker.
.venv/.compose: $(LOCKED) | $(UV)
	@echo "installing what the compose profile needs into .venv …" >&2
	@$(UV) sync --frozen --quiet --inexact --no-dev --extra compose
	@touch $@

# What a beamline's controller needs besides.
.venv/.site: $(LOCKED) | $(UV)
	@echo "installing what a controller needs into .venv …" >&2
	@$(UV) sync --frozen --quiet --inexact --no-dev --extra beamline
	@touch $@

# And what developing needs.
.venv/.dev: $(LOCKED) | $(UV)
	@echo "installing what developing needs into .venv …" >&2
	@$(UV) sync --frozen --quiet --all-extras
	@touch $@ .venv/.run .venv/.compose .venv/.site

# The networks of DLSIA have an environment of their own, so that nobody else gets PyTorch.
.venv-dlsia/.done: $(LOCKED) services/dlsia/extra-cpu.txt | $(UV)
	@echo "installing DLSIA's networks into .venv-dlsia, 1.2 GB with PyTorch …" >&2
	@UV_PROJECT_ENVIRONMENT=.venv-dlsia $(UV) sync --frozen --quiet --inexact --no-dev --package tomobeam-dlsia --extra cpu
	@.tools/uv/bin/pip --python .venv-dlsia/bin/python install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement services/dlsia/extra-cpu.txt
	@touch $@

demo: .venv/.run ## the whole chain on this machine, from projections to a segmented tomogram (ONCE=1: exit after the table)
	@$(BIN)/tomobeam demo $(if $(ONCE),--once)

up: .venv/.run ## start the platform in the background
	@$(BIN)/tomobeam up --background

down: .venv/.run ## stop it
	@$(BIN)/tomobeam down

status: .venv/.run ## which service runs and answers
	@$(BIN)/tomobeam status

env: .venv/.run ## print export lines for other clients (use: eval "$$(make -s env)")
	@$(BIN)/tomobeam env

images: .venv/.compose ## build the container images that changed (BASE_IMAGE=…: on another Debian)
	@$(BIN)/tomobeam-images build

base-image: .venv/.compose ## make what they stand on from this machine's Debian mirror (AGAIN=1: anew)
	@$(BIN)/tomobeam-images base $(if $(AGAIN),--again)

compose: .venv/.compose ## write the compose file and what its containers read (POSTGRES=1: with PostgreSQL)
	@$(BIN)/tomobeam-compose write

compose-up: .venv/.compose ## the platform in containers of this machine, in the background
	@$(BIN)/tomobeam-compose up

compose-down: .venv/.compose ## remove them; the data stays
	@$(BIN)/tomobeam-compose down

compose-logs: .venv/.compose ## what the containers printed (SERVICE=webapp: of one)
	@$(BIN)/tomobeam-compose logs $(SERVICE)

compose-env: .venv/.compose ## print export lines for other clients, as env does
	@$(BIN)/tomobeam-compose env

compose-demo: .venv/.compose ## as demo, through the containers
	@$(BIN)/tomobeam-compose demo

# What only containers need: images, and jobs in them.
CONTAINERS := $(addprefix tests/services/,images launchers/container flows/test_container_runs.py)

compose-test: .venv/.dev ## images, jobs in containers, compose-demo, and what holds of containers that run
	@$(BIN)/python -m pytest $(CONTAINERS) --durations 5
	@$(BIN)/tomobeam-compose demo && $(BIN)/python -m pytest tests/compose --durations 5; \
		code=$$?; $(BIN)/tomobeam-compose down; exit $$code

site: .venv/.site ## install what a controller needs: pyinfra, tomobeam-site

lab: .venv/.site ## start bare Debian hosts on this machine, to deploy to (needs root)
	@$(BIN)/tomobeam-lab up

lab-down: .venv/.site ## remove them
	@$(BIN)/tomobeam-lab down

lab-status: .venv/.site ## how each of them is
	@$(BIN)/tomobeam-lab status

# Whose hosts are meant; after eval "$(tomobeam-lab env)" those of the lab.
INVENTORY ?= inventories/beamline

verify: .venv/.site ## what must hold of a site's hosts (INVENTORY=inventories/beamline)
	@$(BIN)/tomobeam-site verify $(INVENTORY)

drift: .venv/.site ## what differs on a site's hosts; fails if anything does (INVENTORY=inventories/beamline)
	@$(BIN)/tomobeam-site drift $(INVENTORY)

secrets: .venv/.site ## make your key and what a site's secrets lack (INVENTORY=inventories/beamline)
	@$(BIN)/tomobeam-site secrets init $(INVENTORY)
	@$(BIN)/tomobeam-site secrets ensure $(INVENTORY)

# What only hosts need: PostgreSQL, TLS, releases, the canary.
BEAMLINE := $(addprefix tests/services/,canary deploy prefect tiled tls)

lab-test: .venv/.dev ## deploy to bare hosts, deploy again, verify, canary, drift; in under twenty minutes
	@$(BIN)/python -m pytest $(BEAMLINE) --durations 15
	@$(BIN)/python -m pytest -x tests/deploy/test_whole.py --durations 15

# What is refused before a connection, and what a host's clock says, need no hosts.
FAULTS := $(addprefix tests/unit/,hosts operator)

test-full: .venv/.dev ## lab-test, and every fault: hosts that die, disks that fill, deploys that are killed
	@$(BIN)/python -m pytest $(BEAMLINE) $(FAULTS) tests/lab tests/deploy --durations 15

# What a site offers that has the networks of DLSIA too.
REGISTRIES := services/segmentation/src/tomobeam_segmentation/registry.json services/dlsia/src/tomobeam_dlsia/registry.json

lint: .venv/.dev ## style, types, and documents that must follow from the code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@# Those that no other target runs often enough to see that they still fit the code.
	@said=$$($(BIN)/python -m pytest --collect-only --quiet tests/lab tests/deploy tests/compose 2>&1) || { echo "$$said"; exit 1; }
	@$(BIN)/python -m tomobeam_contracts.schemas --check docs/reference/schemas
	@$(BIN)/tomobeam-site reference --check inventories/beamline docs/reference || { echo "run make reference" >&2; exit 1; }
	@$(BIN)/python -m tomobeam_contracts.registries $(REGISTRIES) | diff -u services/registry.json - || { echo "services/registry.json: run make reference" >&2; exit 1; }

format: .venv/.dev ## put the code into form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: | $(UV) ## resolve the dependencies anew into uv.lock
	@$(UV) lock

reference: .venv/.dev ## write what follows from other files: schemas of the wires, what hosts get, the joined registry
	@$(BIN)/python -m tomobeam_contracts.schemas docs/reference/schemas
	@$(BIN)/tomobeam-site reference inventories/beamline docs/reference
	@$(BIN)/python -m tomobeam_contracts.registries $(REGISTRIES) > services/registry.json

UNIT := $(BIN)/python -m pytest tests/unit -n 2

check: lint ## lint and unit tests, in under two minutes
	@$(UNIT)

browser:
	@tests/support/ensure_browser

test: .venv/.dev browser ## everything that the local profile needs, against real servers
	@$(UNIT)
	@$(BIN)/python -m pytest tests/services tests/faults tests/e2e $(addprefix --ignore=,$(BEAMLINE) $(CONTAINERS)) -n 2 --dist loadfile --durations 15

dlsia: .venv-dlsia/.done ## install the networks of DLSIA into .venv-dlsia, for a worker's conda jobs (PyTorch without CUDA)

test-dlsia: .venv/.dev .venv-dlsia/.done ## types and tests of the networks, in minutes
	@$(BIN)/pyright -p services/dlsia
	@$(BIN)/python -m pytest tests/services/dlsia --durations 5

molecule: .venv/.dev ## both scenarios, each from bare hosts to none
	@PATH=$(CURDIR)/$(BIN):$$PATH molecule test -s default
	@PATH=$(CURDIR)/$(BIN):$$PATH molecule test -s beamline

bench-deploy: .venv/.dev ## a deploy with nothing to do: ours, Ansible, and the floor, on the lab that is up
	@eval "$$($(BIN)/tomobeam-lab env)"; $(BIN)/python -m tests.benchmarks deploy

bench: .venv/.dev browser ## benchmarks: each compares two things and prints a ratio
	@$(BIN)/python -m tests.benchmarks

clean: ## remove what make built; data/ is kept (DATA=1 removes what the platform wrote too)
	@if [ -x $(BIN)/tomobeam ]; then $(BIN)/tomobeam down; fi
	rm -rf .venv .venv-dlsia .tools .pytest_cache .ruff_cache build
	$(if $(DATA),git clean -fdX data)
