//! Checks the clients of Maelstrom's services, on virtual time: the request of each
//! operation, and the effect of each reply.

#![allow(clippy::unwrap_used, reason = "tests")]

mod alone;

use alone::Alone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

fn error(code: i64) -> Value {
    json!({"type": "error", "code": code, "text": "no"})
}

act!(Reads, |cx, request| {
    let value: Option<Value> = cx.lin_kv().read(json!(["a", 1])).await?;
    cx.reply(&request, &json!({"value": value}))
});

fn read_a1() -> Value {
    json!({"type": "read", "key": ["a", 1]})
}

#[test]
fn a_read_ends_with_the_value() {
    let mut alone = Alone::acting::<Reads>();
    let value = json!({"deep": [1.5, null]});
    alone.serve(read_a1(), json!({"type": "read_ok", "value": value}));
    alone.ends_with(json!({"type": "act_ok", "value": value}));
}

#[test]
fn a_key_that_does_not_exist_reads_as_none() {
    let mut alone = Alone::acting::<Reads>();
    alone.serve(read_a1(), error(20));
    alone.ends_with(json!({"type": "act_ok", "value": null}));
}

#[test]
fn any_other_error_goes_to_the_caller() {
    for code in [0, 10, 11, 13, 22, 1000] {
        let mut alone = Alone::acting::<Reads>();
        alone.serve(read_a1(), error(code));
        alone.ends_with(error(code));
    }
}

act!(ReadsNumber, |cx, request| {
    let value: Option<u64> = cx.lww_kv().read("a").await?;
    cx.reply(&request, &json!({"value": value}))
});

#[test]
fn a_value_of_the_wrong_type_is_error_13() {
    let mut alone = Alone::acting::<ReadsNumber>();
    let read = json!({"type": "read", "key": "a"});
    alone.serve(read, json!({"type": "read_ok", "value": "seven"}));
    let (_, _, body) = alone.sent_one();
    assert_eq!(body["code"], 13);
    assert!(body["text"].as_str().unwrap().contains("`value`"), "{body}");
}

#[test]
fn silence_is_error_0_at_the_timeout() {
    let mut alone = Alone::acting::<ReadsNumber>();
    assert_eq!(alone.sent_one().0, "lww-kv");
    alone.advance(1001);
    let text = "no reply from \"lww-kv\" to message 1 in time";
    alone.ends_with(json!({"type": "error", "code": 0, "text": text}));
}

act!(Writes, |cx, request| {
    cx.seq_kv().write(7, [1, 2]).await?;
    cx.reply(&request, &())
});

#[test]
fn a_write_sends_key_and_value() {
    let mut alone = Alone::acting::<Writes>();
    let write = json!({"type": "write", "key": 7, "value": [1, 2]});
    alone.serve(write, json!({"type": "write_ok"}));
    alone.ends_with(json!({"type": "act_ok"}));
}

act!(Swaps, |cx, request| {
    cx.lin_kv().cas("k", 1, None::<u8>).await?;
    cx.reply(&request, &())
});

#[test]
fn a_cas_sends_from_and_to_without_create_if_not_exists() {
    let cas = json!({"type": "cas", "key": "k", "from": 1, "to": null});
    let mut alone = Alone::acting::<Swaps>();
    alone.serve(cas.clone(), json!({"type": "cas_ok"}));
    alone.ends_with(json!({"type": "act_ok"}));
    for code in [20, 22] {
        let mut alone = Alone::acting::<Swaps>();
        alone.serve(cas.clone(), error(code));
        alone.ends_with(error(code));
    }
}

act!(Creates, |cx, request| {
    cx.lin_kv().cas_or_create("k", 1, 2).await?;
    cx.reply(&request, &())
});

#[test]
fn a_creating_cas_sends_create_if_not_exists() {
    let mut alone = Alone::acting::<Creates>();
    let cas = json!({"type": "cas", "key": "k", "from": 1, "to": 2, "create_if_not_exists": true});
    alone.serve(cas, json!({"type": "cas_ok"}));
    alone.ends_with(json!({"type": "act_ok"}));
}

act!(Stamps, |cx, request| {
    let ts = cx.lin_tso().ts().await?;
    cx.reply(&request, &json!({"ts": ts}))
});

