//! Checks calls with retries, on virtual time: when they send again, when they end, and
//! that they leave no table entry and no timer.

#![allow(clippy::unwrap_used, reason = "tests")]

mod alone;

use alone::Alone;
use eddyline::session::Usage;
use eddyline::{Backoff, Context, Error, Result};
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn persistent(cx: &Context) -> eddyline::Call {
    let call = cx.sync_rpc("n2", "ping", &json!({"a": 1}));
    call.retry(Backoff::new(MS(100))).timeout(MS(1000))
}

act!(Persistent, |cx, request| {
    let reply = persistent(&cx).await?;
    cx.reply(&request, &json!({"got": reply.body::<Value>()?["n"]}))
});

fn pong(in_reply_to: u64, n: u64) -> Value {
    json!({"type": "ping_ok", "in_reply_to": in_reply_to, "n": n})
}

fn error(in_reply_to: u64, code: i64) -> Value {
    json!({"type": "error", "in_reply_to": in_reply_to, "code": code, "text": "no"})
}

#[test]
fn pauses_double_with_jitter_and_each_request_has_a_number_of_its_own() {
    let mut alone = Alone::acting::<Persistent>();
    let mut sent_at_ms = Vec::new();
    let mut numbers = BTreeSet::new();
    for now_ms in 0..900 {
        for (dest, body) in alone.sent() {
            assert_eq!((dest.as_str(), &body["type"]), ("n2", &json!("ping")));
            assert_eq!(body["a"], 1);
            numbers.insert(body["msg_id"].as_u64().unwrap());
            sent_at_ms.push(now_ms);
        }
        alone.advance(1);
    }
    assert_eq!(numbers.len(), sent_at_ms.len());
    let pauses: Vec<i32> = sent_at_ms.windows(2).map(|at| at[1] - at[0]).collect();
    assert!(pauses.len() >= 3, "{pauses:?}");
    for (pause, whole) in pauses.iter().zip([100, 200, 400, 800]) {
        assert!((whole / 2..=whole + 1).contains(pause), "{pauses:?}");
    }
}

#[test]
fn the_timeout_limits_all_attempts_together() {
    let mut alone = Alone::acting::<Persistent>();
    alone.advance(999);
    let sent = alone.sent();
    assert!(sent.iter().all(|(dest, _)| dest == "n2"));
    alone.advance(2);
    let text = format!(
        "no reply from \"n2\" to any of {} requests in time",
        sent.len()
    );
    alone.ends_with(json!({"type": "error", "code": 0, "text": text}));
}

#[test]
fn the_first_request_may_be_answered_after_the_second_was_sent() {
    let mut alone = Alone::acting::<Persistent>();
    let (_, first, _) = alone.sent_one();
    alone.advance(110);
    let (_, second, _) = alone.sent_one();
    assert_ne!(first, second);
    alone.receive("n2", pong(first, 7));
    alone.ends_with(json!({"type": "act_ok", "got": 7}));
    // The reply to the second request is ignored.
    alone.receive("n2", pong(second, 8));
    assert_eq!(alone.sent(), []);
}

#[test]
fn errors_0_1_and_11_are_retried_and_other_errors_are_not() {
    let mut alone = Alone::acting::<Persistent>();
    for (code, pause) in [(11, 110), (0, 210), (1, 410)] {
        let (_, number, _) = alone.sent_one();
        alone.receive("n2", error(number, code));
        assert_eq!(alone.sent(), []);
        alone.advance(pause);
    }
    let (_, number, _) = alone.sent_one();
    alone.receive("n2", error(number, 1000));
    alone.ends_with(json!({"type": "error", "code": 1000, "text": "no"}));
}

