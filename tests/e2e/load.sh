# What the scripts that break things share: a load that checks what it was promised (load.py), and the
# comparison of the copies. Sourced after lib.sh; the load keeps its book in $work/load.
load_options=(--nodes 127.0.0.11,127.0.0.12,127.0.0.13 --dir "$work/load" --password "$password")
load_pid=

load_start() { # options of load.py
    rm -f "$work/load/stop"
    "$top/tests/e2e/load.py" "${load_options[@]}" --verbose "$@" >>"$work/load.log" 2>&1 &
    load_pid=$!
}
# When the writers and readers have ended: had they anything to complain about?
load_stop() {
    touch "$work/load/stop"
    wait "$load_pid"
    [ ! -e "$work/load/lost" ] || { cat "$work/load/lost"; return 1; }
}
load_verify() { "$top/tests/e2e/load.py" "${load_options[@]}" --verify --patience "${1:-60}"; }

# The acknowledgements so far, one number a file.
load_counts() {
    python3 - "$work"/load/*.blocks <<'PY'
import struct, sys
print(*(struct.unpack("<Q", open(path, "rb").read()[-24:-16])[0] for path in sys.argv[1:]))
PY
}
load_advances() { # seconds: by then each writer has been answered since
    local before now deadline=$((SECONDS + $1)) i stuck
    read -ra before < <(load_counts)
    while [ "$SECONDS" -le "$deadline" ]; do
        [ ! -e "$work/load/lost" ] || { cat "$work/load/lost"; return 1; }
        read -ra now < <(load_counts)
        stuck=no
        for i in "${!before[@]}"; do [ "${now[i]}" -gt "${before[i]}" ] || stuck=yes; done
        [ "$stuck" = yes ] || [ ${#now[@]} -eq 0 ] || return 0
        sleep 0.1
    done
    echo "acknowledged ${before[*]}, and ${now[*]} after $1 s"
    tail -n 8 "$work/load.log"
    return 1
}
pause() { sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"; } # milliseconds: when to strike, not what to wait for

all_run() {
    dev status >"$work/daemons" && ! grep -q ':down' "$work/daemons" || { cat "$work/daemons"; return 1; }
}

# Each extent is on each machine, byte for byte; where one ends earlier, the rest is zeros.
copies_equal() {
    python3 - "$FLOTILLA_RUN"/n[123]/data/extents <<'PY'
import os, sys
found = [{os.path.relpath(os.path.join(d, f), top): os.path.join(d, f) for d, _, fs in os.walk(top) for f in fs}
         for top in sys.argv[1:]]
different = 0
for name in sorted(set().union(*found)):
    files = [open(f[name], "rb") if name in f else open(os.devnull, "rb") for f in found]
    at = 0
    while any(pieces := [f.read(1 << 20) for f in files]):
        whole = [p + bytes((1 << 20) - len(p)) for p in pieces]
        for o in range(0, 1 << 20, 4096) if len(set(whole)) > 1 else ():
            if len({w[o:o + 4096] for w in whole}) > 1:
                different += 1
                print(f"{name} at {at + o}:", *(w[o:o + 24].hex() for w in whole))
        at += 1 << 20
    for f in files: f.close()
print(f"{len(set().union(*found))} extents, {different} blocks differ")
sys.exit(1 if different or not found[0] else 0)
PY
}