#[test]
fn a_timestamp_request_has_no_fields_but_the_type() {
    let mut alone = Alone::acting::<Stamps>();
    alone.serve(json!({"type": "ts"}), json!({"type": "ts_ok", "ts": 0}));
    alone.ends_with(json!({"type": "act_ok", "ts": 0}));
    let mut alone = Alone::acting::<Stamps>();
    alone.serve(json!({"type": "ts"}), error(11));
    alone.ends_with(error(11));
}

act!(Fences, |cx, request| {
    cx.seq_kv().fence().await?;
    cx.reply(&request, &())
});

#[test]
fn a_fence_writes_a_value_never_written_before() {
    let mut values = Vec::new();
    let mut alone = Alone::acting::<Fences>();
    for _ in 0..2 {
        let (dest, msg_id, body) = alone.sent_one();
        assert_eq!((dest.as_str(), &body["type"]), ("seq-kv", &json!("write")));
        assert_eq!(body["key"], "fence-n1");
        values.push(body["value"].clone());
        alone.receive("seq-kv", json!({"type": "write_ok", "in_reply_to": msg_id}));
        alone.ends_with(json!({"type": "act_ok"}));
        alone.receive("c1", json!({"type": "act", "msg_id": 1}));
    }
    assert_ne!(values[0], values[1]);
}

#[derive(Serialize, Deserialize)]
struct Sum {
    sum: u64,
}

act!(Adds, |cx, request| {
    let kv = cx.lin_kv().timeout(Duration::from_millis(500));
    let change = |old: &Sum| Sum { sum: old.sum + 5 };
    let new = kv.update("k", Sum { sum: 100 }, change).await?;
    cx.reply(&request, &new)
});

fn read_k() -> Value {
    json!({"type": "read", "key": "k"})
}

fn cas_k(from: &Value, to: u64) -> Value {
    json!({"type": "cas", "key": "k", "from": from, "to": {"sum": to},
        "create_if_not_exists": true})
}

#[test]
fn an_update_of_a_missing_key_begins_with_the_default() {
    let mut alone = Alone::acting::<Adds>();
    alone.serve(read_k(), error(20));
    alone.serve(cas_k(&json!({"sum": 100}), 105), json!({"type": "cas_ok"}));
    alone.ends_with(json!({"type": "act_ok", "sum": 105}));
}

#[test]
fn an_update_repeats_until_its_cas_succeeds() {
    let mut alone = Alone::acting::<Adds>();
    for sum in [1, 2, 3] {
        let old = json!({"sum": sum});
        alone.serve(read_k(), json!({"type": "read_ok", "value": old}));
        alone.serve(cas_k(&old, sum + 5), error(22));
        assert_eq!(alone.sent(), [], "there is no pause");
        alone.advance(10);
    }
    // Fields that are unknown to our type are kept in `from`.
    let old = json!({"sum": 4, "more": 1});
    alone.serve(read_k(), json!({"type": "read_ok", "value": old}));
    alone.serve(cas_k(&old, 9), json!({"type": "cas_ok"}));
    alone.ends_with(json!({"type": "act_ok", "sum": 9}));
}

#[test]
fn an_update_that_always_conflicts_ends_at_the_deadline_with_a_definite_error() {
    let mut alone = Alone::acting::<Adds>();
    for _ in 0..500 {
        for (dest, body) in alone.sent() {
            let number = &body["msg_id"];
            let reply = match body["type"].as_str() {
                Some("read") => {
                    json!({"type": "read_ok", "in_reply_to": number, "value": {"sum": 1}})
                }
                Some("cas") => json!({"type": "error", "in_reply_to": number, "code": 22}),
                _ => {
                    assert_eq!((&body["code"], dest.as_str()), (&json!(30), "c1"));
                    assert_eq!(alone.usage(), eddyline::session::Usage::default());
                    return;
                }
            };
            alone.receive("lin-kv", reply);
        }
        alone.advance(1);
    }
    panic!("the update has not ended");
}

#[test]
fn an_update_repeats_an_unanswered_read_but_never_an_unanswered_cas() {
    let mut alone = Alone::acting::<Adds>();
    alone.sent_one();
    alone.advance(300);
    let old = json!({"sum": 1});
    alone.serve(read_k(), json!({"type": "read_ok", "value": old}));
    let (_, _, body) = alone.sent_one();
    assert_eq!(body, cas_k(&old, 6));
    alone.advance(199);
    assert_eq!(alone.sent(), []);
    alone.advance(3);
    let (_, _, body) = alone.sent_one();
    assert_eq!(body["code"], 0);
}

