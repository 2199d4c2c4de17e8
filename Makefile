# Askr's tasks. `make help` lists them; CONTRIBUTING.md explains them.
#
# Everything is incremental: stamps in .venv/.stamps say what is up to date, and caches that outlive
# the checkout (PHP builds, applications) are in $ASKR_CACHE, ~/.cache/askr unless it is set.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL: # the steps share two caches and one terminal; the compilers run in parallel by themselves
MAKEFLAGS += --no-print-directory --no-builtin-rules
.SILENT: # no word from make where nothing is to be done

APP ?= examples/hello
LISTEN ?= 127.0.0.1:8000
PHP ?=
ARGS ?=
FUZZ_SECONDS ?= 60
export ASKR_CACHE PHP_TARBALL PHP_BRANCH PHP_PROFILE PYTHON

STAMPS := .venv/.stamps
PYTHON_VENV := .venv/bin/python
BUILD_PHP := $(PYTHON_VENV) vendor/php-src/build.py
# A checkout that was moved or copied starts its environment anew.
ifneq ($(shell cat .venv/.home 2>/dev/null),$(CURDIR))
$(shell rm -rf $(STAMPS))
endif

SHM_SOURCES := $(wildcard packages/askr-shm/csrc/*.[ch] packages/askr-shm/build_kernel.py \
	packages/askr-shm/src/askr_shm/kernel_build.py)
HTTP_SOURCES := $(SHM_SOURCES) $(wildcard packages/askr-http/csrc/*.[ch] packages/askr-http/build_kernel.py)
PHP_SOURCES := $(SHM_SOURCES) $(wildcard packages/askr-php/csrc/*.[ch] packages/askr-php/build_kernel.py)

.PHONY: help serve dev php test check lint fmt asan tsan fuzz bench soak docs constraints clean
.PHONY: kernel-shm kernel-http kernel-system kernel-vendor kernel-any
.PHONY: need-dev need-system need-vendor need-any need-fuzz need-test need-bench FORCE

help: ## list these targets
	@echo 'Usage: make TARGET [NAME=value ...]'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

serve: ## serve APP=dir (examples/hello) with PHP=vendor|system, LISTEN=127.0.0.1:8000, ARGS='further flags'
	@APP='$(APP)' LISTEN='$(LISTEN)' PHP='$(PHP)' bash scripts/serve.sh $(ARGS)

dev: need-system ## leave .venv/bin/askr working, with the distribution's PHP
	@$(MAKE) kernel-system
	@echo "askr: ready: .venv/bin/askr"

php: need-vendor ## build PHP from source (PHP_BRANCH=8.4 PHP_PROFILE=full PHP_TARBALL=file) and the kernel with it
	@$(MAKE) kernel-vendor

test: need-test ## everything: static checks, C tests with sanitizers, all tests with both PHPs, real applications
	@bash scripts/test.sh

check: need-any lint ## the quick half of test: static checks and unit tests
	@$(MAKE) kernel-any
	@$(PYTHON_VENV) -m pytest -q $(wildcard packages/*/tests) $(ARGS)

lint: need-dev ## ruff, mypy --strict, import-linter, clang-format
	@$(MAKE) $(STAMPS)/venv
	@bash scripts/lint.sh

fmt: need-dev ## format Python and C
	@$(MAKE) $(STAMPS)/venv
	@.venv/bin/ruff check --quiet --fix-only . && .venv/bin/ruff format --quiet .
	@find packages/*/csrc packages/*/ctests packages/askr-http/fuzz -name '*.[ch]' | xargs -r .venv/bin/clang-format -i

asan: need-system ## C tests under Address Sanitizer and Undefined Behaviour Sanitizer
	@$(MAKE) -f scripts/ctests.mk -j$$(nproc) MODE=asan

tsan: need-system ## C tests under Thread Sanitizer
	@$(MAKE) -f scripts/ctests.mk -j$$(nproc) MODE=tsan

