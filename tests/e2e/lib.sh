# What the end-to-end scripts share. A script sources this, calls cluster_up, then check or refute for
# each thing it states, and ends; the cluster goes down by itself.
#
#   check NAME COMMAND...    `ok` when the command succeeds
#   refute NAME TEXT COMMAND...   `ok` when it fails and says TEXT
#   says NAME TEXT COMMAND...     `ok` when it says TEXT (smbclient succeeds at failing)

# Each script has a network of its own: nothing on this machine is in the way, nor disturbed.
if [ -z "${E2E_NETNS:-}" ]; then
    E2E_NETNS=1 exec unshare --net -- bash -c 'ip link set lo up && exec "$0" "$@"' "$0" "$@"
fi

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
password=Flotilla-1
work=$(mktemp -d /var/tmp/flotilla-e2e.XXXXXX)
export FLOTILLA_RUN=$work/run
export PATH=$top/build/bin:$PATH

dev() { "$top/deploy/devcluster" "$@"; }

finish() {
    local rc=$?
    dev down >/dev/null 2>&1 || true
    [ -n "${KEEP:-}" ] || rm -rf "$work"
    exit $rc
}
trap finish EXIT
trap 'exit 130' INT TERM

cluster_up() {
    dev up "$@" >"$work/up.log" 2>&1 || { cat "$work/up.log"; echo "not ok - the cluster comes up"; exit 1; }
    # shellcheck disable=SC1091
    . "$FLOTILLA_RUN/env"
}

check() {
    local name=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        echo "ok - $name"
    else
        echo "not ok - $name"
        sed 's/^/    /' "$work/out" | tail -n 40
    fi
}

refute() {
    local name=$1 text=$2
    shift 2
    if "$@" >"$work/out" 2>&1; then
        echo "not ok - $name (it succeeded)"
    elif grep -q -- "$text" "$work/out"; then
        echo "ok - $name"
    else
        echo "not ok - $name (it does not say '$text')"
        sed 's/^/    /' "$work/out" | tail -n 20
    fi
}

says() {
    local name=$1 text=$2
    shift 2
    "$@" >"$work/out" 2>&1
    if grep -q -- "$text" "$work/out"; then
        echo "ok - $name"
    else
        echo "not ok - $name (it does not say '$text')"
        sed 's/^/    /' "$work/out" | tail -n 20
    fi
}

# smb NODE SHARE COMMANDS [smbclient options]: as admin
smb() {
    local node=$1 share=$2 commands=$3
    shift 3
    smbclient "//127.0.0.1$node/$share" -U "admin%$password" "$@" -c "$commands"
}
