//! Read-committed transactions over registers, always available. Each node applies a
//! transaction to its own copy, and sends the changes to the others later.
//!
//! It shows a Lamport clock, last write wins, and a task for each peer that sends
//! changes until they are acknowledged. Read `txn_list_append` next: its transactions
//! are strictly serializable.
//!
//! The transactions are read committed for three reasons:
//!
//! - A transaction runs without an `.await`, so no other sees its partial writes.
//! - Only the last value that it writes to each register goes to other nodes.
//! - All its writes have one stamp, later than every stamp that it has read. The
//!   later stamp wins on every node, so there are no write cycles.
//!
//! ```sh
//! cargo build --release --bins --examples
//! target/release/eddyline test -w txn-rw-register --bin target/release/examples/txn_rw_register \
//!     --node-count 2 --concurrency 2n --time-limit 20 --rate 1000 \
//!     --consistency-models read-committed --availability total --nemesis partition
//! ```
//!
//! `maelstrom test` takes the same options.

use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// The time between two messages with changes to a peer.
const REPLICATE_EVERY: Duration = Duration::from_millis(100);

/// The most registers in one message.
const REGISTERS_MAX: usize = 1000;

/// The order of writes: the writing node's Lamport clock, then the node's name.
type Stamp = (u64, String);

/// The value of a register, and the stamp of its write.
type Register = (Value, Stamp);

/// `["r", key, null]` or `["w", key, value]`.
type Operation = (String, Value, Value);

#[derive(Serialize, Deserialize)]
struct Txn {
    txn: Vec<Operation>,
}

/// A message with changes: registers, by the JSON text of their key.
#[derive(Serialize, Deserialize)]
struct Replicate {
    registers: Vec<(String, Register)>,
}

#[derive(Default)]
struct Database {
    /// Each register, with the number of its last change on this node.
    registers: BTreeMap<String, (Register, u64)>,
    /// The Lamport clock: the greatest time in any stamp seen.
    clock: u64,
    /// The key of each change, by the change's number.
    changes: BTreeMap<u64, String>,
    last_change: u64,
}

impl Database {
    /// Writes a register if the stamp is later than the present one. Each change comes
    /// back from the peers with an equal stamp, and is no news then.
    fn merge(&mut self, key: String, register: Register) {
        let (_, stamp) = &register;
        let present = self.registers.get(&key);
        if present.is_none_or(|((_, since), _)| since < stamp) {
            self.write(key, register);
        }
    }

    /// Writes a register. A transaction may write a key twice, with equal stamps.
    fn write(&mut self, key: String, (value, stamp): Register) {
        self.clock = self.clock.max(stamp.0);
        if let Some((_, change)) = self.registers.get(&key) {
            self.changes.remove(change);
        }
        self.last_change += 1;
        self.changes.insert(self.last_change, key.clone());
        let written = ((value, stamp), self.last_change);
        self.registers.insert(key, written);
    }

    fn execute(&mut self, node: &str, txn: &mut [Operation]) {
        let stamp = (self.clock + 1, node.to_owned());
        for (what, key, value) in txn {
            let key = key.to_string();
            match what.as_str() {
                "r" => {
                    let register = self.registers.get(&key);
                    *value = register.map_or(Value::Null, |((value, _), _)| value.clone());
                }
                _ => self.write(key, (value.clone(), stamp.clone())),
            }
        }
    }

    /// The changes after number `after`, and the number of the last one.
    fn news(&self, after: u64) -> Option<(u64, Replicate)> {
        let news = self.changes.range(after + 1..).take(REGISTERS_MAX);
        let (last, _) = news.clone().last()?;
        let registers = news.map(|(_, key)| (key.clone(), self.registers[key].0.clone()));
        let registers = registers.collect();
        Some((*last, Replicate { registers }))
    }
}

#[derive(Default)]
pub(crate) struct TxnRwRegister {
    database: RefCell<Database>,
}

impl TxnRwRegister {
    /// Sends all changes to one peer, in order and one message at a time.
    async fn replicate(self: Rc<Self>, cx: Context, peer: String) -> Result<()> {
        let mut known = 0;
        let mut ticks = cx.every(REPLICATE_EVERY);
        loop {
            ticks.tick().await;
            let news = self.database.borrow().news(known);
            if let Some((last, news)) = news
                && cx.sync_rpc(&peer, "replicate", &news).await.is_ok()
            {
                known = last;
            }
        }
    }
}

impl Node for TxnRwRegister {
    fn new(_: &Context) -> TxnRwRegister {
        TxnRwRegister::default()
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        for peer in cx.peers() {
            cx.spawn(self.clone().replicate(cx.clone(), peer.to_owned()));
        }
        Ok(())
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let mut database = self.database.borrow_mut();
        match request.kind() {
            "txn" => {
                let Txn { mut txn } = request.body()?;
                database.execute(cx.node_id(), &mut txn);
                cx.reply(&request, &Txn { txn })
            }
            "replicate" => {
                for (key, register) in request.body::<Replicate>()?.registers {
                    database.merge(key, register);
                }
                cx.reply(&request, &())
            }
            _ => cx.not_supported(&request),
        }
    }
}

fn main() -> std::process::ExitCode {
    eddyline::main::<TxnRwRegister>()
}
