//! The operations of each workload, in the words of a Jepsen history.
//!
//! | workload | `f` | `value` | `value` when it is `ok` |
//! |---|---|---|---|
//! | echo | echo | any | the body of the reply |
//! | unique-ids | generate | | the id |
//! | broadcast | broadcast | the value | |
//! | | read | | a list |
//! | g-set | add | the element | |
//! | | read | | a list |
//! | g-counter, pn-counter | add | the delta | |
//! | | read | | an integer |
//! | lin-kv | read | [key, null] | [key, value] |
//! | | write | [key, value] | |
//! | | cas | [key, [from, to]] | |
//! | txn-list-append, txn-rw-register | txn | a list of [type, key, value] | the same |
//! | kafka | send, poll, assign, crash | in the file beside this one | |

use crate::workload::history::Request;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The workloads whose histories can be read.
pub(super) const WORKLOADS: [&str; 10] = [
    "echo",
    "unique-ids",
    "broadcast",
    "g-set",
    "g-counter",
    "pn-counter",
    "lin-kv",
    "kafka",
    "txn-list-append",
    "txn-rw-register",
];

#[derive(Deserialize)]
struct Micro(String, u64, Value);

pub(super) fn request(workload: &str, f: &str, value: &Value) -> Result<Request, String> {
    let integer = || match value.as_i64() {
        Some(number) => Ok(number),
        None => Err(format!("the value of {f:?} is {value} and no integer")),
    };
    let number = || match value.as_u64() {
        Some(number) => Ok(number),
        None => Err(format!(
            "the value of {f:?} is {value} and no number from 0 on"
        )),
    };
    Ok(match (workload, f) {
        ("echo", "echo") => Request::new("echo", &json!({ "echo": value })),
        ("unique-ids", "generate") => Request::new("generate", &()),
        ("broadcast", "broadcast") => Request::new("broadcast", &json!({ "message": number()? })),
        ("g-set", "add") => Request::new("add", &json!({ "element": number()? })),
        ("g-counter" | "pn-counter", "add") => Request::new("add", &json!({ "delta": integer()? })),
        ("broadcast" | "g-set" | "g-counter" | "pn-counter", "read") => Request::new("read", &()),
        ("lin-kv", _) => register_request(f, value)?,
        ("txn-list-append" | "txn-rw-register", "txn") => {
            check_transaction(workload, value)?;
            Request::new("txn", &json!({ "txn": value }))
        }
        _ => return Err(format!("{workload} has no operation {f:?}")),
    })
}

/// The operations whose requests may stand in a history as they were sent.
const KINDS: [&str; 12] = [
    "echo",
    "generate",
    "broadcast",
    "read",
    "add",
    "write",
    "cas",
    "txn",
    "send",
    "poll",
    "commit_offsets",
    "list_committed_offsets",
];

/// A request as it was sent.
pub(super) fn verbatim(
    workload: &str,
    f: &str,
    fields: &Map<String, Value>,
) -> Result<Request, String> {
    match KINDS.iter().find(|kind| **kind == f) {
        Some(kind) => Ok(Request::new(kind, fields)),
        None => Err(format!("{workload} has no operation {f:?}")),
    }
}

fn register_request(f: &str, value: &Value) -> Result<Request, String> {
    let wrong = |shape: &str| format!("the value of {f:?} is {value} and not {shape}");
    let key = value[0].as_u64();
    Ok(match f {
        "read" => {
            let key = key.ok_or_else(|| wrong("[key, null]"))?;
            Request::new("read", &json!({ "key": key }))
        }
        "write" => {
            let written = key.zip(value[1].as_i64());
            let (key, value) = written.ok_or_else(|| wrong("[key, value] of integers"))?;
            Request::new("write", &json!({ "key": key, "value": value }))
        }
        "cas" => {
            let change = value[1][0].as_i64().zip(value[1][1].as_i64());
            let (key, (from, to)) = key
                .zip(change)
                .ok_or_else(|| wrong("[key, [from, to]] of integers"))?;
            Request::new("cas", &json!({ "key": key, "from": from, "to": to }))
        }
        _ => return Err(format!("lin-kv has no operation {f:?}")),
    })
}

fn check_transaction(workload: &str, value: &Value) -> Result<(), String> {
    let write = if workload == "txn-list-append" {
        "append"
    } else {
        "w"
    };
    let micros: Vec<Micro> = Vec::deserialize(value)
        .map_err(|error| format!("the transaction is no list of [type, key, value]: {error}"))?;
    for Micro(kind, key, value) in micros {
        if kind != "r" && kind != write {
            return Err(format!(
                "a transaction of {workload} has no operation {kind:?}"
            ));
        }
        if kind == write && !value.is_i64() {
            return Err(format!("{value} is written to key {key} and is no integer"));
        }
    }
    Ok(())
}

/// The body of the reply to an operation that was done.
pub(super) fn reply(workload: &str, f: &str, value: &Value) -> Result<String, String> {
    let body = match (workload, f) {
        ("echo", _) => value.clone(),
        ("unique-ids", _) => json!({ "type": "generate_ok", "id": value }),
        ("broadcast", "read") => json!({ "type": "read_ok", "messages": value }),
        ("g-set" | "g-counter" | "pn-counter", "read") => {
            json!({ "type": "read_ok", "value": value })
        }
        ("lin-kv", "read") => {
            let read = value.get(1);
            let read = read.ok_or_else(|| format!("the value is {value} and not [key, value]"))?;
            json!({ "type": "read_ok", "value": read })
        }
        ("txn-list-append" | "txn-rw-register", _) => {
            check_transaction(workload, value)?;
            json!({ "type": "txn_ok", "txn": value })
        }
        _ => json!({ "type": format!("{f}_ok") }),
    };
    Ok(body.to_string())
}
