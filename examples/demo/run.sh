#!/usr/bin/env bash
# The demo: real traffic runs into the shop's defects, then Hephaestus fixes them from the logs.
#
#   examples/demo/run.sh OUTDIR HEPHAESTUS [ARGUMENT…]
#
# OUTDIR receives the logs; HEPHAESTUS is the binary; further arguments go to `hephaestus fix`. The
# exit status is that of `hephaestus fix`. Nothing in the shop's source is changed unless `--apply` is
# among the arguments.
set -euo pipefail

if [[ $# -lt 2 ]]; then
    echo "usage: $0 OUTDIR HEPHAESTUS [ARGUMENT…]" >&2
    exit 2
fi
out=$1
hephaestus=$2
shift 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
command -v "$hephaestus" >/dev/null || {
    echo "demo: $hephaestus is not an executable; build it first: cargo build" >&2
    exit 2
}

"$here/traffic.sh" "$out"
echo "demo: looking for the defects behind the logs" >&2
exec timeout --foreground 600 "$hephaestus" fix --repo "$here/../shop" --log "$out/shop.err" --log "$out/shop.log" "$@"
