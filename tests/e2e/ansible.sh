#!/usr/bin/env bash
# The playbook takes three empty hosts to a serving cluster, and a second time changes nothing.
# A host is a root file system (an overlay over this machine's) with namespaces of its own, on a bridge:
#
#   here 10.79.0.1 ── br0 ──┬── n1 10.79.0.11   overlay, mount, pid, uts and network namespaces
#                           ├── n2 10.79.0.12
#                           └── n3 10.79.0.13
set -u
[ -n "${FLOTILLA_ANSIBLE_NS:-}" ] || FLOTILLA_ANSIBLE_NS=1 exec unshare -n -m --propagation private "$0" "$@"

top=$(cd "$(dirname "$0")/../.." && pwd)
command -v ansible-playbook >/dev/null || { echo 'skip - ansible # ansible-core is not installed'; exit 0; }
work=$(mktemp -d /var/tmp/flotilla-ansible.XXXXXX)
hosts=(n1 n2 n3)
pids=()
finish() {
    local pid
    for pid in ${pids[@]+"${pids[@]}"}; do kill -KILL "$pid" 2>/dev/null; done # with a pid namespace all of it dies
    sleep 0.2
    [ -n "${KEEP:-}" ] || rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

make_host() { # name address
    local d=$work/$1
    mkdir -p "$d"/{upper,overlay,root,state}
    ip link add "v$1" type veth peer name "e$1"
    ip link set "v$1" master br0 up
    unshare -m -u -p -n --fork --kill-child=KILL bash -c '
        set -e
        d=$1
        mount -t overlay overlay -o "lowerdir=/,upperdir=$d/upper,workdir=$d/overlay" "$d/root"
        # None of what this machine has of Flotilla.
        rm -rf "$d"/root/etc/flotilla "$d"/root/usr/bin/flotilla* "$d"/root/usr/local/bin/flotilla*
        mkdir -p "$d/root/var/lib/flotilla"
        mount --bind "$d/state" "$d/root/var/lib/flotilla"
        mount -t proc proc "$d/root/proc"
        mount -t tmpfs tmpfs "$d/root/run"
        mount -t tmpfs tmpfs "$d/root/tmp"
        mount --rbind /dev "$d/root/dev"
        hostname "$2"
        exec chroot "$d/root" bash -c "while :; do sleep 1 & wait; done"
    ' host "$d" "$1" >"$d/host.log" 2>&1 &
    local outer=$! inner='' _
    for _ in $(seq 50); do
        inner=$(pgrep -P "$outer" | head -1)
        [ -n "$inner" ] && [ "$(readlink "/proc/$inner/root")" = "$d/root" ] && break
        sleep 0.1
    done
    pids+=("$outer")
    disown "$outer"
    [ -n "$inner" ] || { cat "$d/host.log"; return 1; }
    ip link set "e$1" netns "$inner"
    nsenter -t "$inner" -n sh -c "ip link set lo up && ip link set e$1 name eth0 && ip addr add $2/24 dev eth0 && ip link set eth0 up"
    echo "    $1: {flotilla_address: $2, flotilla_ns_pid: $inner}" >>"$work/inventory.yml"
}

make_hosts() {
    ip link set lo up
    ip link add br0 type bridge && ip addr add 10.79.0.1/24 dev br0 && ip link set br0 up || return 1
    printf 'flotilla:\n  hosts:\n' >"$work/inventory.yml"
    local i
    for i in 1 2 3; do make_host "n$i" "10.79.0.1$i" || return 1; done
    cat >>"$work/inventory.yml" <<TXT
  vars:
    ansible_connection: netns
    ansible_python_interpreter: /usr/bin/python3
    flotilla_package: $work/flotilla.tar.gz
    flotilla_service_manager: plain
    flotilla_secrets: $work/secrets
    flotilla_shares:
      - {name: vms, path: /vol1/vms, options: [--scale-out], comment: Virtual machines}
      - {name: general, path: /vol1/general}
    flotilla_users:
      - {name: admin, password: Flotilla-1, administrator: true}
      - {name: user1, password: Flotilla-1}
TXT
}

package() {
    make -s -C "$top" install PREFIX=/usr DESTDIR="$work/tree" &&
        (cd "$work/tree" && find usr -type f | sort | tar -czf "$work/flotilla.tar.gz" --owner=root --group=root -T -)
}
laid_out() { # every program, every unit, the example and the playbook, as a package will have them
    local f
    for f in bin/flotilla bin/flotilla-node bin/flotilla-coordinator bin/flotilla-witness lib/systemd/system/flotilla-node.service \
        lib/systemd/system/flotilla-coordinator.service lib/systemd/system/flotilla-witness.service \
        share/doc/flotilla/flotilla.conf.example share/flotilla/ansible/site.yml share/flotilla/ansible/inventory.example.yml; do
        [ -s "$work/tree/usr/$f" ] || { echo "$f is missing"; return 1; }
    done
}

play() {
    ANSIBLE_CONNECTION_PLUGINS=$top/tests/e2e/ansible ANSIBLE_NOCOLOR=1 ANSIBLE_LOCALHOST_WARNING=0 ANSIBLE_PIPELINING=1 \
        ANSIBLE_HOME=$work/ansible ANSIBLE_LOCAL_TEMP=$work/ansible-tmp \
        timeout 400 ansible-playbook -i "$work/inventory.yml" "$work/tree/usr/share/flotilla/ansible/site.yml" "$@" >"$work/play.log" 2>&1 &&
        cp "$work/play.log" "$work/play.good" && return
    tail -n 60 "$work/play.log"
    return 1
}
play_again() { play && ! grep -E '^n[0-9]+ .*(changed=[1-9]|failed=[1-9])' "$work/play.good"; }
put_get() { # put through one host, get from another
    head -c 4000000 /dev/urandom >"$work/data"
    rm -f "$work/back"
    smbclient "//10.79.0.1$1/general" -U user1%Flotilla-1 -c "put $work/data data" &&
        smbclient "//10.79.0.1$2/general" -U user1%Flotilla-1 -c "get data $work/back" && cmp "$work/data" "$work/back"
}
check() {
    local name=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        echo "ok - $name"
    else
        echo "not ok - $name"
        sed 's/^/    /' "$work/out" | tail -n 60
        return 1
    fi
}

roll() { # a new package: something about it differs
    echo "another build" >"$work/tree/usr/share/doc/flotilla/BUILD" && sleep 1
    (cd "$work/tree" && find usr -type f | sort | tar -czf "$work/flotilla.tar.gz" --owner=root --group=root -T -) && play &&
        grep -q '^TASK \[Restart (plain)\]' "$work/play.good"
}

check 'make install lays out what a host needs' eval 'package && laid_out' || exit 1
check "three hosts with root file systems of their own (${hosts[*]})" make_hosts || exit 1
check 'the playbook takes them to a serving cluster' play || exit 1
check 'a file is put through n1 and read through n3' put_get 1 3
check 'the playbook changes nothing the second time' play_again
check 'a new package is rolled out, one machine after the other' roll
check 'the cluster serves afterwards' put_get 2 1
