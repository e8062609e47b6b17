#!/usr/bin/env bash
# Runs the lints one after another. usage: lint.sh BUILD/VARIANT
cd "$(dirname "$0")/../.." || exit 2
status=0
check() {
    local name=$1
    shift
    if "$@"; then echo "ok - $name"; else echo "not ok - $name" && status=1; fi
}

# Another version of the formatter formats otherwise, so only the one we write with decides.
formatted() {
    local files
    mapfile -t files < <(git ls-files '*.c' '*.h' 2>/dev/null)
    [ ${#files[@]} -gt 0 ] || mapfile -t files < <(find proto node coordinator witness tests -name '*.[ch]')
    clang-format --dry-run -Werror "${files[@]}" 2>&1 | sed -n 's/^\([^:]*:[0-9]*\):.*/\1 is not as make format leaves it/p' |
        sort -t: -u -k1,1 | grep . && return 1
    return 0
}

check layers tests/lint/layers.sh
check pure tests/lint/pure.sh "${1:-build/release}"
check tidy tests/lint/tidy.sh
version=$(clang-format --version 2>/dev/null | grep -oE 'version [0-9]+' | head -1)
case $version in
'version 14') check format formatted ;;
*) echo "skip - format # clang-format 14 decides, here is ${version:-none}" ;;
esac
exit $status
