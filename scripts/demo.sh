#!/usr/bin/env bash
# A server and two people in one terminal: alice writes, bob is away, then listens; every state a
# message reaches is printed, and a missing one fails the script.
# Usage: scripts/demo.sh DIR   (DIR holds the built martletd and martlet)
set -euo pipefail

bin=${1:?usage: scripts/demo.sh DIR}
work=$(mktemp -d "${TMPDIR:-/tmp}/martlet-demo.XXXXXX")
pids=()

# Ends exactly what this script started, whatever happened.
cleanup() {
    status=$?
    trap - EXIT
    for pid in ${pids[@]+"${pids[@]}"}; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    if [ "$status" -ne 0 ]; then
        printf '\nThe demo failed. The server said:\n' >&2
        tail -n 20 "$work/server.log" >&2 || true
    fi
    rm -rf "$work"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }
alice() { "$bin/martlet" --home "$work/alice" "$@"; }
bob() { "$bin/martlet" --home "$work/bob" "$@"; }

# Fails unless the JSON lines in file $1 contain state $2.
expect_state() {
    grep -qi "\"state\":\"$2\"" "$1" || fail "no $2 in: $(cat "$1")"
}

step "A server on a free port, its data in $work/data"
"$bin/martletd" serve --dev --listen 127.0.0.1:0 -d "$work/data" >"$work/server.log" 2>&1 &
server=$!
pids+=("$server")
address=
for _ in $(seq 1 300); do
    address=$(grep -oE '127\.0\.0\.1:[1-9][0-9]*' "$work/server.log" | head -n 1 || true)
    [ -n "$address" ] && break
    kill -0 "$server" 2>/dev/null || fail "the server ended before it was ready"
    sleep 0.1
done
[ -n "$address" ] || fail "the server did not get ready within 30 s"
echo "ready at $address"

step "Two people register"
alice register --server "$address" --name alice
bob register --server "$address" --name bob

step "alice writes while bob is away: the server keeps it, SENT means durable"
alice send bob "Are you there?" --wait sent --json | tee "$work/first"
expect_state "$work/first" sent

step "bob comes online: the message waits for him, once"
bob listen --json --count 1 --timeout 20s | tee "$work/bob.first"
grep -q 'Are you there?' "$work/bob.first" || fail "the message did not arrive"

step "alice's receipts were made while she was offline; they wait for her too"
alice listen --json --count 0 --timeout 5s | tee "$work/alice.receipts"
expect_state "$work/alice.receipts" read

step "Both online: one message, every state"
bob listen --json --count 1 --timeout 30s >"$work/bob.second" &
listener=$!
pids+=("$listener")
alice send bob "And now, live." --wait read --json | tee "$work/second"
for state in sent delivered read; do
    expect_state "$work/second" "$state"
done
wait "$listener" || fail "bob's listener failed"
cat "$work/bob.second"
grep -q 'And now, live.' "$work/bob.second" || fail "the live message did not arrive"

step "The server is killed with SIGKILL and started again: nothing is lost"
kill -9 "$server"
wait "$server" 2>/dev/null || true
"$bin/martletd" serve --dev --listen "$address" -d "$work/data" >"$work/server.log" 2>&1 &
pids+=("$!")
alice send bob "Still here?" --wait sent --json | tee "$work/third"
expect_state "$work/third" sent
bob listen --json --count 1 --timeout 20s | tee "$work/bob.third"
grep -q 'Still here?' "$work/bob.third" || fail "the message after the crash did not arrive"

step "SENT, DELIVERED and READ were all seen."
