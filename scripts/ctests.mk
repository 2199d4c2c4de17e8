# ctests.mk - build and run packages/<package>/ctests/test_*.c, each linked with that package's csrc.
#
#   make -f scripts/ctests.mk MODE=plain|asan|tsan
#
# A test is passed when it exits 0. In its opening comment a test may say
#   ctest-skip: tsan (reason)        it is not built in that mode
#   ctest-needs: php                 it is linked with PHP as well, and run against the system's
# Everything is compiled with -DASKR_STEPS, so that a test can kill a process at a labelled step.

MODE ?= plain
CC ?= cc
OUT := build/ctests/$(MODE)
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Werror
FLAGS_plain := -O2 -g
FLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
CFLAGS := -std=c11 -D_GNU_SOURCE -DASKR_STEPS $(WARNINGS) $(FLAGS_$(MODE)) -pthread
# Thread Sanitizer's map leaves no room for the address randomisation of newer kernels.
RUN_tsan := $(shell setarch -R true 2>/dev/null && echo setarch -R)

export ASAN_OPTIONS := detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1
export UBSAN_OPTIONS := print_stacktrace=1
export TSAN_OPTIONS := halt_on_error=1:die_after_fork=0

TESTS := $(foreach test,$(wildcard packages/*/ctests/test_*.c),$(if $(shell grep -lE 'ctest-(skip: $(MODE)|needs: php)' $(test)),,$(test)))
PASSED := $(TESTS:packages/%.c=$(OUT)/%.passed)
HEADERS := $(wildcard packages/*/csrc/*.h packages/*/ctests/*.h)

.PHONY: all
.DELETE_ON_ERROR:
.SECONDARY:
.SECONDEXPANSION:
all: $(PASSED)
	@echo "ctests ($(MODE)): $(words $(PASSED)) passed"

objects_of = $(patsubst packages/%.c,$(OUT)/%.o,$(wildcard packages/$(firstword $(subst /, ,$(1)))/csrc/*.c))

$(OUT)/%.o: packages/%.c $(HEADERS)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -I$(dir $<)../csrc -c -o $@ $<

$(OUT)/%.run: $(OUT)/%.o $$(call objects_of,$$*)
	@$(CC) $(CFLAGS) -o $@ $^

$(OUT)/%.passed: $(OUT)/%.run
	@echo "ctest ($(MODE)) $*"
	@timeout 120 $(RUN_$(MODE)) $< >$(OUT)/$*.log 2>&1 || { code=$$?; cat $(OUT)/$*.log; echo "ctest ($(MODE)) $* FAILED with exit code $$code"; exit 1; }
	@touch $@
