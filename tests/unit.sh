#!/usr/bin/env bash
# Runs unit tests, two at a time; prints the output of those that fail, then the counts.
# usage: unit.sh PROGRAM...
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT

# ASLR of many bits is more than ThreadSanitizer of gcc 12 can map around.
run_one() {
    log=$1/$(echo "$2" | tr / _)
    setarch -R timeout "${UNIT_TIMEOUT:-900}" "$2" >"$log" 2>&1
    echo $? >"$log.rc"
}
export -f run_one
export UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1
[ $# -eq 0 ] || printf '%s\0' "$@" | xargs -0 -P "${JOBS:-2}" -I{} bash -c 'run_one "$0" "$1"' "$work" {}

passed=0 failed=0 skipped=0
number() { sed -n "s/^\[  *$1 *\] *\([0-9]*\) test(s).*/\1/p" "$2" | awk '{n += $1} END {print n + 0}'; }
for program in "$@"; do
    log=$work/$(echo "$program" | tr / _)
    rc=$(cat "$log.rc" 2>/dev/null || echo "did not run")
    p=$(number PASSED "$log") f=$(number FAILED "$log") s=$(number SKIPPED "$log")
    if [ "$rc" != 0 ]; then
        [ "$f" -gt 0 ] || f=1
        printf -- '--- %s (exit %s)\n' "$program" "$rc"
        grep -v '^\[ RUN \|^\[       OK' "$log" | tail -60
    fi
    [ "$s" -eq 0 ] || grep -a '^\[  SKIPPED \] test_' "$log" | sed "s|^\[  SKIPPED \] |skip - ${program##*/}: |"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
