#!/usr/bin/env bash
# Samba's smbtorture against a node of a running cluster. smbtorture.expected says what each test gives
# now; one that begins to fail, or to pass, or to be missing, is an error here, so that the list stays true.
# usage: smbtorture.sh [SUITE...]   RECORD=1 prints what they give, in the form of the list; KEEP=1 keeps the logs
set -u
. "$(dirname "$0")/lib.sh"
list=$top/tests/e2e/smbtorture.expected
suites=("$@")
[ ${#suites[@]} -gt 0 ] || mapfile -t suites < <(sed -n 's/^\(smb2\.[^. ]*\).*/\1/p' "$list" | awk '!seen[$0]++')
cluster_up --nodes 3
cd "$work" || exit 1

# What is to be said to a suite: a table of options, where any are needed.
options() {
    case $1 in
    # 65520 opens wait for 65520 commits on three disks: a part of them is enough to meet each limit on the way.
    smb2.maxfid) echo "--option=torture:maxopenfiles=${MAXFID:-4000}" ;;
    # Both work on one file, which the former makes.
    smb2.set-sparse-ioctl) echo "--option=torture:filename=sparse.dat" ;;
    smb2.zero-data-ioctl) echo "--option=torture:filename=sparse.dat --option=torture:offset=0" \
        "--option=torture:beyond_final_zero=4096" ;;
    # A write at 16 TiB - 1 succeeds here, as on Samba: files are sparse. NTFS says STATUS_DISK_FULL.
    smb2.rw) echo "--target=samba3" ;;
    # Who is refused another one's session.
    smb2.session) echo "--option=torture:user2name=user1 --option=torture:user2password=$password" ;;
    esac
}

# smbtorture's report: "success: name", "failure: name [", ... as "smb2.suite.name pass". A suite that is
# one test of the same name is called as it.
results() { # suite
    awk -v suite="$1" '
        /^(success|failure|error|skip): / {
            is[++n] = $1 == "success:" ? "pass" : $1 == "skip:" ? "skip" : "fail"
            sub(/ \[$/, "")
            name[n] = substr($0, index($0, ": ") + 2)
            gsub(/ /, "-", name[n])
        }
        END {
            for (i = 1; i <= n; i++) print (n == 1 && suite == "smb2." name[i] ? suite : suite "." name[i]), is[i]
        }' "$1.log"
}

say() { # suite status: one line for each expected test, and for each that nobody expects
    results "$1" >"$1.got"
    awk -v suite="$1" -v code="$2" '
        FILENAME == ARGV[1] { got[$1] = $2; next }
        /^#/ || NF == 0 || index($1 ".", suite ".") != 1 { next }
        {
            reason = ""
            if (match($0, /#/)) reason = substr($0, RSTART)
            is = $1 in got ? got[$1] : (code == 124 ? "out of time" : "not run")
            delete got[$1]
            if (is == $2) print "ok - " $1 (is == "pass" ? "" : " (" is ", as expected) " reason)
            else { print "not ok - " $1 ": " is ", expected: " $2 " " reason; bad = 1 }
        }
        END {
            for (name in got) { print "not ok - " name ": " got[name] ", and nothing is expected of it"; bad = 1 }
            exit bad
        }' "$1.got" "$list" || grep -A2 '^\(failure\|error\):' "$1.log" | sed 's/^/    /' | head -n 40
}

node=0
for suite in "${suites[@]}"; do
    node=$((node % 3 + 1))
    # shellcheck disable=SC2046
    timeout -k 5 "${LIMIT:-100}" smbtorture "//127.0.0.1$node/general" -U "admin%$password" "$suite" \
        --option=torture:progress=no $(options "$suite") >"$suite.log" 2>&1
    rc=$?
    if [ -n "${RECORD:-}" ]; then
        results "$suite"
        echo "# $suite: status $rc, $SECONDS s so far"
    else
        say "$suite" $rc
    fi
done
check 'every daemon is still alive, and the cluster healthy' flotilla status --wait 30
