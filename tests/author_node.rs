//! Checks a node whose handlers print, panic, start child processes, and drop values
//! that panic. The node is a real process, connected by pipes.
//!
//! This binary runs itself as the node, when an environment variable is set. It has no
//! test harness, because the harness would print to the node's stdout.

mod support;

use eddyline::{Context, Request, Result};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::fs;
use std::future::{pending, poll_fn};
use std::panic::panic_any;
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;
use support::{Launch, Node, assert_body, assert_error, client};

/// The environment variable that makes this binary the node.
const ROLE: &str = "EDDYLINE_AUTHOR_NODE";

fn main() -> ExitCode {
    if std::env::var_os(ROLE).is_some() {
        return match eddyline::run::<Author>() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let tests: [(&str, fn()); 10] = [
        ("prints_reach_stderr_only", prints_reach_stderr_only),
        (
            "a_child_process_gets_neither_stdin_nor_stdout",
            a_child_process_gets_neither_stdin_nor_stdout,
        ),
        (
            "a_panic_is_answered_and_logged_once",
            a_panic_is_answered_and_logged_once,
        ),
        (
            "a_panic_after_the_reply_is_only_logged",
            a_panic_after_the_reply_is_only_logged,
        ),
        (
            "panics_at_the_end_do_not_change_the_exit_status",
            panics_at_the_end_do_not_change_the_exit_status,
        ),
        (
            "a_wake_from_a_thread_ends_the_wait",
            a_wake_from_a_thread_ends_the_wait,
        ),
        (
            "lines_that_are_piped_in_are_answered_and_the_rest_is_counted",
            lines_that_are_piped_in_are_answered_and_the_rest_is_counted,
        ),
        (
            "a_closure_that_blocks_delays_no_other_handler",
            a_closure_that_blocks_delays_no_other_handler,
        ),
        (
            "a_panic_in_a_closure_is_error_13_and_the_pool_goes_on",
            a_panic_in_a_closure_is_error_13_and_the_pool_goes_on,
        ),
        (
            "a_handler_that_holds_the_loop_is_named",
            a_handler_that_holds_the_loop_is_named,
        ),
    ];
    for (name, test) in tests {
        // A failed test panics, which ends the process with a non-zero status.
        test();
        eprintln!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

// The node.

#[derive(Default)]
struct Author {
    kept: RefCell<Option<Bomb>>,
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("panic in drop");
    }
}

/// Panics in the middle of an object when it is serialised.
struct PanicsInSerialize;

impl Serialize for PanicsInSerialize {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("begun", &true)?;
        panic!("panic in serialize");
    }
}

impl eddyline::Node for Author {
    fn new(_: &Context) -> Author {
        Author::default()
    }

    #[expect(
        clippy::too_many_lines,
        reason = "a table: an arm for each kind of request that a test sends"
    )]
    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "echo" => {
                let body: Value = request.body()?;
                cx.reply(&request, &json!({ "echo": body["echo"] }))
            }
            "print" => {
                print();
                cx.reply(&request, &())
            }
            "run_children" => {
                let succeeded = cx.unblock(run_children).await?;
                cx.reply(&request, &json!({ "succeeded": succeeded }))
            }
            "panic_at_once" => panic!("first line\nsecond line"),
            "panic_later" => {
                cx.sleep(Duration::from_millis(1)).await;
                panic!("after a sleep");
            }
            "panic_in_reply" => cx.reply(&request, &PanicsInSerialize),
            "panic_in_later_reply" => {
                cx.sleep(Duration::from_millis(1)).await;
                cx.reply(&request, &PanicsInSerialize)
            }
            "throw_bomb" => panic_any(Bomb),
            "throw_bomb_later" => {
                cx.sleep(Duration::from_millis(1)).await;
                panic_any(Bomb);
            }
            "reply_and_panic" => {
                let _bomb = Bomb;
                cx.reply(&request, &())
            }
            "keep_bomb" => {
                *self.kept.borrow_mut() = Some(Bomb);
                cx.reply(&request, &())
            }
            "wait_with_bomb" => {
                let _bomb = Bomb;
                cx.reply(&request, &())?;
                pending().await
            }
            "beat" => {
                cx.spawn(beat(cx.clone()));
                cx.reply(&request, &())
            }
            "nap" => {
                cx.sleep(Duration::from_millis(150)).await;
                cx.reply(&request, &())
            }
            "call" => {
                let call = cx.sync_rpc("n2", "ping", &());
                call.timeout(Duration::from_millis(10)).await?;
                cx.reply(&request, &())
            }
            "be_woken" => {
                be_woken_by_a_thread().await;
                cx.reply(&request, &())
            }
            "unblock" => {
                let body: Value = request.body()?;
                let slept_ms = body["ms"].as_u64().unwrap_or(0);
                let name = cx.unblock(move || {
                    thread::sleep(Duration::from_millis(slept_ms));
                    thread::current().name().map(str::to_owned)
                });
                let name = name.await?;
                cx.reply(&request, &json!({ "thread": name }))
            }
            "panic_in_closure" => {
                cx.unblock(|| panic!("on a thread")).await?;
                cx.reply(&request, &())
            }
            "hold" => {
                thread::sleep(Duration::from_millis(300));
                cx.reply(&request, &())
            }
            "hold_in_background" => {
                cx.spawn(async {
                    thread::sleep(Duration::from_millis(300));
                    Ok(())
                });
                cx.reply(&request, &())
            }
            _ => cx.not_supported(&request),
        }
    }
}