#[test]
fn the_final_error_is_definite_only_if_every_request_was_refused() {
    let mut alone = Alone::acting::<Persistent>();
    for _ in 0..1000 {
        for (dest, body) in alone.sent() {
            assert_eq!(dest, "n2");
            alone.receive("n2", error(body["msg_id"].as_u64().unwrap(), 11));
        }
        alone.advance(1);
    }
    alone.advance(2);
    alone.ends_with(json!({"type": "error", "code": 11, "text": "no"}));

    let mut alone = Alone::acting::<Persistent>();
    alone.sent_one();
    for _ in 0..998 {
        alone.advance(1);
        for (dest, body) in alone.sent() {
            assert_eq!(dest, "n2");
            alone.receive("n2", error(body["msg_id"].as_u64().unwrap(), 1));
        }
    }
    alone.advance(4);
    let (_, _, body) = alone.sent_one();
    assert_eq!(body["code"], 0, "the first request may be done: {body}");
    let text = body["text"].as_str().unwrap();
    assert!(
        text.ends_with("in time; the last error was: no (error 1)"),
        "the last error is missing: {text}"
    );
}

act!(Impatient, |cx, request| {
    let mut call = persistent(&cx);
    for _ in 0..5 {
        assert!((&mut call).now_or_never().is_none());
        cx.sleep(MS(100)).await;
    }
    assert!(cx.now().as_nanos() > 0);
    drop(call);
    cx.reply(&request, &())
});

#[test]
fn a_dropped_call_leaves_no_entry_and_no_timer() {
    let mut alone = Alone::acting::<Impatient>();
    alone.advance(450);
    let usage = alone.usage();
    // Three requests with one timer each, the timer of the pause, and that of the sleep.
    assert_eq!((usage.calls_waiting, usage.timers), (3, 5));
    alone.sent();
    alone.advance(100);
    alone.ends_with(json!({"type": "act_ok"}));
}

#[test]
fn after_the_end_of_the_input_nothing_is_sent_again() {
    let mut alone = Alone::acting::<Persistent>();
    alone.sent_one();
    alone.end_input();
    alone.advance(5000);
    assert_eq!(alone.sent(), []);
}

act!(Stranger, |cx, request| {
    let call = cx.sync_rpc("n9", "ping", &()).retry(Backoff::default());
    call.await?;
    cx.reply(&request, &())
});

#[test]
fn a_call_to_an_unknown_name_is_refused_and_not_repeated() {
    let mut alone = Alone::acting::<Stranger>();
    let (dest, _, body) = alone.sent_one();
    assert_eq!((dest.as_str(), &body["code"]), ("c1", &json!(1)));
    assert_eq!(alone.usage(), Usage::default());
}

async fn ask_majority(cx: &Context) -> Result<usize> {
    let mut replies: FuturesUnordered<_> = cx
        .peers()
        .map(|peer| cx.sync_rpc(peer, "vote", &()).retry(Backoff::default()))
        .collect();
    let mut votes = 1;
    while votes < cx.majority() {
        match replies.next().await {
            Some(Ok(_)) => votes += 1,
            Some(Err(_)) => {}
            None => return Err(Error::temporarily_unavailable("too few votes")),
        }
    }
    Ok(votes)
}

act!(Candidate, |cx, request| {
    let votes = ask_majority(&cx).await?;
    cx.reply(&request, &json!({"votes": votes}))
});

#[test]
fn after_a_majority_the_other_calls_are_dropped() {
    let mut alone = Alone::acting::<Candidate>();
    let sent = alone.sent();
    let dests: Vec<&str> = sent.iter().map(|(dest, _)| dest.as_str()).collect();
    assert_eq!(dests, ["n2", "n3"]);
    let number = sent[1].1["msg_id"].as_u64().unwrap();
    alone.receive("n3", json!({"type": "vote_ok", "in_reply_to": number}));
    alone.ends_with(json!({"type": "act_ok", "votes": 2}));
}

#[test]
fn without_a_majority_the_request_ends_with_an_error() {
    let mut alone = Alone::acting::<Candidate>();
    let before = alone.now();
    alone.advance(1001);
    assert!(alone.now() > before);
    let last = alone.sent().pop().unwrap().1;
    assert_eq!(
        (&last["code"], &last["text"]),
        (&json!(11), &json!("too few votes"))
    );
    assert_eq!(alone.usage(), Usage::default());
}
