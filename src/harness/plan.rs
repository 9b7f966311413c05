//! The plan of a test: everything that its command line can say, with Maelstrom's defaults.

use crate::random::Random;
use crate::sys;
use crate::workload::faults::{FaultPlan, Group, Latency, Nemesis, Partition};
use crate::workload::{ConsistencyModel, SERVICE_NAMES, Topology};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A seed that was not given is below this: it is easy to copy.
const SEED_BOUND: u64 = 1_000_000;

/// The most nodes of a test. Each takes a process and four descriptors.
pub const NODES_MAX: usize = 1_000;

/// The most clients. Each has an operation under way.
const CLIENTS_MAX: u64 = 10_000;

/// The most keys at a time. Each has its state in the generator.
const KEYS_MAX: u64 = 100_000;

/// The most operations of a transaction: those of all clients are kept together.
const TXN_LENGTH_MAX: u64 = 1_000;

/// The most writes of a key. They take no memory beforehand, but sums must not overflow.
const WRITES_PER_KEY_MAX: u64 = 1_000_000_000;

/// The names of the consistency models, the weakest first.
pub const MODELS: [(&str, ConsistencyModel); 5] = [
    ("read-uncommitted", ConsistencyModel::ReadUncommitted),
    ("read-committed", ConsistencyModel::ReadCommitted),
    ("snapshot-isolation", ConsistencyModel::SnapshotIsolation),
    ("serializable", ConsistencyModel::Serializable),
    ("strict-serializable", ConsistencyModel::StrictSerializable),
];

/// The names of the topologies.
pub const TOPOLOGIES: [(&str, Topology); 7] = [
    ("line", Topology::Line),
    ("grid", Topology::Grid),
    ("tree", Topology::Tree(2)),
    ("tree2", Topology::Tree(2)),
    ("tree3", Topology::Tree(3)),
    ("tree4", Topology::Tree(4)),
    ("total", Topology::Total),
];

/// The names of the workloads.
pub const WORKLOADS: [&str; 10] = [
    "broadcast",
    "echo",
    "g-counter",
    "g-set",
    "kafka",
    "lin-kv",
    "pn-counter",
    "txn-list-append",
    "txn-rw-register",
    "unique-ids",
];

/// A kind of fault that a test asks for.
///
/// ```
/// use eddyline::harness::Attack;
///
/// assert_eq!(Attack::NAMES[1], ("kill", Attack::Kill));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// Links between nodes are cut.
    Partition,
    /// Nodes get SIGKILL, and start again later.
    Kill,
    /// Nodes get SIGSTOP, and SIGCONT later.
    Pause,
    /// The NATS server gets SIGKILL, and starts again later.
    Broker,
}

impl Attack {
    /// All of them, by their names on the command line.
    pub const NAMES: [(&str, Attack); 4] = [
        ("partition", Attack::Partition),
        ("kill", Attack::Kill),
        ("pause", Attack::Pause),
        ("broker", Attack::Broker),
    ];
}

/// How many clients make operations at the same time.
///
/// ```
/// use eddyline::harness::Concurrency;
///
/// assert_eq!(Concurrency::EachNode(2).clients(5), 10);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// So many.
    Clients(usize),
    /// So many for each node.
    EachNode(usize),
}

impl Concurrency {
    /// How many clients that is with so many nodes.
    pub fn clients(self, nodes: usize) -> usize {
        match self {
            Concurrency::Clients(count) => count,
            Concurrency::EachNode(count) => count.saturating_mul(nodes),
        }
    }
}

