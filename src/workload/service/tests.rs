//! The freedoms of each service, and their limits.

use super::*;
use serde_json::json;

struct Bench(Services);

impl Bench {
    fn new(seed: u64) -> Bench {
        Bench(Services::new(Random::new(seed)))
    }

    fn ask(&mut self, name: &str, client: &str, mut body: Value) -> Option<Value> {
        body["msg_id"] = json!(1);
        let service = NAMES.iter().position(|&known| known == name).unwrap();
        let reply = self.0.answer(service, client, &body.to_string())?;
        Some(serde_json::to_value(reply).unwrap())
    }

    fn read(&mut self, name: &str, client: &str) -> Value {
        let reply = self.ask(name, client, json!({"type": "read", "key": "x"}));
        reply.unwrap()["value"].clone()
    }

    fn write(&mut self, name: &str, client: &str, value: i32) {
        let body = json!({"type": "write", "key": "x", "value": value});
        let reply = self.ask(name, client, body).unwrap();
        assert_eq!(reply, json!({"type": "write_ok", "in_reply_to": 1}));
    }

    fn cas(&mut self, name: &str, from: i32, to: i32, create: bool) -> Value {
        let body = json!({"type": "cas", "key": "x", "from": from, "to": to,
            "create_if_not_exists": create});
        let reply = self.ask(name, "n0", body).unwrap();
        reply.get("code").cloned().unwrap_or_default()
    }
}

#[test]
fn lin_kv_sees_the_last_write_and_reports_errors_20_and_22() {
    let mut bench = Bench::new(1);
    assert_eq!(bench.cas("lin-kv", 1, 2, false), 20);
    assert_eq!(bench.cas("lin-kv", 1, 2, true), Value::Null);
    assert_eq!(bench.cas("lin-kv", 1, 3, false), 22);
    assert_eq!(bench.read("lin-kv", "n0"), 2);
    bench.write("lin-kv", "n1", 9);
    assert_eq!(bench.read("lin-kv", "n0"), 9);
}

