#!/usr/bin/env bash
# A server and two people in one terminal. They chat, every state that a message reaches is printed,
# what the server has of a message is shown beside what people read, and the server is killed with
# SIGKILL in between: what must be there at the end is checked.
# Usage: scripts/demo.sh DIR   (DIR holds the built martletd and martlet)
set -euo pipefail

bin=${1:?usage: scripts/demo.sh DIR}
work=$(mktemp -d "${TMPDIR:-/tmp}/martlet-demo.XXXXXX")
server=
address=127.0.0.1:0
chats=()

# Colours are for terminals only.
if [ -t 1 ]; then
    bold=$'\033[1m' faint=$'\033[2m' plain=$'\033[0m'
    declare -A colour=([alice]=$'\033[32m' [bob]=$'\033[33m' [server]=$'\033[31m')
else
    bold='' faint='' plain=''
    declare -A colour=([alice]='' [bob]='' [server]='')
fi

# Ends exactly what this script started, whatever happened.
cleanup() {
    status=$?
    trap - EXIT
    for pid in ${chats[@]+"${chats[@]}"} $server; do
        kill "$pid" 2>/dev/null || true
        { wait "$pid" || true; } 2>/dev/null
    done
    if [ "$status" -ne 0 ]; then
        printf '\nThe demo failed. The server said:\n' >&2
        tail -n 20 "$work/server.log" >&2 || true
    fi
    rm -rf "$work"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
note() { printf '%s%-6s │%s %s\n' "${colour[$1]}" "$1" "$plain" "$2"; }
fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }

# Prints each line of standard input behind the name of who it belongs to.
label() {
    local line
    while IFS= read -r line; do note "$1" "$line"; done
}

# person NAME ARGUMENT...: one command of a person, shown and run.
person() {
    local name=$1
    shift
    note "$name" "${faint}\$ martlet $*${plain}"
    "$bin/martlet" --home "$work/$name" "$@" 2>&1 | tee -a "$work/$name.log" | label "$name"
}

# Starts the server, the second time at the address that the people know.
serve() {
    : >"$work/server.log"
    "$bin/martletd" serve --dev --listen "$address" -d "$work/data" >"$work/server.log" 2>&1 &
    server=$!
    local found=
    for _ in $(seq 1 300); do
        found=$(grep -oE '127\.0\.0\.1:[1-9][0-9]*' "$work/server.log" | head -n 1 || true)
        [ -n "$found" ] && break
        kill -0 "$server" 2>/dev/null || fail "the server ended before it was ready"
        sleep 0.1
    done
    [ -n "$found" ] || fail "the server did not get ready within 30 s"
    address=$found
    note server "ready at $address"
}

crash() {
    kill -9 "$server"
    { wait "$server" || true; } 2>/dev/null
    server=
    note server "killed with SIGKILL"
}

# chat NAME PEER: NAME opens a chat that `say NAME` writes to, until `leave NAME`.
declare -A pen
chat() {
    mkfifo "$work/$1.in"
    note "$1" "${faint}\$ martlet chat $2${plain}"
    "$bin/martlet" --home "$work/$1" chat "$2" <"$work/$1.in" \
        > >(tee -a "$work/$1.log" | label "$1") 2>&1 &
    chats+=("$!")
    local descriptor
    exec {descriptor}>"$work/$1.in"
    pen[$1]=$descriptor
}
say() {
    note "$1" "${bold}> $2${plain}"
    printf '%s\n' "$2" >&"${pen[$1]}"
}
# Closing the pen would not do: processes started since then have inherited it.
leave() { say "$1" /quit; }

# see NAME TEXT: TEXT must come up in what NAME was shown.
see() {
    for _ in $(seq 1 300); do
        if grep -qF -- "$2" "$work/$1.log"; then return; fi
        sleep 0.1
    done
    fail "$1 did not see within 30 s: $2"
}

# Whether TEXT stands anywhere in what the server stores.
stored() { grep -rqaF -- "$1" "$work/data"; }

# dump ID: the bytes around a message's id in the server's files, as the server has them.
dump() {
    local bytes place
    bytes=$(tr -d - <<<"$1" | sed 's/../\\x&/g')
    place=$(LC_ALL=C grep -robUaP -- "$bytes" "$work/data/rows" | head -n 1 || true)
    [ -n "$place" ] || fail "the server has nothing of message $1"
    local file=${place%%:*} offset
    offset=${place#*:}
    od -A n -t x1z -j "${offset%%:*}" -N 192 "$file" | label server
}

# number NAME PEER: the digits that NAME sees.
number() { "$bin/martlet" --home "$work/$1" safety-number "$2" | head -n 3; }

step "A server for development, on a free port"
serve

step "Two people register"
person alice register --server "$address" --name alice
person bob register --server "$address" --name bob

step "Both see the same safety number: there is nobody between them"
person alice safety-number bob
person bob safety-number alice
[ "$(number alice bob)" = "$(number bob alice)" ] || fail "the safety numbers differ"
person alice verify bob --number "$(number bob alice | tr '\n' ' ')"

step "alice writes while bob is away. Sent means: durable, whatever happens to the server now"
person alice send bob "Are you there?"

step "What the server has of it: who, to whom, when, and bytes that only bob's device can open"
dump "$(sed -n 's/ sent$//p' "$work/alice.log")"
stored alice || fail "the server does not know who alice is, so this search finds nothing"
if stored "Are you there?"; then fail "the server can read the message"; fi
note server "\"Are you there?\" stands nowhere in its files"
crash
serve

step "bob comes online: the message has waited for him"
person bob listen --count 1 --timeout 30s
see bob "Are you there?"

step "alice was offline when bob read it: the receipts have waited for her. Now both are online"
chat alice bob
see alice "read by bob"
chat bob alice
say alice "And now, live."
see bob "alice: And now, live."
see alice "[read] And now, live."
say bob "Hello alice!"
see alice "bob: Hello alice!"
see bob "[read] Hello alice!"

step "The server dies in the middle of the conversation. They go on writing, and it comes back"
crash
say alice "Did you notice anything?"
say bob "No, why?"
sleep 1
serve
see alice "[read] Did you notice anything?"
see bob "[read] No, why?"

step "Once more, while messages are on their way"
for number in $(seq 1 5); do say alice "Message $number of 10"; done
crash
for number in $(seq 6 10); do say alice "Message $number of 10"; done
serve
see alice "[read] Message 10 of 10"
leave alice
leave bob
for pid in "${chats[@]}"; do wait "$pid" || fail "a chat ended with status $?"; done
chats=()

step "What bob has at the end"
person bob history alice
"$bin/martlet" --home "$work/bob" history alice --json |
    sed -n 's/.*"from":"alice".*"text":"\([^"]*\)".*/\1/p' >"$work/have"
{
    printf '%s\n' "Are you there?" "And now, live." "Did you notice anything?"
    for number in $(seq 1 10); do printf 'Message %s of 10\n' "$number"; done
} >"$work/want"
diff "$work/want" "$work/have" || fail "bob does not have every message once and in order"

step "Every message once, in order, through three crashes."
