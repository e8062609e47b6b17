#!/usr/bin/env bash
# Size and form: 100 columns, functions of 70 lines and 5 parameters, files of 600 lines (said) or 1000
# (refused), words we do not use, no silent `default:` in pure folders, a test for every source file.
set -u
shopt -s lastpipe # `... | refuse` sets the status of this shell
cd "$(dirname "$0")/../.." || exit 2
status=0
complain() { echo "$*"; status=1; }
refuse() { # refuse WHAT: every line on stdin is a finding
    local found
    found=$(cat)
    [ -z "$found" ] || { echo "$1:" && echo "$found" | sed 's/^/  /' && status=1; }
}
mapfile -t sources < <(find proto node coordinator witness -name '*.[ch]' 2>/dev/null | sort)
mapfile -t tests < <(find tests -name '*.[ch]' | sort)
mapfile -t pure < <(awk '!/^#/ && $2 ~ /^(pure|crypto|wire)$/ {print $1}' tests/lint/layers.txt)

refuse 'longer than 100 columns' < <(
    LC_ALL=C.UTF-8 grep -nP '^.{101,}' "${sources[@]}" "${tests[@]}" | cut -c1-110)
refuse 'tabs or trailing blanks' < <(grep -nP '\t|[ \t]+$' "${sources[@]}" "${tests[@]}" | cut -c1-110)
refuse 'words we do not use' < <(
    grep -nE '\b(strcpy|sprintf|strcat|atoi|alloca|gets|strtok)[[:space:]]*\(|\b(FIXME|TODO|XXX|HACK)\b' \
        "${sources[@]}" "${tests[@]}")
refuse '#pragma once is missing' < <(grep -L '^#pragma once' $(printf '%s\n' "${sources[@]}" "${tests[@]}" | grep '\.h$'))

for folder in "${pure[@]}"; do
    for file in "$folder"/*.[ch]; do
        [ ! -e "$file" ] || grep -Hn 'default:' "$file" | grep -v '/\*'
    done
done | refuse 'default: in a pure folder needs a comment why (never over an enum)'

for file in "${sources[@]}" "${tests[@]}"; do
    lines=$(wc -l <"$file")
    if [ "$lines" -gt 1000 ]; then
        complain "$file has $lines lines (1000 are refused)"
    elif [ "$lines" -gt 600 ]; then
        echo "warning: $file has $lines lines"
    fi
done

# A function's body stands between braces in the first column.
awk '
    FNR == 1 {head = ""; open = 0}
    /^{/ {
        open = FNR
        depth = 0; commas = 0
        for (i = 1; i <= length(head); i++) {
            c = substr(head, i, 1)
            if (c == "(") depth++
            else if (c == ")") depth--
            else if (c == "," && depth == 1) commas++
        }
        name = head; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
        if (commas > 4) printf "%s:%d: %s has %d parameters\n", FILENAME, FNR, name, commas + 1
    }
    /^}/ && open {
        if (FNR - open - 1 > 70) printf "%s:%d: %s has %d lines\n", FILENAME, open, name, FNR - open - 1
        open = 0
    }
    /^$|^}|^#|;$|\*\/$/ {head = ""; next}
    !open {head = head " " $0}
' "${sources[@]}" "${tests[@]}" | refuse 'functions of more than 70 lines or 5 parameters'

# covers: names files beside the test by their name, others by their path.
covered=$(grep -rhoE 'covers:.*' tests --include='*.[ch]' --include='*.sh' | sed 's/covers://; s,\*/,,')
for file in "${sources[@]}"; do
    case $file in *.h | */main.c) continue ;; esac
    name=${file##*/} folder=${file%/*}
    [ -e "tests/$folder/test_$name" ] && continue
    grep -qsE "covers:.*[ ]$name( |,|$)" "tests/$folder"/*.c && continue
    [[ " $(echo $covered) " == *" $file "* ]] || echo "$file"
done | refuse 'no test (tests/<folder>/test_<file>, or "covers: <file>" in one)'
exit $status
