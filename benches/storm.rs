//! Measures the tester itself: a storm of messages between light nodes, and its memory.
//!
//! ```sh
//! cargo bench --bench storm
//! ```
//!
//! The storm: five nodes pass messages on to each other as fast as they arrive, under
//! `eddyline test -w echo`. Its nodes are this program again, and do as little as possible.
//! The memory: `eddyline test -w lin-kv` with 1,000 operations a second for a minute, on the
//! example's five nodes, with all files of the run.

use eddyline::harness::{Plan, run};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The messages that are on their way from each node at any time.
const PASSED_ON: usize = 100;

/// The part of a line between these two quotes.
fn between<'a>(line: &'a str, front: &str) -> &'a str {
    let (_, rest) = line.split_once(front).unwrap_or_default();
    rest.split(['"', ',', '}']).next().unwrap_or_default()
}

/// A node: it answers init and echo, and passes everything else on to the next node.
fn node() -> std::io::Result<()> {
    let mut input = BufReader::with_capacity(64 << 10, std::io::stdin().lock());
    let mut output = std::io::stdout().lock();
    let (mut written, mut hop) = (Vec::new(), Vec::new());
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        if line.contains(r#""type":"hop""#) {
            written.extend_from_slice(&hop);
        } else {
            let (src, dest) = (between(&line, "\"src\":\""), between(&line, "\"dest\":\""));
            let number = between(&line, "\"msg_id\":");
            let is_init = line.contains(r#""type":"init""#);
            let (kind, echo) = match line.split_once("\"echo\":") {
                Some((_, rest)) if !is_init => ("echo_ok", rest.trim_end().trim_end_matches('}')),
                _ => ("init_ok", "null"),
            };
            writeln!(
                written,
                r#"{{"src":"{dest}","dest":"{src}","body":{{"type":"{kind}","in_reply_to":{number},"echo":{echo}}}}}"#
            )?;
            if is_init {
                let next = dest[1..].parse::<usize>().unwrap_or(0) % 5 + 1;
                hop = format!(
                    "{{\"src\":\"{dest}\",\"dest\":\"n{next}\",\"body\":{{\"type\":\"hop\",\"message\":1234}}}}\n"
                )
                .into_bytes();
                written.extend(hop.repeat(PASSED_ON));
            }
        }
        line.clear();
        // Everything that one read brought is answered with one write.
        if !input.buffer().contains(&b'\n') {
            output.write_all(&written)?;
            output.flush()?;
            written.clear();
        }
    }
    Ok(())
}

/// Processor time of this process, in nanoseconds.
fn own_cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().unwrap_or_default();
    nanos.parse().unwrap_or(f64::NAN)
}

fn peak_mib(process: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn storm(seconds: f64) {
    let mut plan = Plan::new(std::env::current_exe().expect("this program"));
    plan.arguments = vec!["node".into()];
    plan.workload = "echo";
    plan.time_limit = Duration::from_secs_f64(seconds);
    let before = own_cpu();
    let tested = run(&plan, Box::new(std::io::sink()), false).expect("the tester runs");
    let cpu = own_cpu() - before;
    assert_eq!(tested.record.problems.len(), 0, "{tested}");
    let messages = tested.record.statistics.between_nodes as f64;
    let seconds = tested.record.elapsed.as_secs_f64();
    print(&format!(
        "storm: {:.0} messages between nodes a second, {:.2} µs of the tester's processor time \
         for each, peak {:.0} MiB, in {seconds:.1} s",
        messages / seconds,
        cpu / 1e3 / messages,
        peak_mib("self"),
    ));
}

/// The peak memory of a whole test.
fn memory(seconds: f64) {
    let program = env!("CARGO_BIN_EXE_eddyline");
    // Beside the folder of this bench: target/release/examples.
    let mut node = std::env::current_exe().expect("this program");
    node.pop();
    node.set_file_name("examples");
    node.push("lin_kv");
    if !node.exists() {
        print("memory: skipped; it needs cargo build --release --examples");
        return;
    }
    let mut test = Command::new(program)
        .args([
            "test",
            "-w",
            "lin-kv",
            "--rate",
            "1000",
            "--concurrency",
            "4n",
        ])
        .args(["--time-limit", &seconds.to_string(), "--bin"])
        .arg(&node)
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut peak = 0f64;
    while test.try_wait().expect("a child").is_none() {
        peak = peak.max(peak_mib(&test.id().to_string()));
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut said = String::new();
    let mut stdout = test.stdout.take().expect("it was piped");
    stdout.read_to_string(&mut said).expect("text");
    let last = said.lines().last().unwrap_or_default();
    print(&format!(
        "memory: peak {peak:.0} MiB of {seconds} s with 1,000 operations a second; {last}"
    ));
}

fn print(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("stdout");
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "node") {
        node().expect("pipes");
    } else if words.iter().any(|word| word == "--bench") {
        (0..3).for_each(|_| storm(10.0));
        memory(60.0);
    } else {
        // `cargo test --benches` only sees that it runs.
        storm(0.2);
    }
}
