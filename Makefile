# Needs Python >= 3.11 and make, nothing else: uv comes into .venv, Kafka's jars into the user's cache.
PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
ARGS ?=

.PHONY: help demo up test check clean
.DEFAULT_GOAL := help

help:
	@echo "make demo            a retailer's week on a real Kafka, live        (ARGS=\"--exit --json\", --input story, ...)"
	@echo "make up              Kafka, gateway and workers until Ctrl-C        (ARGS=\"--port 8080\", ...)"
	@echo "make test            the whole test suite on the same Kafka         (ARGS=\"-k cart\", ...)"
	@echo "make check           lint, types, layers, wheel, generated files"
	@echo "make clean           removes .venv and caches"

# Locked dependencies. The stamp is newer than the lock when the environment is in order.
$(VENV)/.synced: uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python >= 3.11 is needed, $(PYTHON) is $$($(PYTHON) --version 2>&1): make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "no venv module: install your system's python3-venv package"; exit 1; }
	@test -x $(VENV)/bin/uv || { echo "installing uv $(UV_VERSION)"; $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); }
	@echo "installing locked dependencies"
	@VIRTUAL_ENV=$(abspath $(VENV)) $(VENV)/bin/uv sync --frozen --all-extras --inexact --quiet --python $(VENV)/bin/python
	@touch $@

demo: $(VENV)/.synced
	@$(VENV)/bin/tsunagi demo $(ARGS)

up: $(VENV)/.synced
	@$(VENV)/bin/tsunagi up $(ARGS)

test: $(VENV)/.synced
	@$(VENV)/bin/python -m pytest -n 2 --dist loadgroup $(ARGS)

check: $(VENV)/.synced
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python -m schemas.generate --check
	$(VENV)/bin/tsunagi schemas check
	$(VENV)/bin/tsunagi schemas docs --check
	$(VENV)/bin/python -m ops.docs --check
	$(VENV)/bin/python -m ops.grafana.build --check
	$(VENV)/bin/tsunagi rules check
	$(VENV)/bin/tsunagi rules test
	$(VENV)/bin/python -m ops.check_wheel

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