#[expect(clippy::print_stdout, reason = "the test is about this mistake")]
fn print() {
    println!("printed by a handler");
}

/// Sends a heartbeat every 100 ms.
async fn beat(cx: Context) -> Result<()> {
    let mut ticks = cx.every(Duration::from_millis(100));
    loop {
        cx.send("n2", "heartbeat", &())?;
        ticks.tick().await;
    }
}

/// Runs two programs, and tells which succeeded.
fn run_children() -> [bool; 2] {
    let echo = Command::new("/bin/echo").arg("printed by a child").status();
    // If `cat` had the node's stdin, it would wait for ever.
    let cat = Command::new("/bin/cat").status();
    [echo, cat].map(|status| status.is_ok_and(|status| status.success()))
}

/// Waits for a thread that wakes the task only after the loop has gone to sleep.
async fn be_woken_by_a_thread() {
    let is_done = Arc::new(AtomicBool::new(false));
    let mut has_begun = false;
    poll_fn(|cx| {
        if is_done.load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        if !std::mem::replace(&mut has_begun, true) {
            let (is_done, waker) = (is_done.clone(), cx.waker().clone());
            thread::spawn(move || {
                while !is_main_thread_asleep() {
                    thread::yield_now();
                }
                is_done.store(true, Ordering::SeqCst);
                waker.wake();
            });
        }
        Poll::Pending
    })
    .await;
}

/// The state in `/proc/self/stat` is that of the first thread, which runs the loop.
fn is_main_thread_asleep() -> bool {
    let stat = fs::read_to_string("/proc/self/stat").expect("/proc");
    let (_, rest) = stat.rsplit_once(')').expect("a name in parentheses");
    rest.trim_start().starts_with('S')
}

// The tests.

/// The node, ready for requests.
fn author() -> Node {
    let binary = std::env::current_exe().expect("a binary has a path");
    let mut command = Command::new(binary);
    command.env(ROLE, "1");
    Launch::command(command).ready()
}

const ID: u64 = 7;

