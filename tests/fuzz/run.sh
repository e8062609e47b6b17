#!/usr/bin/env bash
# Runs every fuzz target for RUNS executions under libFuzzer with ASan and UBSan, and prints a table.
# Executions are counted in BUILD/fuzz-runs/, so that an interrupted run goes on where it was; a target
# whose program has changed begins anew. What is found is in BUILD/fuzz-runs/<name>/.
# usage: [RUNS=5000000] [TARGETS="utf16 bytes"] run.sh [BUILD]
set -u
cd "$(dirname "$0")/../.." || exit 2
build=${1:-build}
runs=${RUNS:-5000000}
slice=${SLICE:-500000} # executions between two bookmarks
status=0
make -s -k -j"${JOBS:-$(nproc)}" BUILD="$build" V=fuzz fuzzers || status=1

# Grows the corpus of one target until it has had its executions; false when something was found.
fuzz_one() {
    local name=$1 dir=$build/fuzz-runs/$1 program=$build/fuzz/tests/fuzz/fuzz_$1 now done_ more seeds=()
    mkdir -p "$dir/corpus"
    now=$(sha256sum <"$program")
    [ "$now" = "$(cat "$dir/program" 2>/dev/null)" ] || rm -f "$dir/runs" "$dir"/crash-* "$dir"/timeout-* "$dir"/oom-*
    echo "$now" >"$dir/program"
    [ -d "tests/fuzz/corpus/$name" ] && seeds=("tests/fuzz/corpus/$name")
    done_=$(cat "$dir/runs" 2>/dev/null || echo 0)
    while [ "$done_" -lt "$runs" ]; do
        more=$((runs - done_ < slice ? runs - done_ : slice))
        "$program" -runs="$more" -max_len=8192 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
            -artifact_prefix="$dir/" "$dir/corpus" ${seeds[@]+"${seeds[@]}"} >"$dir/log" 2>&1 || return 1
        done_=$((done_ + more))
        echo "$done_" >"$dir/runs"
    done
}


printf '%-24s %12s %8s %8s %8s  %s\n' target executions corpus edges seconds result
for source in tests/fuzz/fuzz_*.c; do
    name=${source##*/fuzz_} name=${name%.c}
    [ -z "${TARGETS:-}" ] || [[ " $TARGETS " == *" $name "* ]] || continue
    [ -x "$build/fuzz/tests/fuzz/fuzz_$name" ] || { printf '%-24s not built\n' "$name"; continue; }
    began=$SECONDS result=clean
    fuzz_one "$name" || { result="FOUND: $(ls "$build/fuzz-runs/$name"/{crash,timeout,oom,leak}-* 2>/dev/null | head -1)" status=1; }
    dir=$build/fuzz-runs/$name
    printf '%-24s %12s %8s %8s %8s  %s\n' "$name" "$(cat "$dir/runs" 2>/dev/null || echo 0)" \
        "$(find "$dir/corpus" -type f | wc -l)" \
        "$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "$dir/log" 2>/dev/null | tail -1)" $((SECONDS - began)) "$result"
    [ "$result" = clean ] || tail -30 "$dir/log"
done
exit $status
