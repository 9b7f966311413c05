//! The steps of a turn in several orders. A question waits for 50 ms, and its reply is
//! there when its time is over. Another one gets no reply.

use order::Kernel;
use order::asks::Asks;
use order::deadlines::{tick_reached, timeout};
use order::lines::{Line, LineBuffer};
use order::output::OutputBuffer;
use order::script::Script;
use std::time::Duration;

#[derive(Clone, Copy)]
enum Step {
    Wait,
    Clock,
    Deliver,
    Expire,
    Flush,
}

use Step::{Clock, Deliver, Expire, Flush, Wait};

fn run(name: &str, steps: &[Step]) -> std::io::Result<()> {
    let lines = [
        (0, "ask answered 50"),
        (0, "ask silent 70"),
        (50, "reply answered"),
    ];
    let mut kernel = Script::new(&lines);
    let mut lines = LineBuffer::new(1000);
    let mut output = OutputBuffer::new(100, 1000);
    let mut asks = Asks::default();
    let mut now = Duration::ZERO;
    while !kernel.is_over {
        for step in steps {
            match step {
                Wait => {
                    let timeout = timeout(asks.next_deadline(), kernel.now());
                    kernel.wait(timeout)?;
                }
                Clock => now = kernel.now(),
                Deliver => {
                    let mut chunk = [0; 1000];
                    let count = kernel.read(&mut chunk).unwrap_or(0);
                    lines.push(&chunk[..count]);
                    while let Some(Line::Whole(line)) = lines.next_line() {
                        asks.receive(line, now, &mut output);
                    }
                }
                Expire => asks.expire(tick_reached(now), &mut output),
                Flush => _ = output.flush(|bytes| kernel.write(bytes))?,
            }
        }
    }
    println!("{name}: {} waits", kernel.waits);
    for (at, text) in &kernel.written {
        println!(
            "  at {:>2} ms: {}",
            at.as_millis(),
            text.trim_end().replace('\n', ", ")
        );
    }
    if !output.is_empty() {
        println!(
            "  never: {} bytes that are still in the buffer",
            output.len()
        );
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    run(
        "wait, clock, deliver, expire, flush",
        &[Wait, Clock, Deliver, Expire, Flush],
    )?;
    run(
        "wait, clock, expire, deliver, flush",
        &[Wait, Clock, Expire, Deliver, Flush],
    )?;
    run(
        "clock, wait, deliver, expire, flush",
        &[Clock, Wait, Deliver, Expire, Flush],
    )?;
    run(
        "wait, clock, flush, deliver, expire",
        &[Wait, Clock, Flush, Deliver, Expire],
    )
}
