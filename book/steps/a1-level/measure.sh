#!/usr/bin/env bash
# The system calls and instructions of chapter 7's loop (edge-triggered) and of this
# one (level-triggered), in two conversations:
#
#     book/steps/a1-level/measure.sh
#
# Needs strace and valgrind. A cost of an echo is the difference of two runs, of 1,000
# and of 2,000 echoes, divided by 1,000. So the start of the program drops out.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --quiet --release --package connection --package level
programs=${CARGO_TARGET_DIR:-target}/release
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
line=$(printf 'x%.0s' {1..99})

# One client sends lines, each after the answer to the one before.
alone() {
  exec {client}<>"/dev/tcp/127.0.0.1/$1"
  for ((i = 0; i < $2; i++)); do
    echo "$line" >&$client
    read -r _ <&$client
  done
  exec {client}>&-
}

# A client sends lines of 100 bytes and reads nothing for half a second.
slow() {
  exec {client}<>"/dev/tcp/127.0.0.1/$1"
  yes "$line" | head -n "$2" >&$client &
  sleep 0.5
  head -c $(($2 * 100)) <&$client >/dev/null
  wait $!
  exec {client}>&-
}

# Runs a server under a tool until its clients of a conversation have gone.
run() { # conversation count program tool…
  local conversation=$1 count=$2 program=$3
  shift 3
  mkfifo "$folder/address"
  "$@" "$programs/$program" once >"$folder/address" 2>"$folder/stderr" &
  local server=$! address
  read -r address <"$folder/address"
  rm "$folder/address"
  "$conversation" "${address##*:}" "$count"
  wait $server
}

# The calls of a run: "name count", one a line.
calls() { # conversation count program
  run "$@" strace -f -c -U name,calls -o "$folder/calls"
  awk 'NR > 2 && NF == 2 && $1 ~ /^[a-z]/ && $1 != "total" { print $1, $2 }' "$folder/calls" | sort
}

# The instructions of a run, and those of them that fill memory with zeros.
instructions() { # conversation count program
  run "$@" valgrind --tool=callgrind --callgrind-out-file="$folder/callgrind"
  callgrind_annotate --show-percs=no "$folder/callgrind" | tr -d , |
    awk '/PROGRAM TOTALS/ { all = $1 } /memset/ && !zeros { zeros = $1 } END { print all, zeros + 0 }'
}

for program in connection level; do
  calls alone 1000 $program >"$folder/less"
  calls alone 2000 $program >"$folder/more"
  read -r less less_zeros <<<"$(instructions alone 1000 $program)"
  read -r more more_zeros <<<"$(instructions alone 2000 $program)"
  printf '%-11s an echo: %d instructions, %d of them zero the chunks;' $program \
    $(((more - less) / 1000)) $(((more_zeros - less_zeros) / 1000))
  join "$folder/less" "$folder/more" | awk '$3 != $2 { printf " %s %.2f", $1, ($3 - $2) / 1000 }'
  printf '\n%-11s 200,000 lines, read late:' ''
  calls slow 200000 $program | awk '$1 ~ /epoll_(p?wait|ctl)|^(read|write)$/ { printf " %s %d", $1, $2 }'
  echo
done
