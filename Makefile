# The two commands of a newcomer are `make demo` and `make test`; `make help` lists all.
# Everything is installed into .venv; paths are relative, so that spaces do no harm.

VENV := $(shell sh tools/venv-folder)
BIN := $(VENV)/bin
# Caches lie in the environment: what root left behind never stands in a user's way.
PYTEST := HYPOTHESIS_STORAGE_DIRECTORY=$(VENV)/hypothesis $(BIN)/pytest -o cache_dir=$(VENV)/pytest
WORKERS ?= 2
ARGS ?=
INPUTS ?= 1000000
SEEDS ?= 200
PLAN ?= smoke

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: always covered help demo test slow torture torture-long fuzz fmt lint cov sim bench bench-full bench-peers loadtest loadtest-kit mutants lock clean

help: ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile | expand -t 20
	@echo "  Not in this version yet: docs."

demo: $(VENV)/.runtime ## replay the pilot's three months and verify them (ARGS=--once: end by itself)
	@$(BIN)/medaid demo $(ARGS)

test: $(VENV)/.dev $(VENV)-load/.made $(VENV)-fastapi/.made ## pass the tests, all but the slow ones (ARGS: options for pytest)
	@$(PYTEST) -n $(WORKERS) -m "not slow" $(ARGS)

slow: $(VENV)/.dev ## pass the slow tests: long properties, crashes, full sizes
	@$(PYTEST) -n $(WORKERS) -m slow $(ARGS)

fmt: $(VENV)/.dev ## format the code and mend what can be mended mechanically
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

lint: $(VENV)/.dev ## check style, format, types and layers
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# The tests that reach every branch of the pure core and of crypto.
COVERING = tests/domain tests/crypto tests/policy tests/roster tests/matching tests/watch \
	tests/officer/test_policy_comparison.py tests/reconcile/test_month_closing.py \
	tests/hospital_lists/test_list_layouts.py tests/hospital_lists/test_list_limits.py \
	tests/month_package/test_package_verifies.py tests/month_package/test_package_altered.py \
	tests/witness/test_add_checkpoint.py tests/witness/test_cosignature.py \
	tests/witness/test_histories.py tests/witness/test_rules.py \
	tests/witness/test_verify_cosigned.py

cov: $(VENV)/.dev ## demand full branch coverage of the pure core and of crypto
	@$(PYTEST) -n $(WORKERS) -q -m "not slow" --cov --cov-report=term $(COVERING) $(ARGS)

# What `make cov` has passed need not be passed again in the same build.
covered:
	@echo $(addprefix --ignore=,$(COVERING))

fuzz: $(VENV)/.fuzz ## attack every way in with INPUTS=1000000 hostile inputs, into var/fuzz.json
	@$(BIN)/python -m tests.fuzz --inputs $(INPUTS) $(ARGS)

sim: $(VENV)/.dev ## run the core under SEEDS=200 seeds of faults against a plain model (ARGS=--seed N)
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) $(ARGS)

bench: $(VENV)/.dev $(VENV)-peers/.made $(VENV)-fastapi/.made ## measure against the yardstick, ten minutes at most, into docs/performance.md (ARGS=--gate)
	@$(BIN)/python -m tests.bench $(ARGS)

bench-full: $(VENV)/.dev ## measure what takes hours, part by part, going on where it was ended (ARGS=--only soak)
	@$(BIN)/python -m tests.bench.full $(ARGS)

bench-peers: $(VENV)/.dev $(VENV)-peers/.made $(VENV)-fastapi/.made ## install what the bench measures us against

loadtest: $(VENV)/.runtime $(VENV)-load/.made ## load a sandbox by PLAN=smoke and judge it (ARGS: --busiest-minute 1800)
	@$(BIN)/medaid loadtest --plan $(PLAN) $(ARGS)

loadtest-kit: $(VENV)-load/.made ## install the load-test kit's own environment

mutants: $(VENV)/.dev ## change the deduction in 500 ways, each of which a test must notice
	@sh tools/mutants $(VENV) $(ARGS)

torture: $(VENV)/.dev ## kills and faults on real processes under load, five minutes (ARGS: --faults F5,F9)
	@$(BIN)/python -m tests.torture --minutes 6 --kills 60 --round 60 $(ARGS)

torture-long: $(VENV)/.dev ## the same, 1,000 kills and each fault 20 times, into docs/reliability.md
	@$(BIN)/python -m tests.torture --minutes 60 --kills 1000 --repeats 20 --deaths 20 --every 1 --round 300 --pause 0.05 --report docs/reliability.md --json var/torture.json $(ARGS)

lock: $(VENV)/.dev ## pin the newest allowed versions into requirements/, with hashes
	@sh tools/lock $(BIN)

clean: ## remove the environment and the caches; data in var/ stays
	@rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml
	@sh tools/install $(VENV) runtime
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml
	@sh tools/install $(VENV) dev
	@touch $@

# The fuzzer that coverage leads has no wheel for every Python; without it bytes are
# mutated blindly, and the report says so.
$(VENV)/.fuzz: $(VENV)/.dev requirements/fuzz.txt
	@PIP_ONLY_BINARY=atheris sh tools/install $(VENV) fuzz || echo 'medaid: fuzzing without coverage'
	@touch $@

# Other rule engines, measured beside ours: in an environment apart, for one of them is
# under the AGPL. Where they cannot be had, the bench leaves them out and says so.
$(VENV)-peers/.made: requirements/bench-peers.txt
	@{ $(BIN)/python -m venv --clear $(VENV)-peers && $(VENV)-peers/bin/python -m pip install -qq --no-deps --require-hashes -r $< && touch $@; } || echo 'medaid: measured without other rule engines'

# The gateway of `loadtests/peers/`, which stands on FastAPI, SQLAlchemy and uvicorn.
$(VENV)-fastapi/.made: requirements/fastapi-peer.txt | $(VENV)/.dev
	@{ $(BIN)/python -m venv --clear $(VENV)-fastapi && $(VENV)-fastapi/bin/python -m pip install -qq --no-deps --require-hashes -r $< && touch $@; } || echo 'medaid: measured and tested without the FastAPI gateway'

# The load-test kit sees the gateway from outside: in its environment is no module of ours.
$(VENV)-load/.made: requirements/loadtest.txt
	@sh tools/install $(VENV)-load loadtest
	@touch $@

# Scripts in an environment name the folder that it was made in, and its Python. Where
# the project was moved or that Python is gone, it is made anew.
ifneq ($(shell $(BIN)/python -c '' 2>/dev/null && cat $(VENV)/.place),$(CURDIR))
$(VENV)/.runtime $(VENV)/.dev $(VENV)-load/.made: always
endif
always:
