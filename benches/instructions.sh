#!/usr/bin/env bash
# Counts the instructions of an echo, of a proxied call and of a round trip over
# TCP with valgrind, and compares each with the number on record. Fails when a
# count is above its record by more than the tolerance.
#
#     cargo build --release && benches/instructions.sh [PATH_TO_BINARY [OTHER_NODE...]]
#
# With other nodes, counts only the echoes of all of them, and compares the first one
# with each: docs/PERFORMANCE.md has the table.
#
# Counts do not depend on the load of the machine, so the numbers are exact. They
# depend on the compiler and the processor's architecture: for a binary of other
# ones than the record's, the counts are printed and not compared. Needs bash,
# valgrind and the usual commands of a Linux system.
set -euo pipefail

node=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/eddyline}")
others=()
for other in "${@:2}"; do
    others+=("$(realpath "$other")")
done

# In hundredths of a percent. A function that moves to another file changes what
# the compiler inlines, which has changed counts by a few instructions. A larger
# rise is a change of the code: it is mended, or it changes the record in a commit
# that gives the reason.
tolerance=50

# Instructions on record, and what they were counted with.
recorded_with='rustc version 1.95 x86_64'
echo_short=3078
echo_1kib=4584
proxied_call=9214
tcp_round_trip=725

command -v valgrind >/dev/null || {
    echo "instructions.sh: valgrind is not installed; install it, for example with apt-get install valgrind" >&2
    exit 2
}
[ -x "$node" ] || {
    echo "instructions.sh: $node is no program; build it with cargo build --release" >&2
    exit 2
}

built_with="$(grep -a -o -m 1 'rustc version [0-9]*\.[0-9]*' "$node" | head -n 1 || true) $(uname -m)"

scratch=$(mktemp -d)
started=
finish() {
    [ -z "$started" ] || kill "$started" 2>/dev/null || true
    rm -r "$scratch"
}
trap finish EXIT
cd "$scratch"

init='{"id":0,"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1","n2"]}}'

# `start IN OUT`: runs the node under valgrind until its input ends. Calls never
# end by their deadline: under valgrind everything takes fifty times as long.
start() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        "$node" --rpc-timeout-ms 600000 <"$1" >"$2" 2>report &
    started=$!
}

# Waits for the node's end; `counted` is then the instructions of its whole run.
end() {
    wait "$started" || { echo "instructions.sh: the node failed:" >&2; cat report >&2; exit 1; }
    started=
    counted=$(sed -n 's/.*Collected : //p' report)
}

# `echoes PAYLOAD_BYTES MESSAGES`: from a file, as one flood.
echoes() {
    flood '"type":"echo","msg_id":1234,"echo":"PAYLOAD"' "$@"
}

# The same, with the keys in the order in which Maelstrom sends them.
maelstroms_echoes() {
    flood '"echo":"PAYLOAD","type":"echo","msg_id":1234' "$@"
}

# `flood BODY PAYLOAD_BYTES MESSAGES`
flood() {
    local payload body
    payload=$(printf '%*s' "$2" '' | tr ' ' x)
    body=${1/PAYLOAD/$payload}
    shift
    {
        echo "$init"
        yes '{"id":42,"src":"c1","dest":"n1","body":{'"$body"'}}' |
            head -n "$2" || true # `yes` ends by SIGPIPE
    } >input
    start input output
    end
    [ "$(grep -c '"echo_ok"' output)" = "$2" ] || unanswered echo
}

# Starts the node with pipes: descriptor 3 writes its input, 4 reads its output.
start_with_pipes() {
    rm -f in out
    mkfifo in out
    start in out
    exec 3>in 4<out
    echo "$init" >&3
    read -r -t 60 _ <&4 || unanswered init
}

end_with_pipes() {
    exec 3>&-
    end
    exec 4<&-
}

