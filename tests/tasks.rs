//! Checks the handles of tasks, calls that are sent first and awaited later, what can be asked about
//! calls, closures that block, and the report of a poll that holds the loop. All on virtual time.

#![allow(clippy::unwrap_used, reason = "tests")]

mod alone;

use alone::{Alone, ByHand};
use eddyline::session::{SPAWNED_MAX, TIMERS_MAX, Usage};
use eddyline::time::VirtualClock;
use eddyline::{Backoff, Context, Error, ErrorCode, Result, Sent, TaskHandle};
use futures_util::future::{join_all, select};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// The code and text of an error, for a comparison in one line.
fn shown<T>(outcome: Result<T>) -> (i64, String) {
    outcome.map_or_else(
        |error| (error.code.number(), error.text),
        |_| (-1, "no error".to_owned()),
    )
}

/// A task that calls n2 and sleeps.
fn busy(cx: &Context) -> TaskHandle {
    let context = cx.clone();
    cx.spawn(async move {
        let call = pin!(context.sync_rpc("n2", "ping", &()).timeout(MS(5_000)));
        let sleep = pin!(context.sleep(MS(1_000)));
        select(call, sleep).await;
        Ok(())
    })
}

// Handles: awaited.

act!(AwaitsAll, |cx, request| {
    let sleeper = cx.clone();
    let late = cx.spawn_returning(async move {
        sleeper.sleep(MS(20)).await;
        Ok("late")
    });
    let early = cx.spawn_returning(async { Ok(7) });
    let fails = cx.spawn(async { Err(Error::new(1000, "sold out")) });
    let early = early.await?;
    let error = shown(fails.await);
    cx.reply(
        &request,
        &json!({"early": early, "late": late.await?, "error": error}),
    )
});

#[test]
fn a_handle_gives_the_result_of_its_task_and_takes_its_error() {
    let mut alone = Alone::acting::<AwaitsAll>();
    alone.advance(19);
    assert_eq!(alone.sent(), []);
    alone.advance(1);
    alone.ends_with(
        json!({"type": "act_ok", "early": 7, "late": "late", "error": [1000, "sold out"]}),
    );
    assert!(alone.logged().is_empty(), "the error was taken");
}

// The handle is there when the task fails, and is dropped without being awaited. Or it is dropped
// first. Or the node still has it when the test ends.
act!(DropsHandles, |cx, request| {
    let kept = cx.spawn(async { Err(Error::new(1000, "first")) });
    let sleeper = cx.clone();
    let dropped = cx.spawn(async move {
        sleeper.sleep(MS(2)).await;
        Err(Error::new(1000, "second"))
    });
    drop(dropped);
    cx.sleep(MS(1)).await;
    assert!(kept.is_finished());
    drop(kept);
    cx.reply(&request, &())
});

#[test]
fn an_error_that_nothing_awaits_is_logged_once() {
    let mut alone = Alone::acting::<DropsHandles>();
    alone.advance(1);
    let logged = alone.logged();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].contains("a background task failed"));
    assert!(logged[0].contains("first"), "{logged:?}");
    alone.advance(1);
    let logged = alone.logged();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].contains("second"), "{logged:?}");
    alone.ends_with(json!({"type": "act_ok"}));
}

act!(AwaitsPanics, |cx, request| {
    let at_once = cx.spawn_returning(async { panic!("at once") as Result<u8> });
    let sleeper = cx.clone();
    let later = cx.spawn(async move {
        sleeper.sleep(MS(1)).await;
        panic!("later")
    });
    let outcomes = [shown(at_once.await), shown(later.await)];
    cx.reply(&request, &json!({ "outcomes": outcomes }))
});

#[test]
fn a_panic_ends_the_handle_with_error_13_and_is_logged() {
    let mut alone = Alone::acting::<AwaitsPanics>();
    alone.advance(1);
    let error = json!([13, "the task panicked; the log has its message"]);
    alone.ends_with(json!({"type": "act_ok", "outcomes": [error, error]}));
    let logged = alone.logged();
    assert_eq!(logged.len(), 2, "{logged:?}");
    assert!(logged[0].contains("at once") && logged[1].contains("later"));
}

// Handles: aborted.

act!(Aborts, |cx, request| {
    let task = busy(&cx);
    cx.sleep(MS(1)).await; // it has started
    assert_eq!(cx.pending_calls(), 1);
    task.abort();
    task.abort();
    assert!(!task.is_finished(), "its destructors have not run yet");
    let error = shown(task.await);
    assert_eq!(cx.pending_calls(), 0);
    cx.reply(&request, &json!({ "error": error }))
});