/// The plan of a test.
///
/// ```
/// use eddyline::harness::Plan;
///
/// let mut plan = Plan::new("target/release/node".into());
/// plan.workload = "g-set";
/// assert_eq!(plan.nodes.len(), 5);
/// assert!(plan.check().is_ok());
/// ```
#[derive(Debug, Clone)]
pub struct Plan {
    /// The program of the nodes.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// One of [`WORKLOADS`].
    pub workload: &'static str,
    /// The names of the nodes.
    pub nodes: Vec<String>,
    /// The program of a nats-server. The tester starts it, and the nodes with `--node`, `--nodes`,
    /// `--nats` and `--cluster`, and all messages travel through it. `None` is the nodes' pipes.
    pub nats_server: Option<PathBuf>,
    /// How many clients there are.
    pub concurrency: Concurrency,
    /// Operations a second, of all clients together.
    pub rate: f64,
    /// The length of the load.
    pub time_limit: Duration,
    /// The time between the end of the load and the final operations.
    pub recovery: Duration,
    /// How long messages between nodes, and between nodes and services, are on their way.
    pub latency: Latency,
    /// The probability that the network loses such a message.
    pub loss: f64,
    /// The probability that the network delivers such a message twice.
    pub duplication: f64,
    /// The kinds of faults.
    pub nemesis: Vec<Attack>,
    /// The mean time between the beginning of a fault and its end, and between its end and
    /// the next one.
    pub nemesis_interval: Duration,
    /// Whether partitions cut only one direction.
    pub one_way: bool,
    /// Everything that the tester draws comes from this number.
    pub seed: u64,
    /// The part of the operations that must be done, from 0 to 1.
    pub availability: Option<f64>,
    /// The model that transactions are checked for: the strictest of those that were given.
    pub model: ConsistencyModel,
    /// How many keys are in use at a time; `None` is the workload's own number.
    pub key_count: Option<usize>,
    /// The most operations of a transaction; `None` is 4.
    pub txn_length_max: Option<usize>,
    /// How many writes a key gets before another replaces it; `None` is 16.
    pub writes_per_key: Option<u64>,
    /// The topology that `broadcast` tells its nodes.
    pub topology: Topology,
    /// Whether lines of stderr are shown while the test runs.
    pub log_stderr: bool,
    /// Whether messages are shown when they are sent.
    pub log_net_send: bool,
    /// Whether messages are shown when they arrive.
    pub log_net_recv: bool,
    /// The words of the command line, for the record.
    pub command_line: Vec<String>,
    /// Set to end the load; set again to end the run. A handler of SIGINT does that.
    pub interrupt: Arc<AtomicBool>,
    /// Set by the run when its last process is dead and the check begins. From then on nothing
    /// outlives a process that a signal ends at once.
    pub has_no_nodes: Arc<AtomicBool>,
}

impl Plan {
    /// A test of that program with the defaults: `lin-kv` with five nodes for a minute.
    pub fn new(program: PathBuf) -> Plan {
        Plan {
            program,
            arguments: Vec::new(),
            workload: "lin-kv",
            nodes: (1..=5).map(|number| format!("n{number}")).collect(),
            nats_server: None,
            concurrency: Concurrency::EachNode(1),
            rate: 5.0,
            time_limit: Duration::from_secs(60),
            recovery: Duration::from_secs(10),
            latency: Latency::NONE,
            loss: 0.0,
            duplication: 0.0,
            nemesis: Vec::new(),
            nemesis_interval: Duration::from_secs(10),
            one_way: false,
            seed: Random::new(sys::random_seed()).below(SEED_BOUND),
            availability: None,
            model: ConsistencyModel::StrictSerializable,
            key_count: None,
            txn_length_max: None,
            writes_per_key: None,
            topology: Topology::Grid,
            log_stderr: false,
            log_net_send: false,
            log_net_recv: false,
            command_line: Vec::new(),
            interrupt: Arc::default(),
            has_no_nodes: Arc::default(),
        }
    }

    /// How many clients make the load: for `lin-kv` a multiple of twice the number of nodes,
    /// as Maelstrom requires.
    pub fn clients(&self) -> usize {
        let nodes = self.nodes.len().max(1);
        let clients = self.concurrency.clients(nodes).max(1);
        if self.workload == "lin-kv" {
            // `check` refuses so many that there is no such multiple.
            return clients
                .checked_next_multiple_of(2 * nodes)
                .unwrap_or(clients);
        }
        clients
    }

