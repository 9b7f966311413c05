//! Histories made by hand, each with one anomaly. Every model from a level on finds it, and
//! no weaker one does.

use super::{ConsistencyModel, TxnListAppend, TxnRwRegister};
use crate::protocol::{Error, ErrorCode};
use crate::workload::contract::{Observed, Workload};
use crate::workload::history::{History, Operation, Outcome, Phase, Request};
use crate::workload::statistics::Statistics;
use ConsistencyModel::{
    ReadCommitted, ReadUncommitted, Serializable, SnapshotIsolation, StrictSerializable,
};
use serde_json::{Value, json};
use std::time::Duration;

/// The end of a transaction. An entry has also its times in milliseconds, and its operations.
enum End {
    Ok,
    Fail,
    Info,
}

type Entry = (End, u64, u64, Value);

/// All at the same time: real time then gives no order.
fn together(txns: &[Value]) -> Vec<Entry> {
    let entry = |txn: &Value| (End::Ok, 0, 10, txn.clone());
    txns.iter().map(entry).collect()
}

fn history(entries: Vec<Entry>) -> History {
    let mut history = History::default();
    for (number, (end, invoked, completed, txn)) in entries.into_iter().enumerate() {
        let mut asked = txn.clone();
        for micro in asked.as_array_mut().unwrap() {
            if micro[0] == "r" {
                micro[2] = Value::Null;
            }
        }
        history.push(Operation {
            client: format!("c{number}").into(),
            node: 0,
            phase: Phase::Load,
            request: Request::new("txn", &json!({ "txn": asked })),
            invoked: Duration::from_millis(invoked),
            completed: Duration::from_millis(completed),
            outcome: match end {
                End::Ok => Outcome::Ok(json!({"type": "txn_ok", "txn": txn}).to_string().into()),
                End::Fail => Outcome::Fail(Error::new(ErrorCode::TxnConflict, "")),
                End::Info => Outcome::Info(Error::timeout("")),
            },
        });
    }
    history
}

fn found<W: Workload>(workload: &W, history: &History) -> String {
    let run = Observed {
        history,
        statistics: Statistics::default(),
        server_messages: 0,
    };
    match workload.check(&run) {
        Ok(_) => String::new(),
        Err(anomalies) => anomalies.found().join("\n"),
    }
}

/// Checks that `anomaly` is found from `level` on, and nothing below it.
#[track_caller]
fn appends(entries: Vec<Entry>, level: ConsistencyModel, anomaly: &str) {
    let history = history(entries);
    for model in [
        ReadUncommitted,
        ReadCommitted,
        SnapshotIsolation,
        Serializable,
        StrictSerializable,
    ] {
        let found = found(&TxnListAppend::new().model(model), &history);
        if model < level {
            assert_eq!(found, "", "{model:?}");
        } else {
            assert!(found.contains(anomaly), "{model:?}: {found}");
        }
    }
}

#[test]
fn writes_that_cross_are_g0() {
    let txns = [
        json!([["append", 1, 1], ["append", 2, 1]]),
        json!([["append", 1, 2], ["append", 2, 2]]),
        json!([["r", 1, [1, 2]]]),
        json!([["r", 2, [2, 1]]]),
    ];
    appends(together(&txns), ReadUncommitted, "G0");
}

#[test]
fn reads_that_cross_are_g1c() {
    let txns = [
        json!([["append", 1, 1], ["r", 2, [1]]]),
        json!([["append", 2, 1], ["r", 1, [1]]]),
    ];
    appends(together(&txns), ReadCommitted, "G1c");
}

#[test]
fn a_read_of_an_aborted_append_is_g1a() {
    let mut entries = together(&[json!([["r", 1, [1]]])]);
    entries.push((End::Fail, 0, 5, json!([["append", 1, 1]])));
    appends(entries, ReadCommitted, "G1a");
}

#[test]
fn a_read_between_two_writes_of_one_transaction_is_g1b() {
    let txns = [
        json!([["append", 1, 1], ["append", 1, 2]]),
        json!([["r", 1, [1]]]),
        json!([["r", 1, [1, 2]]]),
    ];
    appends(together(&txns), ReadCommitted, "G1b");
}

#[test]
fn half_a_transaction_seen_is_g_single() {
    let txns = [
        json!([["append", 1, 1], ["append", 2, 1]]),
        json!([["r", 1, [1]], ["r", 2, null]]),
        json!([["r", 2, [1]]]),
    ];
    appends(together(&txns), SnapshotIsolation, "G-single");
}

#[test]
fn write_skew_is_g2() {
    let txns = [
        json!([["r", 1, null], ["append", 2, 1]]),
        json!([["r", 2, null], ["append", 1, 1]]),
        json!([["r", 1, [1]], ["r", 2, [1]]]),
    ];
    appends(together(&txns), Serializable, "G2");
}

#[test]
fn a_stale_read_is_a_cycle_through_real_time() {
    let entries = vec![
        (End::Ok, 0, 1, json!([["append", 1, 1]])),
        (End::Ok, 2, 3, json!([["r", 1, null]])),
        (End::Ok, 4, 5, json!([["r", 1, [1]]])),
    ];
    appends(entries, StrictSerializable, "G-single-realtime");
}

#[test]
fn an_acknowledged_append_that_no_later_read_has_is_one_too() {
    let entries = vec![
        (End::Ok, 0, 1, json!([["append", 1, 1]])),
        (End::Ok, 2, 3, json!([["append", 1, 2]])),
        (End::Ok, 4, 5, json!([["r", 1, [1]]])),
    ];
    appends(entries, StrictSerializable, "G-single-realtime");
}

#[test]
fn an_append_of_unknown_outcome_may_be_seen_or_not() {
    for list in [json!([1, 2]), json!([1])] {
        let entries = vec![
            (End::Ok, 0, 1, json!([["append", 1, 1]])),
            (End::Info, 0, 9, json!([["append", 1, 2]])),
            (End::Ok, 12, 13, json!([["r", 1, list]])),
        ];
        let history = history(entries);
        assert_eq!(found(&TxnListAppend::new(), &history), "");
    }
}

#[test]
fn a_transaction_must_see_itself() {
    let txns = [json!([["append", 1, 1], ["r", 1, null]])];
    appends(together(&txns), SnapshotIsolation, "internal");
}

#[test]
fn registers_show_the_same_anomalies() {
    let check =
        |txns: &[Value], model| found(&TxnRwRegister::new().model(model), &history(together(txns)));
    let g1c = [
        json!([["w", 1, 1], ["r", 2, 1]]),
        json!([["w", 2, 1], ["r", 1, 1]]),
    ];
    assert!(check(&g1c, ReadCommitted).contains("G1c"));
    let g0 = [
        json!([["w", 1, 1], ["r", 2, 2], ["w", 2, 1]]),
        json!([["r", 1, 1], ["w", 1, 2], ["w", 2, 2]]),
    ];
    assert!(check(&g0, ReadUncommitted).contains("G0"));
    let lost_update = [
        json!([["r", 1, null], ["w", 1, 1]]),
        json!([["r", 1, null], ["w", 1, 2]]),
    ];
    assert_eq!(check(&lost_update, ReadCommitted), "");
    assert!(check(&lost_update, Serializable).contains("G2"));
    let never = [json!([["r", 1, 7]])];
    assert!(check(&never, ReadCommitted).contains("never written"));
}
