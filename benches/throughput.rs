//! Measures a node of your own: in memory, and as a process over pipes.
//!
//! Copy this file to `benches/throughput.rs` of your crate, with `criterion` among the
//! development dependencies and these lines in Cargo.toml:
//!
//! ```toml
//! [[bench]]
//! name = "throughput"
//! harness = false
//! ```
//!
//! Then change the four lines below that are marked, and run `cargo bench --bench throughput`.
//! In memory, the time is that of the node's own code and of the session around it. Over
//! pipes, the kernel and the wakes of two processes are added. `eddyline bench` measures
//! latencies and processor time as well, and nodes of any language.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use eddyline::session::{Session, Settings};
use eddyline::time::VirtualClock;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::rc::Rc;

#[path = "../examples/echo.rs"]
#[allow(dead_code, reason = "the example is a program")]
mod echo;
use echo::Echo as Node; // yours: `use my_crate::MyNode as Node;`
const PROGRAM: &str = env!("CARGO_BIN_EXE_eddyline"); // yours: "CARGO_BIN_EXE_my-program"
const REQUEST: &str = // yours
    r#"{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":2,"echo":"hello"}}"#;
const REPLY: &str = r#""type":"echo_ok""#; // yours

const INIT: &str = r#"{"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1"]}}"#;

fn in_memory(c: &mut Criterion) {
    let clock = Rc::new(VirtualClock::default());
    let new = <Node as eddyline::Node>::new;
    let mut session = Session::new(new, Settings::default(), clock, |line| panic!("{line}"));
    let mut ask = |line: &str, reply: &str| {
        session.receive(line.as_bytes());
        session.run_tasks(1000);
        let mut output = session.output();
        let written = output.pending();
        assert!(String::from_utf8_lossy(written).contains(reply));
        let len = output.len();
        output.consume(len);
    };
    ask(INIT, "init_ok");
    c.bench_function("throughput/in_memory", |b| b.iter(|| ask(REQUEST, REPLY)));
}

fn over_pipes(c: &mut Criterion) {
    const AT_ONCE: usize = 64;
    let mut command = Command::new(PROGRAM);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = piped.spawn().expect("the program starts");
    let mut input = node.stdin.take().expect("it was piped");
    let mut output = BufReader::new(node.stdout.take().expect("it was piped")).lines();
    let mut ask = |lines: &str, replies: usize, reply: &str| {
        input.write_all(lines.as_bytes()).expect("the node reads");
        for line in output.by_ref().take(replies) {
            assert!(line.expect("the node writes").contains(reply));
        }
    };
    ask(&format!("{INIT}\n"), 1, "init_ok");
    let requests = format!("{REQUEST}\n").repeat(AT_ONCE);
    let mut group = c.benchmark_group("throughput");
    group.throughput(Throughput::Elements(AT_ONCE as u64));
    group.bench_function("over_pipes", |b| b.iter(|| ask(&requests, AT_ONCE, REPLY)));
    drop(input);
    node.wait().expect("it ends with its input");
}

criterion_group!(benches, in_memory, over_pipes);
criterion_main!(benches);