#[test]
fn an_aborted_task_goes_with_its_timers_and_calls() {
    let mut alone = Alone::acting::<Aborts>();
    assert_eq!(alone.sent_one().0, "n2");
    assert_eq!(alone.usage().timers, 3);
    alone.advance(1);
    let error = json!([13, "the task was aborted before its end"]);
    alone.ends_with(json!({"type": "act_ok", "error": error}));
    assert!(alone.logged().is_empty());
}

act!(AbortsEarlyAndLate, |cx, request| {
    let unstarted = busy(&cx);
    unstarted.abort();
    let ended = cx.spawn_returning(async { Ok(7) });
    cx.sleep(MS(1)).await;
    ended.abort();
    let ended = ended.await?;
    let forgotten = busy(&cx);
    forgotten.abort();
    drop(forgotten); // an abort is no error that must be logged
    cx.reply(
        &request,
        &json!({"unstarted": shown(unstarted.await).0, "ended": ended}),
    )
});

#[test]
fn an_abort_before_the_start_and_one_after_the_end_are_defined() {
    let mut alone = Alone::acting::<AbortsEarlyAndLate>();
    assert_eq!(alone.sent(), [], "the first task never started");
    alone.advance(1);
    alone.ends_with(json!({"type": "act_ok", "unstarted": 13, "ended": 7}));
    assert!(alone.logged().is_empty());
}

/// A task that gets its own handle, aborts itself, and then sends `after`. It waits if `waits`.
fn aborts_itself(cx: &Context, waits: bool) -> Rc<RefCell<Option<TaskHandle<u8>>>> {
    let own = Rc::new(RefCell::new(None::<TaskHandle<u8>>));
    let (context, handle) = (cx.clone(), own.clone());
    *own.borrow_mut() = Some(cx.spawn_returning(async move {
        handle.borrow().as_ref().unwrap().abort();
        context.send("n2", "still_here", &())?;
        if waits {
            context.sleep(MS(1)).await;
            context.send("n2", "never", &())?;
        }
        Ok(5)
    }));
    own
}

act!(SelfAborts, |cx, request| {
    let (waiting, ending) = (aborts_itself(&cx, true), aborts_itself(&cx, false));
    cx.sleep(MS(1)).await;
    let (waiting, ending) = (waiting.take().unwrap(), ending.take().unwrap());
    let outcomes = (shown(waiting.await).0, ending.await?);
    cx.reply(&request, &json!({ "outcomes": outcomes }))
});

#[test]
fn a_task_that_aborts_itself_runs_to_where_it_waits() {
    let mut alone = Alone::acting::<SelfAborts>();
    let kinds: Vec<Value> = alone
        .sent()
        .into_iter()
        .map(|(_, body)| body["type"].clone())
        .collect();
    assert_eq!(kinds, ["still_here", "still_here"]);
    alone.advance(1);
    alone.ends_with(json!({"type": "act_ok", "outcomes": [13, 5]}));
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

act!(AbortsABomb, |cx, request| {
    let context = cx.clone();
    let task = cx.spawn(async move {
        let _bomb = PanicsInDrop;
        context.sleep(MS(1_000)).await;
        Ok(())
    });
    cx.sleep(MS(1)).await;
    task.abort();
    cx.reply(&request, &json!({"code": shown(task.await).0}))
});

#[test]
fn a_panic_in_a_destructor_of_an_aborted_task_reaches_neither_the_aborter_nor_the_node() {
    let mut alone = Alone::acting::<AbortsABomb>();
    alone.advance(1);
    alone.ends_with(json!({"type": "act_ok", "code": 13}));
    let logged = alone.logged();
    assert!(
        logged.len() == 1 && logged[0].contains("in drop"),
        "{logged:?}"
    );
}

// Handles: at the bounds.

act!(SpawnsTooMany, |cx, request| {
    let handles: Vec<_> = (0..SPAWNED_MAX)
        .map(|_| cx.spawn(async { Ok(()) }))
        .collect();
    let refused = cx.spawn(async { Ok(()) });
    assert!(refused.is_finished());
    let error = refused.await.unwrap_err();
    assert_eq!(error.code, ErrorCode::TemporarilyUnavailable);
    drop(cx.spawn(async { Ok(()) })); // this one is logged
    for handle in handles {
        handle.await?;
    }
    cx.reply(&request, &())
});

#[test]
fn a_task_that_finds_no_place_ends_its_handle_with_error_11() {
    let mut alone = Alone::acting::<SpawnsTooMany>();
    alone.ends_with(json!({"type": "act_ok"}));
    let logged = alone.logged();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].starts_with("1 background tasks were dropped"));
}