act!(AddsOnce, |cx, request| {
    let kv = cx.lin_kv().timeout(Duration::from_millis(2500));
    let sum = kv.update_once("k", 100, |sum: &u64| sum + 5).await?;
    cx.reply(&request, &json!({"sum": sum}))
});

/// The number and the `to` of the only message, which must be a `cas` of `from`.
#[track_caller]
fn swap_of(alone: &mut Alone, from: &Value) -> (u64, Value) {
    let (_, msg_id, body) = alone.sent_one();
    assert_eq!((&body["type"], &body["from"]), (&json!("cas"), from));
    (msg_id, body["to"].clone())
}

/// A marked sum, written by another node.
fn marked(sum: u64) -> Value {
    json!({"value": sum, "marks": {"n2": ["00"]}})
}

#[test]
fn an_update_is_made_once_even_if_error_22_comes_first() {
    let mut alone = Alone::acting::<AddsOnce>();
    alone.serve(read_k(), json!({"type": "read_ok", "value": marked(1)}));
    let (msg_id, to) = swap_of(&mut alone, &marked(1));
    assert_eq!(
        (&to["value"], &to["marks"]["n2"]),
        (&json!(6), &json!(["00"]))
    );
    let mut late = error(22);
    late["in_reply_to"] = msg_id.into();
    alone.receive("lin-kv", late);
    alone.advance(10);
    // Another node has added 7 since then, and kept the mark.
    let mut now = to;
    now["value"] = json!(13);
    alone.serve(read_k(), json!({"type": "read_ok", "value": now}));
    alone.ends_with(json!({"type": "act_ok", "sum": 6}));
    // The next update of this node removes the mark, which is no longer needed.
    alone.receive("c1", json!({"type": "act", "msg_id": 1}));
    alone.serve(read_k(), json!({"type": "read_ok", "value": now}));
    let (_, to) = swap_of(&mut alone, &now);
    assert_ne!(to["marks"]["n1"], now["marks"]["n1"]);
    assert_eq!(to["marks"]["n1"].as_array().unwrap().len(), 1);
}

#[test]
fn an_update_whose_reply_is_lost_reads_and_tries_again() {
    let mut alone = Alone::acting::<AddsOnce>();
    alone.serve(read_k(), error(20));
    let nothing = json!({"value": 100, "marks": {}});
    let (_, to) = swap_of(&mut alone, &nothing);
    alone.advance(1010);
    alone.serve(read_k(), error(20));
    let (msg_id, again) = swap_of(&mut alone, &nothing);
    assert_eq!(to, again, "the mark differs");
    let done = json!({"type": "cas_ok", "in_reply_to": msg_id});
    alone.receive("lin-kv", done);
    alone.ends_with(json!({"type": "act_ok", "sum": 105}));
}

#[test]
fn an_uncertain_update_ends_with_error_0_and_a_failed_read_with_its_own_error() {
    let mut alone = Alone::acting::<AddsOnce>();
    alone.serve(read_k(), json!({"type": "read_ok", "value": marked(1)}));
    let (msg_id, _) = swap_of(&mut alone, &marked(1));
    let mut late = error(22);
    late["in_reply_to"] = msg_id.into();
    alone.receive("lin-kv", late);
    alone.advance(2600);
    let last = alone.sent().pop().unwrap().1;
    assert_eq!(last["code"], 0, "{last}");
    let mut alone = Alone::acting::<AddsOnce>();
    alone.serve(read_k(), error(14));
    alone.ends_with(error(14));
}

act!(Forwards, |cx, request| {
    let reply = cx.sync_rpc_raw("n2", &request.body()?).await?;
    cx.reply_raw(&request, reply.raw_value()?)
});

#[test]
fn a_forwarded_reply_has_only_our_header() {
    let mut alone = Alone::acting::<Forwards>();
    let (dest, msg_id, body) = alone.sent_one();
    assert_eq!((dest.as_str(), body), ("n2", json!({"type": "act"})));
    let reply = json!({"type": "act_ok", "msg_id": 70, "in_reply_to": msg_id, "a": [1]});
    alone.receive("n2", reply);
    alone.ends_with(json!({"type": "act_ok", "a": [1]}));
}
