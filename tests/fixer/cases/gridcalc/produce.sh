#!/usr/bin/env bash
# Runs the command on good and bad sheets so that it leaves a real log behind.
#
#   tests/fixer/cases/gridcalc/produce.sh OUTDIR
#
# Afterwards OUTDIR holds gridcalc.log (all standard error, run after run) and expected.json (how
# often each defect was provoked, by the defect's name).
#
# MODULE_DIR    the module to build (default: module/ beside this script)
# BUILD_FLAGS   flags for `go build` (default: none)
set -euo pipefail

[[ $# -eq 1 ]] || {
    echo "usage: $0 OUTDIR" >&2
    exit 2
}
mkdir -p "$1"
out=$(cd "$1" && pwd)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
read -ra build_flags <<<"${BUILD_FLAGS-}"
command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "${MODULE_DIR:-$here/module}" && GOFLAGS=-mod=mod GOTOOLCHAIN=local GOPROXY=off CGO_ENABLED=0 \
    timeout 300 go build ${build_flags[@]+"${build_flags[@]}"} -o "$work/gridcalc" ./cmd/gridcalc)
: >"$out/gridcalc.log"
declare -A expected=()

# sheet TEXT [FLAG…]: computes a sheet, its log appended to the others.
sheet() {
    printf '%s\n' "$1" >"$work/sheet.txt"
    shift
    (cd "$work" && timeout 10 ./gridcalc "$@" sheet.txt) >/dev/null 2>>"$out/gridcalc.log"
}

good() { sheet "$@" || exit 1; }

bad() {
    local defect=$1 times=$2
    shift 2
    for ((n = 0; n < times; n++)); do
        sheet "$@" || true
    done
    expected[$defect]=$((${expected[$defect]:-0} + times))
}

good $'A1 = 3\nA2 = A1 * 4\nB1 = sum(A1:A2)\nB2 = upper("done")' -area A1:B2
bad open-text 3 $'A1 = 3\nA2 = join("total: , A1)' -area A1:A2
bad single-cell 2 'A1 = 3' -area A1
bad cell-name 4 $'A1 = 3\n@rate = A1\nA2 = rate * 2' -area A1:A2
good $'A1 = 17\nA2 = A1 % 5' -area A1:A2 -source
bad modulo 2 $'A1 = 0\nA2 = 17 % A1' -area A1:A2
bad unknown-function 5 $'A1 = 4\nA2 = avg(A1, 6)' -area A1:A2
bad upper-number 3 'A1 = upper(12)' -area A1:A1
bad empty-max 1 'A1 = max()' -area A1:A1
bad empty-source 2 $'A1 = 1\nA3 = 2' -area A1:A3 -source

{
    echo '{'
    separator=
    for defect in $(printf '%s\n' "${!expected[@]}" | sort); do
        printf '%s  "%s": %d' "$separator" "$defect" "${expected[$defect]}"
        separator=$',\n'
    done
    printf '\n}\n'
} >"$out/expected.json"