act!(SleepsTooMuch, |cx, request| {
    let sleeper = cx.clone();
    let task = cx.spawn(async move {
        join_all((0..=TIMERS_MAX).map(|_| sleeper.sleep(MS(1)))).await;
        Ok(())
    });
    let (code, text) = shown(task.await);
    assert!(text.contains("timers are armed"), "{text}");
    cx.reply(&request, &json!({ "code": code }))
});

#[test]
fn a_task_that_arms_a_timer_too_many_ends_its_handle_with_error_11() {
    let mut alone = Alone::acting::<SleepsTooMuch>();
    alone.ends_with(json!({"type": "act_ok", "code": 11}));
}

// Calls that are sent first and awaited later.

act!(SendsFirst, |cx, request| {
    let call = cx.sync_rpc("n2", "store", &json!({"n": 1})).send();
    cx.reply(&request, &())?;
    cx.sleep(MS(10)).await;
    let reply = call.await?; // it came meanwhile
    cx.send("n3", "got", &json!({"n": reply.body::<Value>()?["n"]}))
});

#[test]
fn a_request_that_is_sent_leaves_before_the_reply_that_is_written_behind_it() {
    let mut alone = Alone::acting::<SendsFirst>();
    let sent = alone.sent();
    let order: Vec<&str> = sent.iter().map(|(dest, _)| dest.as_str()).collect();
    assert_eq!(order, ["n2", "c1"]);
    let number = sent[0].1["msg_id"].as_u64().unwrap();
    alone.receive(
        "n2",
        json!({"type": "store_ok", "in_reply_to": number, "n": 2}),
    );
    alone.advance(10);
    assert_eq!(
        alone.sent(),
        [("n3".to_owned(), json!({"type": "got", "n": 2}))]
    );
    assert_eq!(alone.usage(), Usage::default());
}

act!(SendsAndWaits, |cx, request| {
    let timed = cx.sync_rpc("n2", "ping", &()).timeout(MS(50)).send();
    let unknown = cx.sync_rpc("n9", "ping", &()).send();
    drop(cx.sync_rpc("n3", "ping", &()).send());
    assert_eq!(
        (cx.pending_calls(), timed.tries(), unknown.tries()),
        (1, 1, 0)
    );
    cx.sleep(MS(40)).await;
    let outcomes = (shown(timed.await).0, shown(unknown.await).0);
    cx.reply(&request, &json!({ "outcomes": outcomes }))
});

#[test]
fn the_time_of_a_sent_call_counts_from_the_sending_and_errors_wait_for_the_await() {
    let mut alone = Alone::acting::<SendsAndWaits>();
    assert_eq!(alone.sent().len(), 2);
    assert_eq!(alone.usage().calls, 1, "the dropped one is forgotten");
    alone.advance(49);
    assert_eq!(alone.sent(), []);
    alone.advance(1);
    alone.ends_with(json!({"type": "act_ok", "outcomes": [0, 1]}));
}

act!(StartsAll, |cx, request| {
    let calls: Vec<Sent<_>> = (0..3).map(|n| cx.lin_kv().read::<u64>(n).send()).collect();
    let mut sum = 0;
    for call in calls {
        sum += call.await?.unwrap_or(0);
    }
    cx.reply(&request, &json!({ "sum": sum }))
});

#[test]
fn calls_that_are_started_together_are_awaited_in_any_order() {
    let mut alone = Alone::acting::<StartsAll>();
    let sent = alone.sent();
    assert_eq!(sent.len(), 3, "all at once");
    for (dest, body) in sent.iter().rev() {
        let reply = json!({"type": "read_ok", "in_reply_to": body["msg_id"], "value": 5});
        alone.receive(dest, reply);
    }
    alone.ends_with(json!({"type": "act_ok", "sum": 15}));
}

