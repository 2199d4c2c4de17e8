# ctests.mk - build and run packages/<package>/ctests/test_*.c, each linked with that package's csrc.
#
#   make -f scripts/ctests.mk MODE=plain|asan|tsan
#
# A test is passed when it exits 0. In its opening comment a test may say
#   ctest-skip: tsan (reason)        it is not built in that mode
# Everything is compiled with -DASKR_STEPS, so that a test can kill a process at a labelled step.
# Tests of askr-php are linked with askr-shm's C and the distribution's libphp as well.

MODE ?= plain
CC ?= cc
OUT := build/ctests/$(MODE)
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Werror
FLAGS_plain := -O2 -g
FLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
CFLAGS := -D_GNU_SOURCE -DASKR_STEPS $(WARNINGS) $(FLAGS_$(MODE)) -pthread
# Thread Sanitizer's map leaves no room for the address randomisation of newer kernels.
RUN_tsan := $(shell setarch -R true 2>/dev/null && echo setarch -R)

export ASAN_OPTIONS := detect_leaks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS := print_stacktrace=1
export TSAN_OPTIONS := halt_on_error=1:die_after_fork=0
export USE_ZEND_ALLOC := 0# PHP's own allocator would hide what the sanitizer looks for

# Per package: how its C is compiled, which other C it is linked with, and which libraries.
STD_askr-shm := -std=c11
STD_askr-http := -std=c11 -Ipackages/askr-shm/csrc
WITH_askr-http := askr-shm
STD_askr-php = -std=gnu11 -Ipackages/askr-shm/csrc '-DASKR_PHP_VERSION="0"' $(PHP_INCLUDES)
WITH_askr-php := askr-shm
LIBS_askr-php = $(PHP_PREFIX)/lib/libphp.so
PHP_TESTS := $(wildcard packages/askr-php/ctests/test_*.c)
ifneq ($(PHP_TESTS),)
PHP_PREFIX := $(shell php-config --prefix)
PHP_INCLUDES := $(subst -I,-isystem ,$(shell php-config --includes))
endif

TESTS := $(foreach test,$(wildcard packages/*/ctests/test_*.c),$(if $(shell grep -l 'ctest-skip: $(MODE)' $(test)),,$(test)))
PASSED := $(TESTS:packages/%.c=$(OUT)/%.passed)
HEADERS := $(wildcard packages/*/csrc/*.h packages/*/ctests/*.h)

package_of = $(firstword $(subst /, ,$(1)))
sources_of = $(wildcard $(foreach name,$(1) $(WITH_$(1)),packages/$(name)/csrc/*.c))
objects_of = $(patsubst packages/%.c,$(OUT)/%.o,$(call sources_of,$(call package_of,$(1))))

.PHONY: all
.DELETE_ON_ERROR:
.SECONDARY:
.SECONDEXPANSION:
all: $(PASSED)
	@echo "ctests ($(MODE)): $(words $(PASSED)) passed"

$(OUT)/%.o: packages/%.c $(HEADERS)
	@mkdir -p $(@D)
	@$(CC) $(STD_$(call package_of,$*)) $(CFLAGS) -Ipackages/$(call package_of,$*)/csrc -c -o $@ $<

$(OUT)/%.run: $(OUT)/%.o $$(call objects_of,$$*)
	@$(CC) $(CFLAGS) -o $@ $^ $(LIBS_$(call package_of,$*))

$(OUT)/%.passed: $(OUT)/%.run
	@echo "ctest ($(MODE)) $*"
	@timeout 120 $(RUN_$(MODE)) $< >$(OUT)/$*.log 2>&1 || { code=$$?; cat $(OUT)/$*.log; echo "ctest ($(MODE)) $* FAILED with exit code $$code"; exit 1; }
	@touch $@
