//! Replies of every type, errors with further fields, requests that another node answers, and
//! one enum for all requests.

use super::world::World;
use eddyline::node::ReplyAddress;
use eddyline::{Context, Error, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::rc::Rc;

/// A node whose handler is a function.
struct Scripted<F>(F);

impl<F: Fn(&Context, &Request) -> Result<()> + Copy + 'static> Node for Scripted<F> {
    fn new(_: &Context) -> Self {
        unreachable!("built by a closure")
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        (self.0)(&cx, &request)
    }
}

fn scripted(handle: impl Fn(&Context, &Request) -> Result<()> + Copy + 'static) -> World {
    World::with(move |_| Scripted(handle))
}

/// The only reply to a request `{"type":"poll","msg_id":7,"term":3}`.
fn reply_of(handle: impl Fn(&Context, &Request) -> Result<()> + Copy + 'static) -> Value {
    let mut world = scripted(handle);
    world.ask(&json!({"type": "poll", "msg_id": 7, "term": 3}));
    let reply = world.body();
    assert_eq!(reply["in_reply_to"], 7);
    reply
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Message {
    Poll { term: u64 },
    Ballot { term: u64, voters: Vec<String> },
}

#[test]
fn a_type_among_the_fields_is_the_replys_type() {
    let ballot = json!({"type": "ballot", "msg_id": 1, "in_reply_to": 7, "term": 4, "voters": []});
    let by_enum = reply_of(|cx, request| {
        let Message::Poll { term } = request.body()? else {
            return cx.not_supported(request);
        };
        let voters = Vec::new();
        cx.reply(
            request,
            &Message::Ballot {
                term: term + 1,
                voters,
            },
        )
    });
    assert_eq!(by_enum, ballot);
    let by_map = reply_of(|cx, request| {
        cx.reply(request, &json!({"term": 4, "type": "ballot", "voters": []}))
    });
    assert_eq!(by_map, ballot);
    let named =
        reply_of(|cx, request| cx.reply_as(request, "ballot", &json!({"term": 4, "voters": []})));
    assert_eq!(named, ballot);
    let both = reply_of(|cx, request| {
        let voters = Vec::new();
        cx.reply_as(request, "ballot", &Message::Ballot { term: 4, voters })
    });
    assert_eq!(both, ballot);
    let raw = reply_of(|cx, request| {
        // A reply of another node, with that node's numbers.
        let raw = r#"{"in_reply_to":99,"voters":[],"type":"ballot","msg_id":99,"term":4}"#;
        cx.reply_raw(request, serde_json::from_str::<&RawValue>(raw).unwrap())
    });
    assert_eq!(raw, ballot);
}

#[test]
fn a_reply_between_others_keeps_its_line() {
    let mut world = scripted(|cx, request| {
        cx.send("n2", "before", &())?;
        cx.reply(request, &json!({"type": "b\"allot", "text": "a\nb"}))?;
        cx.send("n2", "after", &())
    });
    world.ask(&json!({"type": "poll", "msg_id": 7}));
    let kinds: Vec<Value> = world
        .bodies()
        .iter()
        .map(|body| body["type"].clone())
        .collect();
    assert_eq!(kinds, ["before", "b\"allot", "after"]);
}

#[test]
fn a_whole_request_handed_back_becomes_ok() {
    let expected = json!({"type": "poll_ok", "msg_id": 1, "in_reply_to": 7, "term": 3});
    let typed = reply_of(|cx, request| cx.reply(request, &request.body::<Value>()?));
    assert_eq!(typed, expected);
    let by_enum = reply_of(|cx, request| cx.reply(request, &request.body::<Message>()?));
    assert_eq!(by_enum, expected);
    let raw = reply_of(|cx, request| cx.reply_raw(request, request.body()?));
    assert_eq!(raw, expected);
    let in_raw = reply_of(|cx, request| cx.reply(request, request.body::<&RawValue>()?));
    assert_eq!(in_raw, expected);
}

#[test]
fn fields_that_contradict_the_header_are_error_13_that_names_the_key() {
    #[derive(Serialize)]
    struct Numbered {
        msg_id: u64,
        in_reply_to: Option<u64>,
    }
    for (key, reply) in [
        (
            "msg_id",
            reply_of(|cx, request| cx.reply(request, &json!({"msg_id": 8}))),
        ),
        (
            "in_reply_to",
            reply_of(|cx, request| cx.reply(request, &json!({"in_reply_to": 8}))),
        ),
        (
            "type",
            reply_of(|cx, request| cx.reply(request, &json!({"type": 8}))),
        ),
        (
            "type",
            reply_of(|cx, request| cx.reply_as(request, "a", &json!({"type": "b"}))),
        ),
        (
            "msg_id",
            reply_of(|cx, request| {
                cx.reply(
                    request,
                    &Numbered {
                        msg_id: 8,
                        in_reply_to: Some(7),
                    },
                )
            }),
        ),
        (
            "type",
            reply_of(|cx, _| cx.send("n2", "add", &json!({"type": "read"}))),
        ),
        (
            "msg_id",
            reply_of(|cx, _| cx.send("n2", "add", &json!({"msg_id": 1}))),
        ),
        (
            "in_reply_to",
            reply_of(|cx, _| cx.send("n2", "add", &json!({"in_reply_to": 1}))),
        ),
    ] {
        assert_eq!(
            (&reply["type"], &reply["code"]),
            (&json!("error"), &json!(13))
        );
        let text = reply["text"].as_str().unwrap();
        assert!(text.contains(&format!("field `{key}`")), "{text}");
    }
    let raw = reply_of(|cx, request| {
        cx.reply_raw(
            request,
            serde_json::from_str::<&RawValue>(r#"{"type":8}"#).unwrap(),
        )
    });
    assert_eq!(
        (&raw["code"], &raw["text"]),
        (&json!(12), &json!("field `type`: not a string"))
    );
}

#[test]
fn fields_that_agree_with_the_header_are_left_out() {
    let reply = reply_of(|cx, request| {
        cx.reply(
            request,
            &json!({"in_reply_to": 7, "msg_id": 7, "type": null}),
        )
    });
    assert_eq!(
        reply,
        json!({"type": "poll_ok", "msg_id": 1, "in_reply_to": 7})
    );
    let mut world = scripted(|cx, _| {
        cx.send(
            "n2",
            "note",
            &json!({"type": "note", "msg_id": null, "in_reply_to": null}),
        )
    });
    world.ask(&json!({"type": "poll"}));
    assert_eq!(world.body(), json!({"type": "note"}));
}

#[test]
fn an_error_carries_further_fields_to_its_caller() {
    let reply = reply_of(|_, _| {
        let error = Error::temporarily_unavailable("not the leader");
        Err(error.with("leader", "n3").with("term", 4))
    });
    let expected = json!({"type": "error", "msg_id": 1, "in_reply_to": 7,
        "code": 11, "text": "not the leader", "leader": "n3", "term": 4});
    assert_eq!(reply, expected);
}

#[test]
fn a_proxy_passes_an_error_on_with_every_field() {
    let mut world = World::new();
    world.ask(&json!({"type": "proxy", "msg_id": 7, "target": "n2", "inner": {"type": "x"}}));
    let call = world.body();
    let hint = json!({"node": "n3", "terms": [1, 2.5, null]});
    world.receive(
        "n2",
        &json!({"type": "error", "in_reply_to": call["msg_id"], "msg_id": 9,
        "code": 11, "text": "not the leader", "hint": hint}),
    );
    let expected = json!({"type": "error", "in_reply_to": 7, "msg_id": 2,
        "code": 11, "text": "not the leader", "hint": hint});
    assert_eq!(world.body(), expected);
    world.assert_idle();
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Raft {
    Add { delta: i64 },
    Forward { to: ReplyAddress, delta: i64 },
}

/// n1 as a follower of n2 and, for forwarded requests, as a leader.
fn raft(cx: &Context, request: &Request) -> Result<()> {
    match request.body()? {
        Raft::Add { delta } => {
            let to = request.reply_to();
            cx.send("n2", "forward", &Raft::Forward { to, delta })
        }
        Raft::Forward { to, delta: 0 } => {
            cx.reply_error_to(&to, &Error::abort("nothing to add").with("least", 1))
        }
        Raft::Forward { to, delta } => cx.reply_to(&to, "add_ok", &json!({"sum": delta})),
    }
}

#[test]
fn another_node_answers_a_request_that_was_handed_on() {
    let long = "9".repeat(40);
    let mut follower = scripted(raft);
    let line = format!(
        r#"{{"src":"c\"9","dest":"n1","body":{{"type":"add","msg_id":{long},"delta":5}}}}"#
    );
    follower.session.receive(line.as_bytes());
    let (dest, forward) = follower.messages().remove(0);
    assert_eq!(dest, "n2");
    assert!(follower.log.borrow().is_empty(), "{:?}", follower.log);

    // The leader has never heard from the client.
    let mut leader = scripted(raft);
    leader.receive("n2", &forward);
    let output = leader.session.take_output();
    let expected = format!(
        r#"{{"src":"n1","dest":"c\"9","body":{{"type":"add_ok","msg_id":1,"in_reply_to":{long},"sum":5}}}}"#
    );
    assert_eq!(output.trim_end(), expected);

    let refused = json!({"type": "forward", "to": forward["to"], "delta": 0});
    leader.receive("n2", &refused);
    let reply = leader.body();
    assert_eq!((&reply["code"], &reply["least"]), (&json!(14), &json!(1)));
    assert!(leader.log.borrow().is_empty(), "{:?}", leader.log);
}

#[test]
fn a_request_that_wants_no_reply_gets_none_from_another_node() {
    let mut follower = scripted(raft);
    follower.ask(&json!({"type": "add", "delta": 5}));
    let forward = follower.body();
    let mut leader = scripted(raft);
    leader.receive("n2", &forward);
    assert!(leader.messages().is_empty());
}

#[test]
fn an_error_after_a_request_was_handed_on_is_still_sent() {
    let reply = reply_of(|cx, request| {
        let to = request.reply_to();
        cx.send("c77", "forward", &json!({ "to": to }))
    });
    assert_eq!(
        (&reply["type"], &reply["code"]),
        (&json!("error"), &json!(1))
    );
    // And so is a reply of this node, once.
    let mut world = scripted(|cx, request| {
        let _address = request.reply_to();
        cx.reply(request, &())?;
        let _address = request.reply_to();
        assert!(request.is_answered());
        cx.reply(request, &())
    });
    world.ask(&json!({"type": "poll", "msg_id": 7}));
    assert_eq!(world.body()["type"], "poll_ok");
    assert!(world.log.borrow()[0].starts_with("a second reply to \"poll\""));
}

#[test]
fn a_request_that_is_ignored_on_purpose_is_not_complained_about() {
    let mut world = scripted(|_, request| {
        request.ignore();
        Ok(())
    });
    world.ask(&json!({"type": "poll", "msg_id": 7}));
    assert!(world.messages().is_empty() && world.log.borrow().is_empty());
}

#[test]
fn an_enum_of_all_requests_tells_unknown_types_from_wrong_fields() {
    for (body, code, text) in [
        (
            json!({"type": "frob", "msg_id": 7}),
            10,
            "requests of type \"frob\"",
        ),
        (
            json!({"type": "add", "msg_id": 7, "delta": "x"}),
            12,
            "\"add\": field `delta`: invalid type",
        ),
        (
            json!({"type": "add", "msg_id": 7}),
            12,
            "\"add\": missing field `delta`",
        ),
        (
            json!({"type": "forward", "msg_id": 7, "to": {"name": "c1", "number": "x"}, "delta": 1}),
            12,
            "\"forward\": field `to`: `number`: expected the digits",
        ),
    ] {
        let mut world = scripted(raft);
        world.ask(&body);
        let reply = world.body();
        assert_eq!(reply["code"], code, "{reply}");
        assert!(reply["text"].as_str().unwrap().contains(text), "{reply}");
    }
}

#[test]
fn a_byte_order_mark_before_the_first_line_is_skipped() {
    let mut world = World::nameless();
    let marked = |line: &str| format!("\u{feff}{line}");
    world.session.receive(marked(super::world::INIT).as_bytes());
    assert_eq!(world.body()["type"], "init_ok");
    assert!(world.log.borrow().is_empty(), "{:?}", world.log);
    // Elsewhere it is no JSON.
    world.session.receive(marked(super::world::INIT).as_bytes());
    assert!(world.messages().is_empty());
    assert!(world.log.borrow()[0].starts_with("line 2: not a message"));
    // Nor does it make a message of what is none.
    let mut world = World::nameless();
    world.session.receive(marked("x").as_bytes());
    assert!(world.log.borrow()[0].starts_with("line 1: not a message"));
}
