//! Authors' code in odd orders: destructors that panic, spawn and abort, calls that are sent late,
//! setups that fail, fields and numbers that hardly fit.

use super::world::{INIT, World};
use eddyline::node::{ReplyAddress, TaskHandle, Verdict};
use eddyline::{Context, Error, Node, Request, Result};
use futures_util::future::{Either, select};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

type Work = Pin<Box<dyn Future<Output = Result<()>>>>;

/// A node of two functions.
struct Odd {
    setup: Box<dyn Fn(Context) -> Work>,
    handle: Box<dyn Fn(Context, Request) -> Work>,
    _bomb: Option<Bomb>,
}

impl Node for Odd {
    fn new(_: &Context) -> Odd {
        odd(set_up, answer)
    }

    async fn setup(self: Rc<Self>, cx: Context) -> Result<()> {
        (self.setup)(cx).await
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        (self.handle)(cx, request).await
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("bomb");
    }
}

fn odd(
    setup: impl Fn(Context) -> Work + 'static,
    handle: impl Fn(Context, Request) -> Work + 'static,
) -> Odd {
    Odd {
        setup: Box::new(setup),
        handle: Box::new(handle),
        _bomb: None,
    }
}

fn set_up(_: Context) -> Work {
    Box::pin(async { Ok(()) })
}

fn answer(cx: Context, request: Request) -> Work {
    Box::pin(async move { cx.reply(&request, &()) })
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn logged(world: &World) -> String {
    world.log.borrow().join("\n")
}

fn ask(world: &mut World, msg_id: u64) {
    world.ask(&json!({"type": "x", "msg_id": msg_id}));
}

#[test]
fn the_rest_after_a_setup_is_not_taken_for_a_handler() {
    let slow = |cx: Context| -> Work {
        Box::pin(async move {
            cx.sleep(millis(10)).await;
            Ok(())
        })
    };
    let mut world = World::nameless_with(move |_| odd(slow, answer));
    world.session.receive(INIT.as_bytes());
    ask(&mut world, 1);
    ask(&mut world, 2);
    world.advance_to_ms(20);
    assert_eq!(world.bodies().len(), 3);
    world.advance_to_ms(9_000);
    ask(&mut world, 3);
    assert_eq!(logged(&world), "");
}

#[test]
fn a_call_that_was_awaited_before_it_is_sent_keeps_its_reply() {
    let mut world = World::with(|_| {
        odd(set_up, |cx, request| {
            Box::pin(async move {
                let mut call = cx.sync_rpc("n2", "ping", &());
                let raced = select(&mut call, cx.sleep(millis(5))).await;
                assert!(matches!(raced, Either::Right(_)));
                cx.sleep(millis(50)).await; // the reply comes meanwhile
                let sent = call.send();
                let tries = sent.tries();
                sent.await?;
                cx.reply(&request, &json!({ "tries": tries }))
            })
        })
    });
    ask(&mut world, 1);
    world.advance_to_ms(20);
    world.receive("n2", &json!({"type": "ping_ok", "in_reply_to": 1}));
    world.advance_to_ms(100);
    let bodies = world.bodies();
    assert_eq!(bodies.last().unwrap()["tries"], 1, "{bodies:?}");
    world.assert_idle();
}

#[test]
fn an_observer_whose_destructor_panics_ends_nothing() {
    let mut world = World::nameless_with(|cx| {
        let (first, own) = (Bomb, cx.clone());
        cx.observe(move |_| {
            let (_kept, second) = (&first, Bomb);
            own.observe(move |_| {
                let _kept = &second;
                Verdict::Pass
            });
            Verdict::Pass
        });
        odd(set_up, answer)
    });
    world.session.receive(INIT.as_bytes()); // replaces the first one while it runs
    ask(&mut world, 1);
    assert_eq!(world.bodies().len(), 2);
    let log = world.log.clone();
    drop(world); // with the second one
    let destructors = log
        .borrow()
        .iter()
        .filter(|line| line.contains("destructor"))
        .count();
    assert_eq!(destructors, 2, "{log:?}");
}

#[test]
fn a_node_whose_setup_has_failed_may_panic_in_its_destructor() {
    let fails = |_| -> Work { Box::pin(async { Err(Error::crash("no")) }) };
    let bomb = Cell::new(Some(Bomb));
    let mut world = World::nameless_with(move |_| Odd {
        _bomb: bomb.take(), // of the first node, which the second one replaces
        ..odd(fails, answer)
    });
    world.session.receive(INIT.as_bytes());
    world.session.receive(INIT.as_bytes());
    assert_eq!(world.bodies().len(), 2);
}

#[test]
fn an_observer_sees_an_init_once_though_a_setup_has_failed_before() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (sink, fails) = (seen.clone(), Rc::new(Cell::new(true)));
    let mut world = World::nameless_with(move |cx| {
        let sink = sink.clone();
        cx.observe(move |message| {
            sink.borrow_mut().push(message.line().to_owned());
            Verdict::Pass
        });
        let fails = fails.clone();
        let setup = move |_| -> Work {
            let failed = fails.replace(false);
            Box::pin(async move {
                if failed {
                    Err(Error::crash("no"))
                } else {
                    Ok(())
                }
            })
        };
        odd(setup, answer)
    });
    world.session.receive(INIT.as_bytes());
    assert_eq!(seen.take().len(), 2, "the init and its error");
    world.session.receive(INIT.as_bytes());
    assert_eq!(seen.borrow()[0], INIT);
    assert_eq!(seen.borrow().len(), 2, "{seen:?}");
}