# `calls GROUPS`: groups of 100 requests for a proxied call. Each group goes in
# with one write, and so do the replies of the other node, which need the
# message numbers of the calls.
calls() {
    local group
    start_with_pipes
    yes '{"id":42,"src":"c1","dest":"n1","body":{"type":"proxy","msg_id":1234,"target":"n2","inner":{"type":"echo","echo":"xxxxxxxxxxxxxxxxxxxxxxx"}}}' |
        head -n 100 >requests || true # `yes` ends by SIGPIPE
    for ((group = 0; group < $1; group++)); do
        cat requests >&3
        timeout 60 head -n 100 <&4 >asked || unanswered proxy
        sed 's/.*"msg_id":\([0-9]*\).*/{"src":"n2","dest":"n1","body":{"type":"echo_ok","in_reply_to":\1,"msg_id":7,"echo":"xxxxxxxxxxxxxxxxxxxxxxx"}}/' \
            asked >replies
        cat replies >&3
        timeout 60 head -n 100 <&4 >answers || unanswered proxy
        [ "$(grep -c '"proxy_ok"' answers)" = 100 ] || unanswered proxy
    done
    end_with_pipes
}

# `round_trips COUNT`: 64 bytes to the node's TCP server and back, one connection.
round_trips() {
    local reply port payload echoed trip
    start_with_pipes
    echo '{"src":"c1","dest":"n1","body":{"type":"tcp_echo_start","msg_id":2,"port":0}}' >&3
    read -r -t 60 reply <&4 || unanswered tcp_echo_start
    port=${reply##*\"port\":}
    exec 5<>"/dev/tcp/127.0.0.1/${port%%\}*}"
    payload=$(printf '%*s' 64 '' | tr ' ' x)
    for ((trip = 0; trip < $1; trip++)); do
        printf %s "$payload" >&5
        read -r -t 60 -N 64 echoed <&5 || unanswered "a TCP client"
        [ "$echoed" = "$payload" ] || unanswered "a TCP client"
    done
    exec 5>&-
    end_with_pipes
}

unanswered() {
    echo "instructions.sh: the node did not answer $1 as it should" >&2
    exit 1
}

# `count EACH FEW MANY COMMAND [ARG…]`: runs COMMAND with the counts FEW and MANY.
# The difference is MANY less FEW repetitions of EACH operations: starting, ending
# and the first growth of memory are in both runs.
count() {
    local each=$1 few=$2 many=$3 least
    shift 3
    "$@" "$few"
    least=$counted
    "$@" "$many"
    count=$(((counted - least) / ((many - few) * each)))
}

above() { ((count * 10000 > $1 * (10000 + tolerance))) && [ "$built_with" = "$recorded_with" ]; }

# `check NAME RECORD EACH FEW MANY COMMAND [ARG…]`: compares a count with its record.
# A node that is stopped by a busy machine for a quarter of a second takes that for
# a handler that holds the loop, and times each poll for a minute (see
# src/session/stopwatch.rs). So a count above its record is taken again, twice at
# most. A change of the code is above it each time.
failed=0
check() {
    local name=$1 record=$2 again
    shift 2
    count "$@"
    for again in 1 2; do
        above "$record" || break
        echo "$name: $count instructions; again, in case that the machine was busy"
        count "$@"
    done
    echo "$name: $count instructions, $record on record"
    if above "$record"; then
        echo "$name: above the record by more than the tolerance" >&2
        failed=1
    fi
}

# `beside NAME EACH FEW MANY COMMAND [ARG…]`: counts it for the node and for each other.
beside() {
    local name=$1 own
    shift
    count "$@"
    own=$count
    echo "$name: $own instructions of $(basename "$node")"
    for node in "${others[@]}"; do
        count "$@"
        echo "$name: $count instructions of $(basename "$node"), ratio $(printf %d.%03d $((own / count)) $((own * 1000 / count % 1000)))"
    done
    node=$first
}

if ((${#others[@]} > 0)); then
    first=$node
    beside "echo, short" 1 0 20000 echoes 23
    beside "echo, 1 KiB" 1 0 5000 echoes 1024
    beside "Maelstrom's echo, short" 1 0 20000 maelstroms_echoes 23
    beside "Maelstrom's echo, 1 KiB" 1 0 5000 maelstroms_echoes 1024
    exit 0
fi

check "echo, short" $echo_short 1 0 20000 echoes 23
check "echo, 1 KiB" $echo_1kib 1 0 5000 echoes 1024
check "proxied call" $proxied_call 100 10 30 calls
check "TCP round trip" $tcp_round_trip 1 100 2100 round_trips
[ "$built_with" = "$recorded_with" ] ||
    echo "not compared: built with '$built_with', on record with '$recorded_with'"
exit $failed
