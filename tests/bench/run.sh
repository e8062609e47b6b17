#!/usr/bin/env bash
# `make bench`: Flotilla beside Samba's smbd: the same client, disk and file, in turns, in one run.
# usage: run.sh [BUILD]     QUICK=1: one short round; ROUNDS, SIZE (MiB), SECONDS_EACH set how much
# README.md here says what is fair about it. Results: BUILD/bench/results.json and results.txt.
set -euo pipefail

. "$(dirname "$0")/lib.sh"
load=$build/release/tests/bench/smbload
rounds=${ROUNDS:-${QUICK:+1}} rounds=${rounds:-3}
size=${SIZE:-${QUICK:+64}} size=${size:-256}
each=${SECONDS_EACH:-${QUICK:+1}} each=${each:-3}
steps=(write-seq:1024:8 cold read-seq:1024:8 write-rand:8:32 cold read-rand:8:32)

measure() { # label address/name share user pids
    "$load" --address "${2%/*}" --name "${2#*/}" --share "$3" --user "$4" --password "$password" --pids "$5" \
        --size "$size" --seconds "$each" "${steps[@]}" >"$work/lines" || { say "$1 failed"; return 1; }
    jq -c --arg server "$1" --argjson round "$round" '{server: $server, round: $round} + .' "$work/lines" >>"$work/all"
    sleep 1 # what the file's end leaves behind is not the next one's
}

# The disk itself, through the file system, as the servers meet it: direct and durable.
raw() { # name block-KiB depth fio-mode
    fio --name="$1" --filename="$work/raw" --size="${size}M" --bs="${2}k" --iodepth="$3" --rw="$4" --direct=1 \
        --sync=dsync --ioengine=libaio --runtime="$each" --output-format=json \
        $([[ $4 == rand* ]] && echo --time_based) 2>/dev/null |
        jq -c --arg step "$1" --argjson round "$round" '(.jobs[0] | if .read.iops > 0 then .read else .write end) |
            {server: "raw", round: $round, step: $step, mb_s: (.bw_bytes / 1e6), iops,
             p50_us: (.clat_ns.percentile["50.000000"] / 1e3), p99_us: (.clat_ns.percentile["99.000000"] / 1e3)}' \
            >>"$work/all"
}
raw_disk() {
    raw write-seq 1024 8 write
    raw read-seq 1024 8 read
    raw write-rand 8 32 randwrite
    raw read-rand 8 32 randread
    rm -f "$work/raw"
}

idle() { # label pids: what the daemons burn when nobody asks for anything
    local before after
    before=$(ticks "$2") && sleep 2 && after=$(ticks "$2")
    say "$1: $(((after - before) * 100 / $(getconf CLK_TCK) / 2)) % of one processor when idle"
}
ticks() {
    local pid n=0 fields
    for pid in ${1//,/ }; do
        read -r -a fields < <(sed 's/.*) //' "/proc/$pid/stat")
        n=$((n + fields[11] + fields[12]))
    done
    echo "$n"
}

part() { # nodes label
    start_flotilla "$1"
    idle "$2" "$(daemons)"
    for ((round = 1; round <= rounds; round++)); do
        say "round $round of $rounds: $2 and Samba"
        measure "$2" 127.0.0.11/flotilla general admin "$(daemons)"
        measure samba-durable-"$1" "$samba/samba" durable root "$smbd_pid"
        [ "$1" = 3 ] || measure samba-unsafe "$samba/samba" unsafe root "$smbd_pid"
    done
    deploy/devcluster down >/dev/null
}

round=1
raw_disk
start_samba
part 1 flotilla-1
part 3 flotilla-3

jq -s --arg date "$(date -u +%FT%TZ)" --arg cpus "$(nproc)" --arg samba "$(smbd --version)" \
    --arg fs "$(findmnt -no FSTYPE -T "$out")" --arg kernel "$(uname -r)" --arg commit "$(git describe --always --dirty 2>/dev/null)" '
    def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
    {date: $date, commit: $commit, processors: ($cpus | tonumber), kernel: $kernel, file_system: $fs, samba: $samba,
     results: (group_by([.server, .step]) | map({server: .[0].server, step: .[0].step, rounds: length} +
        (. as $all | reduce ("mb_s", "iops", "p50_us", "p99_us", "server_cpu_s_per_gib", "client_cpu_s") as $k ({};
            [$all[] | .[$k] | select(. != null)] as $v | if $v == [] then . else .[$k] = ($v | median) |
                if $k == "mb_s" then .mb_s_all = $v else . end end)))),
     measurements: .}' "$work/all" >"$out/results.json"

{
    jq -r --argjson size "$size" '"\(.date), \(.commit): \(.processors) processors, \(.file_system), Linux \(.kernel), " +
        "Samba \(.samba), a file of \($size) MiB"' "$out/results.json"
    echo
    jq -r '
    def fixed($n): . * pow(10; $n) | round / pow(10; $n) | tostring;
    . as $r | def of($s; $t): first($r.results[] | select(.server == $s and .step == $t));
    def value($s; $t): of($s; $t) | if $t | endswith("-seq") then .mb_s else .iops end;
    (["server", "step", "MB/s", "IOPS", "p50 us", "p99 us", "CPU s/GiB", "of Samba durable", "rounds MB/s"],
     (("raw", "flotilla-1", "samba-durable-1", "samba-unsafe", "flotilla-3", "samba-durable-3") as $s |
      ("write-seq", "read-seq", "write-rand", "read-rand") as $t | of($s; $t) |
      [$s, $t, (.mb_s | fixed(1)), (.iops | fixed(0)), (.p50_us | fixed(0)), (.p99_us | fixed(0)),
       (.server_cpu_s_per_gib // "" | if . == "" then "-" else fixed(2) end),
       (if $s | startswith("flotilla") then value($s; $t) / value("samba-durable-" + $s[-1:]; $t) | fixed(2) + "x" else "-" end),
       (.mb_s_all | map(fixed(0)) | join(" "))]) | @tsv)' "$out/results.json" |
        column -t -s $'\t'
} | tee "$out/results.txt"
