//! Measures the real binary over pipes: a flood, 64 outstanding requests, and ping-pong.
//!
//! The results are wall-clock times. In a flood, bench and node run at the same time.

mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::io::Write;
use std::time::{Duration, Instant};
use support::memory::{SHORT, request};
use support::process::Process;

const OUTSTANDING: usize = 64;

/// The size of a write in a flood: about the capacity of a pipe.
const WRITE_BYTES: usize = 64 << 10;

fn line(payload: &str) -> Vec<u8> {
    let mut line = request("echo", payload).into_bytes();
    line.push(b'\n');
    line
}

/// One thread writes as fast as the node reads. This thread reads the replies.
fn flood(node: &mut Process, line: &[u8], messages: u64) -> Duration {
    let mut stdin = node.stdin.take().expect("stdin is open");
    let lines_per_write = (WRITE_BYTES / line.len()).max(1);
    let block = line.repeat(lines_per_write);
    let messages = usize::try_from(messages).expect("as many as fit memory");
    let start = Instant::now();
    let stdin = std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut left = messages;
            while left > 0 {
                let count = left.min(lines_per_write);
                stdin
                    .write_all(&block[..count * line.len()])
                    .expect("the node reads");
                left -= count;
            }
            stdin
        });
        node.read_lines(messages);
        writer.join().expect("the writer does not panic")
    });
    node.stdin = Some(stdin);
    start.elapsed()
}

/// Sends a request for each reply, so that the number of outstanding requests stays the
/// same.
fn window(node: &mut Process, line: &[u8], messages: u64) -> Duration {
    let messages = usize::try_from(messages).expect("as many as fit memory");
    let block = line.repeat(OUTSTANDING);
    let start = Instant::now();
    let (mut sent, mut answered) = (messages.min(OUTSTANDING), 0);
    node.write(&block[..sent * line.len()]);
    while answered < messages {
        let replies = node.read();
        answered += replies;
        let count = replies.min(messages - sent);
        node.write(&block[..count * line.len()]);
        sent += count;
    }
    start.elapsed()
}

fn pipes(c: &mut Criterion) {
    let kib = "x".repeat(1024);
    for (size, payload) in [("short", SHORT), ("1KiB", &kib)] {
        let line = line(payload);
        let mut group = c.benchmark_group(format!("pipes/{size}"));
        group.throughput(Throughput::Elements(1));
        let mut node = Process::start();
        group.bench_function("flood", |b| {
            b.iter_custom(|messages| flood(&mut node, &line, messages));
        });
        group.bench_function("64_outstanding", |b| {
            b.iter_custom(|messages| window(&mut node, &line, messages));
        });
        group.bench_function("ping_pong", |b| {
            b.iter(|| {
                node.write(&line);
                node.read_lines(1);
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = pipes
}
criterion_main!(benches);
