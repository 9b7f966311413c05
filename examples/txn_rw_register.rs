//! Transactions over registers, always available and read committed: each node
//! carries them out on what it knows and tells the others later. Shows a Lamport
//! clock, last write wins, and a task for each peer that sends what is new until
//! it is acknowledged.
//!
//! Why it is read committed: a transaction runs in one go, without an `.await`,
//! so nobody sees half of one on its node, and only what it leaves behind goes to
//! the others. All its writes carry one stamp, later than all it has read, and
//! of two writes the later stamp wins everywhere, so nothing goes in a circle.
//!
//! ```sh
//! cargo build --release --examples
//! maelstrom test -w txn-rw-register --bin target/release/examples/txn_rw_register \
//!     --node-count 2 --concurrency 2n --time-limit 20 --rate 1000 \
//!     --consistency-models read-committed --availability total --nemesis partition
//! ```

use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// How often a peer is told what is new.
const REPLICATE_EVERY: Duration = Duration::from_millis(100);

/// How many registers go into one message.
const REGISTERS_MAX: usize = 1000;

/// When a transaction wrote: its node's Lamport clock, then the node's name.
type Stamp = (u64, String);

/// What a register holds, and since when.
type Register = (Value, Stamp);

/// `["r", key, null]` or `["w", key, value]`.
type Operation = (String, Value, Value);

#[derive(Serialize, Deserialize)]
struct Txn {
    txn: Vec<Operation>,
}

/// What peers are told: registers by their key's text.
#[derive(Serialize, Deserialize)]
struct Replicate {
    registers: Vec<(String, Register)>,
}

#[derive(Default)]
struct Database {
    /// Each with the number of the last change that this node has made to it.
    registers: BTreeMap<String, (Register, u64)>,
    /// The greatest time of any stamp seen.
    clock: u64,
    /// Changes are numbered; which key had which.
    changes: BTreeMap<u64, String>,
    last_change: u64,
}

impl Database {
    /// Writes a register unless it holds a later write.
    fn write(&mut self, key: String, (value, stamp): Register) {
        self.clock = self.clock.max(stamp.0);
        if let Some(((_, since), change)) = self.registers.get(&key) {
            if *since > stamp {
                return;
            }
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

    /// What has changed after change `after`, and the last change among it.
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
    /// Tells one peer everything, in order and one message at a time.
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
                    database.write(key, register);
                }
                cx.reply(&request, &())
            }
            _ => cx.not_supported(&request),
        }
    }
}

fn main() -> std::io::Result<()> {
    eddyline::run::<TxnRwRegister>()
}
