//! Checks which handlers go on after the end of the input, on virtual time: a test for each
//! row of the table in `session/host.rs`.

#![allow(clippy::unwrap_used, reason = "tests")]

mod alone;

use alone::{Act, Alone, ByHand};
use eddyline::{Backoff, Context, Request, Result};
use futures_util::future::{Either, join, join_all, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::json;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A node with one request, after the end of the input.
fn ended<A: Act>() -> Alone {
    let mut alone = Alone::acting::<A>();
    alone.sent();
    alone.end_input();
    alone
}

/// Checks that the handler waits in vain, and for how long it went on before.
#[track_caller]
fn waits_in_vain<A: Act>(after_ms: u64) {
    let mut alone = ended::<A>();
    for ms in 0..after_ms {
        assert!(alone.may_go_on(), "at {ms} ms");
        alone.advance(1);
    }
    assert!(!alone.may_go_on());
    alone.advance(10_000);
    assert!(!alone.may_go_on());
    let replies = alone.sent().into_iter().filter(|(dest, _)| dest == "c1");
    assert_eq!(replies.count(), 0);
}

/// Checks that the handler goes on to its end.
#[track_caller]
fn goes_on<A: Act>(for_ms: u64) {
    let mut alone = ended::<A>();
    for ms in 0..for_ms {
        assert!(alone.may_go_on(), "at {ms} ms");
        assert_eq!(alone.sent(), []);
        alone.advance(1);
    }
    alone.ends_with(json!({"type": "act_ok"}));
    assert!(!alone.may_go_on());
}

act!(Sleeps, |cx, request| {
    cx.sleep(MS(20)).await;
    cx.sleep(MS(20)).await;
    cx.reply(&request, &())
});

#[test]
fn a_handler_that_sleeps_goes_on() {
    goes_on::<Sleeps>(40);
}

act!(Ticks, |cx, request| {
    let mut ticks = cx.every(MS(10));
    for _ in 0..3 {
        ticks.tick().await;
    }
    cx.reply(&request, &())
});

#[test]
fn a_handler_that_ticks_goes_on() {
    goes_on::<Ticks>(30);
}

act!(Calls, |cx, request| {
    cx.sync_rpc("n2", "ping", &()).await?;
    cx.reply(&request, &())
});

act!(CallsWithRetries, |cx, request| {
    let call = cx.sync_rpc("n2", "ping", &());
    call.retry(Backoff::new(MS(100))).await?;
    cx.reply(&request, &())
});

act!(CallsMany, |cx, request| {
    join_all((0..100).map(|_| cx.sync_rpc("n2", "ping", &()))).await;
    cx.reply(&request, &())
});

act!(CallsUnordered, |cx, request| {
    let calls = cx.peers().map(|peer| cx.sync_rpc(peer, "ping", &()));
    let mut calls: FuturesUnordered<_> = calls.collect();
    while calls.next().await.is_some() {}
    cx.reply(&request, &())
});

#[test]
fn a_handler_that_calls_waits_in_vain() {
    waits_in_vain::<Calls>(0);
    waits_in_vain::<CallsWithRetries>(0);
    waits_in_vain::<CallsMany>(0);
    waits_in_vain::<CallsUnordered>(0);
}

#[test]
fn of_several_calls_some_may_have_ended() {
    let mut alone = Alone::acting::<CallsUnordered>();
    let (_, call) = alone.sent().remove(0);
    let reply = json!({"type": "pong", "in_reply_to": call["msg_id"]});
    alone.receive("n2", reply);
    alone.end_input();
    assert!(!alone.may_go_on());
}

act!(SleepsThenCalls, |cx, request| {
    cx.sleep(MS(20)).await;
    cx.sync_rpc("n2", "ping", &()).await?;
    cx.reply(&request, &())
});

act!(SleepsBesideACall, |cx, request| {
    let (_, reply) = join(cx.sleep(MS(20)), cx.sync_rpc("n2", "ping", &())).await;
    reply?;
    cx.reply(&request, &())
});

#[test]
fn a_sleep_counts_until_it_ends() {
    waits_in_vain::<SleepsThenCalls>(20);
    waits_in_vain::<SleepsBesideACall>(20);
}

act!(RacesASleep, |cx, request| {
    let sleep = pin!(cx.sleep(MS(20)));
    match select(cx.sync_rpc("n2", "ping", &()), sleep).await {
        Either::Left((reply, _)) => reply.map(|_| ()),
        Either::Right(_) => cx.reply(&request, &()),
    }
});

/// The sleep is the author's own, and no timeout of the call.
#[test]
fn a_sleep_that_races_a_call_wins() {
    goes_on::<RacesASleep>(20);
}

act!(RacesASleepAndCalls, |cx, request| {
    let sleep = pin!(cx.sleep(MS(20)));
    let mut call = cx.sync_rpc("n2", "ping", &());
    select(sleep, &mut call).await;
    call.await?;
    cx.reply(&request, &())
});

#[test]
fn a_call_that_lost_a_race_and_is_awaited_on_is_in_vain() {
    waits_in_vain::<RacesASleepAndCalls>(20);
}

act!(ForEver, |cx, request| {
    std::future::pending::<()>().await;
    cx.reply(&request, &())
});

#[test]
fn a_handler_that_nothing_can_wake_waits_in_vain() {
    waits_in_vain::<ForEver>(0);
}

thread_local! {
    /// The wakers that a thread would hold.
    static WAKERS: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

/// Waits until its waker was used, as for a thread.
async fn be_woken() {
    let mut has_waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        WAKERS.with_borrow_mut(|wakers| wakers.push(cx.waker().clone()));
        Poll::Pending
    })
    .await;
}

