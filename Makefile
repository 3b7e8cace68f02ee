# make demo    try it: everything on this machine, on simulated data
# make run     the same against Amazon itself
# make test    all tests          make test ARGS="tests/backfill -x"
# make faults  kills and malformed answers by the thousand
# make probe   the API under thousands of generated requests, and sqlmap
# make check   format, lint, migrations, deploy checks, dependency audit
# make bench   benchmarks, as ratios against baselines measured in the same run

PYTHON ?= python3
PORT ?= 8000
DATA_DIR ?= data
ARGS ?=
KILLS ?= 334
export PORT DATA_DIR
# Compiled modules are kept: the second start takes half the time.
unexport PYTHONDONTWRITEBYTECODE

PRODUCT = .venv/.installed-requirements.txt
TOOLS = .venv/.installed-requirements-dev.txt

.PHONY: demo run test faults probe bench check install
.DELETE_ON_ERROR:

demo: $(PRODUCT)
	@exec .venv/bin/python manage.py demo

run: $(PRODUCT)
	@exec .venv/bin/python manage.py serve

# Tests keep their state in a temporary folder, whatever DATA_DIR says. Half of them wait for a server rather than for a core.
test: $(TOOLS)
	@exec .venv/bin/python -m pytest --create-db -n 3 --dist worksteal $(ARGS)

# The long form of tests/faults: hundreds of kills and thousands of malformed answers; an hour or more.
faults: $(TOOLS)
	@FAULTS_KILLS=$(KILLS) MALFORMED=10000 exec .venv/bin/python -m pytest --create-db -o timeout=7200 tests/faults $(ARGS)

# The long form of what tests/serving generates, and sqlmap over every parameter; two hours or so.
probe: $(TOOLS)
	@UV_TOOL_DIR=.venv/tools UV_TOOL_BIN_DIR=.venv/tools/bin .venv/bin/uv tool install --quiet sqlmap==1.10.10
	@GENERATED_CALLS=300 GENERATED_QUERIES=10000 BAD_INPUT=3000 SQLMAP=$(CURDIR)/.venv/tools/bin/sqlmap \
		exec .venv/bin/python -m pytest --create-db -o timeout=21600 tests/serving/test_schemathesis.py \
		tests/serving/test_queries.py tests/serving/test_bad_input.py tests/serving/test_sqlmap.py $(ARGS)

bench: $(TOOLS)
	@exec .venv/bin/python -m benchmarks $(ARGS)

check: $(TOOLS)
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/djlint templates --lint --quiet
	DATA_DIR=.venv/check .venv/bin/python manage.py makemigrations --check --dry-run
	DATA_DIR=.venv/check PUBLIC_URL=https://data.example.com .venv/bin/python manage.py check --deploy --fail-level WARNING
	.venv/bin/pip-audit --require-hashes --disable-pip -r requirements.txt

install: $(PRODUCT)

$(PRODUCT): requirements.txt requirements-uv.txt bootstrap.py
	@$(PYTHON) bootstrap.py requirements.txt

$(TOOLS): requirements-dev.txt requirements-uv.txt bootstrap.py
	@$(PYTHON) bootstrap.py requirements-dev.txt
