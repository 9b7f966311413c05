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
#[derive(Clone)]
enum End {
    Ok,
    /// Done, after the load.
    Final,
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
            phase: match end {
                End::Final => Phase::Final,
                _ => Phase::Load,
            },
            request: Request::new("txn", &json!({ "txn": asked })),
            invoked: Duration::from_millis(invoked),
            completed: Duration::from_millis(completed),
            outcome: match end {
                End::Ok | End::Final => {
                    Outcome::Ok(json!({"type": "txn_ok", "txn": txn}).to_string().into())
                }
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
fn from_level<W: Workload>(
    workload: impl Fn(ConsistencyModel) -> W,
    entries: Vec<Entry>,
    level: ConsistencyModel,
    anomaly: &str,
) {
    let history = history(entries);
    for model in [
        ReadUncommitted,
        ReadCommitted,
        SnapshotIsolation,
        Serializable,
        StrictSerializable,
    ] {
        let found = found(&workload(model), &history);
        if model < level {
            assert_eq!(found, "", "{model:?}");
        } else {
            assert!(found.contains(anomaly), "{model:?}: {found}");
        }
    }
}

#[track_caller]
fn appends(entries: Vec<Entry>, level: ConsistencyModel, anomaly: &str) {
    from_level(
        |model| TxnListAppend::new().model(model),
        entries,
        level,
        anomaly,
    );
}

#[track_caller]
fn writes(entries: Vec<Entry>, level: ConsistencyModel, anomaly: &str) {
    from_level(
        |model| TxnRwRegister::new().model(model),
        entries,
        level,
        anomaly,
    );
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

// One key. A cycle of dependencies on one key must contain a cycle of its versions.

#[test]
fn appends_to_one_key_that_interleave_are_g0() {
    let txns = [
        json!([["append", 1, 1], ["append", 1, 3]]),
        json!([["append", 1, 2]]),
        json!([["r", 1, [1, 2, 3]]]),
    ];
    appends(together(&txns), ReadUncommitted, "G0");
    let seen_by_itself = [
        json!([
            ["append", 1, 1],
            ["r", 1, [1, 2]],
            ["append", 1, 3],
            ["r", 1, [1, 2, 3]]
        ]),
        json!([["append", 1, 2]]),
    ];
    appends(together(&seen_by_itself), ReadUncommitted, "G0");
}

#[test]
fn a_read_of_an_append_behind_the_own_one_is_g1c() {
    let txns = [
        json!([["append", 1, 1], ["r", 1, [1, 2]]]),
        json!([["append", 1, 2]]),
    ];
    appends(together(&txns), ReadCommitted, "G1c");
}

#[test]
fn two_appends_to_the_same_list_are_a_lost_update() {
    let txns = [
        json!([["r", 1, null], ["append", 1, 1]]),
        json!([["r", 1, null], ["append", 1, 2]]),
    ];
    appends(together(&txns), SnapshotIsolation, "lost update of key 1");
    let mut seen = together(&txns);
    seen.extend(together(&[json!([["r", 1, [1, 2]]])]));
    appends(seen, SnapshotIsolation, "G-single");
}

#[test]
fn no_model_allows_lists_that_contradict_each_other() {
    let appended = [json!([["append", 1, 1]]), json!([["append", 1, 2]])];
    let with = |reads: &[Value]| together(&[&appended, reads].concat());
    let crossed = [json!([["r", 1, [1, 2]]]), json!([["r", 1, [2, 1]]])];
    appends(
        with(&crossed),
        ReadUncommitted,
        "incompatible order of key 1",
    );
    let twice = [json!([["r", 1, [1, 2, 1]]])];
    appends(with(&twice), ReadUncommitted, "duplicate element in key 1");
    let made_up = [json!([["r", 1, [1, 7]]])];
    appends(
        with(&made_up),
        ReadUncommitted,
        "7 of key 1 was never appended",
    );
    let made_up = [json!([["r", 1, [1, 7, 8, 9]]])];
    appends(
        with(&made_up),
        ReadUncommitted,
        "7 of key 1 was never appended, with 2 more in that list",
    );
    let no_list = [json!([["r", 1, 7]])];
    appends(with(&no_list), ReadUncommitted, "no list of integers");
}

#[test]
fn what_was_undone_may_have_been_read_where_dirty_reads_are_allowed() {
    for end in [End::Fail, End::Info] {
        let mut entries = together(&[
            json!([["r", 1, [1, 2]]]),
            json!([["append", 1, 2]]),
            json!([["append", 1, 3]]),
            json!([["r", 1, [2, 3]]]),
        ]);
        entries.push((end, 0, 5, json!([["append", 1, 1]])));
        appends(entries, ReadCommitted, "incompatible order of key 1");
    }
}

#[test]
fn a_cycle_through_an_aborted_append_is_none() {
    let mut entries = together(&[
        json!([["append", 1, 1], ["append", 2, 2]]),
        json!([["r", 1, [1, 2]], ["r", 2, [1, 2]]]),
    ]);
    entries.push((End::Fail, 0, 5, json!([["append", 1, 2], ["append", 2, 1]])));
    appends(entries, ReadCommitted, "G1a");
}

// Several keys.

#[test]
fn two_reads_that_see_two_appends_in_different_orders_are_g_nonadjacent() {
    let txns = [
        json!([["append", 1, 1]]),
        json!([["append", 2, 1]]),
        json!([["r", 1, [1]], ["r", 2, null]]),
        json!([["r", 1, null], ["r", 2, [1]]]),
    ];
    appends(together(&txns), SnapshotIsolation, "G-nonadjacent");
}

// Real time.

#[test]
fn an_append_before_an_earlier_one_is_g0_realtime() {
    let entries = vec![
        (End::Ok, 0, 1, json!([["append", 1, 1]])),
        (End::Ok, 2, 3, json!([["append", 1, 2]])),
        (End::Ok, 4, 5, json!([["r", 1, [2, 1]]])),
    ];
    appends(entries, StrictSerializable, "G0-realtime");
}

#[test]
fn a_read_of_what_was_yet_to_come_is_g1c_realtime() {
    let entries = vec![
        (End::Ok, 0, 1, json!([["r", 1, [1]]])),
        (End::Ok, 2, 3, json!([["append", 1, 1]])),
    ];
    appends(entries, StrictSerializable, "G1c-realtime");
}

#[test]
fn two_reads_that_missed_what_real_time_orders_are_g2_realtime() {
    let entries = vec![
        (End::Ok, 6, 10, json!([["r", 1, null]])),
        (End::Ok, 4, 12, json!([["r", 2, null], ["append", 1, 1]])),
        (End::Ok, 0, 5, json!([["append", 2, 1]])),
    ];
    appends(entries, StrictSerializable, "G2-realtime");
}

// Registers, on one key.

#[test]
fn writes_to_one_register_that_interleave_are_g0() {
    let txns = [
        json!([["w", 1, 1], ["r", 1, 2], ["w", 1, 3]]),
        json!([["w", 1, 2]]),
    ];
    writes(together(&txns), ReadUncommitted, "G0");
    let through_a_third = [
        json!([["w", 1, 1], ["r", 1, 4], ["w", 1, 3]]),
        json!([["w", 1, 2], ["r", 1, 1], ["w", 1, 4]]),
    ];
    writes(together(&through_a_third), ReadUncommitted, "G0");
}

#[test]
fn a_read_of_what_overwrote_the_own_write_is_g1c() {
    let txns = [json!([["w", 1, 1], ["r", 1, 2]]), json!([["w", 1, 2]])];
    writes(together(&txns), ReadCommitted, "G1c");
}

#[test]
fn dirty_reads_of_registers_are_found() {
    let mut aborted = together(&[json!([["r", 1, 1]])]);
    aborted.push((End::Fail, 0, 5, json!([["w", 1, 1]])));
    writes(aborted, ReadCommitted, "G1a");
    let between = [json!([["w", 1, 1], ["w", 1, 2]]), json!([["r", 1, 1]])];
    writes(together(&between), ReadCommitted, "G1b");
    let never = [json!([["r", 1, 7]])];
    writes(
        together(&never),
        ReadUncommitted,
        "7 of key 1 was never written",
    );
}

#[test]
fn a_read_that_changes_is_g_single() {
    let txns = [json!([["w", 1, 1]]), json!([["r", 1, null], ["r", 1, 1]])];
    writes(together(&txns), SnapshotIsolation, "G-single");
    writes(together(&txns), SnapshotIsolation, "internal");
}

#[test]
fn two_writes_over_the_same_version_are_a_lost_update() {
    let txns = [
        json!([["r", 1, null], ["w", 1, 1]]),
        json!([["r", 1, null], ["w", 1, 2]]),
    ];
    writes(together(&txns), SnapshotIsolation, "lost update of key 1");
}

#[test]
fn a_transaction_must_see_its_own_register() {
    let txns = [json!([["w", 1, 1], ["r", 1, null]])];
    writes(together(&txns), SnapshotIsolation, "internal");
}

#[test]
fn a_stale_register_is_a_cycle_through_real_time() {
    let written = || {
        vec![
            (End::Ok, 0, 1, json!([["w", 1, 1]])),
            (End::Ok, 2, 3, json!([["w", 1, 2]])),
        ]
    };
    let stale = [written(), vec![(End::Ok, 4, 5, json!([["r", 1, 1]]))]].concat();
    writes(stale, StrictSerializable, "G-single-realtime");
    let lost = [written(), vec![(End::Final, 20, 21, json!([["r", 1, 1]]))]].concat();
    writes(lost, StrictSerializable, "G0");
    let early = vec![
        (End::Ok, 0, 1, json!([["r", 1, 1]])),
        (End::Ok, 2, 3, json!([["w", 1, 1]])),
    ];
    writes(early, StrictSerializable, "G1c-realtime");
}

// Registers, on several keys.

#[test]
fn writes_to_two_registers_that_cross_are_g0() {
    let seen_by_writers = [
        json!([["w", 1, 1], ["r", 2, 2], ["w", 2, 1]]),
        json!([["r", 1, 1], ["w", 1, 2], ["w", 2, 2]]),
    ];
    writes(together(&seen_by_writers), ReadUncommitted, "G0");
    let mut blind = together(&[
        json!([["w", 1, 1], ["w", 2, 1]]),
        json!([["w", 1, 2], ["w", 2, 2]]),
    ]);
    blind.push((End::Final, 20, 21, json!([["r", 1, 1], ["r", 2, 2]])));
    writes(blind, ReadUncommitted, "G0");
}

#[test]
fn final_reads_that_disagree_show_no_order() {
    let mut entries = together(&[
        json!([["w", 1, 1], ["w", 2, 1]]),
        json!([["w", 1, 2], ["w", 2, 2]]),
    ]);
    entries.push((End::Final, 20, 21, json!([["r", 1, 1], ["r", 2, 2]])));
    entries.push((End::Final, 20, 21, json!([["r", 1, 2], ["r", 2, 1]])));
    let history = history(entries);
    let workload = TxnRwRegister::new().model(ReadUncommitted);
    assert_eq!(found(&workload, &history), "");
}

#[test]
fn versions_around_an_aborted_one_follow_each_other() {
    let entries = |end| {
        let mut entries = together(&[
            json!([["w", 1, 1], ["r", 2, 3], ["w", 2, 4]]),
            json!([["w", 2, 3], ["r", 1, 2], ["w", 1, 3]]),
        ]);
        entries.push((end, 0, 5, json!([["w", 1, 2]])));
        entries
    };
    // Nothing says that 2 came after 1: the transaction that wrote it has read nothing.
    let workload = TxnRwRegister::new().model(ReadUncommitted);
    assert_eq!(found(&workload, &history(entries(End::Fail))), "");
    writes(
        together(&[
            json!([["w", 1, 1], ["r", 1, 2], ["r", 2, 3], ["w", 2, 4]]),
            json!([["w", 2, 3], ["r", 1, 2], ["w", 1, 3]]),
            json!([["w", 1, 2]]),
        ]),
        ReadUncommitted,
        "G0",
    );
    let mut aborted = together(&[
        json!([["w", 1, 1], ["r", 1, 2], ["r", 2, 3], ["w", 2, 4]]),
        json!([["w", 2, 3], ["r", 1, 2], ["w", 1, 3]]),
    ]);
    aborted.push((End::Fail, 0, 5, json!([["w", 1, 2]])));
    writes(aborted, ReadUncommitted, "G0");
}

#[test]
fn reads_of_two_registers_that_cross_are_g1c() {
    let txns = [
        json!([["w", 1, 1], ["r", 2, 1]]),
        json!([["w", 2, 1], ["r", 1, 1]]),
    ];
    writes(together(&txns), ReadCommitted, "G1c");
}

#[test]
fn missed_writes_of_registers_are_told_apart() {
    let half_seen = [
        json!([["w", 1, 1], ["w", 2, 1]]),
        json!([["r", 1, 1], ["r", 2, null]]),
    ];
    writes(together(&half_seen), SnapshotIsolation, "G-single");
    let two_orders = [
        json!([["w", 1, 1]]),
        json!([["w", 2, 1]]),
        json!([["r", 1, 1], ["r", 2, null]]),
        json!([["r", 1, null], ["r", 2, 1]]),
    ];
    writes(together(&two_orders), SnapshotIsolation, "G-nonadjacent");
    let skew = [
        json!([["r", 1, null], ["w", 2, 1]]),
        json!([["r", 2, null], ["w", 1, 1]]),
    ];
    writes(together(&skew), Serializable, "G2");
}

#[test]
fn sound_histories_pass_every_model() {
    let lists = vec![
        (
            End::Ok,
            0,
            3,
            json!([["append", 1, 1], ["r", 1, [1]], ["append", 1, 2]]),
        ),
        (End::Ok, 4, 6, json!([["r", 1, [1, 2]], ["append", 1, 3]])),
        (End::Info, 4, 9, json!([["append", 1, 4], ["append", 2, 1]])),
        (End::Fail, 4, 9, json!([["append", 1, 5]])),
        (
            End::Ok,
            10,
            12,
            json!([["r", 1, [1, 2, 3, 4]], ["r", 2, [1]]]),
        ),
    ];
    let registers = vec![
        (
            End::Ok,
            0,
            3,
            json!([["w", 1, 1], ["r", 1, 1], ["w", 1, 2]]),
        ),
        (End::Ok, 4, 6, json!([["r", 1, 2], ["w", 1, 3]])),
        (End::Ok, 4, 7, json!([["r", 1, 3], ["r", 2, null]])),
        (End::Info, 4, 9, json!([["w", 1, 4], ["w", 2, 1]])),
        (End::Fail, 4, 9, json!([["w", 1, 5]])),
        (
            End::Ok,
            10,
            12,
            json!([["r", 1, 4], ["r", 2, 1], ["w", 1, 6]]),
        ),
        (End::Final, 20, 21, json!([["r", 1, 6], ["r", 2, 1]])),
    ];
    let (lists, registers) = (history(lists), history(registers));
    for model in [
        ReadUncommitted,
        ReadCommitted,
        SnapshotIsolation,
        Serializable,
    ] {
        assert_eq!(found(&TxnListAppend::new().model(model), &lists), "");
        assert_eq!(found(&TxnRwRegister::new().model(model), &registers), "");
    }
    assert_eq!(found(&TxnListAppend::new(), &lists), "");
    let strict = TxnRwRegister::new().model(StrictSerializable);
    assert_eq!(found(&strict, &registers), "");
}
