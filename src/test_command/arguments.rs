//! The command line of `eddyline test`: its options and their values, and the plan of a run.

use crate::values::{
    availability, count, names_in, number, one_of, option, probability, program, program_path,
    rate, seconds, system_program, text,
};
use eddyline::harness::{Attack, Concurrency, MODELS, NODES_MAX, Plan, TOPOLOGIES, WORKLOADS};
use eddyline::workload::faults::Latency;
use lexopt::prelude::{Long, Short, Value};
use std::path::PathBuf;

pub(super) const HELP: &str = "\
Tests a node of any language: starts its program as often as there are nodes, sends
requests, breaks the network and the processes, and checks the answers. It takes the
command lines of `maelstrom test`.

Usage: eddyline test [OPTIONS] [-- ARGUMENTS OF THE NODE]

The test:
  --bin FILE                 Program of the nodes. [default: this program itself]
  -w, --workload NAME        broadcast, echo, g-counter, g-set, kafka, lin-kv,
                             pn-counter, txn-list-append, txn-rw-register or
                             unique-ids. [default: lin-kv]
  --node-count N             Nodes n0 to nN-1, in place of names.
  -n, --node NAME            A node, by name; again for each. [default: n1 to n5]
  --nodes NAME,NAME,...      Nodes, by name.
  --nodes-file FILE          A file with the name of a node in each line.
  --time-limit S             Seconds of load. [default: 60]
  --test-count N             Runs, until one is not valid. [default: 1]
  --seed N                   Repeats the operations of each client, the latency and
                             loss of the Nth message, and the faults. It does not
                             repeat what the nodes do and how long that takes. So
                             the number of operations differs, and so do those of
                             kafka and lin-kv that follow from earlier answers.

The load:
  --concurrency K, Kn        Clients, or clients for each node. [default: 1n]
  --rate R                   Operations a second, of all clients. [default: 5]
  --recovery S               Seconds between the load and the final reads, if the
                             workload has any. [default: 10]
  --availability total, 0…1  The part of the operations that must be done.
  --consistency-models A,B   strict-serializable, serializable, snapshot-isolation,
                             read-committed, read-uncommitted: for transactions.
                             [default: strict-serializable]
  --key-count N              Keys in use at a time. [default: that of the workload]
  --max-txn-length N         Most operations of a transaction. [default: 4]
  --max-writes-per-key N     Writes to a key until another replaces it. [default: 16]
  --topology NAME            grid, line, total, tree, tree2, tree3 or tree4: for
                             broadcast. [default: grid]

The network and the faults:
  --latency MS               Mean latency between nodes, in ms. [default: 0]
  --latency-dist NAME        constant, uniform or exponential. [default: constant]
  --loss P                   Probability that a message is lost. [default: 0]
  --duplicate P              Probability that a message arrives twice. [default: 0]
  --nats-server FILE         The program nats-server. The nodes run on it and not on
                             pipes: they get --node, --nodes, --nats and --cluster
                             behind their own arguments. Messages between them are not
                             counted, and there is no latency, loss or duplicates.
  --nemesis A,B              Faults: partition, kill, pause; with --nats-server broker,
                             too: the server is killed. [default: none]
  --nemesis-interval S       Mean seconds between their changes. [default: 10]
  --one-way                  Partitions cut one direction only.

For people (times count from the start of the test, before its nodes start):
  --store DIR                Where the files of the run are left. [default: store]
  --no-store                 Leave no files.
  --json                     Print the result as one JSON object in one line, and
                             the words for people on stderr.
  --log-stderr               Show the nodes' stderr.
  --log-net-send             Show messages when they are sent.
  --log-net-recv             Show messages when they arrive.
  -h, --help                 Print this help and exit.

Accepted and ignored: --username, --password, --no-ssh, --ssh-private-key,
--strict-host-key-checking.

Exit status:
  0    the run is valid
  1    it is invalid
  2    unknown: nothing was wrong, but too little happened to tell
  254  an option or its value is wrong
  255  the tester failed, could not write the result or its files, or a signal came
       after the nodes had ended: in the check, or while the result waited for a reader
";

/// The long options, with whether each has a value.
const OPTIONS: [(&str, bool); 38] = [
    ("availability", true),
    ("bin", true),
    ("concurrency", true),
    ("consistency-models", true),
    ("duplicate", true),
    ("help", false),
    ("json", false),
    ("key-count", true),
    ("latency", true),
    ("latency-dist", true),
    ("log-net-recv", false),
    ("log-net-send", false),
    ("log-stderr", false),
    ("loss", true),
    ("max-txn-length", true),
    ("max-writes-per-key", true),
    ("nats-server", true),
    ("nemesis", true),
    ("nemesis-interval", true),
    ("no-ssh", false),
    ("no-store", false),
    ("node", true),
    ("node-count", true),
    ("nodes", true),
    ("nodes-file", true),
    ("one-way", false),
    ("password", true),
    ("rate", true),
    ("recovery", true),
    ("seed", true),
    ("ssh-private-key", true),
    ("store", true),
    ("strict-host-key-checking", false),
    ("test-count", true),
    ("time-limit", true),
    ("topology", true),
    ("username", true),
    ("workload", true),
];

