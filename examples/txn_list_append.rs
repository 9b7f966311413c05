//! Strictly serializable transactions over lists. The whole database is one value in
//! `lin-kv`. A transaction replaces it unless another transaction did so first.
//!
//! It shows `update_once` with a closure that also produces a result, and the meaning
//! of errors. Read `kafka` next.
//!
//! One value is the simplest correct design. Its size and the rate of conflicts limit
//! it. A larger design would have a value for each list, and a root that names the
//! newest version of each, as in Datomic.
//!
//! ```sh
//! cargo build --release --examples
//! maelstrom test -w txn-list-append --bin target/release/examples/txn_list_append \
//!     --node-count 2 --time-limit 20 --rate 10 --consistency-models strict-serializable \
//!     --nemesis partition
//! ```

use eddyline::node::Marked;
use eddyline::{Backoff, Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// The key of the database in `lin-kv`.
const ROOT: &str = "root";

/// Shorter than the 5 s for which clients wait, so that the error reaches them.
const TIMEOUT: Duration = Duration::from_secs(4);

pub(crate) struct TxnListAppend;

/// Each list, by the JSON text of its key.
type Database = BTreeMap<String, Vec<Value>>;

/// `["r", key, null]` or `["append", key, element]`.
type Operation = (String, Value, Value);

#[derive(Serialize, Deserialize)]
struct Txn {
    txn: Vec<Operation>,
}

/// Applies a transaction, and fills in the values of its reads.
fn apply(database: &mut Database, txn: &mut [Operation]) {
    for (what, key, value) in txn {
        let list = database.get(&key.to_string());
        match what.as_str() {
            "r" => *value = list.map_or(Value::Null, |list| Value::from(list.clone())),
            _ => database
                .entry(key.to_string())
                .or_default()
                .push(value.clone()),
        }
    }
}

async fn execute(cx: &Context, txn: &mut [Operation]) -> Result<()> {
    let kv = cx.lin_kv().timeout(TIMEOUT);
    if txn.iter().all(|(what, ..)| what == "r") {
        // A transaction that only reads needs no update: `lin-kv` returns the newest
        // value.
        let root = kv.read::<Marked<Database>>(ROOT).retry(Backoff::default());
        let root = root.await?.map(|root| root.value);
        apply(&mut root.unwrap_or_default(), txn);
        return Ok(());
    }
    // Each attempt starts from the newest root, and its reads replace the earlier
    // ones. The update happens once, even if messages arrive twice. After the timeout
    // the error is 0, which means to the client: it may have happened.
    kv.update_once(ROOT, Database::new(), |root| {
        let mut root = root.clone();
        apply(&mut root, txn);
        root
    })
    .await?;
    Ok(())
}

impl Node for TxnListAppend {
    fn new(_: &Context) -> TxnListAppend {
        TxnListAppend
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "txn" => {
                let Txn { mut txn } = request.body()?;
                execute(&cx, &mut txn).await?;
                cx.reply(&request, &Txn { txn })
            }
            _ => cx.not_supported(&request),
        }
    }
}

fn main() -> std::io::Result<()> {
    eddyline::run::<TxnListAppend>()
}
