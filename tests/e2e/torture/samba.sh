# Samba's own smbd, the newest that is here, set up so that it passes as many of its tests as it can: NT security
# and streams in extended attributes, durable handles, leases, several channels. A script sources this after
# lib.sh and run.sh.
#
#   samba_up ADDRESS       starts it with the shares lane1, lane2, ... and the users admin and user1
#   samba_down
#
# It finds its modules where Debian's are installed, so the newer ones are laid over them, and its users beside
# the system's, in a mount namespace of its own. Its users are not root: root may do what NT forbids.

samba_pid=

samba_conf() { # address
    local d=$work/samba lane
    cat <<TXT
[global]
  netbios name = SAMBA
  workgroup = FLOTILLA
  server role = standalone server
  interfaces = $1/8
  bind interfaces only = yes
  smb ports = 445
  private dir = $d/private
  lock directory = $d/lock
  state directory = $d/state
  cache directory = $d/cache
  pid directory = $d/pid
  ncalrpc dir = $d/ncalrpc
  log file = $d/log/log.%m
  passdb backend = tdbsam:$d/private/passdb.tdb
  disable spoolss = yes
  load printers = no
  read only = no
  ea support = yes
  store dos attributes = yes
  map archive = no
  map readonly = no
  map acl inherit = yes
  vfs objects = acl_xattr streams_xattr
  kernel oplocks = no
  kernel share modes = no
  posix locking = no
  durable handles = yes
  server multi channel support = yes
  server min protocol = SMB2_02
  inherit owner = no
  create mask = 0777
  directory mask = 0777
TXT
    for ((lane = 1; lane <= LANES; lane++)); do
        mkdir -p "$d/data/lane$lane"
        printf '[lane%s]\n  path = %s/data/lane%s\n' $lane "$d" $lane
    done
    mkdir -p "$d/data/hideunread"
    printf '[hideunread]\n  path = %s/data/hideunread\n  hide unreadable = yes\n' "$d"
    chmod 777 "$d"/data/*
}

samba_inside() { # in the mount namespace: becomes smbd
    local d=$work/samba user
    mkdir -p "$d/run" && mount --bind "$d/run" /run
    { cat /etc/passwd && printf 'admin:x:64901:64900::/:/bin/false\nuser1:x:64902:64900::/:/bin/false\n'; } >"$d/passwd"
    { cat /etc/group && echo 'flotilla:x:64900:'; } >"$d/group"
    mount --bind "$d/passwd" /etc/passwd && mount --bind "$d/group" /etc/group || exit 1
    local tree=$torture_newer lib=
    if [ -n "$tree" ]; then
        lib=$(cd "$tree" && echo usr/lib/*/samba)
        mount --bind "$tree/$lib" "/$lib" && mount --bind "$tree/usr/libexec/samba" /usr/libexec/samba || exit 1
        export LD_LIBRARY_PATH=$tree/${lib%/samba}:$tree/$lib
    fi
    for user in admin user1; do
        printf '%s\n%s\n' "$password" "$password" | "$tree/usr/bin/smbpasswd" -c "$d/smb.conf" -L -a -s $user || exit 1
    done
    exec "$tree/usr/sbin/smbd" --foreground --configfile="$d/smb.conf" </dev/null
}

samba_version() {
    local tree=$torture_newer lib
    lib=$(cd "$tree/" && echo usr/lib/*/samba)
    env ${tree:+LD_LIBRARY_PATH="$tree/${lib%/samba}:$tree/$lib"} "$tree/usr/sbin/smbd" --version | sed 's/^Version //'
}

samba_up() { # address
    chmod 711 "$work" # its users get to their folders
    mkdir -p "$work/samba"/{private,lock,state,cache,pid,ncalrpc,log,data}
    samba_conf "$1" >"$work/samba/smb.conf"
    export work password torture_newer
    export -f samba_inside
    unshare --mount bash -c samba_inside >"$work/samba/log/out" 2>&1 &
    samba_pid=$!
    for _ in $(seq 100); do
        (echo >"/dev/tcp/$1/445") 2>/dev/null && return
        kill -0 "$samba_pid" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$work"/samba/log/*
    return 1
}

samba_down() {
    [ -z "$samba_pid" ] || kill "$samba_pid" 2>/dev/null
    [ -z "$samba_pid" ] || tail --pid="$samba_pid" -f /dev/null
    samba_pid=
}
