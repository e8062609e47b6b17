# An Active Directory of the script's own: domain AD.TEST, its controller at 10.77.0.10, in
# namespaces of mounts and processes: this machine's samba is not touched, and nothing stays behind.
#
#   ad_namespace "$@"    first of all, before lib.sh: runs the script again in there
#   ad_start             in the background: makes the domain and its controller, in $ad
#   ad_wait              until the controller answers; without one the script ends with `skip`
#
# Then $ad/krb5.conf is for clients, $ad/NAME.keytab are keys, and ad.py says who there is. The
# controller dies with the namespace.

ad_realm=AD.TEST ad_address=10.77.0.10

ad_namespace() {
    [ -z "${AD_NAMESPACE:-}" ] || return 0
    AD_NAMESPACE=1 exec unshare --mount --pid --fork --kill-child --mount-proc -- "$0" "$@"
}

ad_write_files() {
    mkdir -p "$ad/run"
    printf '127.0.0.1 localhost\n%s dc1.ad.test dc1\n127.0.0.11 sofs.ad.test sofs other.ad.test\n' \
        $ad_address >"$ad/hosts"
    printf 'nameserver %s\nsearch ad.test\n' $ad_address >"$ad/resolv.conf"
    cat >"$ad/krb5.conf" <<TXT
[libdefaults]
 default_realm = $ad_realm
 dns_lookup_realm = false
 dns_lookup_kdc = false
 rdns = false
 dns_canonicalize_hostname = false
[realms]
 $ad_realm = {
  kdc = $ad_address
 }
[domain_realm]
 .ad.test = $ad_realm
TXT
    {
        printf '[global]\nworkgroup = ADTEST\nrealm = %s\nnetbios name = CLIENT\n' $ad_realm
        printf "%s directory = $ad/run\n" private lock state cache pid
    } >"$ad/client.conf"
}

ad_provision() {
    timeout 60 samba-tool domain provision --realm=$ad_realm --domain=ADTEST --server-role=dc \
        --dns-backend=SAMBA_INTERNAL --function-level=2008_R2 --adminpass=Adm1n-Passw0rd \
        --host-name=dc1 --host-ip=$ad_address --targetdir="$ad/dc" \
        --option="interfaces=$ad_address/32" --option='bind interfaces only=yes' \
        --option='vfs objects=' || return 1
    local options=(
        "ncalrpc dir = $ad/run/ncalrpc" "pid directory = $ad/run" "log file = $ad/run/log.%m"
        "ntp signd socket directory = $ad/run/ntp" 'dns forwarder ='
        'server services = -spoolss, -dnsupdate' 'rpc server dynamic port range = 49152-49200'
    )
    printf '[global]\n' >"$ad/options" && printf '%s\n' "${options[@]}" >>"$ad/options"
    sed -i -e "/^\[global\]/{r $ad/options" -e 'd}' "$ad/dc/etc/smb.conf"
    timeout 30 /usr/bin/python3 "$(dirname "${BASH_SOURCE[0]}")/ad.py" "$ad/dc/etc/smb.conf" "$ad"
}

# The controller's sockets lie at fixed places, on file systems that only this namespace sees, and
# so does its database, which syncs a lot.
ad_mount() {
    local tool where
    for tool in samba samba-tool winbindd kinit faketime; do
        type $tool >/dev/null || return 1
    done
    for where in /run/samba /var/cache/samba /var/log/samba /var/lib/samba; do
        mkdir -p $where && mount -t tmpfs tmpfs $where || return 1
    done
    mkdir "$ad" && ad_write_files
    mount --bind "$ad/hosts" /etc/hosts && mount --bind "$ad/resolv.conf" /etc/resolv.conf
}

ad_start() {
    ad=/var/lib/samba/test
    ad_mount >"$work/ad.log" 2>&1 || ad_skip 'no place for a domain controller'
    ip address add $ad_address/32 dev lo
    (ad_provision && exec samba -s "$ad/dc/etc/smb.conf" --foreground --no-process-group \
        --model=standard --debug-stdout) >"$work/ad.log" 2>&1 &
    ad_pid=$!
}

ad_skip() {
    echo "skip - $1: $(tail -n 1 "$work/ad.log")"
    exit 0
}

ad_wait() {
    local port deadline=$((SECONDS + 90))
    for port in 88 389 445; do
        until (exec 3<>/dev/tcp/$ad_address/$port) 2>/dev/null; do
            kill -0 "$ad_pid" 2>/dev/null || ad_skip 'there is no domain controller'
            [ $SECONDS -lt $deadline ] || ad_skip 'the domain controller does not answer'
            sleep 0.1
        done
    done
}
