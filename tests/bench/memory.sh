#!/usr/bin/env bash
# Memory: what files and open handles cost the coordinator, and how long it takes to come back with them.
# usage: memory.sh [BUILD]     FILES (1000000), OPENS (100000), SMB_FILES set how many; QUICK=1: a tenth
#
# First the state machine in a process of its own (metamem), then a coordinator that serves: SMB_FILES files are
# made through SMB, it is stopped and started, and the time runs until the cluster answers. The goals of a million
# files in 1 GiB and of 10 seconds to come back are printed beside what it was.
set -euo pipefail

. "$(dirname "$0")/lib.sh"
loads=$build/release/tests/bench
files=${FILES:-${QUICK:+100000}} files=${files:-1000000}
opens=${OPENS:-${QUICK:+10000}} opens=${opens:-100000}
smb_files=${SMB_FILES:-${QUICK:+20000}} smb_files=${smb_files:-1000000}

"$loads/metamem" "$files" "$opens" >"$work/core"
value() { jq -r "select(.step == \"$1\") | .$2" "$work/core"; }

resident() { awk '/^VmRSS/ {print $2 * 1024}' "/proc/$(cat "$FLOTILLA_RUN/n1/coordinator.pid")/status"; }
start_flotilla 1
before=$(resident)
"$loads/smbmeta" --address 127.0.0.11 --name flotilla --share general --user admin --password "$password" \
    --file memory "fill:$smb_files" >"$work/fill"
after=$(resident)
# shellcheck disable=SC1091
. "$FLOTILLA_RUN/env"
deploy/devcluster stop 1 coordinator
began=$(date +%s%N)
deploy/devcluster start 1 coordinator
flotilla status --wait 120 --shares >/dev/null
back=$((($(date +%s%N) - began) / 1000000))
again=$(resident)
counted=$(smbclient "//127.0.0.11/general" -U "admin%$password" -c 'cd memory; ls' | grep -c ' file-')
[ "$counted" = "$smb_files" ] || say "after the restart there are $counted files of $smb_files"

jq -n --argjson files "$files" --argjson opens "$opens" --argjson smb_files "$smb_files" \
    --argjson file_bytes "$(value files resident_each)" --argjson open_bytes "$(value opens resident_each)" \
    --argjson snapshot "$(value snapshot bytes)" --argjson save "$(value save seconds)" --argjson load "$(value load seconds)" \
    --argjson before "$before" --argjson after "$after" --argjson again "$again" --argjson back "$back" \
    --argjson rate "$(jq .per_s "$work/fill")" --argjson counted "$counted" '
    {files: $files, opens: $opens, bytes_a_file: $file_bytes, bytes_an_open: $open_bytes, snapshot_bytes: $snapshot,
     save_s: $save, load_s: $load,
     coordinator: {files: $smb_files, found_again: $counted, files_a_second: $rate,
        bytes_a_file: (($after - $before) / $smb_files), resident_after_restart: $again, restart_ms: $back}}' |
    tee "$out/memory.json" | jq -r '
    "\(.files) files: \(.bytes_a_file | round) bytes each (goal: 1073), \(.opens) opens: \(.bytes_an_open | round) bytes each",
    "snapshot \(.snapshot_bytes / 1e6 | round) MB, saved in \(.save_s) s, loaded in \(.load_s) s",
    (.coordinator | "a coordinator with \(.files) files made through SMB (\(.files_a_second | round) a second): " +
        "\(.bytes_a_file | round) bytes each; back after \(.restart_ms) ms (goal at a million: 10000), all \(.found_again) there")'