fuzz: need-fuzz ## fuzz the native wire's parsers against the pure wire, for FUZZ_SECONDS=60
	@$(MAKE) $(STAMPS)/venv
	@bash scripts/fuzz.sh $(FUZZ_SECONDS)

bench: need-bench ## measure Askr and its peers (ARGS='--help' lists what else)
	@$(MAKE) kernel-vendor
	@$(PYTHON_VENV) -m bench $(ARGS)

soak: need-bench ## 100,000 requests in both modes: memory and the books stay flat
	@$(MAKE) kernel-vendor
	@$(PYTHON_VENV) -m bench soak $(ARGS)

docs: need-any ## write the reference pages from their tables, and check every document
	@$(MAKE) kernel-any
	@$(PYTHON_VENV) -m askr_cli.reference
	@$(PYTHON_VENV) -m pytest -q tests/tooling/test_documents.py

constraints: need-dev ## pin the newest versions of constraints.in with their hashes
	@$(MAKE) $(STAMPS)/venv
	@bash scripts/constraints.sh

clean: ## remove what make made in this checkout (caches in ~/.cache/askr stay)
	rm -rf .venv .venv.lock build packages/*/build packages/*/src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find packages -name '_kernel*' \( -name '*.so' -o -name '*.c' -o -name '*.o' \) -path '*/src/*' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

need-dev need-system need-vendor need-any need-fuzz need-test need-bench: need-%:
	@bash scripts/need.sh $*

kernel-shm: $(STAMPS)/kernel-shm
kernel-http: $(STAMPS)/kernel-http
kernel-system: $(STAMPS)/kernel-system $(STAMPS)/kernel-http
kernel-vendor: $(STAMPS)/kernel-vendor $(STAMPS)/kernel-http
kernel-any: $(STAMPS)/venv
	@if $(BUILD_PHP) prefix >/dev/null 2>&1; then $(MAKE) kernel-vendor; else $(MAKE) kernel-system; fi

$(STAMPS)/venv: constraints.txt scripts/venv.sh $(wildcard packages/*/pyproject.toml)
	@bash scripts/venv.sh
	@touch $@

$(STAMPS)/kernel-shm: $(STAMPS)/venv $(SHM_SOURCES)
	@echo "askr: building the shared memory kernel"
	@cd packages/askr-shm && ../../$(PYTHON_VENV) build_kernel.py
	@touch $@

$(STAMPS)/kernel-http: $(STAMPS)/kernel-shm $(HTTP_SOURCES)
	@echo "askr: building the native wire's kernel"
	@cd packages/askr-http && ../../$(PYTHON_VENV) build_kernel.py
	@touch $@

$(STAMPS)/kernel-system: $(STAMPS)/kernel-shm $(STAMPS)/php-system $(PHP_SOURCES)
	@echo "askr: building the PHP kernel with the distribution's PHP $$(cat $(STAMPS)/php-system)"
	@cd packages/askr-php && ../../$(PYTHON_VENV) build_kernel.py --php system
	@touch $@

$(STAMPS)/kernel-vendor: $(STAMPS)/kernel-shm $(STAMPS)/php-vendor $(PHP_SOURCES)
	@echo "askr: building the PHP kernel with $$(head -n 1 $(STAMPS)/php-vendor)"
	@cd packages/askr-php && ../../$(PYTHON_VENV) build_kernel.py --php vendor --prefix "$$(head -n 1 ../../$(STAMPS)/php-vendor)"
	@touch $@

# These two hold which PHP there is; they change, and make a kernel stale, only when it does.
$(STAMPS)/php-system: FORCE | $(STAMPS)/venv
	@php-config --version >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(STAMPS)/php-vendor: FORCE | $(STAMPS)/venv
	@prefix=$$($(BUILD_PHP) build) && { echo "$$prefix"; cat "$$prefix/.complete"; } >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
