# A User Mode Linux guest: a Linux kernel that is one process, with the kernel's own SMB client.
# A script sources this after lib.sh.
#
#   guest_missing          says why no guest can run here; fails when one can
#   guest_choose N         from now on, in this shell, it is guest N that is spoken of (1 at first); once
#                          guest_missing has failed, guest_ready makes its root folder, $guest, and its network
#   guest_run SECONDS SCRIPT   boots, runs SCRIPT (a file) as the guest's work, halts; succeeds when it did
#   guest_program SOURCE   compiles a program for the guest into its /bin; fails when it cannot
#
#     guest 10.77.N.2 --- tap --- 10.77.N.11, .12, .13 --- translated ---> node 127.0.0.11, .12, .13
#
# The guest's root is a folder of this machine, so neither disk nor initramfs has to be made, and what the
# guest writes to /report is read here. $guest/console has what its kernel said.

guest_choose() {
    guest_number=$1
    guest=$work/guest$1
    guest_tap=fltap$1
}
guest_choose 1
guest_kernel=/usr/bin/linux.uml
guest_modules=$(echo /usr/lib/uml/modules/*)
guest_busybox=/bin/busybox

guest_missing() {
    if [ ! -x "$guest_kernel" ] || [ ! -e "$guest_modules/modules.dep" ]; then
        echo "the package user-mode-linux is not installed"
    elif [ ! -x "$guest_busybox" ] || file_needs_libraries "$guest_busybox"; then
        echo "the package busybox-static is not installed"
    elif [ ! -c /dev/net/tun ] || ! guest_tap_up; then
        echo "no tap device can be made here"
    elif ! guest_translate; then
        echo "nftables cannot translate addresses here"
    elif ! guest_boots; then
        echo "User Mode Linux does not boot here: $(tail -n 1 "$guest/console")"
    else
        return 1
    fi
}

# A program linked statically has no interpreter; the guest has no libraries for one that has.
file_needs_libraries() { grep -aq '/lib64/ld-linux' <(head -c 4096 "$1"); }

guest_tap_up() {
    ip link show "$guest_tap" >/dev/null 2>&1 && return
    ip tuntap add "$guest_tap" mode tap 2>/dev/null || return
    local n
    for n in 1 11 12 13; do ip addr add "10.77.$guest_number.$n/24" dev "$guest_tap"; done
    ip link set "$guest_tap" up
}

# The nodes of a development cluster have addresses of the loopback, where no packet from outside gets to
# unless the interface it came by allows it.
guest_translate() {
    echo 1 2>/dev/null >"/proc/sys/net/ipv4/conf/$guest_tap/route_localnet" || return
    nft -f - 2>/dev/null <<TXT
table ip flotilla_guest$guest_number {
    chain in {
        type nat hook prerouting priority -100;
        dnat to ip daddr map { 10.77.$guest_number.11 : 127.0.0.11, 10.77.$guest_number.12 : 127.0.0.12,
            10.77.$guest_number.13 : 127.0.0.13 }
    }
}
TXT
}

guest_root() {
    local version
    version=$(basename "$guest_modules")
    mkdir -p "$guest"/{bin,sbin,etc,dev,proc,sys,tmp,mnt,lib/modules/"$version"}
    cp "$guest_busybox" "$guest/bin/busybox"
    cp "$top/tests/e2e/uml/init" "$guest/init"
    chmod 755 "$guest/init"
    echo "10.77.$guest_number" >"$guest/net"
    ln -sf ../bin/busybox "$guest/sbin/modprobe"
    # Only what the SMB client can ask for: its cryptography, its character sets, and itself.
    cp "$guest_modules"/modules.* "$guest/lib/modules/$version"
    (cd "$guest_modules" && find kernel/crypto kernel/lib kernel/arch kernel/fs/nls kernel/fs/smb kernel/fs/cifs \
        kernel/fs/fscache kernel/fs/netfs kernel/net/dns_resolver kernel/fs/smbfs_common -name '*.ko*' 2>/dev/null |
        cpio -pdm --quiet "$guest/lib/modules/$version")
}

guest_ready() { guest_tap_up && guest_translate && guest_root; }

guest_program() { # source
    local name
    name=$(basename "$1" .c)
    "${CC:-cc}" -std=c17 -D_GNU_SOURCE -O2 -static -o "$guest/bin/$name" "$1"
}

guest_boots() {
    guest_root
    echo 'echo booted >/report' >"$work/empty"
    guest_run 40 "$work/empty" && grep -q booted "$guest/report"
}

guest_run() { # seconds script
    cp "$2" "$guest/work"
    rm -f "$guest/done" "$guest/report"
    mkdir -p "$work/uml"
    timeout -k 2 "$1" "$guest_kernel" mem=256M uml_dir="$work/uml" umid="guest$guest_number" \
        root=/dev/root rootfstype=hostfs rootflags="$guest" rw init=/init quiet \
        vec0:transport=tap,ifname="$guest_tap",depth=128,gro=1 con=null con0=null,fd:1 \
        </dev/null >"$guest/console" 2>&1
    [ "$(cat "$guest/done" 2>/dev/null)" = 0 ]
}
