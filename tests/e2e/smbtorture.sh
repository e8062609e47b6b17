#!/usr/bin/env bash
# Samba's smbtorture, in each version that is here, against two nodes of a running cluster (torture/run.sh says
# how). smbtorture.expected says what each test gives now; one that begins to fail, or to pass, or of which
# nothing is said, is an error here, so that the list stays true. What differs is run once more, with nothing
# beside it: a busy machine is no news.
#
# Without SUITE or TEST the newest version's tests run against Samba's own smbd in the same minutes, and the passes
# of both are counted.
#
# usage: smbtorture.sh [SUITE|TEST...]   RECORD=1 prints what they give, in the form of the list; KEEP=1 keeps the logs
#        VERSIONS="4.22" only these; LANES=N tests at a time; BASELINE=yes|no with Samba, or without
set -u
. "$(dirname "$0")/lib.sh"
. "$top/tests/e2e/torture/run.sh"
. "$top/tests/e2e/torture/samba.sh"
list=$top/tests/e2e/smbtorture.expected
samba=127.0.0.21
[ $# -gt 0 ] || BASELINE=${BASELINE:-yes}
cluster_up --nodes 3
flotilla share create hideunread --path /vol1/hideunread --abe >/dev/null || exit 1
cd "$work" || exit 1

for ((lane = 1; lane <= LANES; lane++)); do
    flotilla share create "lane$lane" --path "/vol1/lane$lane" >/dev/null || exit 1
done

# The list, as "VERSION NAME RESULT REASON" of one version.
expected() { # version
    awk -v version="$1" '
        /^#/ || NF == 0 { next }
        {
            reason = match($0, /#/) ? substr($0, RSTART) : ""
            only = $3 ~ /^[0-9]/ ? $3 : ""
            if (only == "" && !($1 in is) || only == version) { is[$1] = $2; why[$1] = reason }
        }
        END { for (name in is) print version, name, is[name], why[name] }' "$list"
}

# The tests of a version that are to be run: neither of a suite that the list leaves out, nor unasked for.
wanted() { # version [suite...]
    local version=$1
    shift
    torture_list "$version" | awk -F '\t' -v version="$version" -v asked="$*" '
        function within(name, suite) { return index(name ".", suite ".") == 1 }
        BEGIN { n = split(asked, suites, " ") }
        FILENAME == ARGV[1] { split($0, word, " "); if (word[3] == "none") out[word[2]]; next }
        {
            for (suite in out) if (within($1, suite)) next
            for (i = 1; i <= n && !within($1, suites[i]); i++);
            if (n == 0 || i <= n) print version " " $0
        }' "expected.$version" -
}

# One line for each test that was run, in the order of its name.
judge() {
    awk '
        FILENAME == ARGV[1] { key = $1 " " $2; is[key] = $3; $1 = $2 = $3 = ""; sub(/^ +/, ""); reason[key] = $0; next }
        {
            key = $1 " " $2; got = $3; why = $0
            for (word = 1; word <= 4; word++) sub(/^[^ ]* /, "", why)
            name = $2 " (" $1 ")"
            if (!(key in is)) { print "not ok - " name ": " got ", and nothing is expected of it: " why; next }
            if (got == is[key]) print "ok - " name (got == "pass" ? "" : ", " got " as expected") " " reason[key]
            else print "not ok - " name ": " got ", expected: " is[key] " " reason[key] (why == "" ? "" : "\n    " why)
        }' expected.all "$1"
}

# Once more, alone, what is not as the list has it.
again() {
    judge got | sed -n 's/^not ok - \([^ ]*\) (\([0-9.]*\)): .*/\2 \1/p' >differ
    [ -s differ ] || return
    grep -Ff <(sed 's/$/\t/' differ) queue >queue.again
    LANES=1 torture_run queue.again got.again 127.0.0.11 127.0.0.12
    awk 'FILENAME == ARGV[1] { again[$1 " " $2] = $0; next } { key = $1 " " $2; print key in again ? again[key] : $0 }' \
        got.again got >got.both && mv got.both got
}

passes() { awk -v version="$newest" '$1 == version && $3 == "pass"' "$1" | wc -l; }

compare() { # with Samba's smbd
    local ours theirs all said
    ours=$(passes got) theirs=$(passes samba/got) all=$(wc -l <samba/queue)
    said="of $all tests of $newest $ours pass here, $theirs on smbd $(samba_version)"
    if [ "$ours" -gt "$theirs" ]; then
        echo "ok - $said"
    else
        echo "skip - more tests pass here than on Samba's smbd # not yet: $said"
    fi
}

versions=${VERSIONS:-$(torture_versions)}
newest=${versions##*[[:space:]]}
for version in $versions; do
    expected "$version" >"expected.$version"
    wanted "$version" "$@" >>queue
done
cat expected.[0-9]* >expected.all
[ -s queue ] || { echo "not ok - there are tests of the name $*"; exit 1; }

baseline=
if [ "${BASELINE:-no}" = yes ]; then
    trap 'samba_down; finish' EXIT
    samba_up "$samba" || echo "not ok - Samba's smbd starts"
    grep "^$newest " queue >samba/queue
    (
        cd samba || exit 1
        torture_clean() { find "data/lane$1" -mindepth 1 -delete; }
        torture_run queue got "$samba" "$samba"
    ) &
    baseline=$!
fi
torture_clean() { smb 1 "lane$1" 'deltree *'; }
torture_run queue got 127.0.0.11 127.0.0.12
[ -z "$baseline" ] || wait "$baseline"
[ -n "${RECORD:-}" ] || again
sort -k 2,2 -k 1,1 got >got.sorted
if [ -n "${RECORD:-}" ]; then cat got.sorted; else judge got.sorted; fi
[ -z "$baseline" ] || compare
check 'every daemon is still alive, and the cluster healthy' flotilla status --wait 30