act!(WaitsForAThread, |cx, request| {
    be_woken().await;
    cx.reply(&request, &())
});

#[test]
fn a_handler_that_waits_for_a_thread_goes_on() {
    let mut alone = ended::<WaitsForAThread>();
    assert!(alone.may_go_on());
    WAKERS.take().into_iter().for_each(Waker::wake);
    alone.advance(0);
    alone.ends_with(json!({"type": "act_ok"}));
    assert!(!alone.may_go_on());
}

#[test]
fn a_thread_that_drops_its_waker_is_waited_for_no_longer() {
    let alone = ended::<WaitsForAThread>();
    assert!(alone.may_go_on());
    WAKERS.take();
    assert!(!alone.may_go_on());
}

act!(RacesAThread, |cx, request| {
    let thread = pin!(be_woken());
    match select(cx.sync_rpc("n2", "ping", &()), thread).await {
        Either::Left((reply, _)) => reply.map(|_| ()),
        Either::Right(_) => cx.reply(&request, &()),
    }
});

/// Nothing tells whether the waker is the thread's, or that of a set of calls.
#[test]
fn a_thread_that_races_a_call_is_not_waited_for() {
    assert!(!ended::<RacesAThread>().may_go_on());
}

act!(RacesAClosure, |cx, request| {
    let closure = cx.unblock(|| ());
    match select(cx.sync_rpc("n2", "ping", &()), closure).await {
        Either::Left((reply, _)) => reply.map(|_| ()),
        Either::Right(_) => cx.reply(&request, &()),
    }
});

/// A closure ends without another message, as a sleep does.
#[test]
fn a_closure_that_races_a_call_is_waited_for() {
    let threads = ByHand::default();
    let mut alone = Alone::with_threads::<RacesAClosure>(threads.clone());
    alone.sent();
    alone.end_input();
    assert!(alone.may_go_on());
    threads.run_one();
    alone.advance(0);
    alone.ends_with(json!({"type": "act_ok"}));
    assert!(!alone.may_go_on());
}

act!(DropsAClosure, |cx, request| {
    let mut call = cx.sync_rpc("n2", "ping", &());
    let closure = cx.unblock(|| ());
    select(select(closure, cx.sleep(MS(20))), &mut call).await;
    call.await?;
    cx.reply(&request, &())
});

#[test]
fn a_closure_that_was_dropped_is_waited_for_no_longer() {
    let threads = ByHand::default();
    let mut alone = Alone::with_threads::<DropsAClosure>(threads);
    alone.end_input();
    alone.advance(19);
    assert!(alone.may_go_on());
    alone.advance(1);
    assert!(!alone.may_go_on());
}

act!(WaitsForATask, |cx, request| {
    let done = Rc::new(RefCell::new((false, None::<Waker>)));
    let (context, signal) = (cx.clone(), done.clone());
    cx.spawn(async move {
        context.sleep(MS(20)).await;
        let (is_done, waker) = &mut *signal.borrow_mut();
        *is_done = true;
        waker.take().into_iter().for_each(Waker::wake);
        Ok(())
    });
    poll_fn(|task| {
        let (is_done, waker) = &mut *done.borrow_mut();
        *waker = Some(task.waker().clone());
        match is_done {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    cx.reply(&request, &())
});

#[test]
fn a_handler_that_waits_for_a_task_goes_on() {
    goes_on::<WaitsForATask>(20);
}

/// Ticks for ever beside the handlers.
fn spawn_ticks(cx: &Context) {
    let mut ticks = cx.every(MS(10));
    cx.spawn(async move {
        loop {
            ticks.tick().await;
        }
    });
}

act!(LeavesATask, |cx, request| {
    spawn_ticks(&cx);
    cx.reply(&request, &())
});

act!(LeavesATaskAndCalls, |cx, request| {
    spawn_ticks(&cx);
    cx.sync_rpc("n2", "ping", &()).await?;
    cx.reply(&request, &())
});

#[test]
fn background_tasks_alone_are_not_waited_for() {
    assert!(!ended::<LeavesATask>().may_go_on());
    waits_in_vain::<LeavesATaskAndCalls>(0);
}

act!(AnswersInATask, |cx, request| {
    let context = cx.clone();
    cx.spawn(async move {
        context.sleep(MS(20)).await;
        context.reply(&request, &())
    });
    Ok(())
});

#[test]
fn a_task_that_has_kept_a_request_is_waited_for() {
    goes_on::<AnswersInATask>(20);
}

thread_local! {
    static KEPT: RefCell<Vec<Request>> = const { RefCell::new(Vec::new()) };
}

act!(Keeps, |cx, request| {
    spawn_ticks(&cx);
    KEPT.with_borrow_mut(|kept| kept.push(request));
    Ok(())
});

#[test]
fn a_kept_request_is_waited_for_until_it_is_dropped() {
    let mut alone = ended::<Keeps>();
    alone.advance(1_000);
    assert!(alone.may_go_on());
    KEPT.take();
    assert!(!alone.may_go_on());
}

async fn answered_first(cx: Context, request: Request) -> Result<()> {
    cx.reply(&request, &())?;
    cx.sleep(MS(20)).await;
    cx.send("n2", "afterwards", &())
}

act!(AnswersFirst, |cx, request| answered_first(cx, request)
    .await);

#[test]
fn a_handler_that_has_replied_goes_on_to_its_end_too() {
    let mut alone = ended::<AnswersFirst>();
    assert!(alone.may_go_on());
    alone.advance(20);
    assert_eq!(alone.sent()[0].0, "n2");
    assert!(!alone.may_go_on());
}
