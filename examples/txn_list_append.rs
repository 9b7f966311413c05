//! Transactions over lists, strictly serializable: the whole database is one
//! value in `lin-kv`, and a transaction replaces it if nobody else has meanwhile.
//! Shows `update_once` with a result of its own, and what is certain after an error.
//!
//! One value is the simplest thing that is right, and its size and the rate of
//! conflicts bound how far it goes. Next would be a value for each list, and in
//! the root only where each list's newest version lies, as Datomic does it.
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

/// Where the database lies.
const ROOT: &str = "root";

/// Clients wait for 5 s; we give up before them.
const TIMEOUT: Duration = Duration::from_secs(4);

pub(crate) struct TxnListAppend;

/// Lists by their key, which may be any JSON: it is the key's text here.
type Database = BTreeMap<String, Vec<Value>>;

/// `["r", key, null]` or `["append", key, element]`.
type Operation = (String, Value, Value);

#[derive(Serialize, Deserialize)]
struct Txn {
    txn: Vec<Operation>,
}

/// Carries a transaction out, and fills in what it has read.
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
        // Nothing to write: what `lin-kv` says is the newest there is.
        let root = kv.read::<Marked<Database>>(ROOT).retry(Backoff::default());
        let root = root.await?.map(|root| root.value);
        apply(&mut root.unwrap_or_default(), txn);
        return Ok(());
    }
    // Each attempt starts from another root, and its reads replace those of the
    // one before. It happens once, even if messages arrive twice. At the timeout
    // the error is 0: perhaps done, and the client has to be told so.
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
