#!/usr/bin/env bash
# Names: files made, opened and deleted a second, and a folder of many entries listed, Flotilla beside Samba's
# smbd: the same client and disk, in turns, in one run. README.md here says what is fair about it.
# usage: names.sh [BUILD]    QUICK=1: one short round; ROUNDS, ENTRIES, SECONDS_EACH, DEPTHS, NODES set how much
set -euo pipefail

. "$(dirname "$0")/lib.sh"
load=$build/release/tests/bench/smbmeta
rounds=${ROUNDS:-${QUICK:+1}} rounds=${rounds:-3}
entries=${ENTRIES:-${QUICK:+5000}} entries=${entries:-100000}
each=${SECONDS_EACH:-${QUICK:+1}} each=${each:-3}
steps=()
for depth in ${DEPTHS:-1 8 64}; do steps+=("create:$depth" "open:$depth" "delete:$depth"); done

measure() { # label address/name share user pids folder steps...
    local label=$1 to=$2 share=$3 user=$4 pids=$5 folder=$6
    shift 6
    "$load" --address "${to%/*}" --name "${to#*/}" --share "$share" --user "$user" --password "$password" \
        --pids "$pids" --file "$folder" --seconds "$each" "$@" >"$work/lines" || { say "$label failed"; return 1; }
    jq -c --arg server "$label" '{server: $server} + .' "$work/lines" >>"$work/all"
}

both() { # folder steps...
    measure flotilla 127.0.0.11/flotilla general admin "$(daemons)" "$@"
    measure samba "$samba/samba" names root "$smbd_pid" "$@"
}

start_samba
start_flotilla "${NODES:-1}"
for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds: Flotilla and Samba"
    both "round$round" "${steps[@]}"
done
say "a folder of $entries entries"
measure flotilla 127.0.0.11/flotilla general admin "$(daemons)" many "fill:$entries" list:3
# Through smbd these would take many minutes; made beside it they carry nothing that it would have to read.
mkdir "$work/samba/data/many"
seq -f "$work/samba/data/many/file-%07.0f" 0 $((entries - 1)) | xargs touch
measure samba "$samba/samba" names root "$smbd_pid" many "adopt:$entries" list:3

jq -s --arg date "$(date -u +%FT%TZ)" --arg cpus "$(nproc)" --arg samba "$(smbd --version)" --arg nodes "${NODES:-1}" \
    --arg commit "$(git describe --always --dirty 2>/dev/null)" '
    def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
    {date: $date, commit: $commit, processors: ($cpus | tonumber), samba: $samba, nodes: ($nodes | tonumber),
     results: (group_by([.server, .step]) | map({server: .[0].server, step: .[0].step, rounds: length} +
        (. as $all | reduce ("per_s", "p50_us", "p99_us", "server_cpu_us_each", "client_cpu_s") as $k ({};
            .[$k] = ([$all[] | .[$k]] | median))))),
     measurements: .}' "$work/all" >"$out/names.json"
{
    jq -r '"\(.date), \(.commit): \(.processors) processors, \(.nodes) node(s), Samba \(.samba)\n"' "$out/names.json"
    jq -r --args '
    def fixed($n): . * pow(10; $n) | round / pow(10; $n) | tostring;
    . as $r | def of($s; $t): first($r.results[] | select(.server == $s and .step == $t));
    (["step", "Flotilla/s", "Samba/s", "ratio", "p50 us", "Samba", "p99 us", "Samba", "CPU us each", "Samba"],
     ($ARGS.positional[] as $t | of("flotilla"; $t) as $f | of("samba"; $t) as $s |
      [$t, ($f.per_s | fixed(0)), ($s.per_s | fixed(0)), ($f.per_s / $s.per_s | fixed(2) + "x"), $f.p50_us, $s.p50_us,
       $f.p99_us, $s.p99_us, ($f.server_cpu_us_each | fixed(1)), ($s.server_cpu_us_each | fixed(1))])) | @tsv' \
        "${steps[@]}" list:3 <"$out/names.json" | column -t -s $'\t'
} | tee "$out/names.txt"
