#!/usr/bin/env bash
# Runs the shop and sends it traffic, good and bad, so that it leaves real logs behind.
#
#   examples/demo/traffic.sh OUTDIR
#
# Afterwards OUTDIR holds
#   shop.log       what the shop wrote to standard output: its JSON log
#   shop.err       what it wrote to standard error: panics, as net/http and the runtime print them
#   expected.json  how often each defect was provoked, by the defect's name
#
# The shop listens on a free loopback port and is started again when it dies, as a supervisor in
# production would do. Everything this script starts has ended when it returns.
#
# SHOP_DIR      the module to build (default: examples/shop beside this directory)
# BUILD_FLAGS   flags for `go build` (default: -trimpath)
set -euo pipefail

die() {
    echo "traffic: $*" >&2
    exit 1
}

[[ $# -eq 1 ]] || die "usage: $0 OUTDIR"
mkdir -p "$1"
out=$(cd "$1" && pwd)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=port.sh
. "$here/port.sh"
shop_dir=${SHOP_DIR:-$here/../shop}
read -ra build_flags <<<"${BUILD_FLAGS--trimpath}"

command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
command -v go >/dev/null || die "no Go toolchain on the PATH: install Go 1.21 or newer"
command -v curl >/dev/null || die "curl is missing: install it"

work=$(mktemp -d)
supervisor=
cleanup() {
    if [[ -n $supervisor ]]; then
        kill -TERM "$supervisor" 2>/dev/null || true
        wait "$supervisor" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# --- the shop under a supervisor -----------------------------------------------------------------

readonly max_starts=12
readonly traffic_seconds=120

# Ends the shop that runs just now, then the supervisor itself.
retire() {
    [[ -z ${!-} ]] || kill -TERM "$!" 2>/dev/null || true
    wait || true
    exit 0
}

# Starts the shop again and again until it ends by itself without an error, or is told to stop.
supervise() {
    trap retire TERM
    trap '' INT
    for ((start = 1; start <= max_starts; start++)); do
        echo "$start" >>"$work/starts"
        "$work/shop" -addr "127.0.0.1:$port" -carrier "http://127.0.0.1:$carrier" \
            >>"$out/shop.log" 2>>"$out/shop.err" &
        if wait "$!"; then
            return
        fi
    done
}

starts() { wc -l <"$work/starts"; }

# Waits until the shop has been started at least so many times and answers.
await_shop() {
    for _ in {1..100}; do
        if [[ $(starts) -ge $1 ]] && curl -fsS --max-time 2 -o /dev/null "$base/healthz" 2>/dev/null; then
            return
        fi
        kill -0 "$supervisor" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 5 "$out/shop.err" "$out/shop.log" >&2 || true
    die "the shop did not come up (start $1); its last words are above"
}

# --- requests ------------------------------------------------------------------------------------

declare -A expected=()

# send METHOD PATH [BODY]: prints the status, 000 when the connection was closed without an answer.
send() {
    local args=(-sS --max-time 10 -o /dev/null -w '%{http_code}' -X "$1" "$base$2")
    [[ $# -lt 3 ]] || args+=(--data-binary "$3")
    curl "${args[@]}" 2>/dev/null || true
}

in_time() { ((SECONDS < traffic_seconds)) || die "the traffic took longer than $traffic_seconds seconds"; }

# ok STATUS METHOD PATH [BODY]: traffic that the shop answers as it should.
ok() {
    local want=$1 got
    shift
    in_time
    got=$(send "$@")
    [[ $got == "$want" ]] || die "$1 $2 was answered with $got instead of $want"
}

# bad DEFECT TIMES METHOD PATH [BODY]: traffic that runs into a defect.
bad() {
    local defect=$1 times=$2
    shift 2
    for ((n = 0; n < times; n++)); do
        in_time
        send "$@" >/dev/null
    done
    expected[$defect]=$((${expected[$defect]:-0} + times))
}

# fatal DEFECT METHOD PATH BODY: traffic that ends the process; it starts anew with empty stores. A
# shop that survives, because its defect has been mended, goes on as it is.
fatal() {
    local before
    before=$(starts)
    bad "$1" 1 "${@:2}"
    for _ in {1..30}; do
        if [[ $(starts) -gt $before ]]; then
            await_shop $((before + 1))
            seed
            return
        fi
        sleep 0.1
    done
    echo "traffic: the shop survived $1" >&2
}

seed() {
    ok 200 POST /import $'sku,name,price,quantity,tags\nTEA-1,Darjeeling,900,40,loose black\nTEA-2,Assam,750,25\nCUP-1,"Cup, white",1200,8\n'
    ok 201 POST /subscriptions '{"event":"order.placed","target":"https://crm.example.com/hook","template":"{customer} placed {id}"}'
    place
}

place() {
    ok 201 POST /orders '{"customer":"ada","lines":[{"sku":"TEA-1","quantity":2},{"sku":"CUP-1","quantity":1}]}'
}

browse() {
    ok 200 GET "/products?page=0&size=2"
    ok 200 GET "/products?page=1&size=2"
    ok 200 GET /products/TEA-2/price
    ok 200 GET /products/CUP-1/stock
    ok 404 GET /products/TEA-9/price
    ok 200 POST /quote '{"sku":"TEA-1","quantity":3,"voucher":"PCT-10"}'
    ok 200 GET /orders/ord-0001/summary
    ok 200 GET "/orders/ord-0001/installments?months=6"
    ok 200 PUT /orders/ord-0001/delivery '{"day":"07/07/2026"}'
    ok 200 POST /webhooks/payment '{"type":"captured","data":{"order":"ord-0001","amount":500}}'
    ok 409 POST /stock/hold '{"sku":"TEA-1","quantity":4000}'
    ok 202 POST /jobs '{"kind":"receipt","payload":{"order":"ord-0001","email":"ada@example.com"}}'
    ok 202 POST /jobs '{"kind":"rebalance","payload":{"units":17,"bins":"A1 A2 B1"}}'
}

traffic() {
    seed
    browse
    bad voucher 5 POST /quote '{"sku":"TEA-1","quantity":3,"voucher":"TEA"}'
    bad stock-hold 7 POST /stock/hold '{"sku":"TEA-1","quantity":4}'
    bad order-summary 3 GET /orders/ord-0815/summary
    browse
    bad carrier 4 GET "/rates?to=10115"
    bad product-path 6 GET /products/TEA-1
    bad daily-report 2 GET "/reports/daily?day=2026-05-04"
    fatal receipt-job POST /jobs '{"kind":"receipt","payload":{"order":"ord-0001"}}'
    browse
    bad import-row 4 POST /import $'sku,name,price,quantity\nTEA-3,Sencha\n'
    bad installments 3 GET "/orders/ord-0001/installments?months=0"
    bad payment-event 5 POST /webhooks/payment '{"type":"captured","data":{"order":"ord-0001","amount":"12.50"}}'
    bad delivery-day 6 PUT /orders/ord-0001/delivery '{"day":"24/11/2026"}'
    fatal rebalance-job POST /jobs '{"kind":"rebalance","payload":{"units":12,"bins":""}}'
    browse
    bad subscription 2 POST /subscriptions '{"event":"order.placed","target":"https://[fe80::1","template":"order {id}"}'
    bad product-list 5 GET "/products?page=9&size=20"
    bad voucher 3 POST /quote '{"sku":"CUP-1","quantity":1,"voucher":"TEA"}'
    fatal receipt-job POST /jobs '{"kind":"receipt","payload":{"order":"ord-0007","mail":"ada@example.com"}}'
    ok 201 POST /subscriptions '{"event":"order.placed","target":"https://erp.example.com/in","template":"new order {id"}'
    bad template 3 POST /orders '{"customer":"bob","lines":[{"sku":"TEA-2","quantity":1}]}'
    browse
}

# --- main ----------------------------------------------------------------------------------------

echo "traffic: building the shop" >&2
(cd "$shop_dir" && GOFLAGS=-mod=mod GOTOOLCHAIN=local GOPROXY=off CGO_ENABLED=0 \
    timeout 300 go build "${build_flags[@]}" -o "$work/shop" ./cmd/shop) || die "the shop does not build"

: >"$out/shop.log"
: >"$out/shop.err"
: >"$work/starts"
port=$(free_port)
carrier=$(free_port)
while [[ $carrier == "$port" ]]; do carrier=$(free_port); done
base=http://127.0.0.1:$port

supervise &
supervisor=$!
await_shop 1
echo "traffic: the shop answers on $base; sending requests" >&2
SECONDS=0
traffic
kill -TERM "$supervisor"
wait "$supervisor" || true
supervisor=

{
    echo '{'
    separator=
    for defect in $(printf '%s\n' "${!expected[@]}" | sort); do
        printf '%s  "%s": %d' "$separator" "$defect" "${expected[$defect]}"
        separator=$',\n'
    done
    printf '\n}\n'
} >"$out/expected.json"
echo "traffic: $(wc -l <"$out/shop.log") lines in $out/shop.log, $(wc -l <"$out/shop.err") in $out/shop.err" >&2