const TXN: [&str; 2] = ["txn-list-append", "txn-rw-register"];

/// The options that only some workloads look at.
const OF_WORKLOADS: [(&str, &[&str]); 6] = [
    ("consistency-models", &TXN),
    ("key-count", &["kafka", "lin-kv", TXN[0], TXN[1]]),
    ("max-txn-length", &TXN),
    ("max-writes-per-key", &["kafka", TXN[0], TXN[1]]),
    (
        "recovery",
        &["broadcast", "g-counter", "g-set", "kafka", "pn-counter"],
    ),
    ("topology", &["broadcast"]),
];

/// Why an option has no effect; `None` if it has one.
fn no_effect(name: &str, plan: &Plan) -> Option<String> {
    let of_workloads = OF_WORKLOADS.iter().find(|(option, _)| *option == name);
    let has_partitions = plan.nemesis.contains(&Attack::Partition);
    let why = match name {
        "nemesis-interval" if plan.nemesis.is_empty() => "without --nemesis".to_owned(),
        "one-way" if !has_partitions => "without --nemesis partition".to_owned(),
        "latency-dist" if plan.latency.mean().is_zero() => "without --latency".to_owned(),
        _ => {
            let (_, workloads) = of_workloads.filter(|(_, of)| !of.contains(&plan.workload))?;
            format!(
                "with -w {}: it is for {}",
                plan.workload,
                workloads.join(", ")
            )
        }
    };
    Some(format!("--{name} has no effect {why}"))
}

/// A command line that was read.
pub(super) struct Command {
    pub(super) plan: Plan,
    pub(super) test_count: u64,
    latency_ms: u64,
    latency_of: LatencyOf,
    node_count: Option<usize>,
    names: Vec<String>,
    has_models: bool,
    pub(super) wants_help: bool,
    pub(super) is_json: bool,
    /// The options of the command line.
    given: Vec<&'static str>,
    /// Lines about the command line, for people.
    pub(super) notes: Vec<String>,
    /// Where the files of runs are left; `None` for nowhere.
    pub(super) store: Option<PathBuf>,
}

/// Reads the arguments behind the name of the command.
pub(super) fn read(mut arguments: lexopt::Parser) -> Result<Command, lexopt::Error> {
    let mut command = Command {
        plan: Plan::new(PathBuf::new()),
        test_count: 1,
        latency_ms: 0,
        latency_of: Latency::constant_ms,
        node_count: None,
        names: Vec::new(),
        has_models: false,
        wants_help: false,
        is_json: false,
        given: Vec::new(),
        notes: Vec::new(),
        store: Some("store".into()),
    };
    while let Some(argument) = arguments.next()? {
        let name = match argument {
            Short('h') => "help".to_owned(),
            Short('w') => "workload".to_owned(),
            Short('n') => "node".to_owned(),
            Short(other) => return Err(format!("there is no option -{other}").into()),
            Long(name) => name.to_owned(),
            // Everything from here on is for the node.
            Value(first) => {
                command.plan.arguments.push(first);
                command.plan.arguments.extend(arguments.raw_args()?);
                break;
            }
        };
        let name = name.as_str();
        let (name, has_value) = option(name, OPTIONS)?;
        let value = if has_value {
            text(&mut arguments)?
        } else {
            String::new()
        };
        command.given.push(name);
        command
            .set(name, &value)
            .map_err(|expected| format!("invalid value {value:?} for --{name}: {expected}"))?;
    }
    if !command.wants_help {
        command.complete()?;
    }
    Ok(command)
}

