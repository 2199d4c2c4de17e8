#!/bin/bash
# fuzz.sh - coverage-guided fuzzing of the native wire against the pure wire; packages/askr-http/fuzz/README.md says more.
#
#   fuzz.sh SECONDS    build, and fuzz all targets for that long, side by side; the exit code is 1 when something was found
#   fuzz.sh again TARGET FILE...    judge inputs again
#   fuzz.sh merge      keep the smallest set of inputs, of the kept ones, the seeds and those that were found, that reaches what they reach
#   fuzz.sh coverage   say what of the sources the seeds and the kept inputs reach
#
# FUZZ_TARGETS names some of the targets only.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzz=packages/askr-http/fuzz
csrc=packages/askr-http/csrc
out=build/fuzz
python=$PWD/.venv/bin/python
read -ra targets <<<"${FUZZ_TARGETS:-h1_codec php_requests conditions responses paths}"
declare -A sources=( # what is judged; then what it needs
    [h1_codec]="$csrc/askr_h1_codec.c $csrc/askr_h1_chars.c $fuzz/mutate_requests.c"
    [conditions]="$csrc/askr_conditions.c $csrc/askr_date.c $csrc/askr_h1_codec.c $csrc/askr_h1_chars.c $fuzz/mutate_requests.c"
    [php_requests]="$csrc/askr_cgi.c $csrc/askr_h1_codec.c $csrc/askr_h1_chars.c $fuzz/mutate_requests.c"
    [paths]="$csrc/askr_path.c"
    [responses]="$csrc/askr_cgi_response.c $csrc/askr_h1_writer.c $csrc/askr_h1_chars.c packages/askr-shm/csrc/askr_head.c"
)
warnings=(-Wall -Wextra -Wshadow -Wconversion -Werror)
sanitizers=(-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
most_bytes=4096

export ASAN_OPTIONS=detect_stack_use_after_return=1:quarantine_size_mb=32
export UBSAN_OPTIONS=print_stacktrace=1

build() { # TARGET NAME FLAG...
    local target=$1 name=$2
    shift 2
    # shellcheck disable=SC2086  # one word per file
    clang -std=c11 -D_GNU_SOURCE -g -O1 "${warnings[@]}" -I$csrc -Ipackages/askr-shm/csrc "$@" -o "$out/$name" \
        "$fuzz/fuzz_$target.c" "$fuzz/ask.c" ${sources[$target]}
}
run() { # TARGET PROGRAM ARGUMENT...
    local target=$1
    shift
    ASKR_ORACLE="exec '$python' '$PWD/$fuzz/oracle.py' $target" "$@"
}
fuzz() { # TARGET SECONDS
    local target=$1 log=$out/$1.log
    if run "$target" "$out/$target" -max_total_time="$2" -max_len=$most_bytes -timeout=20 -use_value_profile=1 -print_final_stats=1 \
        -dict="$fuzz/$target.dict" -artifact_prefix="$out/finding-$target-" "$out/found/$target" "$fuzz/corpus/$target" "$out/seeds/$target" >"$log" 2>&1; then
        echo "fuzz: $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $2 s, nothing found"
        return
    fi
    grep -v '^#' "$log" | tail -n 60
    echo "fuzz: $target: something was found, see above; to see it again: bash scripts/fuzz.sh again $target $out/finding-$target-*" >&2
    return 1
}

for target in "${targets[@]}"; do mkdir -p "$out/found/$target" "$fuzz/corpus/$target"; done
"$python" "$fuzz/seeds.py" "$out/seeds"
case ${1:?usage: fuzz.sh SECONDS|again|merge|coverage} in
merge)
    rm -rf "$out/merged"
    for target in "${targets[@]}"; do
        build "$target" "$target" "${sanitizers[@]}"
        mkdir -p "$out/merged"
        run "$target" "$out/$target" -merge=1 -use_counters=0 -max_len=$most_bytes "$out/merged" "$fuzz/corpus/$target" "$out/seeds/$target" "$out/found/$target"
        rm -rf "$fuzz/corpus/$target"
        (cd "$out/seeds/$target" && for seed in *; do rm -f "../../merged/$seed"; done) # they are made anew for each run
        mv "$out/merged" "$fuzz/corpus/$target"
        echo "fuzz: $target: $(find "$fuzz/corpus/$target" -type f | wc -l) inputs kept"
    done
    ;;
coverage)
    tools=$(dirname "$(clang -print-prog-name=llvm-cov)")
    for target in "${targets[@]}"; do
        read -r judged _ <<<"${sources[$target]}"
        build "$target" "$target-coverage" -fsanitize=fuzzer -fprofile-instr-generate -fcoverage-mapping
        LLVM_PROFILE_FILE=$out/$target.profraw run "$target" "$out/$target-coverage" -runs=0 "$fuzz/corpus/$target" "$out/seeds/$target" 2>/dev/null
        "$tools/llvm-profdata" merge -o "$out/$target.profdata" "$out/$target.profraw"
        "$tools/llvm-cov" report "$out/$target-coverage" -instr-profile="$out/$target.profdata" "$judged"
        "$tools/llvm-cov" show "$out/$target-coverage" -instr-profile="$out/$target.profdata" -show-branches=count "$judged" \
            >"$out/$target.coverage"
        echo "fuzz: line by line in $out/$target.coverage"
    done
    ;;
again) # TARGET FILE...
    build "$2" "$2" "${sanitizers[@]}"
    run "$2" "$out/$2" "${@:3}"
    ;;
*)
    rm -f "$out"/finding-*
    for target in "${targets[@]}"; do build "$target" "$target" "${sanitizers[@]}"; done
    jobs=()
    for target in "${targets[@]}"; do
        fuzz "$target" "$1" &
        jobs+=($!)
    done
    code=0
    for job in "${jobs[@]}"; do wait "$job" || code=1; done
    exit $code
    ;;
esac
