#!/usr/bin/env bash
# What a pure folder may call: itself, the folders its line in layers.txt allows (and theirs), the C
# names below, and the library of its class. And it keeps no variable. Sees the compiled objects.
# usage: pure.sh BUILD/VARIANT
set -u
cd "$(dirname "$0")/../.." || exit 2
b=${1:-build/release}
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
status=0

libc='(__)?(memcpy|memmove|memset|memcmp|bcmp|strlen)(_chk)?|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__stack_chk_guard'  # bcmp: clang's memcmp
libc+='|__(asan|ubsan|tsan|sanitizer)_.*'
declare -A library=(
    [pure]='-' # nothing
    [crypto]='(EVP|OPENSSL|OSSL|HMAC|CRYPTO|ERR)_.*'
    [wire]='protobuf_c_.*|XXH.*|__assert_fail' # generated code asserts its own message types
    [raft]='raft_.*|protobuf_c_.*|XXH.*|__assert_fail')

declare -A class deps
while read -r folder c allowed; do
    class[$folder]=$c deps[$folder]=$allowed
done < <(sed 's/#.*//; /^[[:space:]]*$/d' tests/lint/layers.txt)
# libraft itself allocates, so its folder counts as a shell; our code in it is held to the rules.
class[coordinator/raft]=raft

closure() {
    local d
    echo "$1"
    for d in ${deps[$1]}; do closure "$d"; done
}

# One relocatable object out of a folder's archive; must.c is where purity ends on purpose.
for folder in "${!class[@]}"; do
    archive=$b/$folder/all.a
    [ "${class[$folder]}" != shell ] && compgen -G "$folder/*.c" >/dev/null || continue
    [ -e "$archive" ] || { echo "$folder is not built"; status=1; continue; }
    mkdir -p "$work/$folder" && cp "$archive" "$work/$folder/all.a" || exit 2
    [ "$folder" != proto/base ] || ar d "$work/$folder/all.a" must.o
    ld -r -o "$work/$folder/all.o" --whole-archive "$work/$folder/all.a" || exit 2
done

for folder in $(printf '%s\n' "${!class[@]}" | sort); do
    object=$work/$folder/all.o
    [ -e "$object" ] || continue
    { echo must_failed; for d in $(closure "$folder" | sort -u); do
        [ ! -e "$work/$d/all.o" ] || nm --defined-only --format=just-symbols "$work/$d/all.o"
    done; } | sort -u >"$work/defined"
    bad=$(nm -u --format=just-symbols "$object" | sort -u | comm -23 - "$work/defined" |
        grep -Ev "^($libc|${library[${class[$folder]}]})$")
    [ -z "$bad" ] || { echo "$folder (${class[$folder]}) calls out:" $bad; status=1; }
    kept=$(objdump -t "$object" | awk 'NF > 3 && $(NF - 2) ~ /^\.(data|bss)(\.|$)/ && $(NF - 2) !~ /rel\.ro/ &&
        $(NF - 1) !~ /^0+$/ && $NF !~ /^\./ {print $NF}' | grep -v asan)
    [ -z "$kept" ] || { echo "$folder (${class[$folder]}) keeps variables:" $kept; status=1; }
done
exit $status
