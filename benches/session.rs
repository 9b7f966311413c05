//! Measures the session in memory: the cost of a message without system calls.

mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use support::memory::{Memory, SHORT, request};

fn echo(c: &mut Criterion) {
    let mut group = c.benchmark_group("session/echo");
    let kib = "x".repeat(1024);
    let escaped = "line\\n\\\"é\\u00e9".repeat(60);
    for (name, payload) in [("short", SHORT), ("1KiB", &kib), ("1KiB_escaped", &escaped)] {
        let line = request("echo", payload);
        group.throughput(Throughput::Bytes(line.len() as u64));
        let mut memory = Memory::new();
        group.bench_function(name, |b| b.iter(|| memory.echo(black_box(line.as_bytes()))));
    }
}

fn call(c: &mut Criterion) {
    let mut memory = Memory::new();
    let line = request("ask", SHORT);
    c.bench_function("session/call_and_reply", |b| {
        b.iter(|| memory.ask(black_box(line.as_bytes())));
    });
}

fn timer(c: &mut Criterion) {
    let mut memory = Memory::new();
    let line = request("nap", SHORT);
    c.bench_function("session/timer", |b| {
        b.iter(|| memory.nap(black_box(line.as_bytes())));
    });
}

criterion_group!(benches, echo, call, timer);
criterion_main!(benches);
