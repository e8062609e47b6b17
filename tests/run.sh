#!/usr/bin/env bash
# Everything that proves Flotilla, stage by stage; the last line is the sum.
# usage: run.sh [BUILD]      STAGES="lint unit-asan" runs only these; SEEDS and SCHEDULES set how much
#
# A stage prints what went wrong; its result is its last line "N passed, N failed, N skipped", or its
# lines "ok - name", "not ok - name", "skip - name # reason", or else one test, judged by the exit code.
set -u
cd "$(dirname "$0")/.." || exit 2
build=${1:-build}
jobs=${JOBS:-$(nproc)}
export JOBS=$jobs
STAGES=${STAGES:-build lint unit-release unit-asan unit-tsan fuzz-replay raft-schedules simulator e2e}
total_passed=0 total_failed=0 total_skipped=0 skips=()
logs=$build/test-logs
mkdir -p "$logs"

make_() { make -s -j"$jobs" BUILD="$build" "$@"; }

# run_one NAME COMMAND...: one test, judged by the exit code.
run_one() {
    local name=$1
    shift
    if timeout 1800 "$@"; then echo "ok - $name"; else echo "not ok - $name"; fi
}

stage_build() { make_ all; }
stage_lint() { make_ lint; }

# With -k one broken test hides no other one; what cannot be built has failed.
unit() {
    local list broken=0 program built=()
    make_ -k V="$1" unit || broken=1
    list=$(make_ V="$1" list-unit)
    for program in $list; do
        if [ $broken = 1 ] && ! make_ -q V="$1" "$program" 2>/dev/null; then
            echo "not built: $program"
            broken=$((broken + 1))
        else
            built+=("$program")
        fi
    done
    tests/unit.sh "${built[@]}" >"$logs/unit-$1.counts"
    awk -v broken=$((broken > 1 ? broken - 1 : 0)) '
        /^[0-9]+ passed, [0-9]+ failed/ {$3 += broken} {print}' "$logs/unit-$1.counts"
}
stage_unit-release() { unit release; }
stage_unit-asan() { unit asan; }
# The cores are single-threaded: fewer of the long random runs say as much about races.
stage_unit-tsan() { SEEDS=2 unit tsan; }

stage_fuzz-replay() {
    local fuzzer name
    make_ -k V=asan fuzzers
    for fuzzer in $(make_ V=asan list-fuzzers); do
        name=${fuzzer##*/fuzz_}
        rm -f "$logs/fuzz-$name.log"
        if [ -x "$fuzzer" ] && FUZZ_LAST=$logs/fuzz-$name.last timeout 300 "$fuzzer" \
            "tests/fuzz/corpus/$name" >"$logs/fuzz-$name.log" 2>&1; then
            echo "ok - replay of $name"
            rm -f "$logs/fuzz-$name.last"
        else
            cat "$logs/fuzz-$name.log" 2>/dev/null || echo "not built: $fuzzer"
            echo "not ok - replay of $name (the input: $logs/fuzz-$name.last, after 4 bytes of length)"
        fi
    done
}

stage_raft-schedules() {
    local program list
    list=$(make_ list-schedules)
    [ -n "$list" ] || { echo "skip - schedules # none are written"; return; }
    make_ schedules || return 1
    for program in $list; do
        run_one "${program##*/} of ${SCHEDULES:-500} schedules" "$program" --schedules "${SCHEDULES:-500}"
        run_one "${program##*/} catches planted faults" "$program" --self-test
    done
}

stage_simulator() {
    compgen -G 'tests/sim/*.c' >/dev/null || { echo "skip - simulator # it is not written"; return; }
    make_ simulator || return 1
    local sim=$build/release/tests/sim/sim
    run_one "seeds 1 to ${SEEDS:-200}" "$sim" --seeds "${SEEDS:-200}"
    run_one 'planted bugs are caught' "$sim" --self-test
}

stage_e2e() {
    local script rc
    compgen -G 'tests/e2e/*.sh' >/dev/null || { echo "skip - e2e # none are written"; return; }
    for script in tests/e2e/*.sh; do
        [ -x "$script" ] || continue # a library of the others
        timeout "${E2E_TIMEOUT:-1200}" "$script" 2>&1 | tee "$logs/e2e-one.log"
        rc=${PIPESTATUS[0]}
        if [ "$rc" -ne 0 ] && ! grep -q '^not ok ' "$logs/e2e-one.log"; then
            echo "not ok - ${script##*/} (exit $rc)"
        elif ! grep -qE '^(ok|not ok|skip) - ' "$logs/e2e-one.log"; then
            echo "not ok - ${script##*/} said nothing"
        fi
    done
}

# Adds the result in log $2 of a stage that ended with $3 to the totals, and prints it.
count() {
    local p=0 f=0 s=0 counts line
    counts=$(grep -aE '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped' "$2" | tail -1)
    if [ -n "$counts" ]; then
        read -r p f s <<<"$(echo "$counts" | tr -dc '0-9 ')"
    elif grep -qaE '^(ok|not ok|skip) - ' "$2"; then
        p=$(grep -acE '^ok - ' "$2") f=$(grep -acE '^not ok - ' "$2") s=$(grep -acE '^skip - ' "$2")
    elif [ "$3" -eq 0 ]; then
        p=1
    fi
    [ "$3" -eq 0 ] || [ "$f" -gt 0 ] || f=1
    while IFS= read -r line; do skips+=("$1: ${line#skip - }"); done < <(grep -aE '^skip - ' "$2")
    total_passed=$((total_passed + p)) total_failed=$((total_failed + f)) total_skipped=$((total_skipped + s))
    printf '%-16s %5d passed %3d failed %3d skipped  %5d s\n' "$1" "$p" "$f" "$s" "$4"
}

for stage in $STAGES; do
    began=$SECONDS
    "stage_$stage" >"$logs/$stage.log" 2>&1
    rc=$?
    before=$total_failed
    count "$stage" "$logs/$stage.log" "$rc" $((SECONDS - began)) >"$logs/result"
    if [ "$total_failed" -gt "$before" ]; then
        echo "=== $stage"
        grep -av '^ok - ' "$logs/$stage.log" | tail -n 200
    fi
    cat "$logs/result"
done

for skip in ${skips[@]+"${skips[@]}"}; do echo "skipped: $skip"; done
echo "$total_passed passed, $total_failed failed, $total_skipped skipped"
[ "$total_failed" -eq 0 ]
