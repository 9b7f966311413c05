//! Lines that are no history, each with the reason.

use super::HistoryReader;
use crate::workload::history::Phase;

fn refused(workload: &str, text: &str) -> String {
    HistoryReader::new(workload)
        .read(text)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_wrong_line_is_named() {
    let begin = r#"{"time":5,"type":"invoke","process":0,"f":"add","value":1}"#;
    let cases = [
        ("{", "line 2: EOF while parsing"),
        ("[]", "line 2: invalid length 0"),
        (r#"{"time":-1}"#, "line 2: invalid value: integer `-1`"),
        (
            r#"{"time":6,"type":"invoke","process":0,"f":"add","value":2}"#,
            "line 2: client 0 has an operation that has not ended",
        ),
        (
            r#"{"time":6,"type":"ok","process":1,"f":"add","value":2}"#,
            "line 2: client 1 has begun no operation",
        ),
        (
            r#"{"time":6,"type":"ok","process":0,"f":"read","value":2}"#,
            "line 2: client 0 has begun \"add\" and not \"read\"",
        ),
        (
            r#"{"time":4,"type":"ok","process":0,"f":"add","value":1}"#,
            "line 2: the time goes back from 5 to 4",
        ),
        (
            r#"{"time":6,"type":"invoke","process":1,"f":"cas","value":1}"#,
            "line 2: g-set has no operation \"cas\"",
        ),
        (
            r#"{"time":6,"type":"invoke","process":1,"f":"add","value":null}"#,
            "line 2: the value of \"add\" is null and no number from 0 on",
        ),
        (
            r#"{"time":6,"type":"later","process":1,"f":"add","value":1}"#,
            "line 2: unknown variant `later`",
        ),
    ];
    for (line, why) in cases {
        let found = refused("g-set", &format!("{begin}\n{line}\n"));
        assert!(found.starts_with(why), "{found}");
    }
    assert_eq!(
        refused("g-sets", ""),
        "no workload is called \"g-sets\": there are echo, unique-ids, broadcast, g-set, \
         g-counter, pn-counter, lin-kv, kafka, txn-list-append, txn-rw-register"
    );
}

#[test]
fn values_of_another_shape_are_named() {
    let cases = [
        ("lin-kv", "read", "[null]", "[key, null]"),
        ("lin-kv", "write", "[1,null]", "[key, value]"),
        ("lin-kv", "cas", "[1,[2]]", "[key, [from, to]]"),
        ("lin-kv", "cas", "7", "[key, [from, to]]"),
        ("g-counter", "add", "1.5", "no integer"),
        (
            "kafka",
            "send",
            r#"[["send",1,2]]"#,
            "[[\"send\", key, msg]]",
        ),
        ("kafka", "assign", "[1]", "no list of keys"),
        ("kafka", "pull", "[]", "no operation"),
        (
            "txn-list-append",
            "txn",
            "[[1,2]]",
            "no list of [type, key, value]",
        ),
        (
            "txn-list-append",
            "txn",
            r#"[["w",1,2]]"#,
            "no operation \"w\"",
        ),
        ("txn-rw-register", "txn", r#"[["w",1,null]]"#, "no integer"),
        (
            "txn-rw-register",
            "txn",
            r#"[["w",1,2],["w",1,2]]"#,
            "2 is written to key 1 a second time",
        ),
    ];
    for (workload, f, value, why) in cases {
        let line = format!(r#"{{"time":0,"type":"invoke","process":0,"f":"{f}","value":{value}}}"#);
        let found = refused(workload, &line);
        assert!(
            found.starts_with("line 1: ") && found.contains(why),
            "{found}"
        );
    }
}

#[test]
fn replies_of_another_shape_are_named() {
    let cases = [
        ("lin-kv", "read", "[1,null]", "1"),
        (
            "kafka",
            "poll",
            r#"[["poll"]]"#,
            r#"[["poll",{"a":[[1]]}]]"#,
        ),
        ("kafka", "send", r#"[["send","a",1]]"#, "null"),
        ("txn-rw-register", "txn", r#"[["r",1,null]]"#, "{}"),
    ];
    for (workload, f, asked, answered) in cases {
        let line = |kind: &str, value: &str| {
            format!(r#"{{"time":0,"type":"{kind}","process":0,"f":"{f}","value":{value}}}"#)
        };
        let text = format!("{}\n{}", line("invoke", asked), line("ok", answered));
        let found = refused(workload, &text);
        assert!(found.starts_with("line 2: "), "{found}");
    }
}

#[test]
fn reads_are_final_where_the_lines_say_so_or_long_after_the_last_change() {
    let read = |time: u64, key: &str| {
        let line = |time, kind| {
            format!(r#"{{"time":{time},"type":"{kind}","process":0,"f":"read","value":[]{key}}}"#)
        };
        format!("{}\n{}\n", line(time, "invoke"), line(time + 1, "ok"))
    };
    let fault = |time: u64| {
        format!(r#"{{"time":{time},"type":"info","process":"nemesis","f":"heal","value":null}}"#)
    };
    let phases = |text: String| -> Vec<Phase> {
        let history = HistoryReader::new("g-set").read(&text).unwrap();
        history.operations().iter().map(|read| read.phase).collect()
    };
    let s = 1_000_000_000;
    let silent = [read(s, ""), fault(2 * s), read(6 * s, ""), read(8 * s, "")].join("\n");
    assert_eq!(phases(silent), [Phase::Load, Phase::Load, Phase::Final]);
    let marked = [read(s, r#","final?":true"#), read(9 * s, "")].join("\n");
    assert_eq!(phases(marked), [Phase::Final, Phase::Load]);
}

#[test]
fn an_operation_without_an_outcome_has_an_unknown_one() {
    let begin = r#"{"time":5,"type":"invoke","process":4,"f":"add","value":1}"#;
    let history = HistoryReader::new("g-set").nodes(3).read(begin).unwrap();
    let add = &history.operations()[0];
    assert_eq!((&*add.client, add.node), ("c4", 1));
    assert!(!add.is_ok() && !add.is_fail());
}
