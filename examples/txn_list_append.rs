//! Strictly serializable transactions over lists. All transactions that append are in one
//! log in `lin-kv`, and each node has the lists in its memory.
//!
//! It shows how `cas_or_create` decides between nodes, calls that may be repeated, and
//! many calls at the same time. Read `kafka` next.
//!
//! - Each entry of the log is a key of its own and is written once. A transaction takes
//!   effect when its entry is created at the index after all that its node knows.
//! - If another transaction has that index, the node learns it, and the next index is
//!   tried with new values for the reads.
//! - A transaction that only reads checks that there is no later entry.
//! - A node tells its peers of each entry. This only saves reads: an entry that does not
//!   arrive is read from `lin-kv` by the next transaction.
//!
//! So the cost of a transaction does not depend on the size of the database. There are no
//! snapshots: a node that starts again reads the whole log.
//!
//! ```sh
//! cargo build --release --bins --examples
//! target/release/eddyline test -w txn-list-append --bin target/release/examples/txn_list_append \
//!     --node-count 2 --time-limit 20 --rate 10 --consistency-models strict-serializable \
//!     --nemesis partition
//! ```
//!
//! `maelstrom test` takes the same options.

use eddyline::time::Instant;
use eddyline::{Backoff, Context, Error, ErrorCode, Node, Request, Result};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// Shorter than the 5 s for which clients wait, so that the error reaches them.
const TIMEOUT: Duration = Duration::from_secs(4);

/// No entry has this value, so a `cas` from it can only create a key.
const NOTHING: &str = "";

/// The most entries that are read at the same time.
const READS_MAX: usize = 64;

/// `["r", key, null]` or `["append", key, element]`.
type Operation = (String, Value, Value);

#[derive(Serialize, Deserialize)]
struct Txn {
    txn: Vec<Operation>,
}

/// The part of a transaction that changes lists.
#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    /// Different for each transaction: its node finds its own entry after a lost reply.
    id: String,
    /// Elements, and the JSON text of their list's key.
    appends: Vec<(String, Value)>,
}

/// The message to the peers.
#[derive(Serialize, Deserialize)]
struct Created {
    index: usize,
    entry: Entry,
}

#[derive(Default)]
struct Database {
    /// Each list, by the JSON text of its key.
    lists: BTreeMap<String, Vec<Value>>,
    /// The ids of the entries that the lists contain, in the order of the log.
    applied: Vec<String>,
    /// Entries that came before an earlier one, by their index.
    early: BTreeMap<usize, Entry>,
}

impl Database {
    /// Fills in the values of the reads, as if the transaction were the next one.
    fn answer(&self, txn: &[Operation]) -> Vec<Operation> {
        let mut txn = txn.to_vec();
        let mut lists = BTreeMap::new();
        for (what, key, value) in &mut txn {
            let key = key.to_string();
            let known = self.lists.get(&key);
            let list = lists
                .entry(key)
                .or_insert_with(|| known.cloned().unwrap_or_default());
            match what.as_str() {
                "r" if list.is_empty() => *value = Value::Null,
                "r" => *value = Value::from(list.clone()),
                _ => list.push(value.clone()),
            }
        }
        txn
    }

    /// Applies an entry after all entries before it. It may be known already.
    fn learn(&mut self, index: usize, entry: Entry) {
        if index >= self.applied.len() {
            self.early.insert(index, entry);
        }
        while let Some(entry) = self.early.remove(&self.applied.len()) {
            for (key, element) in entry.appends {
                self.lists.entry(key).or_default().push(element);
            }
            self.applied.push(entry.id);
        }
    }
}

/// After any failure the entry may be created still, which is the meaning of error 0.
fn doubtful(error: Error) -> Error {
    Error::timeout(format!("the transaction may happen: {error}"))
}

#[derive(Default)]
pub(crate) struct TxnListAppend {
    database: RefCell<Database>,
}

impl TxnListAppend {
    async fn execute(&self, cx: &Context, txn: &[Operation]) -> Result<Vec<Operation>> {
        let appends = txn.iter().filter(|(what, ..)| what != "r");
        let entry = Entry {
            id: format!("{:016x}", cx.random(|random| random.next_u64())),
            appends: appends
                .map(|(_, key, element)| (key.to_string(), element.clone()))
                .collect(),
        };
        let is_read = entry.appends.is_empty();
        let ends = cx.now() + TIMEOUT;
        let mut width = 1;
        loop {
            // Without an `.await` in between: the answer fits this index.
            let index = self.database.borrow().applied.len();
            let answer = self.database.borrow().answer(txn);
            if !is_read && self.create(cx, index, &entry, ends).await? {
                return Ok(answer);
            }
            let read = self.read(cx, index, width, ends).await;
            let found = read.map_err(doubtful)?;
            let is_own = self.database.borrow().applied.get(index) == Some(&entry.id);
            if is_own || (is_read && found == 0) {
                return Ok(answer);
            }
            // A node that has missed many entries reads more of them at a time.
            width = if found == width {
                READS_MAX.min(2 * width)
            } else {
                1
            };
        }
    }

    /// Creates an entry. False if there is one at its index: another one or, after a lost
    /// reply, this one.
    async fn create(
        &self,
        cx: &Context,
        index: usize,
        entry: &Entry,
        ends: Instant,
    ) -> Result<bool> {
        // It may be repeated, because a key is created only once.
        let create = cx.lin_kv().cas_or_create(index, NOTHING, entry);
        let create = create.retry(Backoff::default());
        match create.timeout(ends.since(cx.now())).await {
            Ok(()) => {}
            Err(error) if error.code == ErrorCode::PreconditionFailed => return Ok(false),
            Err(error) => return Err(doubtful(error)),
        }
        let entry = entry.clone();
        let created = Created { index, entry };
        for peer in cx.peers() {
            // A failed send is treated like a lost message.
            let _lost = cx.send(peer, "created", &created);
        }
        self.database.borrow_mut().learn(index, created.entry);
        Ok(true)
    }

    /// Learns up to `width` entries from an index. Returns how many there are.
    async fn read(&self, cx: &Context, index: usize, width: usize, ends: Instant) -> Result<usize> {
        let left = ends.since(cx.now());
        let read = |index| {
            let read = cx.lin_kv().read::<Entry>(index);
            read.retry(Backoff::default()).timeout(left)
        };
        let entries = try_join_all((index..index + width).map(read)).await?;
        let mut found = 0;
        let mut database = self.database.borrow_mut();
        for (index, entry) in (index..).zip(entries) {
            if let Some(entry) = entry {
                database.learn(index, entry);
                found += 1;
            }
        }
        Ok(found)
    }
}

impl Node for TxnListAppend {
    fn new(_: &Context) -> TxnListAppend {
        TxnListAppend::default()
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "txn" => {
                let Txn { txn } = request.body()?;
                let txn = self.execute(&cx, &txn).await?;
                cx.reply(&request, &Txn { txn })
            }
            "created" => {
                let Created { index, entry } = request.body()?;
                self.database.borrow_mut().learn(index, entry);
                Ok(())
            }
            _ => cx.not_supported(&request),
        }
    }
}

fn main() -> std::process::ExitCode {
    eddyline::main::<TxnListAppend>()
}