/// Sends a request of this type, and returns the next line. If this is the reply,
/// there was no other line on stdout.
#[track_caller]
fn ask(node: &mut Node, kind: &str) -> Value {
    node.ask(&client(&format!(r#"{{"type":"{kind}","msg_id":{ID}}}"#)))
}

#[track_caller]
fn assert_ok(node: &mut Node, kind: &str) {
    let reply = ask(node, kind);
    let expected = json!({"type": format!("{kind}_ok"), "in_reply_to": ID});
    assert_body(&reply, "c1", &expected);
}

// A forgotten println! is a common mistake. Under Maelstrom, one line on stdout that
// is not a message ends the run.
fn prints_reach_stderr_only() {
    let mut node = author();
    assert_ok(&mut node, "print");
    assert_eq!(node.stderr_line(), "printed by a handler");
    node.check();
    node.finish_quietly();
}

// A child process inherits other descriptors than the protocol's. So it can neither
// write to the node's stdout nor read from its stdin.
fn a_child_process_gets_neither_stdin_nor_stdout() {
    let mut node = author();
    let reply = ask(&mut node, "run_children");
    let expected = json!({"type": "run_children_ok", "in_reply_to": ID, "succeeded": [true, true]});
    assert_body(&reply, "c1", &expected);
    assert_eq!(node.stderr_line(), "printed by a child");
    node.check();
    node.finish_quietly();
}

// After every kind of panic, the caller gets error 13. One line on stderr has the message
// and the place. The next request is answered.
fn a_panic_is_answered_and_logged_once() {
    let mut node = author();
    let panics = [
        ("panic_at_once", "first line"),
        ("panic_later", "after a sleep"),
        ("panic_in_reply", "panic in serialize"),
        ("panic_in_later_reply", "panic in serialize"),
        ("throw_bomb", "a panic without a message"),
        ("throw_bomb_later", "a panic without a message"),
    ];
    for (kind, message) in panics {
        let reply = ask(&mut node, kind);
        let text = assert_error(&reply, "c1", ID, 13);
        assert!(text.contains(message), "{kind}: {text}");
        assert_logged(&node.stderr_line(), kind, message);
        node.check();
    }
    node.finish_quietly();
}

/// Checks that a line on stderr reports a panic in the handler of `kind`, with its
/// message and place.
#[track_caller]
fn assert_logged(line: &str, kind: &str, message: &str) {
    assert!(line.starts_with("eddyline: "), "{line}");
    let place = concat!("(", file!(), ":");
    for part in [kind, message, place] {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
}

// The caller has its reply already and must not get a second one.
fn a_panic_after_the_reply_is_only_logged() {
    let mut node = author();
    assert_ok(&mut node, "reply_and_panic");
    assert_logged(&node.stderr_line(), "reply_and_panic", "panic in drop");
    node.check();
    node.finish_quietly();
}

// Destructors run after all output is written. If several of them panic, the panics
// must not nest: a panic during a panic would abort the process.
fn panics_at_the_end_do_not_change_the_exit_status() {
    let endings = [
        &["keep_bomb"][..],
        &["wait_with_bomb"],
        &["wait_with_bomb", "wait_with_bomb"],
        &["keep_bomb", "wait_with_bomb", "wait_with_bomb"],
    ];
    for kinds in endings {
        let mut node = author();
        for kind in kinds {
            assert_ok(&mut node, kind);
        }
        node.check();
        node.close_stdin();
        let ending = node.wait();
        assert_eq!(ending.status.code(), Some(0), "{kinds:?}: {ending:?}");
        assert!(ending.stdout.is_empty(), "{kinds:?}: {ending:?}");
    }
}

// There is no line and no timer that could end the wait instead.
fn a_wake_from_a_thread_ends_the_wait() {
    const TIMES: usize = 100;
    let mut node = author();
    for _ in 0..TIMES {
        assert_ok(&mut node, "be_woken");
    }
    node.finish_quietly();
}

// People check a node by piping a few lines into it. A handler that sleeps or waits for a
// thread goes on, and heartbeats go on meanwhile. A call cannot get its reply, and its
// timeout blames no other node.
fn lines_that_are_piped_in_are_answered_and_the_rest_is_counted() {
    let mut node = author();
    let request = |kind: &str| client(&format!(r#"{{"type":"{kind}","msg_id":{ID}}}"#));
    let lines = ["beat", "call", "nap", "be_woken"].map(request).join("\n") + "\n";
    node.write(lines.as_bytes());
    let ending = node.finish();
    let kind = |line: &String| {
        let line: Value = serde_json::from_str(line).expect("a message");
        line["body"]["type"].as_str().expect("a type").to_owned()
    };
    let mut kinds: Vec<String> = ending.stdout.iter().map(kind).collect();
    kinds.sort_unstable();
    let expected = [
        "be_woken_ok",
        "beat_ok",
        "heartbeat",
        "heartbeat",
        "nap_ok",
        "ping",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(ending.stderr.len(), 1, "{ending:?}");
    let line = &ending.stderr[0];
    assert!(
        line.contains("get no reply") && line.ends_with(": 1"),
        "{line}"
    );
}

/// The names of the node's threads.
fn threads(node: &Node) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", node.process().pid)).expect("a process");
    let name = |task: std::io::Result<fs::DirEntry>| {
        let name = fs::read_to_string(task.ok()?.path().join("comm")).ok()?;
        Some(name.trim_end().to_owned())
    };
    tasks.filter_map(name).collect()
}

// The first thread for closures starts with the first closure. Echoes are answered meanwhile.
fn a_closure_that_blocks_delays_no_other_handler() {
    let mut node = author();
    assert_eq!(threads(&node).len(), 1);
    node.send(&client(r#"{"type":"unblock","msg_id":1,"ms":500}"#));
    let begun = std::time::Instant::now();
    for msg_id in 2..5 {
        let echo = format!(r#"{{"type":"echo","msg_id":{msg_id},"echo":1}}"#);
        let reply = node.ask(&client(&echo));
        assert_eq!(reply["body"]["in_reply_to"], msg_id);
    }
    assert_eq!(threads(&node).len(), 2);
    let reply = node.reply();
    assert!(begun.elapsed() >= Duration::from_millis(490));
    let expected = json!({"type": "unblock_ok", "in_reply_to": 1, "thread": "eddyline-work"});
    assert_body(&reply, "c1", &expected);
    node.finish_quietly();
}

fn a_panic_in_a_closure_is_error_13_and_the_pool_goes_on() {
    let mut node = author();
    for _ in 0..3 {
        let reply = ask(&mut node, "panic_in_closure");
        let text = assert_error(&reply, "c1", ID, 13);
        assert!(text.contains("on a thread"), "{text}");
        let line = node.stderr_line();
        assert!(line.contains("a closure of unblock panicked: on a thread"));
        assert!(line.contains(file!()), "no place: {line}");
    }
    let reply = ask(&mut node, "unblock");
    assert_eq!(reply["body"]["thread"], "eddyline-work");
    node.finish_quietly();
}

// Alone in its turn it is named at once. Among 600 requests that arrive together it is named the
// second time. A task in the background is named as such.
fn a_handler_that_holds_the_loop_is_named() {
    let mut node = author();
    assert_ok(&mut node, "hold");
    let named = r#"eddyline: the handler of "hold" from "c1" held the loop for 3"#;
    let line = node.stderr_line();
    assert!(line.starts_with(named), "{line}");
    let echoes: String = (0..300)
        .map(|msg_id| client(&format!(r#"{{"type":"echo","msg_id":{msg_id},"echo":1}}"#)) + "\n")
        .collect();
    let hold = client(r#"{"type":"hold","msg_id":1000}"#);
    thread::sleep(Duration::from_millis(1_000)); // the pause between two lines
    for _ in 0..2 {
        node.write(format!("{echoes}{hold}\n{echoes}").as_bytes());
        (0..601).for_each(|_| _ = node.reply());
    }
    let line = node.stderr_line();
    assert!(line.starts_with(named), "{line}");
    thread::sleep(Duration::from_millis(1_000));
    assert_ok(&mut node, "hold_in_background");
    let line = node.stderr_line();
    assert!(line.contains("a background task held the loop"), "{line}");
    node.finish_quietly();
}