#[test]
fn a_whole_body_with_a_number_beyond_64_bits_may_be_handed_back() {
    let mut world = World::with(|_| {
        odd(set_up, |cx, request| {
            Box::pin(async move { cx.reply(&request, &request.body::<Value>()?) })
        })
    });
    for id in ["-0", "18446744073709551616", "-12345678901234567890123"] {
        let body = format!(r#"{{"type":"echo","msg_id":{id},"echo":1}}"#);
        let line = format!(r#"{{"src":"c1","dest":"n1","body":{body}}}"#);
        world.session.receive(line.as_bytes());
        let output = world.session.take_output();
        assert!(output.contains("echo_ok"), "{output}");
        assert!(
            output.contains(&format!("\"in_reply_to\":{id},")),
            "{output}"
        );
    }
}

#[test]
fn a_task_that_has_not_started_ends_with_its_session() {
    let alive = Rc::new(());
    let held = alive.clone();
    let mut world = World::with(move |_| {
        let held = held.clone();
        odd(set_up, move |cx, request| {
            let (held, own) = (held.clone(), cx.clone());
            Box::pin(async move {
                cx.spawn(async move {
                    let _held = held;
                    own.sleep(millis(1)).await;
                    Ok(())
                });
                cx.reply(&request, &())
            })
        })
    });
    world.receive_only("c1", &json!({"type": "x", "msg_id": 1}));
    assert!(Rc::strong_count(&alive) > 1);
    drop(world);
    assert_eq!(Rc::strong_count(&alive), 1);
}

#[test]
fn an_address_of_any_name_and_number_is_answered() {
    let mut world = World::with(|_| {
        odd(set_up, |cx, request| {
            Box::pin(async move {
                let to = request.body::<Value>()?["to"].take();
                let to: ReplyAddress = serde_json::from_value(to).unwrap();
                cx.reply_to(&to, "a\"b\n", &json!({"type": "a\"b\n", "msg_id": null}))?;
                let raw = RawValue::from_string("{\n\"a\":\n[1]}".to_owned()).unwrap();
                let error = Error::new(1001, "t\n").with("ke\"y\n", raw);
                cx.reply_error_to(&to, &error)
            })
        })
    });
    for name in ["c\"1\n\\", "", "é\u{1F600}", "n1"] {
        for number in ["1", "-1234567890123456789012345678901234567890", "-0"] {
            let to = json!({"name": name, "number": number});
            world.ask(&json!({"type": "x", "to": to}));
            let output = world.session.take_output();
            assert_eq!(output.matches('\n').count(), 2, "{output}");
            let in_reply_to = format!("\"in_reply_to\":{number}");
            assert_eq!(output.matches(&in_reply_to).count(), 2, "{output}");
            for line in output.lines() {
                let message: Value = serde_json::from_str(line).unwrap();
                assert_eq!(message["dest"], name);
            }
        }
    }
}

#[test]
fn an_observer_is_shown_bodies_of_any_depth() {
    let mut world = World::nameless_with(|cx| {
        cx.observe(|_| Verdict::Pass);
        odd(set_up, |cx, request| {
            Box::pin(
                async move { cx.reply(&request, &request.body::<HashMap<String, &RawValue>>()?) },
            )
        })
    });
    world.session.receive(INIT.as_bytes());
    world.session.take_output();
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    for echo in [
        &deep,
        "\"\\ud800\"",
        "{\"\\ud800\":1}",
        "1e999",
        "{\"a\":1,\"a\":2}",
    ] {
        let body = format!(r#"{{"type":"echo","msg_id":3,"src":1,"body":3,"echo":{echo}}}"#);
        let line = format!(r#"{{"src":"c1","dest":"n1","body":{body}}}"#);
        world.session.receive(line.as_bytes());
        let output = world.session.take_output();
        assert!(output.contains("echo_ok"), "{output}");
    }
}

#[test]
fn a_raw_reply_of_its_own_type_keeps_its_line() {
    let mut world = World::with(|_| {
        odd(set_up, |cx, request| {
            Box::pin(async move {
                let text = "{\"a\":\n{\n\"b\":1},\n\"type\":\n\"zap\",\"in_reply_to\":5\n}";
                let raw = RawValue::from_string(text.to_owned()).unwrap();
                cx.send("n2", "before", &())?;
                cx.reply_raw(&request, &raw)?;
                cx.send("n2", "after", &())
            })
        })
    });
    ask(&mut world, 1);
    let bodies = world.bodies();
    assert_eq!(bodies.len(), 3, "{bodies:?}");
    let zap = json!({"type": "zap", "msg_id": 1, "in_reply_to": 1, "a": {"b": 1}});
    assert_eq!(bodies[1], zap);
}

struct SpawnInDrop(Context, Rc<Cell<u32>>);

impl Drop for SpawnInDrop {
    fn drop(&mut self) {
        let spawned = self.1.clone();
        self.0.spawn(async move {
            spawned.set(spawned.get() + 1);
            Ok(())
        });
    }
}

struct AbortInDrop(Rc<RefCell<Option<TaskHandle>>>);

impl Drop for AbortInDrop {
    fn drop(&mut self) {
        if let Some(handle) = &*self.0.borrow() {
            handle.abort();
            handle.abort();
        }
    }
}

async fn abort_once_more(cx: Context, request: Request, spawned: Rc<Cell<u32>>) -> Result<()> {
    let own: Rc<RefCell<Option<TaskHandle>>> = Rc::default();
    let (its_own, its_cx) = (own.clone(), cx.clone());
    let handle = cx.spawn(async move {
        let _abort = AbortInDrop(its_own);
        let _spawn = SpawnInDrop(its_cx.clone(), spawned);
        its_cx.sleep(millis(100_000)).await;
        Ok(())
    });
    cx.sleep(millis(1)).await;
    handle.abort();
    own.replace(Some(handle));
    cx.sleep(millis(1)).await;
    let ended = own.take().unwrap();
    assert!(ended.is_finished());
    assert_eq!(ended.await.unwrap_err().code.number(), 13);
    cx.reply(&request, &())
}

#[test]
fn an_aborted_task_may_spawn_and_abort_itself_in_its_destructors() {
    let spawned = Rc::new(Cell::new(0));
    let count = spawned.clone();
    let mut world = World::with(move |_| {
        let count = count.clone();
        odd(set_up, move |cx, request| {
            Box::pin(abort_once_more(cx, request, count.clone()))
        })
    });
    ask(&mut world, 1);
    world.advance_to_ms(100);
    assert_eq!(world.body()["type"], "x_ok", "{}", logged(&world));
    assert_eq!(spawned.get(), 1);
    world.assert_idle();
}

#[test]
fn an_error_with_odd_fields_is_passed_on_as_one_line() {
    let mut world = World::with(|_| {
        odd(set_up, |cx, request| {
            Box::pin(async move {
                cx.sync_rpc("n2", "ask", &()).await?;
                cx.reply(&request, &())
            })
        })
    });
    let deep = format!("\"deep\":{}{}", "[".repeat(3_000), "]".repeat(3_000));
    let big = r#""big":123456789012345678901234567890.5e3000,"src":"x","":null,"\n":"\ud800""#;
    for fields in [&deep, big, "\"a\":1,\"a\":2"] {
        ask(&mut world, 1);
        let call = world.body();
        let number = &call["msg_id"];
        let body =
            format!(r#"{{"type":"error","in_reply_to":{number},"code":11,"text":"t",{fields}}}"#);
        let line = format!(r#"{{"src":"n2","dest":"n1","body":{body}}}"#);
        world.session.receive(line.as_bytes());
        world.settle();
        let output = world.session.take_output();
        assert_eq!(output.matches('\n').count(), 1, "{output}");
        assert!(output.contains("\"code\":11,\"text\":\"t\""), "{output}");
    }
}
