#!/bin/bash
# fuzz.sh - coverage-guided fuzzing of the native wire's codec against the pure wire; packages/askr-http/fuzz/README.md says more.
#
#   fuzz.sh SECONDS    build, and fuzz for that long; the exit code is 1 when something was found
#   fuzz.sh merge      keep the smallest set of inputs, of those that were found and the kept ones, that reaches everything they reach
#   fuzz.sh coverage   say what of the sources the kept corpus reaches
set -euo pipefail
cd "$(dirname "$0")/.."
fuzz=packages/askr-http/fuzz
out=build/fuzz
corpus=$fuzz/corpus/h1_codec
sources=("$fuzz/fuzz_h1_codec.c" "$fuzz/ask.c" packages/askr-http/csrc/askr_h1_codec.c packages/askr-http/csrc/askr_h1_chars.c)
flags=(-std=c11 -D_GNU_SOURCE -g -Wall -Wextra -Wshadow -Wconversion -Werror -Ipackages/askr-http/csrc -Ipackages/askr-shm/csrc)
most_bytes=4096

export ASKR_ORACLE="exec $PWD/.venv/bin/python $PWD/$fuzz/oracle.py"
export ASAN_OPTIONS=detect_stack_use_after_return=1:quarantine_size_mb=32
export UBSAN_OPTIONS=print_stacktrace=1

build() { # NAME FLAG...
    local name=$1
    shift
    clang "${flags[@]}" "$@" -o "$out/$name" "${sources[@]}"
}
build_fuzzer() { build h1_codec -O1 -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all; }

mkdir -p "$out/found" "$corpus"
case ${1:?usage: fuzz.sh SECONDS|merge|coverage} in
merge)
    build_fuzzer
    rm -rf "$out/merged"
    mkdir "$out/merged"
    .venv/bin/python "$fuzz/seeds.py" "$out/seeds"
    "$out/h1_codec" -merge=1 -max_len=$most_bytes "$out/merged" "$corpus" "$out/seeds" "$out/found"
    rm -rf "$corpus"
    mv "$out/merged" "$corpus"
    echo "fuzz: $(find "$corpus" -type f | wc -l) inputs kept"
    ;;
coverage)
    tools=$(clang -print-prog-name=llvm-cov)
    tools=$(dirname "$tools")
    build coverage -O1 -fsanitize=fuzzer -fprofile-instr-generate -fcoverage-mapping
    LLVM_PROFILE_FILE="$out/coverage.raw" "$out/coverage" -runs=0 "$corpus" 2>/dev/null
    "$tools/llvm-profdata" merge -o "$out/coverage.data" "$out/coverage.raw"
    "$tools/llvm-cov" report "$out/coverage" -instr-profile="$out/coverage.data" packages/askr-http/csrc
    "$tools/llvm-cov" show "$out/coverage" -instr-profile="$out/coverage.data" -show-branches=count packages/askr-http/csrc >"$out/coverage.txt"
    echo "fuzz: line by line in $out/coverage.txt"
    ;;
*)
    build_fuzzer
    if ! "$out/h1_codec" -max_total_time="$1" -max_len=$most_bytes -timeout=20 -dict="$fuzz/h1_codec.dict" -use_value_profile=1 \
        -print_final_stats=1 -artifact_prefix="$out/finding-" "$out/found" "$corpus" >"$out/log" 2>&1; then
        grep -v '^#' "$out/log" | tail -n 60
        echo "fuzz: something was found; to see it again: ASKR_ORACLE='$ASKR_ORACLE' $out/h1_codec $out/finding-*" >&2
        exit 1
    fi
    echo "fuzz: $(sed -n 's/^stat::number_of_executed_units: *//p' "$out/log") inputs in $1 s, and the codec agreed with the pure wire or deferred"
    ;;
esac
