#!/bin/sh
# How many instructions an echo takes, counted by valgrind, beside the numbers on
# record. Fails when one has risen by more than a tenth. Counts do not depend on
# what else the machine does; they depend on the compiler, so new numbers go into
# the record together with what changed them.
#
#     cargo build --release && benches/instructions.sh
set -eu

node=${1:-${CARGO_TARGET_DIR:-target}/release/eddyline}

# Name, payload bytes, messages, instructions on record (rustc 1.95, x86-64).
record() {
    echo "short 23 20000 3078"
    echo "1KiB 1024 5000 4584"
}

scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT

# The instructions of a whole run that answers $2 echoes of $1 bytes.
count() {
    {
        echo '{"id":0,"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1"]}}'
        payload=$(printf '%*s' "$1" '' | tr ' ' x)
        line='{"id":42,"src":"c1","dest":"n1","body":{"type":"echo","msg_id":1234,"echo":"'$payload'"}}'
        yes "$line" | head -n "$2"
    } >"$scratch/input"
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$node" \
        <"$scratch/input" 2>"$scratch/report" >/dev/null
    sed -n 's/.*Collected : //p' "$scratch/report"
}

failed=0
record >"$scratch/record"
while read -r name bytes messages recorded; do
    idle=$(count "$bytes" 0)
    all=$(count "$bytes" "$messages")
    each=$(((all - idle) / messages))
    echo "$name: $each instructions an echo, $recorded on record"
    if [ "$each" -gt $((recorded * 11 / 10)) ]; then
        echo "$name: more than a tenth above the record" >&2
        failed=1
    fi
done <"$scratch/record"
exit $failed
