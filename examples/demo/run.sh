#!/usr/bin/env bash
# The demo: a shop runs into its own defects while Hephaestus watches its logs and mends it.
#
#   examples/demo/run.sh OUTDIR HEPHAESTUS [BROKER]
#
# OUTDIR receives the logs, the configurations and the state; HEPHAESTUS is the binary. One process does everything;
# with a Kafka BROKER, `host:port`, an agent reads and a fixer works, each a process of its own. Suggestions are
# printed as they come; nothing in the shop's source is changed. It ends when every error that was provoked is counted
# and every defect was worked on. The exit status is 0 when that came true, at least one fix is proven and every
# process ended cleanly; otherwise 1.
set -euo pipefail

die() {
    echo "demo: $*" >&2
    exit 1
}

[[ $# -eq 2 || $# -eq 3 ]] || {
    echo "usage: $0 OUTDIR HEPHAESTUS [BROKER]" >&2
    exit 2
}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
command -v "$2" >/dev/null || die "$2 is not an executable; build it first: cargo build"
mkdir -p "$1"
out=$(cd "$1" && pwd)
broker=${3:-}

readonly patience_seconds=900

rm -rf "$out/state" "$out/state-agent" "$out/expected.json"
: >"$out/shop.log"
: >"$out/shop.err"

# configure NAME STATE: writes the configuration of a process.
configure() {
    cat >"$out/$1.yaml" <<END
service_name: shop
state_dir: '$out/$2'
server: {listen: '127.0.0.1:0'}
END
    [[ -z $broker ]] || echo "bus: {kind: kafka, kafka: {brokers: ['$broker']}}" >>"$out/$1.yaml"
}
configure hephaestus state
# The one that remembers: it is asked how far everything has come.
hephaestus=("$2" --config "$out/hephaestus.yaml")

processes=()
cleanup() {
    ((${#processes[@]})) || return 0
    kill -TERM "${processes[@]}" 2>/dev/null || true
    wait "${processes[@]}" 2>/dev/null || true
}
trap cleanup EXIT
trap 'exit 130' INT TERM

if [[ -z $broker ]]; then
    "${hephaestus[@]}" run --repo "$here/../shop" "$out/shop.err" "$out/shop.log" &
    processes+=($!)
else
    configure agent state-agent
    "${hephaestus[@]}" topics create >&2
    "${hephaestus[@]}" fixer --repo "$here/../shop" &
    processes+=($!)
    "$2" --config "$out/agent.yaml" agent "$out/shop.err" "$out/shop.log" &
    processes+=($!)
fi

"$here/traffic.sh" "$out"

# How many errors are counted so far, and how many defects are not worked on yet.
counted() { "${hephaestus[@]}" -q groups list --format json | grep -oE '"count": ?[0-9]+' | grep -oE '[0-9]+' | sum; }
open() { for status in new working; do "${hephaestus[@]}" -q groups list --status "$status" --format json; done | grep -c '"fingerprint"' || true; }
sum() { awk '{ total += $1 } END { print total + 0 }'; }

provoked=$(grep -oE '[0-9]+,?$' "$out/expected.json" | tr -d , | sum)
echo "demo: $provoked errors were provoked; waiting until all are counted and every defect is worked on" >&2
SECONDS=0
until [[ $(counted) == "$provoked" && $(open) == 0 ]]; do
    for process in "${processes[@]}"; do
        kill -0 "$process" 2>/dev/null || die "a hephaestus has ended by itself"
    done
    ((SECONDS < patience_seconds)) || die "$(counted) of $provoked errors are counted, $(open) defects are still open"
    sleep 1
done

kill -TERM "${processes[@]}"
for process in "${processes[@]}"; do
    wait "$process" || die "a hephaestus did not end cleanly"
done
processes=()

echo
"${hephaestus[@]}" groups list
echo
"${hephaestus[@]}" suggestions list
echo
if [[ -n $broker ]]; then
    "${hephaestus[@]}" topics check
    "${hephaestus[@]}" dlq list
    echo
fi
echo "demo: all $provoked errors are counted; see one defect in full with"
echo "  $2 --config $out/hephaestus.yaml explain FINGERPRINT"
"${hephaestus[@]}" suggestions list --verdict proven --format json | grep '"id"' >/dev/null || die "no fix is proven"
