//! Measures TCP echo of the real binary. In each round all connections send, then all
//! receive. The result is the time of one round trip.

mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::process::Process;

const CONNECTIONS: [usize; 3] = [1, 50, 1000];

const PAYLOADS: [(&str, usize); 3] = [("64B", 64), ("1KiB", 1 << 10), ("64KiB", 64 << 10)];

/// Starts TCP echo. Returns its port.
fn listen(node: &mut Process) -> u16 {
    let reply = node.ask(
        "{\"src\":\"c1\",\"dest\":\"n1\",\"body\":{\"type\":\"tcp_echo_start\",\"msg_id\":2,\"port\":0}}\n",
    );
    let reply: serde_json::Value = serde_json::from_str(&reply).expect("a reply is JSON");
    let port = reply["body"]["port"].as_u64().expect("the reply's port");
    u16::try_from(port).expect("ports are 16 bits wide")
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the node accepts");
    stream.set_nodelay(true).expect("set TCP_NODELAY");
    stream
}

/// Makes at least `round_trips`, over all connections. Returns the time of `round_trips`.
fn exchange(streams: &mut [TcpStream], payload: &[u8], round_trips: u64) -> Duration {
    let mut echoed = vec![0; payload.len()];
    let mut done = 0;
    let start = Instant::now();
    while done < round_trips {
        for stream in &mut *streams {
            stream.write_all(payload).expect("the node reads");
        }
        for stream in &mut *streams {
            stream.read_exact(&mut echoed).expect("the node echoes");
        }
        done += streams.len() as u64;
    }
    start.elapsed().mul_f64(round_trips as f64 / done as f64)
}

fn tcp(c: &mut Criterion) {
    // A thousand connections need more descriptors than the usual soft limit of 1024.
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).expect("raise the soft limit to the hard one");
    let mut node = Process::start();
    let port = listen(&mut node);
    for connections in CONNECTIONS {
        let mut group = c.benchmark_group(format!("tcp/{connections}"));
        let mut streams: Vec<_> = (0..connections).map(|_| connect(port)).collect();
        for (name, bytes) in PAYLOADS {
            let payload = vec![b'x'; bytes];
            group.throughput(Throughput::Bytes(bytes as u64));
            group.bench_function(name, |b| {
                b.iter_custom(|count| exchange(&mut streams, &payload, count));
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .measurement_time(Duration::from_secs(2));
    targets = tcp
}
criterion_main!(benches);