act!(SendsAndRetries, |cx, request| {
    let call = cx.sync_rpc("n2", "ping", &());
    let mut call = call.retry(Backoff::new(MS(100))).timeout(MS(1_000)).send();
    cx.reply(&request, &())?;
    cx.sleep(MS(500)).await;
    let outcome = shown((&mut call).await);
    cx.send(
        "n3",
        "ended",
        &json!({"code": outcome.0, "tries": call.tries()}),
    )
});

#[test]
fn a_sent_call_with_retries_sends_again_while_it_is_awaited() {
    let mut alone = Alone::acting::<SendsAndRetries>();
    let dests: Vec<String> = alone.sent().into_iter().map(|(dest, _)| dest).collect();
    assert_eq!(dests, ["n2", "c1"]);
    alone.advance(499);
    assert_eq!(alone.sent(), [], "nothing awaits it");
    alone.advance(1);
    assert_eq!(alone.sent().len(), 1, "the pause was over long ago");
    alone.advance(499);
    let more = alone.sent().len() as u64;
    assert!(more >= 1, "{more}");
    alone.advance(2);
    let ended = json!({"type": "ended", "code": 0, "tries": 2 + more});
    assert_eq!(alone.sent(), [("n3".to_owned(), ended)]);
    assert_eq!(alone.usage(), Usage::default());
}

act!(CountsTries, |cx, request| {
    let mut once = cx.sync_rpc("n2", "ping", &());
    assert_eq!(once.tries(), 0);
    (&mut once).await?;
    let mut often = cx.sync_rpc("n2", "ping", &()).retry(Backoff::new(MS(100)));
    (&mut often).await?;
    let tries = (once.tries(), often.tries(), cx.pending_calls());
    cx.reply(&request, &json!({ "tries": tries }))
});

#[test]
fn a_call_that_has_ended_tells_its_tries() {
    let mut alone = Alone::acting::<CountsTries>();
    for answers in [true, false, false, true] {
        let (_, number, _) = alone.sent_one();
        if answers {
            alone.receive("n2", json!({"type": "ping_ok", "in_reply_to": number}));
        } else {
            let error = json!({"type": "error", "in_reply_to": number, "code": 11});
            alone.receive("n2", error);
            alone.advance(210);
        }
    }
    alone.ends_with(json!({"type": "act_ok", "tries": [1, 3, 0]}));
}

// Closures that block.

act!(Unblocks, |cx, request| {
    let before = cx.now();
    let sum = cx.unblock(|| (1..=10).sum::<u64>()).await?;
    let panics = cx.unblock(|| panic!("in the closure") as u8);
    let error = shown(panics.await);
    assert_eq!(cx.now(), before, "it takes no virtual time");
    cx.reply(&request, &json!({"sum": sum, "error": error}))
});

#[test]
fn on_virtual_time_a_closure_runs_at_once() {
    let mut alone = Alone::acting::<Unblocks>();
    let error = json!([13, "a closure of unblock panicked: in the closure"]);
    alone.ends_with(json!({"type": "act_ok", "sum": 55, "error": error}));
    let logged = alone.logged();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].contains("in the closure"));
}

act!(UnblocksOne, |cx, request| {
    let sum = cx.unblock(|| 7).await?;
    cx.reply(&request, &json!({ "sum": sum }))
});

#[test]
fn the_task_is_woken_when_its_closure_has_ended() {
    let threads = ByHand::default();
    let mut alone = Alone::with_threads::<UnblocksOne>(threads.clone());
    alone.advance(10);
    assert_eq!(alone.sent(), []);
    threads.run_one();
    alone.advance(0);
    alone.ends_with(json!({"type": "act_ok", "sum": 7}));
}

#[test]
fn a_closure_that_is_refused_is_error_11() {
    let threads = ByHand {
        refuses: true,
        ..ByHand::default()
    };
    let mut alone = Alone::with_threads::<UnblocksOne>(threads);
    let text = "all threads are busy; try again later";
    alone.ends_with(json!({"type": "error", "code": 11, "text": text}));
}

static RAN: AtomicBool = AtomicBool::new(false);

act!(DropsClosures, |cx, request| {
    drop(cx.unblock(|| RAN.store(true, Ordering::SeqCst)));
    let queued = pin!(cx.unblock(|| RAN.store(true, Ordering::SeqCst)));
    let sleep = pin!(cx.sleep(MS(1)));
    select(queued, sleep).await;
    cx.reply(&request, &())
});