#[test]
fn a_body_that_cannot_be_read_gets_error_12() {
    let mut bench = Bench::new(1);
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for value in ["\"\\ud800\"", "1e999", &deep, "1,\"value\":2"] {
        let body = format!(r#"{{"type":"write","msg_id":7,"key":1,"value":{value}}}"#);
        let reply = bench.0.answer(0, "n0", &body).unwrap();
        let reply = serde_json::to_value(reply).unwrap();
        assert_eq!(
            (&reply["code"], &reply["in_reply_to"]),
            (&json!(12), &json!(7))
        );
        let text = reply["text"].as_str().unwrap();
        assert!(text.contains("line 1 column"), "{text}");
    }
    assert!(bench.0.answer(0, "n0", "[]").is_none());
}

#[test]
fn an_unknown_type_gets_no_reply() {
    let mut bench = Bench::new(1);
    for name in NAMES {
        assert_eq!(
            bench.ask(name, "n0", json!({"type": "delete", "key": 1})),
            None
        );
    }
    assert_eq!(bench.ask("lin-kv", "n0", json!({"type": "ts"})), None);
    assert_eq!(
        bench.ask("lin-tso", "n0", json!({"type": "read", "key": 1})),
        None
    );
}

/// Each row of the table of this room.
#[test]
fn a_strict_service_says_what_is_wrong() {
    let mut services = Services::new(Random::new(1));
    let (kv, tso) = (0, 3);
    for (service, body, code, text) in [
        (
            kv,
            r#"{"type":"delete","msg_id":7,"key":1}"#,
            10,
            "read, write, cas",
        ),
        (
            kv,
            r#"{"type":"ts","msg_id":7}"#,
            10,
            "lin-kv knows no request \"ts\"",
        ),
        (tso, r#"{"type":"read","msg_id":7,"key":1}"#, 10, "only ts"),
        (kv, r#"{"type":"read","msg_id":7}"#, 12, "has no `key`"),
        (
            kv,
            r#"{"type":"write","msg_id":7,"key":1}"#,
            12,
            "no `value`",
        ),
        (
            kv,
            r#"{"type":"cas","msg_id":7,"key":1,"to":1}"#,
            12,
            "no `from`",
        ),
        (
            kv,
            r#"{"type":"write","msg_id":7,"key":1,"value":1e999}"#,
            12,
            "column",
        ),
        (kv, r#"{"type":5,"msg_id":7}"#, 12, "cannot be read"),
        (kv, r#"{"msg_id":7}"#, 12, "cannot be read"),
    ] {
        let reply = services.answer_strictly(service, "n0", body);
        let reply = serde_json::to_value(reply.unwrap()).unwrap();
        assert_eq!(
            (&reply["code"], &reply["in_reply_to"]),
            (&json!(code), &json!(7))
        );
        let found = reply["text"].as_str().unwrap();
        assert!(found.contains(text), "{body}: {found}");
    }
    // A null that is there is a value.
    let null = r#"{"type":"write","key":1,"value":null}"#;
    for body in [
        null,
        r#"{"type":"delete"}"#,
        r#"{"type":"read"}"#,
        r#"{"type":5}"#,
        "[]",
        "x",
    ] {
        assert!(services.answer_strictly(kv, "n0", body).is_none(), "{body}");
    }
    let read = services.answer_strictly(kv, "n0", r#"{"type":"read","msg_id":7,"key":1}"#);
    let read = serde_json::to_value(read.unwrap()).unwrap();
    assert_eq!(
        read["type"], "read_ok",
        "the write without a number was carried out"
    );
}

#[test]
fn seq_kv_serves_past_states_but_never_goes_back() {
    let (mut stale, mut fresh) = (0, 0);
    for seed in 0..200 {
        let mut bench = Bench::new(seed);
        for value in 0..10 {
            bench.write("seq-kv", "n0", value);
        }
        assert_eq!(
            bench.read("seq-kv", "n0"),
            9,
            "the writer saw its own write"
        );
        let mut last = -1;
        for _ in 0..5 {
            // The state before the first write, without the key, is a past state too.
            let seen = bench.read("seq-kv", "n1").as_i64().unwrap_or(-1);
            assert!(seen >= last, "went back from {last} to {seen}");
            last = seen;
        }
        if last == 9 { fresh += 1 } else { stale += 1 }
    }
    assert!(stale > 10 && fresh > 10, "{stale} stale, {fresh} fresh");
}

#[test]
fn seq_kv_shows_the_newest_state_to_a_caller_that_wrote_a_new_value() {
    for seed in 0..100 {
        let mut bench = Bench::new(seed);
        bench.write("seq-kv", "n0", 1);
        let fence = json!({"type": "write", "key": "fence", "value": seed});
        bench.ask("seq-kv", "n1", fence).unwrap();
        assert_eq!(bench.read("seq-kv", "n1"), 1);
    }
}

#[test]
fn seq_kv_forgets_states_older_than_the_last_32() {
    for seed in 0..100 {
        let mut bench = Bench::new(seed);
        for value in 0..100 {
            bench.write("seq-kv", "n0", value);
        }
        assert!(bench.read("seq-kv", "n1").as_i64().unwrap() >= 68);
    }
}

#[test]
fn lww_kv_is_eventual_and_ignores_create_if_not_exists() {
    let mut missed = 0;
    for seed in 0..100 {
        let mut bench = Bench::new(seed);
        assert_eq!(bench.cas("lww-kv", 1, 2, true), 20);
        bench.write("lww-kv", "n0", 1);
        missed += usize::from(bench.read("lww-kv", "n0") == Value::Null);
        let seen = (0..100).map(|_| bench.read("lww-kv", "n0")).last();
        assert_eq!(seen, Some(json!(1)));
    }
    assert!(missed > 10, "{missed}");
}

#[test]
fn lin_tso_counts_from_0() {
    let mut bench = Bench::new(1);
    for expected in 0..3 {
        let reply = bench.ask("lin-tso", "n0", json!({"type": "ts"})).unwrap();
        assert_eq!(
            reply,
            json!({"type": "ts_ok", "ts": expected, "in_reply_to": 1})
        );
    }
}

#[test]
fn values_count_until_no_state_has_them() {
    let mut services = Services::new(Random::new(1));
    let mut write = |service: usize, value: &str| {
        let body = json!({"type": "write", "msg_id": 1, "key": "x", "value": value});
        services.answer(service, "n0", &body.to_string()).unwrap();
        services.held_bytes()
    };
    let text = "x".repeat(10_000);
    for service in 0..3 {
        let before = write(service, "");
        let one = write(service, &text) - before;
        assert!((10_000..20_000).contains(&one), "{one} in {service}");
        // seq-kv has 32 states, and lww-kv two replicas.
        let last = (0..100)
            .map(|n| write(service, &format!("{n}{text}")))
            .last();
        let most = [1, 33, 2][service];
        assert!(
            last.unwrap() - before < most * 11_000,
            "{last:?} in {service}"
        );
        let ends = (0..200).map(|n| write(service, &n.to_string())).last();
        assert!(ends.unwrap() < before + 50 * 200, "{ends:?} in {service}");
    }
}