    /// Checks the names of the nodes, and the numbers.
    ///
    /// # Errors
    /// What is wrong, in a sentence.
    pub fn check(&self) -> Result<(), String> {
        if self.nodes.is_empty() {
            return Err("a test needs a node".to_owned());
        }
        self.check_counts()?;
        let mut known = BTreeSet::new();
        for name in &self.nodes {
            let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, ',' | '"' | '\\' | '/');
            if name.is_empty() || !name.chars().all(is_plain) {
                return Err(format!("a node cannot be called {name:?}"));
            }
            let digits = name.strip_prefix('c').unwrap_or_default();
            let is_client = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            if is_client || SERVICE_NAMES.contains(&name.as_str()) {
                return Err(format!(
                    "a node cannot be called {name:?}: clients and services have such names"
                ));
            }
            if !known.insert(name) {
                return Err(format!("two nodes are called {name:?}"));
            }
        }
        self.check_nats()?;
        for (what, number) in [("loss", self.loss), ("duplication", self.duplication)] {
            if !(0.0..=1.0).contains(&number) {
                return Err(format!(
                    "{what} is a probability from 0 to 1, and {number} is not"
                ));
            }
        }
        Ok(())
    }

    /// Checks that no fault is asked for that there is not. On NATS the tester does not see the
    /// messages between nodes, and pipes have no server.
    fn check_nats(&self) -> Result<(), String> {
        if self.nats_server.is_none() {
            return match self.wants_broker_faults() {
                true => Err("the fault \"broker\" needs a --nats-server".to_owned()),
                false => Ok(()),
            };
        }
        for (is_asked, what) in [
            (self.latency.mean() > Duration::ZERO, "latency"),
            (self.loss > 0.0, "loss"),
            (self.duplication > 0.0, "duplicates"),
            (self.one_way, "one-way partitions"),
        ] {
            if is_asked {
                return Err(format!(
                    "on NATS there is no {what}: messages between nodes do not pass the tester"
                ));
            }
        }
        Ok(())
    }

    /// Whether the NATS server is killed now and then.
    pub(super) fn wants_broker_faults(&self) -> bool {
        self.nemesis.contains(&Attack::Broker)
    }

    /// The longest time between two changes of the NATS server. As with the faults of nodes, at
    /// least two strike and end while there is load.
    pub(super) fn broker_pause_max(&self) -> Duration {
        let longest = self.nemesis_interval.saturating_mul(2);
        longest.min(self.time_limit / 4)
    }

    /// Checks that no number asks for more memory than a machine has.
    fn check_counts(&self) -> Result<(), String> {
        let keys = self.key_count.unwrap_or(1) as u64;
        let length = self.txn_length_max.unwrap_or(1) as u64;
        let writes = self.writes_per_key.unwrap_or(1);
        for (subject, count, max, what) in [
            (
                "a test has",
                self.nodes.len() as u64,
                NODES_MAX as u64,
                "nodes",
            ),
            ("a test has", self.clients() as u64, CLIENTS_MAX, "clients"),
            ("a test has", keys, KEYS_MAX, "keys at a time"),
            ("a transaction has", length, TXN_LENGTH_MAX, "operations"),
            ("a key gets", writes, WRITES_PER_KEY_MAX, "writes"),
        ] {
            if count > max {
                return Err(format!("{subject} at most {max} {what}"));
            }
        }
        Ok(())
    }

    /// The faults as the schedule takes them.
    pub(super) fn faults(&self) -> FaultPlan {
        let mut nemesis = Nemesis::every(self.nemesis_interval).groups(&Group::EACH);
        nemesis = nemesis.forms(if self.one_way {
            &[Partition::OneWay]
        } else if self.nats_server.is_some() {
            // A node is cut off from the server, and so from all.
            &[Partition::One]
        } else {
            // Those that Maelstrom draws from.
            &[
                Partition::One,
                Partition::MinorityThird,
                Partition::Halves,
                Partition::MajoritiesRing,
            ]
        });
        for attack in &self.nemesis {
            nemesis = match attack {
                Attack::Partition => nemesis.partitions(),
                Attack::Kill => nemesis.restarts(),
                Attack::Pause => nemesis.pauses(),
                Attack::Broker => nemesis,
            };
        }
        FaultPlan {
            partitions: Vec::new(),
            faults: Vec::new(),
            nemesis,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_nodes_are_plain_and_no_two_are_the_same() {
        let check = |names: &[&str]| {
            let mut plan = Plan::new("node".into());
            plan.nodes = names.iter().map(|name| (*name).to_owned()).collect();
            plan.check()
        };
        assert_eq!(check(&["n0", "a.example:7", "cat"]), Ok(()));
        for names in [
            &[][..],
            &[""],
            &["a\"b"],
            &["lin-kv"],
            &["c12"],
            &["n1", "n1"],
        ] {
            assert!(check(names).is_err(), "{names:?}");
        }
    }

    #[test]
    fn lin_kv_rounds_the_clients_up() {
        let mut plan = Plan::new("node".into());
        assert_eq!(plan.clients(), 10);
        plan.concurrency = Concurrency::Clients(11);
        assert_eq!(plan.clients(), 20);
        plan.workload = "echo";
        assert_eq!(plan.clients(), 11);
    }
}