#[test]
fn a_closure_whose_future_is_dropped_never_starts() {
    let threads = ByHand::default();
    let mut alone = Alone::with_threads::<DropsClosures>(threads.clone());
    assert_eq!(threads.waiting.borrow().len(), 1, "one was never awaited");
    alone.advance(1);
    alone.ends_with(json!({"type": "act_ok"}));
    threads.run_one();
    assert!(!RAN.load(Ordering::SeqCst));
}

// Polls that hold the loop.

thread_local! {
    /// The clock of the node of this test.
    static CLOCK: RefCell<VirtualClock> = RefCell::default();
}

/// Holds the loop for that long.
fn hold(ms: u64) {
    CLOCK.with_borrow(|clock| clock.advance(MS(ms)));
}

act!(Holds, |cx, request| {
    let ms = request.body::<Value>()?["ms"].as_u64().unwrap_or(0);
    match request.kind() {
        "hold_later" => {
            cx.sleep(MS(1)).await;
            hold(ms);
        }
        "hold_and_wait" => {
            hold(ms);
            cx.sleep(MS(1)).await;
        }
        "hold_in_background" => {
            cx.spawn(async move {
                hold(ms);
                Ok(())
            });
        }
        _ => hold(ms),
    }
    cx.reply(&request, &())
});

/// A node whose handlers hold the loop as their requests say.
fn holder() -> Alone {
    let alone = Alone::acting::<Holds>();
    CLOCK.set(alone.clock());
    alone
}

fn holding(kind: &str, ms: u64) -> Value {
    json!({"type": kind, "ms": ms})
}

#[track_caller]
fn assert_named(alone: &mut Alone, named: &str, held_ms: u64) {
    let logged = alone.logged();
    assert_eq!(logged.len(), 1, "{logged:?}");
    let line = format!("{named} held the loop for {held_ms} ms");
    assert!(logged[0].starts_with(&line), "{logged:?}");
}

#[test]
fn the_only_poll_of_a_turn_that_holds_the_loop_is_named() {
    let mut alone = holder();
    for _ in 0..10 {
        alone.receive("c1", holding("quick", 99));
        alone.advance(500);
    }
    assert!(
        alone.logged().is_empty(),
        "each poll counts alone, and waits do not"
    );
    for (kind, named) in [
        ("hold", r#"the handler of "hold" from "c1""#),
        ("hold_later", r#"the handler of "hold_later" from "c1""#),
        (
            "hold_and_wait",
            r#"the handler of "hold_and_wait" from "c1""#,
        ),
    ] {
        alone.receive("c1", holding(kind, 100));
        alone.advance(1);
        assert_named(&mut alone, named, 100);
        alone.advance(1_000);
    }
}

/// The first one makes the node time each poll alone, also in the background.
#[test]
fn a_handler_among_many_that_holds_the_loop_again_is_named() {
    let quick = || (0..300).map(|_| holding("quick", 0));
    let mut alone = holder();
    let many = quick().chain([holding("hold", 300)]).chain(quick());
    alone.receive_all("c1", many.clone());
    assert!(alone.logged().is_empty());
    alone.receive_all("c1", many.clone());
    assert_named(&mut alone, r#"the handler of "hold" from "c1""#, 300);
    alone.advance(1_000);
    let background = quick().chain([holding("hold_in_background", 300)]);
    alone.receive_all("c1", background.chain(quick()));
    assert_named(&mut alone, "a background task", 300);
    // After a minute polls are timed in groups again.
    alone.advance(60_000);
    alone.receive_all("c1", many);
    assert!(alone.logged().is_empty());
}

#[test]
fn a_group_of_polls_that_takes_a_second_is_reported() {
    let mut alone = holder();
    let last = [holding("hold", 1_000)];
    alone.receive_all("c1", (0..300).map(|_| holding("quick", 0)).chain(last));
    let logged = alone.logged();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].starts_with("one of "), "{logged:?}");
    assert!(
        logged[0].contains("held the loop for 1000 ms"),
        "{logged:?}"
    );
}

#[test]
fn polls_that_hold_the_loop_are_reported_once_a_second() {
    let mut alone = holder();
    alone.receive_all("c1", (0..9).map(|_| holding("hold", 100)));
    assert_named(&mut alone, r#"the handler of "hold" from "c1""#, 100);
    alone.advance(1_000);
    alone.receive("c1", holding("hold", 250));
    let logged = alone.logged();
    assert!(logged[0].contains("250 ms"), "{logged:?}");
    assert!(
        logged[0].contains("more since the last such line"),
        "{logged:?}"
    );
}
