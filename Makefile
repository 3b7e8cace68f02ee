# make demo    try it: everything on this machine, on simulated data
# make run     the same against Amazon itself
# make test    all tests          make test ARGS="tests/backfill -x"   make test ARGS="-m 'not slow'"   make test CLOCK=2026-12-31T23:50:00Z
# make clocks  all tests under each of twelve clocks: turns of years, leap days, changes to and from daylight saving time
# make faults  kills, cut COMMITs, dead brokers and malformed answers by the thousand
# make probe   the API under thousands of generated requests, and sqlmap
# make check   format, lint, types, migrations, deploy checks, dependency audit
# make bench   benchmarks, as ratios against baselines measured in the same run

PYTHON ?= python3
PORT ?= 8000
DATA_DIR ?= data
ARGS ?=
CLOCK ?=
export PORT DATA_DIR
# Compiled modules are kept: the second start takes half the time.
unexport PYTHONDONTWRITEBYTECODE

PRODUCT = .venv/.installed-requirements.txt
TOOLS = .venv/.installed-requirements-dev.txt

.PHONY: demo run test clocks faults probe bench check install
.DELETE_ON_ERROR:

demo: $(PRODUCT)
	@exec .venv/bin/python manage.py demo

run: $(PRODUCT)
	@exec .venv/bin/python manage.py serve

# Tests keep their state in a temporary folder, whatever DATA_DIR says. Half of them wait for a server rather than for a core.
# CLOCK names the instant at which all of them, and every server that they start, believe to be.
PYTEST = -m pytest --create-db -n 3 --dist worksteal
test: $(TOOLS)
	@exec .venv/bin/python $(if $(CLOCK),-m tests.clock $(CLOCK)) $(PYTEST) $(ARGS)

# Takes twelve times as long as make test: once a week is enough.
clocks: $(TOOLS)
	@exec .venv/bin/python -m tests.clocks $(PYTEST) $(ARGS)

# The long form of tests/faults: 1,000 kills and 1,000 cut COMMITs over the three modes, every network write, 200 kills of an
# installation's parts, 100 dead brokers, 200 replaces, 10,000 malformed answers; some hours. Each number can be set: make faults FAULTS_KILLS=50 ARGS="-k kills".
FAULTS_KILLS ?= 334
FAULTS_POOL_KILLS ?= 60
FAULTS_PART_KILLS ?= 200
FAULTS_COMMITS ?= 334
FAULTS_BROKER_RESTARTS ?= 100
FAULTS_REPLACES ?= 200
FAULTS_PAUSES ?= 30
FAULTS_RACES ?= 10000
FAULTS_CRASHES ?= 50
EVERY_WRITE ?= 1
MALFORMED ?= 10000

faults: export FAULTS_KILLS := $(FAULTS_KILLS)
faults: export FAULTS_POOL_KILLS := $(FAULTS_POOL_KILLS)
faults: export FAULTS_PART_KILLS := $(FAULTS_PART_KILLS)
faults: export FAULTS_COMMITS := $(FAULTS_COMMITS)
faults: export FAULTS_BROKER_RESTARTS := $(FAULTS_BROKER_RESTARTS)
faults: export FAULTS_REPLACES := $(FAULTS_REPLACES)
faults: export FAULTS_PAUSES := $(FAULTS_PAUSES)
faults: export FAULTS_RACES := $(FAULTS_RACES)
faults: export FAULTS_CRASHES := $(FAULTS_CRASHES)
faults: export EVERY_WRITE := $(EVERY_WRITE)
faults: export MALFORMED := $(MALFORMED)
faults: $(TOOLS)
	@exec .venv/bin/python -m pytest --create-db -s -o timeout=7200 tests/faults $(ARGS)

# The long form of what tests/serving generates, and sqlmap in every place of every call; two hours or so. Each number can be
# set: make probe GENERATED_CALLS=50 ARGS="-k sqlmap".
GENERATED_CALLS ?= 300
GENERATED_QUERIES ?= 10000
BAD_INPUT ?= 3000
SQLMAP_LEVEL ?= 3
SQLMAP_RISK ?= 2
PROBES = schemathesis queries bad_input injection sqlmap

probe: export GENERATED_CALLS := $(GENERATED_CALLS)
probe: export GENERATED_QUERIES := $(GENERATED_QUERIES)
probe: export BAD_INPUT := $(BAD_INPUT)
probe: export SQLMAP_LEVEL := $(SQLMAP_LEVEL)
probe: export SQLMAP_RISK := $(SQLMAP_RISK)
probe: export SQLMAP := $(CURDIR)/.venv/tools/bin/sqlmap
probe: $(TOOLS)
	@UV_TOOL_DIR=.venv/tools UV_TOOL_BIN_DIR=.venv/tools/bin .venv/bin/uv tool install --quiet sqlmap==1.10.10
	@exec .venv/bin/python -m pytest --create-db -s -o timeout=21600 $(PROBES:%=tests/serving/test_%.py) $(ARGS)

bench: $(TOOLS)
	@exec .venv/bin/python -m benchmarks $(ARGS)

check: $(TOOLS)
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/djlint templates --lint --quiet
	DATA_DIR=.venv/check .venv/bin/mypy
	DATA_DIR=.venv/check .venv/bin/python manage.py makemigrations --check --dry-run
	DATA_DIR=.venv/check PUBLIC_URL=https://data.example.com .venv/bin/python manage.py check --deploy --fail-level WARNING
	.venv/bin/pip-audit --require-hashes --disable-pip -r requirements.txt

install: $(PRODUCT)

$(PRODUCT): requirements.txt requirements-uv.txt bootstrap.py
	@$(PYTHON) bootstrap.py requirements.txt

$(TOOLS): requirements-dev.txt requirements-uv.txt bootstrap.py
	@$(PYTHON) bootstrap.py requirements-dev.txt