impl Command {
    /// Sets an option. An error says which values there are.
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let plan = &mut self.plan;
        match name {
            "help" => self.wants_help = true,
            "json" => self.is_json = true,
            "workload" => {
                plan.workload = one_of("workload", value, WORKLOADS.map(|name| (name, name)))?
            }
            "bin" => plan.program = program_path(value)?,
            "node" => self.names.push(value.to_owned()),
            "nodes" => self.names.extend(value.split(',').map(str::to_owned)),
            "nodes-file" => self.names.extend(names_in(value)?),
            "node-count" => self.node_count = Some(count(value)?),
            "time-limit" => plan.time_limit = seconds(value)?,
            "test-count" => self.test_count = count(value)? as u64,
            "seed" => plan.seed = number(value, "a whole number")?,
            "concurrency" => plan.concurrency = concurrency(value)?,
            "rate" => plan.rate = rate(value)?,
            "recovery" => plan.recovery = seconds(value)?,
            "availability" => plan.availability = Some(availability(value)?),
            "consistency-models" => self.add_models(value)?,
            "key-count" => plan.key_count = Some(count(value)?),
            "max-txn-length" => plan.txn_length_max = Some(count(value)?),
            "max-writes-per-key" => plan.writes_per_key = Some(count(value)? as u64),
            "topology" => plan.topology = one_of("topology", value, TOPOLOGIES)?,
            "latency" => self.latency_ms = number(value, "a whole number of milliseconds")?,
            "latency-dist" => self.latency_of = one_of("distribution", value, DISTRIBUTIONS)?,
            "loss" => plan.loss = probability(value)?,
            "duplicate" => plan.duplication = probability(value)?,
            "nemesis" => {
                for name in value.split(',').filter(|name| !name.is_empty()) {
                    plan.nemesis.push(one_of("fault", name, Attack::NAMES)?);
                }
            }
            "nats-server" => plan.nats_server = Some(program_path(value)?),
            "nemesis-interval" => plan.nemesis_interval = seconds(value)?,
            "one-way" => plan.one_way = true,
            "store" => self.store = Some(value.into()),
            "no-store" => self.store = None,
            "log-stderr" => plan.log_stderr = true,
            "log-net-send" => plan.log_net_send = true,
            "log-net-recv" => plan.log_net_recv = true,
            // For the machines that Maelstrom does not have either.
            _ => {}
        }
        Ok(())
    }

    /// Of several models the strictest counts: a history that it allows is allowed by all.
    fn add_models(&mut self, value: &str) -> Result<(), String> {
        for name in value.split(',') {
            let model = one_of("consistency model", name, MODELS)?;
            if !self.has_models || model > self.plan.model {
                self.plan.model = model;
            }
            self.has_models = true;
        }
        Ok(())
    }

    /// Puts the options together, and checks what one option alone cannot show.
    fn complete(&mut self) -> Result<(), lexopt::Error> {
        let plan = &mut self.plan;
        plan.latency = (self.latency_of)(self.latency_ms);
        if self.node_count.is_some() && !self.names.is_empty() {
            return Err("--node-count and --node, --nodes or --nodes-file name the nodes in two ways; give one of them".into());
        }
        if let Some(count) = self.node_count {
            // One more than the bound is enough for `check` to refuse them.
            plan.nodes = (0..count.min(NODES_MAX + 1))
                .map(|number| format!("n{number}"))
                .collect();
        } else if !self.names.is_empty() {
            plan.nodes.clone_from(&self.names);
        }
        plan.check()?;
        self.given.sort_unstable();
        self.given.dedup();
        let without_effect = self.given.iter().filter_map(|name| no_effect(name, plan));
        self.notes.extend(without_effect);
        let asked = plan.concurrency.clients(plan.nodes.len());
        if plan.clients() != asked {
            self.notes.push(format!(
                "lin-kv needs a multiple of twice the number of nodes: {} clients in place of {asked}",
                plan.clients()
            ));
        }
        plan.program = program("--bin", &plan.program)?;
        if let Some(server) = &mut plan.nats_server {
            *server = system_program("--nats-server", server)?;
        }
        Ok(())
    }
}

/// Makes a latency of that mean, in milliseconds.
type LatencyOf = fn(u64) -> Latency;

const DISTRIBUTIONS: [(&str, LatencyOf); 3] = [
    ("constant", Latency::constant_ms),
    ("uniform", Latency::uniform_ms),
    ("exponential", Latency::exponential_ms),
];

