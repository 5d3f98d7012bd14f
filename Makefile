# make demo   publishable photos from sample_media/, with their reports, in demo/
# make test   style, types, tests
# make dist   wheels of the program and of its models, source, list of parts (SBOM), in dist/
# make site   the documentation as a site, in build/site/
# make soak   the crash tests at length, twenty minutes: a batch killed 20 times, a watcher and all commands for five minutes each
# make mutants  the safety-critical code broken in every place: does a test notice? Some ten minutes; ONLY=verify/ for a part
# All set themselves up first: all they need is Python 3.11 or newer with pip, and a package index.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup models demo test dist site soak mutants bench lock clean

help:
	@sed -n 's/^# //p' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP)

# Everything comes from the lock file, by hash. A Python without ensurepip, as Debian ships it, gets its environment
# through the pip outside of it.
$(STAMP): requirements.lock pyproject.toml src/anonymizer/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV)
	@echo 'Setting up $(VENV) (about 350 MB the first time) …'
	@pip="$(BIN)/python -m pip"; $$pip --version >/dev/null 2>&1 || pip="$(PYTHON) -m pip --python $(BIN)/python"; \
		set -e; \
		$$pip install --quiet --require-hashes --only-binary :all: -r requirements.lock; \
		$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .; \
		$(BIN)/python -m pip check; \
		$(BIN)/python -c 'import cv2; print("OpenCV", cv2.__version__)'
	@touch $@

models: $(STAMP)
	@$(BIN)/anonymizer models fetch >/dev/null

# Exit code 3 says that some media wait in review/ for a person: part of the demo, no error.
demo: models
	@rm -rf demo
	@$(BIN)/anonymizer blur sample_media --out demo || test $$? -eq 3
	@echo
	@echo 'Look at demo/ready (publishable), demo/review (a person decides) and demo/reports/index.html (why).'

test: models
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Source and wheel of the program, the wheel of its models, a list of all that is in them (SBOM, CycloneDX).
dist: models
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist
	cd models && ../$(BIN)/python -m hatchling build -t wheel -d ../dist
	$(BIN)/python .ci/sbom.py dist
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz
	$(BIN)/check-wheel-contents dist/*.whl

# The documentation as a site, in build/site.
site: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

mutants: setup
	$(BIN)/python tests/mutants.py $(ONLY)

soak: models
	ANONYMIZER_LONG_TESTS=1 ANONYMIZER_SOAK_SECONDS=300 \
		$(BIN)/pytest --timeout 3600 tests/test_batch.py tests/test_watch_cli.py tests/test_ledger_soak.py \
		tests/test_review_corrections.py tests/test_every_format.py -k 'killed or soak or forty or hundred'

# The photos with labelled faces are no part of the project: make bench FACES=path/to/faces.json
FACES ?= ../shared/media/faces.json
bench: models
	$(BIN)/python benchmarks/recall.py $(FACES)
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/speed_video.py
	$(BIN)/python benchmarks/scale.py

# Needs uv; make lock UPGRADE=1 takes the newest of everything. --no-emit-index-url: every user's own package index serves.
lock:
	uv pip compile pyproject.toml --group dev --group setup --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header $(if $(UPGRADE),--upgrade) --output-file requirements.lock

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
