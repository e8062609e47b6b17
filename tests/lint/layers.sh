#!/usr/bin/env bash
# Who may include whom: by layers.txt, a file includes its own folder and those its line names, and
# nothing of the system that its class does not have. A generated header belongs to its .proto's folder.
set -u
cd "$(dirname "$0")/../.." || exit 2
status=0
complain() { echo "$*"; status=1; }

declare -A system=(
    [pure]='(stdint|stddef|stdbool|string|stdalign|limits|inttypes)\.h'
    [crypto]='openssl/.*' [wire]='(protobuf-c/protobuf-c|xxhash)\.h' [shell]='.*')

while read -r folder class allowed; do
    for file in "$folder"/*.[ch]; do
        [ -e "$file" ] || continue
        while read -r to; do
            case " $folder $allowed " in
            *" $to "*) ;;
            *) complain "$file may not include $to/" ;;
            esac
        done < <(sed -n 's,^#include "\(.*\)/[^/]*".*,\1,p' "$file")
        while read -r header; do
            [[ $header =~ ^(${system[pure]}|${system[$class]})$ ]] && continue
            [ "$file" = proto/base/must.c ] || complain "$file ($class) may not include <$header>"
        done < <(sed -n 's,^#include <\(.*\)>.*,\1,p' "$file")
        [ "$folder" = coordinator/raft ] || ! grep -q '^#include <raft' "$file" ||
            complain "$file: only coordinator/raft includes <raft.h>"
        grep -Hn '^#include "[^/]*"' "$file" && complain "$file: include by the path from the root"
    done
done < <(sed 's/#.*//; /^[[:space:]]*$/d' tests/lint/layers.txt)

# A folder with sources that the law does not know would escape it.
while read -r folder; do
    grep -q "^$folder[[:space:]]" tests/lint/layers.txt || complain "$folder/ is not in layers.txt"
done < <(find proto node coordinator witness -name '*.c' -printf '%h\n' 2>/dev/null | sort -u)
exit $status
