#!/bin/sh
# This node beside others, measured in turn in one run: echo over pipes, echo
# over TCP, timers, echoes beside much else, long lines, echoes by NATS.
# Prints the tables of docs/PERFORMANCE.md, and draws the plot
# into target/. The first run builds for some minutes. Its only argument is the
# number of rounds.
set -eu
cd "$(dirname "$0")/.."

rounds=${1:-11}
unset CARGO_TARGET_DIR
cargo build --release --locked
cargo build --release --locked --manifest-path benches/peers/Cargo.toml --features async-nats
node=$PWD/target/release/eddyline
plot=$PWD/target/cpu-per-echo.svg
cd benches/peers/target/release

./measure --rounds "$rounds" --svg "$plot" bare-loop=./bare_loop eddyline="$node" \
    maelstrom-common=./maelstrom_common nebkor-maelstrom=./nebkor_maelstrom maelstrom-node=./maelstrom_node
# The leanest loop, which also writes its reply by hand.
./measure --rounds "$rounds" lean-loop=./lean_loop bare-loop=./bare_loop eddyline="$node"
./measure_tcp --rounds "$rounds" epoll=./tcp_epoll eddyline="$node" mio=./tcp_mio tokio=./tcp_tokio
./measure_timers --rounds "$rounds"
./measure_flat --rounds "$rounds" "$node"
./measure_long_lines --rounds "$rounds" eddyline="$node" bare-loop=./bare_loop
# Echoes through a nats-server, if it is there.
if [ -x /usr/sbin/nats-server ]; then
    ./measure_nats --rounds "$rounds" eddyline="$node" async-nats=./nats_async
fi
