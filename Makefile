# `make` lists the targets. Each one installs what it needs, and no more, into .venv: no root, no network but the
# package index, exact versions with hashes (requirements/).
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.NOTPARALLEL:
.PHONY: help demo test lint formal timing fuzz soak bench verilog lock clean

help:
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.run ## Knight's morning on a virtual board: a report in build/demo
	$(BIN)/breakwire drill knight --out build/demo

test: .venv/.test ## Unit tests and cocotb benches (SIM=verilator or icarus, WAVES=1)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .venv/.test ## ruff, strict mypy on the host, and what must not be in a tracked file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_hygiene.py

formal: .venv/.fpga ## Prove the kill, unbounded, and see the mutants fail: build/formal.json
	$(BIN)/python -m sim.formal

timing: .venv/.fpga ## Place and route the core for LFE5U-25F-6: build/timing.json
	$(BIN)/python -m boards.timing

fuzz: .venv/.run ## 100,000 random frames through the engine against the golden model (SEED=n)
	$(BIN)/python -m sim.fuzz --frames 100000 $(if $(SEED),--seed $(SEED))

soak: .venv/.run ## 1,000,000 random steps of trading, to the exchange's books (SEED=n)
	$(BIN)/python -m sim.soak --steps 1000000 $(if $(SEED),--seed $(SEED))

bench: .venv/.run ## Cycles per second of the engine
	$(BIN)/python -m sim.bench

verilog: .venv/.run ## The core as one Verilog file: build/breakwire.v
	$(BIN)/python -m sim.export build/breakwire.v

lock: ## Lock the newest versions that pyproject.toml allows (needs uv)
	rm -f requirements/*.txt
	$(LOCK) --group build --group test --group fpga -o build/lock.txt
	for group in run test fpga; do \
	    $(LOCK) -c build/lock.txt --group build $$([ $$group = run ] || echo --group $$group) \
	        -o requirements/$$group.txt || exit 1; done

LOCK = uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
    --no-emit-index-url --no-annotate --no-header pyproject.toml

clean: ## Remove build/ and the caches; .venv stays
	rm -rf build .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

.venv/.run: NEEDS = g++
.venv/.test: NEEDS = g++ make perl

.venv/.base:
	@command -v $(PYTHON) >/dev/null || { echo "missing on this machine: $(PYTHON); on Debian: apt install python3" >&2; exit 1; }
	@$(PYTHON) -m sim.tools venv
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.run .venv/.test .venv/.fpga: .venv/.%: requirements/%.txt pyproject.toml | .venv/.base
	@$(PYTHON) -m sim.tools $(NEEDS)
	$(PIP) install --require-hashes --only-binary :all: -r $<
	$(PIP) install --no-deps --no-build-isolation --no-index -e .
	@touch $@
