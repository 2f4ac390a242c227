# Two commands do everything: make demo, make test. Both make .venv themselves.
PY := .venv/bin/python
# Processes of tests beside each other, each with Tritons of its own, of a gigabyte or two: 2 where there is room for that.
# 0: none but the one that asks.
JOBS ?= $(shell [ "$$(nproc)" -ge 2 ] && awk '/^MemAvailable/ && $$2 >= 8000000 {found = 1} END {exit !found}' /proc/meminfo && echo 2 || echo 0)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-contracts clients docs deploy-slow ui-test faults soak fleet bench bench-peers deploy-check deploy-tools compiled check format clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## .venv with all that demo and tests need
	@PYTHON="$(PYTHON)" scripts/setup

demo: setup ## a repository, a real Triton and the gateway on this machine; ARGS=--once ends after the answers
	@$(PY) scripts/demo.py $(if $(MODEL),--model "$(MODEL)") $(if $(TOKENIZER),--tokenizer "$(TOKENIZER)") $(ARGS)

test: setup deploy-tools check ## style, types and all tests but those in a browser, two beside each other where there is room; JOBS=0: one by one
	@$(PY) -m pytest --ignore=tests/ui --numprocesses=$(JOBS) --dist=loadfile $(ARGS)

test-contracts: setup ## every release's model repository on a real tritonserver (minutes)
	@TEST_CONTRACTS=all $(PY) -m pytest tests/model_repo_builder/triton_models/test_contracts_on_triton.py $(ARGS)

clients: setup ## every client people use, each in an environment of its own, against a gateway (minutes, gigabytes); ARGS="--only llm"
	@$(PY) -m tests.clients $(ARGS)

docs: setup ## the documentation as a site in build/site; links and anchors are checked, warnings are errors
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict $(ARGS)
	@echo "build/site/index.html; to read while you write: .venv/bin/python -m mkdocs serve"

deploy-slow: setup ## a silence of 95 seconds through nginx, HAProxy and Envoy (minutes)
	@TEST_SLOW=1 $(PY) -m pytest tests/deploy/proxies/test_silence.py $(ARGS)

ui-test: setup ## the playground in a real Chromium, in front of a real gateway and tritonserver
	@$(PY) -m pytest tests/ui tests/gateway/test_playground.py $(ARGS)

faults: setup ## kill, freeze, overload and reload real Tritons and gateways; a table of what was lost (minutes)
	@$(PY) -m loadtest.faults --output build/faults $(ARGS)

soak: setup ## 100,000 short requests, a fifth of them left by their clients: memory and open files stay flat (minutes)
	@$(PY) -m loadtest.soak $(ARGS)

fleet: setup ## simulate 10 to 1,000 Tritons under the gateway's balancing code
	@$(PY) -m loadtest.fleet $(ARGS)

bench: setup ## what a token costs the gateway, with the goals beside the figures; build/bench (five minutes)
	@$(PY) -m loadtest.bench $(ARGS)

bench-peers: setup ## the same beside LiteLLM, Dynamo and routers, each installed under build/peers; ARGS=--aiperf checks our client
	@$(PY) -m loadtest.peers $(ARGS)

deploy-check: setup deploy-tools ## what deploy/ holds, read by the programs that would run it
	@$(PY) -m pytest tests/deploy $(ARGS)

deploy-tools: setup
	@scripts/deploy-tools

compiled: setup ## a wheel of the gateway whose token path is C (mypyc), and its tests; minutes, takes a C compiler
	@scripts/compiled $(ARGS)

check: setup ## style and types
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

format: setup ## reformat
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

clean: ## remove .venv and caches
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
