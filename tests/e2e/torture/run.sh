# Runs tests of smbtorture, several at a time. A script sources this after lib.sh.
#
#   torture_versions       the versions that are here: 4.17 and 4.22 on Debian 12, one on Debian 13
#   torture_list VERSION   its tests of SMB2, one a line: the name as the list has it, a tab, as smbtorture has it
#   torture_run QUEUE RESULTS HOST1 HOST2   runs each line "VERSION NAME<tab>SMBTORTURE'S NAME" of QUEUE and appends
#                          "VERSION NAME pass|fail|skip SECONDS WHY" to RESULTS; logs are VERSION/NAME.log, all in
#                          the current folder
#
# Each test is a process of its own: its connections go to HOST1 and HOST2 by turns, beginning with HOST1
# (--unclist), so a test with two clients has them on two nodes; and one that hangs or dies takes no other along.
# LANES of them run at once. A lane has a share of its own (lane1, lane2, ...): nothing of one test is in another's
# way. After a test that failed the caller's torture_clean LANE empties the share.

torture_newer=$("$top/deploy/newer_samba.sh" --where)
LANES=${LANES:-8}

torture_program() { # version
    if [ "$1" = 4.22 ] && [ -n "$torture_newer" ]; then
        local lib=$torture_newer/usr/lib/x86_64-linux-gnu
        echo "env LD_LIBRARY_PATH=$lib:$lib/samba $torture_newer/usr/bin/smbtorture"
    else
        echo smbtorture
    fi
}

torture_versions() {
    local installed
    installed=$(smbtorture --version | sed -n 's/^smbtorture \([0-9]*\.[0-9]*\).*/\1/p')
    echo "$installed"
    [ -z "$torture_newer" ] || [ "$installed" = 4.22 ] || echo 4.22
}

# smbtorture says the last word of a test's name twice, where it has a suite above it.
torture_list() {
    local program
    read -ra program <<<"$(torture_program "$1")"
    "${program[@]}" --list 2>/dev/null | awk -F. -v OFS=. '
        /^smb2\./ {
            if ($NF == $(NF - 1)) NF--
            name = $0
            gsub(/ /, "-", name)
            print name "\t" $0
        }'
}

# What is to be said to a test: a table of options, where any are needed.
torture_options() { # name lane: one a line
    case $1 in
    # 65520 opens wait for 65520 commits on three disks: a part of them is enough to meet each limit on the way.
    smb2.maxfid) echo "--option=torture:maxopenfiles=${MAXFID:-4000}" ;;
    # A write at 16 TiB - 1 succeeds here, as on Samba: files are sparse. NTFS says STATUS_DISK_FULL.
    smb2.rw.*) echo --target=samba3 ;;
    # It lets Windows 7 alone open a file for nothing but SYNCHRONIZE.
    smb2.create.gentest) echo --option=torture:win7=yes ;;
    smb2.session.* | smb2.notify.*)
        printf '%s\n' --option=torture:user2name=user1 "--option=torture:user2password=$password" ;;
    smb2.acls.ACCESSBASED) echo --option=torture:hideunread=hideunread ;;
    smb2.multichannel.* | smb2.replay.* | smb2.oplock.* | smb2.lease.*)
        [ ! -x /usr/sbin/iptables ] || printf '%s\n' --option=torture:use_iptables=yes \
            "--option=torture:iptables_command=$top/tests/e2e/torture/iptables $2" ;;
    smb2.set-sparse-ioctl) echo --option=torture:filename=sparse.dat ;;
    smb2.zero-data-ioctl)
        printf '%s\n' --option=torture:filename=sparse.dat --option=torture:offset=0 \
            --option=torture:beyond_final_zero=4096 smb2.set-sparse-ioctl ;; # which makes the file
    esac
}

# Who runs it: an administrator, except where the test knows nothing of what his privileges add.
torture_user() { # name
    case $1 in
    smb2.maximum_allowed*) echo user1 ;;
    *) echo admin ;;
    esac
}

# smbtorture's report: "success: name", "failure: name [", then why, up to "]".
torture_result() { # log status
    awk -v status="$2" '
        function keep(s) { gsub(/[ \t]+/, " ", s); return substr(s, 1, 160) }
        /^(success|failure|error|skip): / { is = $1; wanted = 1; why = ""; next }
        wanted && /^\]/ { wanted = 0 }
        wanted && why == "" { why = $0 }
        END {
            if (status == 124 || status == 137) { is = "failure:"; why = "out of time" }
            else if (is == "") why = "no result, status " status
            print (is == "success:" ? "pass" : is == "skip:" ? "skip" : "fail"), keep(why)
        }' "$1"
}

torture_one() { # lane hosts-file version name smbtorture's-name
    local program options began result seconds
    local log=$3/${4//\//_}.log
    mapfile -t options < <(torture_options "$4" "$1")
    read -ra program <<<"$(torture_program "$3")"
    began=$(date +%s%N)
    timeout -k 2 "$(torture_limit "$4")" "${program[@]}" "//$torture_host/lane$1" -U "$(torture_user "$4")%$password" --unclist="$2" \
        --option=torture:progress=no "${options[@]}" "$5" >"$log" 2>&1
    result=$(torture_result "$log" $?)
    seconds=$((($(date +%s%N) - began) / 100000000))
    echo "$3 $4 ${result%% *} $((seconds / 10)).$((seconds % 10)) ${result#* }" >>"$torture_results"
    case $result in fail*) torture_clean "$1" >/dev/null 2>&1 ;; esac
}

torture_lane() { # lane hosts...: takes what is next in the queue, which all lanes read as one file
    local lane=$1 head name hosts=hosts$1
    shift
    printf "//%s/lane$lane\n" "$@" >"$hosts"
    while {
        flock 4
        IFS=$'\t' read -r head name <&3
        local rc=$?
        flock -u 4
        [ $rc = 0 ]
    }; do
        torture_one "$lane" "$hosts" "${head% *}" "${head#* }" "$name"
    done 4>>queue.lock
}

# Seconds after which a test has failed: few need more than the first, none of those that pass the second.
torture_limit() { # name
    case $1 in
    smb2.maxfid | smb2.notify.mask | smb2.dir.* | smb2.compound_find.* | smb2.lease.* | smb2.replay.* | smb2.bench.*)
        echo $((3 * ${LIMIT:-60})) ;;
    *) echo "${LIMIT:-60}" ;;
    esac
}

# What is known to take long begins first.
torture_order() {
    awk '{ print ($2 ~ /^smb2\.(lease\.(timeout|breaking|unlink|rename)|oplock\.batch22|replay\.dhv2|maxfid|bench|dirlease|durable-v2|compound_find|dir\.|timestamps|create.bench)/ ? 0 : 1) "\t" $0 }' |
        sort -s -n -k 1,1 | cut -f 2-
}

torture_run() { # queue results hosts...
    local lane lanes=() queue=$1
    torture_results=$2 torture_host=$3
    shift 2
    mkdir -p $(torture_versions)
    torture_order <"$queue" >"$queue.ordered"
    for ((lane = 1; lane <= LANES; lane++)); do
        torture_lane "$lane" "$@" 2>>lanes.log & # the shell tells there who was killed
        lanes+=($!)
    done 3<"$queue.ordered"
    wait "${lanes[@]}"
}
