#!/usr/bin/env bash
# What an administrator does with `flotilla`: users, shares, volumes, a machine that joins and leaves.
#
# covers: coordinator/ctl/args.c coordinator/ctl/bundle.c coordinator/ctl/client.c
# covers: coordinator/ctl/cluster.c coordinator/ctl/node.c coordinator/ctl/output.c
# covers: coordinator/ctl/secrets.c coordinator/ctl/share.c coordinator/ctl/user.c
# covers: coordinator/ctl/volume.c coordinator/ctl/open.c
set -u
. "$(dirname "$0")/lib.sh"
cluster_up --nodes 1
cd "$work" || exit 1

exits() { # CODE COMMAND...
    local want=$1
    shift
    "$@"
    [ $? = "$want" ]
}
lists() { # NOUN NAME
    flotilla "$1" ls | grep -qw "$2" && flotilla "$1" ls --json | jq -e . | grep -qw "$2"
}

# --- the command line
check 'the help names every noun' sh -c 'flotilla --help | grep -q "node join TOKEN"'
refute 'a verb there is none' usage flotilla share paint
refute 'a word too few' usage flotilla user add
refute 'an option misspelt' 'no option' flotilla status --wiat 5
refute 'a number that is none' 'takes seconds' flotilla status --wait soon
refute 'a configuration that is not there' 'cannot be read' flotilla --config /nowhere/flotilla.conf status
check 'the status is one JSON object' sh -c 'flotilla status --json | jq -e ".leader == 1"'

# --- users
as() { smbclient //127.0.0.11/general -U "$1" -c ls; }
check 'a user is added' flotilla user add anna --password First-1
check 'she is listed' lists user anna
check 'she is let in' as anna%First-1
refute 'not twice' 'exists' flotilla user add anna --password First-1
check 'she gets a new password' sh -c 'echo Second-2 | flotilla user passwd anna'
check 'she is let in with it' as anna%Second-2
refute 'and not with the old one' NT_STATUS_LOGON_FAILURE as anna%First-1
check 'she is removed' flotilla user rm anna
refute 'and let in no more' NT_STATUS_LOGON_FAILURE as anna%Second-2
check 'whoever is not there is not found' exits 3 flotilla user rm anna

# --- volumes and shares
check 'a volume is made' flotilla volume create attic --replicas 1
check 'it is listed' lists volume attic
check 'a share of it is made, for reading' \
    flotilla share create box --path /attic/box --comment 'A box' --read user1 --full admin
check 'it is listed too' lists share box
look() { smbclient //127.0.0.11/box -U "user1%$password" -c ls; }
check 'who may read, reads' look
spoil() { smbclient //127.0.0.11/box -U "user1%$password" -c 'mkdir x'; }
says 'and does not write' NT_STATUS_ACCESS_DENIED spoil
check 'who may write, writes' smb 1 box 'mkdir y'
check 'it is changed' flotilla share set box --comment Other --users-max 1 --turn-on abe --caching none --full user1
check 'it is shown' sh -c 'flotilla share show BOX | grep -q "abe *yes" && flotilla share show box --json | jq -e ".users_max == 1 and .caching == \"none\" and .comment == \"Other\""'
check 'who may write now, writes' spoil
refute 'nothing to change' 'nothing' flotilla share set box
check 'another share is not found' exits 3 flotilla share set none --comment x
check 'nothing is open' sh -c '[ "$(flotilla open ls --json | jq length)" = 0 ]'
refute 'a volume that is shared stays' 'share' flotilla volume rm attic --yes
check 'the share is removed' flotilla share rm box
refute 'and found no more' NT_STATUS_BAD_NETWORK_NAME smb 1 box ls
check 'a volume is not deleted unasked' exits 2 flotilla volume rm attic
check 'it is deleted' flotilla volume rm attic --yes

# --- a machine joins, serves, and leaves
token() { flotilla node add n2 --address 127.0.0.12 --json | jq -r .token >token && [ -s token ]; }
check 'a machine is invited' token
refute 'what is no token' 'not a join token' flotilla node join "x$(cat token)" --out "$FLOTILLA_RUN/no"
check 'it joins' flotilla node join "$(cat token)" --state-dir . --out "$FLOTILLA_RUN/n2"
refute 'a token counts once' 'unknown, used or expired' flotilla node join "$(cat token)" --out "$FLOTILLA_RUN/n3"
rm -rf "$FLOTILLA_RUN/no" "$FLOTILLA_RUN/n3"
check 'its key is for nobody else' sh -c '[ "$(stat -c %a "$FLOTILLA_RUN/n2/node.key")" = 600 ]'
dev start 2 >/dev/null
serves() { timeout 60 bash -c 'until smbclient //127.0.0.12/general -U "admin%'"$password"'" -c ls; do sleep 0.2; done'; }
check 'it serves' serves
check 'it is listed as up' sh -c 'flotilla node ls | grep n2 | grep -qi up'
refute 'who is up is not removed' 'up' flotilla node rm n2
dev kill 2 >/dev/null
down() { timeout 30 bash -c 'until flotilla node ls | grep n2 | grep -qi down; do sleep 0.2; done'; }
check 'it dies' down
check 'it is removed' flotilla node rm n2
dev start 2 >/dev/null
sent_away() { timeout 30 bash -c 'until grep -q removed "$FLOTILLA_RUN/n2/node.log"; do sleep 0.2; done'; }
check 'and sent away when it comes back' sent_away
dev kill 2 >/dev/null
