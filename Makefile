# `make book` and `make test` do everything from a fresh clone; `make help` lists the rest.
PYTHON ?= python3
DEVICE ?= auto
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/ready
FEAST := .venv-feast
COMMIT = $(shell git describe --always --dirty --abbrev=10 --exclude='*' 2>/dev/null)

# glibc keeps freed memory instead of giving it back at every training step: a third faster
export MALLOC_TRIM_THRESHOLD_ = 1073741824
export MALLOC_MMAP_THRESHOLD_ = 33554432
# what one process has compiled the others load: the suite starts many
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help book stored pdf test test-all mutants lint smoke full chapters picture demo kernel \
  stale golden remake lock lock-feast feast audit clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet -r requirements.lock
	$(RUN) -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

# the pages with the chapters of one folder, executed or stored
define compile
	rm -rf build/book && mkdir -p build/book/book
	cp -R _config.yml _toc.yml CHANGELOG.md seqrec_lib $(1) build/book/
	cp -R book/*.md book/*.csv book/*.bib book/api book/_static book/_ext build/book/book/
	BOOK_COMMIT="$(COMMIT)" $(VENV)/bin/jupyter-book build build/book --path-output book -W -n --keep-going
endef

book: $(READY)  ## run every chapter, compile book/_build/html, compare with the stored outputs
	$(RUN) book/chapters.py --jobs 2
	$(call compile,build/notebooks)
	$(RUN) -m pytest -q --nbval notebooks --executed build/notebooks || \
	  { echo "The book is built, but stored outputs have moved: 'make chapters' stores today's."; exit 1; }

stored: $(READY)  ## compile book/_build/html from the chapters as stored: runs nothing, needs no data
	$(call compile,notebooks)

pdf: $(READY)  ## the book as stored in one file, book/_build/book.pdf; wants Chromium
	BOOK_COMMIT="$(COMMIT)" $(RUN) book/pdf.py

test: $(READY)  ## the suite that CI runs; the chapters are compared in `make book`, which runs them
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --dist loadfile -m "not slow" -p no:nbval tests seqrec_lib

test-all: $(READY)  ## the whole suite, every chapter as stored and from nothing among it
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --dist loadfile --nbval

mutants: $(READY)  ## does the suite notice faults? a quarter of an hour on two idle cores
	$(RUN) tests/mutants/run.py

lint: $(READY)  ## style and types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

smoke: $(READY)  ## every chapter from nothing on small data
	$(RUN) book/chapters.py --smoke

full: $(READY)  ## retrain every record of the book, in place of the committed ones
	$(RUN) book/chapters.py -p RETRAIN true -p RESULTS book/results -p DEVICE $(DEVICE)

chapters: $(READY)  ## run every chapter and store its outputs in notebooks/
	$(RUN) book/chapters.py --store

picture: $(READY)  ## draw the README's picture from the records
	$(RUN) -m seqrec_lib.report.picture book/_static/masking.svg

demo: $(READY)  ## train the models of the page Play (half an hour) and write what it loads
	OMP_NUM_THREADS=1 $(RUN) -m seqrec_lib.serving.export movielens_small-shuffled \
	  --models popular markov gru sasrec --out book/_static/demo/movielens_small

kernel: $(READY)  ## make the environment known to Jupyter and Papermill as the kernel seqrec
	$(RUN) -m ipykernel install --user --name seqrec --display-name "seqrec (Python)"

stale: $(READY)  ## list the records that do not stand, and fail if there are any
	$(RUN) -m seqrec_lib.records stale

golden: $(READY)  ## write the golden runs that are new or have moved
	$(RUN) -m seqrec_lib.records golden

remake: $(READY)  ## train one record again and compare: RECORD=book/results/beauty/sasrec/s0, or LOT=7
	$(RUN) -m seqrec_lib.records remake $(RECORD) $(if $(LOT),--lot $(LOT)) --device $(DEVICE)

lock: $(READY)  ## make requirements.lock anew from pyproject.toml
	mkdir -p build
	$(RUN) -m piptools compile --quiet --allow-unsafe --all-extras --strip-extras --upgrade \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  --no-emit-options --output-file build/lock.txt pyproject.toml
	(echo "# Made by 'make lock' on Python 3.11; torch takes the build that fits the machine."; \
	 sed -E '/^#/d; s/\+cpu//; /^(nvidia|cuda|triton)/d; /^$$/d' build/lock.txt) > requirements.lock

# Feast 0.67 holds pandas below 3, prometheus_client below .25 and tenacity below 9, our lock has
# newer ones: no one environment has both, so it has a lock and a process of its own
lock-feast: $(READY)  ## make requirements-feast.lock anew
	mkdir -p build
	echo 'feast[duckdb]>=0.67,<0.68' > build/feast.in
	$(RUN) -m piptools compile --quiet --allow-unsafe --strip-extras --upgrade \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  --no-emit-options --output-file build/feast.txt build/feast.in
	(echo "# Made by 'make lock-feast' on Python 3.11: feast[duckdb] and nothing of ours."; \
	 sed -E '/^#/d; /^$$/d' build/feast.txt) > requirements-feast.lock

$(FEAST)/ready: requirements-feast.lock
	$(PYTHON) -m venv $(FEAST)
	$(FEAST)/bin/python -m pip install --quiet -r requirements-feast.lock
	touch $@

feast: $(READY) $(FEAST)/ready  ## compare our features with Feast's, which gets an environment
	$(RUN) benchmarks/feast_agreement.py

audit:  ## known holes in the locked packages; the list of parts as build/parts.json (CycloneDX)
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet pip-audit==2.10.1 cyclonedx-bom==7.5.0
	build/audit/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml \
	  --mc-type library --output-reproducible -o build/parts.json
	build/audit/bin/pip-audit --requirement requirements.lock --no-deps --disable-pip --strict

clean:  ## remove what commands made, but not the environment or the data
	rm -rf build book/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
