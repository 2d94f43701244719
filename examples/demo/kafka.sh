#!/usr/bin/env bash
# The demo over a Kafka broker of its own, which it starts and stops: an agent reads, a fixer works.
#
#   examples/demo/kafka.sh OUTDIR HEPHAESTUS
#
# OUTDIR also receives the broker's data and its log. What it prints and how it exits is as run.sh has it.
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
# shellcheck source=port.sh
. "$here/port.sh"
mkdir -p "$1"
out=$(cd "$1" && pwd)

readonly patience_seconds=180

# Ports are drawn one by one until they differ: of everybody, with a password, encrypted, of the quorum.
ports=()
while ((${#ports[@]} < 4)); do
    port=$(free_port)
    [[ " ${ports[*]} " == *" $port "* ]] || ports+=("$port")
done
readonly address="127.0.0.1:${ports[0]}"

# Counts are those of this demo alone.
rm -rf "$out/kafka"
mkdir "$out/kafka"
broker='' demo=''
cleanup() {
    for process in $demo $broker; do
        kill -TERM "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
}
trap cleanup EXIT
trap 'exit 130' INT TERM

echo "demo: starting a Kafka broker on $address; its log is $out/kafka/log" >&2
"$here/../../tests/kafka/broker.sh" "$out/kafka" "${ports[@]}" >"$out/kafka/log" 2>&1 &
broker=$!
SECONDS=0
until (exec 3<>"/dev/tcp/127.0.0.1/${ports[0]}") 2>/dev/null; do
    kill -0 "$broker" 2>/dev/null || die "the broker has ended by itself: see $out/kafka/log"
    ((SECONDS < patience_seconds)) || die "the broker does not answer: see $out/kafka/log"
    sleep 0.2
done

# In the background, so that a signal is heard at once.
"$here/run.sh" "$out" "$2" "$address" &
demo=$!
status=0
wait "$demo" || status=$?
demo=''
exit "$status"
