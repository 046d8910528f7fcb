# Two commands a newcomer needs: `make demo` and `make test`. Everything they do is a plain pip or console command; on
# Windows and macOS the same lines stand in README.md.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint clean

demo: $(INSTALLED)
	$(BIN)/python demo/run.py

test: $(INSTALLED) lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,plots,crawl,hub,web,onnx]"
	touch $(INSTALLED)

clean:
	rm -rf $(VENV) runs/demo data/demo out/demo
