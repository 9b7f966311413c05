# The daily commands, for `just` (https://just.systems). `just` alone lists them.
# Nothing here is needed: each recipe is one command, and the checks are those of
# .ci/run, which runs without `just`.

_list:
    @just --list --unsorted

# All checks, as before a change lands
ci:
    .ci/run

# The quick checks: formatting, lints, documentation
check:
    .ci/run format lint docs docs-inside

# The tests; arguments as of `cargo test`
test *ARGS:
    cargo test --locked {{ARGS}}

# One seed of the simulated and the injected runs again: `just seed 7 TEST`
seed SEED *ARGS:
    EDDYLINE_SEED={{SEED}} cargo test --locked {{ARGS}}

# The README's first two commands: a test of the node, and its conversation
conversation:
    .ci/run conversation

# The criterion benches; a name selects: `just bench session`
bench *NAMES:
    cargo bench --locked {{ if NAMES == "" { "" } else { "--bench " + replace(NAMES, " ", " --bench ") } }}

# The instructions of the hot paths, compared with the record
instructions:
    .ci/run instructions

# This node beside others: tables and a plot
side-by-side ROUNDS="11":
    benches/side-by-side.sh {{ROUNDS}}

# A soak of the release build, at a share of the machine
soak SECONDS="3600" PERCENT="50":
    .ci/soak {{SECONDS}} {{PERCENT}}

# Fuzz one target (conversation, framing, envelope, wheel, connection)
fuzz TARGET SECONDS="1200":
    mkdir -p fuzz/found/{{TARGET}}
    cargo +nightly fuzz run {{TARGET}} fuzz/found/{{TARGET}} fuzz/corpus/{{TARGET}} -- -dict=fuzz/dictionaries/message.dict -max_total_time={{SECONDS}}

# The library's documentation
docs:
    .ci/run docs

# The documentation of the inside, in a folder of its own
docs-inside:
    .ci/run docs-inside

# The checks of the microscope and of the book
teach:
    .ci/run microscope book browser
