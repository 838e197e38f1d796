# make install  make .venv and install          make test        install, then all tests
# make demo     install, then the digits study   make test-quick  without slow, Ray and browser tests
# make lint     ruff and mypy                    make docs        tables of docs/study-file.md
# make bench    measure speed                    make lock        pins of every extra, from .venv
# make clean    remove .venv and caches
#
# PYTHON names another interpreter (make PYTHON=python3.12 install), JOBS the test processes, EXTRAS
# what is installed (make EXTRAS=run demo leaves the developers' tools out), TORCH_INDEX a package
# index that has other builds of torch, such as one without CUDA.

PYTHON ?= python3
JOBS ?= 2
EXTRAS ?= dev
TORCH_INDEX ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALLED := .venv/.installed
DEMO := results/digits
WORK ?= results/benchmarks
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--fork-strategy fewest --no-header --no-annotate
LOCK := $(COMPILE) --generate-hashes -c constraints.txt

# Containers often forbid byte code; then each of a run's processes compiles torch and Ray anew, which
# takes longer than the tests do. Empty means that Python writes it, beside the sources, once.
export PYTHONDONTWRITEBYTECODE :=

.DELETE_ON_ERROR:
.PHONY: install demo test test-kill test-quick lint docs bench lock clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit("bimp-study needs Python >= 3.11, got %d.%d; make PYTHON=... names another" % v if v < (3, 11) else 0)'
	@echo "Installing into .venv: some minutes, and 6 to 7 GB, the first time."
	$(PYTHON) -m venv .venv
	$(PIP) install --no-compile $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/bimp run digits --out $(DEMO)
	$(BIN)/bimp report $(DEMO) -o $(DEMO)/report.html

test: $(INSTALLED)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

test-kill: $(INSTALLED)
	$(BIN)/python -m pytest -m lab

test-quick: $(INSTALLED)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "not slow and not ray and not browser and not lab"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(INSTALLED)
	$(BIN)/python docs/make_tables.py

# On an idle machine: most take minutes. WORK keeps the synthetic studies that reading is timed on.
bench: $(INSTALLED)
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/methods.py
	$(BIN)/python benchmarks/overhead.py --plain
	$(BIN)/python benchmarks/scaling.py
	$(BIN)/python benchmarks/frames.py $(WORK)/reading --tune-trials 1000
	$(BIN)/python benchmarks/report.py $(WORK)/report
	$(BIN)/python benchmarks/dashboard.py $(WORK)/dashboard

# constraints.txt pins what every extra takes, in the versions that .venv has and was tested with; what
# .venv has not stays as it was. locks/ are three selections of it, with hashes.
lock: $(INSTALLED)
	@test -x $(BIN)/uv || $(PIP) install -c constraints.txt uv
	@rm -rf build/lock && mkdir -p build/lock
	@$(PIP) list --format=freeze --exclude-editable --exclude pip > build/lock/installed.txt
	@sed 's/+.*//' build/lock/installed.txt > build/lock/tested.txt
	@cp constraints.txt build/lock/pins.txt
	$(COMPILE) --all-extras -c build/lock/tested.txt -o build/lock/pins.txt
	@head -n 1 constraints.txt | cat - build/lock/pins.txt > build/lock/constraints.txt
	@mv build/lock/constraints.txt constraints.txt
	$(LOCK) -o locks/reading.txt
	$(LOCK) --extra run -o locks/run.txt
	$(LOCK) --extra cluster -o locks/cluster.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
