#!/usr/bin/env bash
# The demo: a shop runs into its own defects while Hephaestus watches its logs and mends it.
#
#   examples/demo/run.sh OUTDIR HEPHAESTUS
#
# OUTDIR receives the logs, the configuration and the state; HEPHAESTUS is the binary. Suggestions are
# printed as they come; nothing in the shop's source is changed. It ends when every error that was
# provoked is counted and every defect was worked on. The exit status is 0 when that came true, at least
# one fix is proven and Hephaestus ended cleanly; otherwise 1.
set -euo pipefail

die() {
    echo "demo: $*" >&2
    exit 1
}

[[ $# -eq 2 ]] || {
    echo "usage: $0 OUTDIR HEPHAESTUS" >&2
    exit 2
}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
command -v "$2" >/dev/null || die "$2 is not an executable; build it first: cargo build"
mkdir -p "$1"
out=$(cd "$1" && pwd)
hephaestus=("$2" --config "$out/hephaestus.yaml")

readonly patience_seconds=900

rm -rf "$out/state" "$out/expected.json"
: >"$out/shop.log"
: >"$out/shop.err"
cat >"$out/hephaestus.yaml" <<EOF
service_name: shop
state_dir: '$out/state'
server: {listen: '127.0.0.1:0'}
EOF

service=
cleanup() {
    if [[ -n $service ]]; then
        kill -TERM "$service" 2>/dev/null || true
        wait "$service" 2>/dev/null || true
    fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

"${hephaestus[@]}" run --repo "$here/../shop" "$out/shop.err" "$out/shop.log" &
service=$!

"$here/traffic.sh" "$out"

# How many errors are counted so far, and how many defects are not worked on yet.
counted() { "${hephaestus[@]}" -q groups list --format json | grep -oE '"count": ?[0-9]+' | grep -oE '[0-9]+' | sum; }
open() { for status in new working; do "${hephaestus[@]}" -q groups list --status "$status" --format json; done | grep -c '"fingerprint"' || true; }
sum() { awk '{ total += $1 } END { print total + 0 }'; }

provoked=$(grep -oE '[0-9]+,?$' "$out/expected.json" | tr -d , | sum)
echo "demo: $provoked errors were provoked; waiting until all are counted and every defect is worked on" >&2
SECONDS=0
until [[ $(counted) == "$provoked" && $(open) == 0 ]]; do
    kill -0 "$service" 2>/dev/null || die "hephaestus has ended by itself"
    ((SECONDS < patience_seconds)) || die "$(counted) of $provoked errors are counted, $(open) defects are still open"
    sleep 1
done

kill -TERM "$service"
wait "$service" || die "hephaestus did not end cleanly"
service=

echo
"${hephaestus[@]}" groups list
echo
"${hephaestus[@]}" suggestions list
echo
echo "demo: all $provoked errors are counted; see one defect in full with"
echo "  $2 --config $out/hephaestus.yaml explain FINGERPRINT"
"${hephaestus[@]}" suggestions list --verdict proven --format json | grep '"id"' >/dev/null || die "no fix is proven"