fn concurrency(value: &str) -> Result<Concurrency, String> {
    let expected = "expected a number such as 10, or one for each node such as 2n";
    let parsed = match value.strip_suffix('n') {
        Some(each) => count(each).map(Concurrency::EachNode),
        None => count(value).map(Concurrency::Clients),
    };
    parsed.map_err(|_| expected.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn parsed(line: &str) -> Result<Command, String> {
        let parser = lexopt::Parser::from_args(line.split_whitespace());
        read(parser).map_err(|error| error.to_string())
    }

    #[test]
    fn a_command_line_of_maelstrom_is_understood() {
        let line = "-w txn-list-append --node-count 3 --concurrency 2n --rate 100 --time-limit 20 \
                    --latency 50 --latency-dist uniform --nemesis partition,kill --no-ssh \
                    --consistency-models read-committed,serializable --seed 7 --username root \
                    --max-txn-length 2 --nemesis-interval 1.5 --availability total -- -x --rate 3";
        let plan = parsed(line).unwrap().plan;
        assert_eq!(plan.nodes, ["n0", "n1", "n2"]);
        assert_eq!((plan.clients(), plan.rate, plan.seed), (6, 100.0, 7));
        assert_eq!(plan.latency, Latency::uniform_ms(50));
        assert_eq!(plan.nemesis, [Attack::Partition, Attack::Kill]);
        assert_eq!(
            plan.model,
            eddyline::workload::ConsistencyModel::Serializable
        );
        assert_eq!(plan.availability, Some(1.0));
        assert_eq!(plan.arguments, ["-x", "--rate", "3"]);
    }

    #[test]
    fn the_defaults_are_those_of_maelstrom() {
        let plan = parsed("").unwrap().plan;
        assert_eq!((plan.workload, plan.rate), ("lin-kv", 5.0));
        assert_eq!(plan.nodes, ["n1", "n2", "n3", "n4", "n5"]);
        assert_eq!(plan.time_limit, Duration::from_secs(60));
    }

    #[test]
    fn an_option_without_effect_is_named() {
        for (line, expected) in [
            (
                "-w echo --consistency-models serializable",
                "--consistency-models has no effect with -w echo: it is for txn-list-append, \
                 txn-rw-register",
            ),
            (
                "-w kafka --max-txn-length 2",
                "--max-txn-length has no effect with -w kafka",
            ),
            ("-w g-set --key-count 2", "--key-count has no effect"),
            (
                "-w lin-kv --max-writes-per-key 2",
                "--max-writes-per-key has no effect",
            ),
            ("-w echo --recovery 2", "--recovery has no effect"),
            ("-w g-set --topology line", "--topology has no effect"),
            (
                "-w echo --one-way --nemesis pause",
                "without --nemesis partition",
            ),
            ("-w echo --nemesis-interval 1", "without --nemesis"),
            ("-w echo --latency-dist uniform", "without --latency"),
        ] {
            let notes = parsed(line).unwrap().notes;
            assert!(
                notes.iter().any(|note| note.contains(expected)),
                "{notes:?}"
            );
        }
        let all = "-w txn-list-append --consistency-models serializable --key-count 2 \
                   --max-txn-length 2 --max-writes-per-key 2 --nemesis partition --one-way \
                   --nemesis-interval 1 --latency 5 --latency-dist uniform";
        assert_eq!(parsed(all).unwrap().notes, [""; 0]);
        assert_eq!(
            parsed("-w broadcast --topology line --recovery 2")
                .unwrap()
                .notes,
            [""; 0]
        );
    }

    #[test]
    fn a_wrong_option_or_value_is_named_with_the_nearest_right_one() {
        for (line, expected) in [
            (
                "--node-cuont 3",
                "there is no option --node-cuont; did you mean --node-count?",
            ),
            ("-w lin-kvs", "did you mean \"lin-kv\"?"),
            ("--nemesis partition,kil", "did you mean \"kill\"?"),
            (
                "--consistency-models serialisable",
                "did you mean \"serializable\"?",
            ),
            ("--topology gird", "did you mean \"grid\"?"),
            (
                "--rate 0",
                "invalid value \"0\" for --rate: expected operations a second",
            ),
            ("--concurrency n2", "one for each node such as 2n"),
            ("--node-count 0", "at least 1"),
            ("--time-limit -1", "seconds"),
            ("--loss 5", "a probability from 0 to 1"),
            ("--bin /no/such/file", "--bin /no/such/file: No such file"),
            ("--bin", "missing argument"),
            ("--bin=", "leave the option out for its default"),
            ("--test-count 0", "at least 1"),
            ("--nodes-file /dev/null", "there is no name in /dev/null"),
            (
                "-n n5 --node-count 3",
                "name the nodes in two ways; give one of them",
            ),
            ("-x", "there is no option -x"),
            (
                "--node-count 18446744073709551615",
                "a test has at most 1000 nodes",
            ),
            (
                "--concurrency 18446744073709551615",
                "at most 10000 clients",
            ),
            ("--concurrency 10000n", "at most 10000 clients"),
            ("--key-count 100001", "at most 100000 keys"),
            ("--max-txn-length 1001", "at most 1000 operations"),
            (
                "--max-writes-per-key 1000000001",
                "at most 1000000000 writes",
            ),
            ("--nodes a,a", "two nodes are called \"a\""),
            ("--nodes a,", "a node cannot be called \"\""),
            ("--node a,b", "a node cannot be called \"a,b\""),
            ("--nemesis broker", "needs a --nats-server"),
            ("--nats-server x --loss 0.1", "on NATS there is no loss"),
            ("--nats-server x --one-way", "no one-way partitions"),
            ("--nats-server /no/such/file", "/no/such/file: No such file"),
            ("--nats-server /", "--nats-server /: it is a directory"),
            ("--nats-server=", "leave the option out"),
        ] {
            let Err(found) = parsed(line) else {
                panic!("{line} is accepted");
            };
            assert!(found.contains(expected), "{line}: {found}");
        }
    }
}
