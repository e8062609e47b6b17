# What the measuring scripts share. A script sources this with its arguments; both servers go down by themselves.
#
#   start_samba            smbd at $samba with shares `durable`, `unsafe`, `names` and the user root; $smbd_pid
#   start_flotilla NODES   a new cluster with the shares `general` and `vms`, n1 at 127.0.0.11
#   daemons                the processes of all its machines, "1,2,3"
# shellcheck shell=bash

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top"
build=${1:-build}
mkdir -p "$build/bench"
out=$(cd "$build/bench" && pwd)
password=Flotilla-1
samba=127.0.0.21

[ "$(id -u)" = 0 ] || { echo "bench: port 445 needs root" >&2; exit 1; }
work=$(mktemp -d "$out/work.XXXXXX")
export FLOTILLA_RUN=$work/run
smbd_pid=
finish() {
    [ -z "$smbd_pid" ] || kill "$smbd_pid" 2>/dev/null || true
    deploy/devcluster down >/dev/null 2>&1 || true
    [ -z "$smbd_pid" ] || tail --pid="$smbd_pid" -f /dev/null
    [ -n "${KEEP:-}" ] || rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM
say() { printf 'bench: %s\n' "$*" >&2; }

# One share as durable as Flotilla, which acknowledges what is on the disk; one as Debian sets it; one that
# keeps NT security and streams, as Flotilla does.
start_samba() {
    local d=$work/samba
    mkdir -p "$d"/{private,lock,state,cache,pid,ncalrpc,log,data}
    cat >"$d/smb.conf" <<TXT
[global]
  netbios name = SAMBA
  workgroup = FLOTILLA
  server role = standalone server
  interfaces = $samba/8
  bind interfaces only = yes
  smb ports = 445
  private dir = $d/private
  lock directory = $d/lock
  state directory = $d/state
  cache directory = $d/cache
  pid directory = $d/pid
  ncalrpc dir = $d/ncalrpc
  log file = $d/log/log.smbd
  passdb backend = tdbsam:$d/private/passdb.tdb
  disable spoolss = yes
  load printers = no
[durable]
  path = $d/data
  read only = no
  strict sync = yes
  sync always = yes
[unsafe]
  path = $d/data
  read only = no
[names]
  path = $d/data
  read only = no
  vfs objects = acl_xattr streams_xattr
TXT
    printf '%s\n%s\n' "$password" "$password" | smbpasswd -c "$d/smb.conf" -L -a -s root >/dev/null 2>&1
    smbd --foreground --configfile="$d/smb.conf" </dev/null >"$d/log/out" 2>&1 &
    smbd_pid=$!
    for _ in $(seq 100); do
        (echo >"/dev/tcp/$samba/445") 2>/dev/null && return
        sleep 0.1
    done
    cat "$d"/log/* >&2
    say "smbd does not start" && return 1
}

start_flotilla() { # nodes
    rm -rf "$FLOTILLA_RUN"
    deploy/devcluster up --nodes "$1" >"$work/up.log" 2>&1 || { cat "$work/up.log" >&2; return 1; }
}
daemons() { cat "$FLOTILLA_RUN"/n*/*.pid | paste -sd,; }
