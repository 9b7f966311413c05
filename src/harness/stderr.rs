//! Stderr for lines about a run: it never holds the run up.

use crate::sys::Output;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::rc::Rc;
use std::time::Duration;

/// How many bytes wait for a stderr that takes none: 256 KiB, four full pipes. A reader that is
/// so far behind does not read.
const HELD_BYTES_MAX: usize = 256 << 10;

/// How long [`finish`](Stderr::finish) waits for a reader: a hundred times 10 ms.
const PATIENCE_TRIES: u32 = 100;
const PATIENCE_STEP: Duration = Duration::from_millis(10);

/// Stderr, written as far as its reader has room. The rest waits. Beyond 256 KiB that wait, whole
/// writes are dropped and counted, and a line tells their number when there is room again.
///
/// A write never fails and takes all bytes. The mode of the open file stays as it is, since other
/// programs can share it. Clones share what waits.
///
/// ```no_run
/// use eddyline::harness::{Plan, Stderr, run};
///
/// let stderr = Stderr::open();
/// let plan = Plan::new("target/release/node".into());
/// let tested = run(&plan, Box::new(stderr.clone()), false)?;
/// stderr.finish();
/// print!("{tested}");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Stderr(Rc<RefCell<Held>>);

#[derive(Debug)]
struct Held {
    /// `None` if stderr cannot be used. Then everything is dropped.
    output: Option<Output>,
    bytes: VecDeque<u8>,
    dropped: u64,
}

impl Stderr {
    /// The stderr of this process.
    pub fn open() -> Stderr {
        Stderr::on(Output::open_stderr().ok())
    }

    fn on(output: Option<Output>) -> Stderr {
        Stderr(Rc::new(RefCell::new(Held {
            output,
            bytes: VecDeque::new(),
            dropped: 0,
        })))
    }

    /// Writes a line of this program.
    pub fn say(&self, text: &str) {
        self.0
            .borrow_mut()
            .push(format!("eddyline: {text}\n").as_bytes());
    }

    /// Waits until everything is written, but no longer than a second for a reader that takes
    /// nothing. For the end of a run, when no node is left.
    pub fn finish(&self) {
        let held = &mut *self.0.borrow_mut();
        let mut tries = 0;
        while !held.is_written() && tries < PATIENCE_TRIES {
            let before = held.bytes.len();
            std::thread::sleep(PATIENCE_STEP);
            held.flush();
            tries = if held.bytes.len() < before {
                0
            } else {
                tries + 1
            };
        }
    }
}

impl Held {
    fn push(&mut self, bytes: &[u8]) {
        self.flush();
        if self.bytes.len() > HELD_BYTES_MAX {
            self.dropped += 1;
            return;
        }
        self.bytes.extend(bytes);
        self.flush();
    }

    fn is_written(&self) -> bool {
        self.bytes.is_empty() && self.dropped == 0
    }

    /// Writes as much as there is room for.
    fn flush(&mut self) {
        loop {
            if self.bytes.is_empty() && self.dropped > 0 {
                let text = format!(
                    "eddyline: {} lines were dropped, because stderr was not read\n",
                    std::mem::take(&mut self.dropped)
                );
                self.bytes.extend(text.as_bytes());
            }
            let (Some(output), false) = (&self.output, self.bytes.is_empty()) else {
                self.bytes.clear();
                return;
            };
            match output.write(self.bytes.make_contiguous()) {
                Ok(count) => drop(self.bytes.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_no_reader_is_left) => self.output = None,
            }
        }
    }
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::testing;
    use std::io::Read;

    #[test]
    fn lines_beyond_the_bound_are_dropped_and_counted_when_the_reader_reads_on() {
        let (reader, writer) = testing::pipe();
        let stderr = Stderr::on(Output::from_fd(writer).ok());
        let line = "x".repeat(999);
        for _ in 0..1_000 {
            stderr.say(&line);
        }
        let held = stderr.0.borrow().bytes.len();
        assert!(
            (HELD_BYTES_MAX..HELD_BYTES_MAX + 1_100).contains(&held),
            "{held}"
        );
        let mut reader = std::fs::File::from(reader);
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        stderr.finish();
        assert!(stderr.0.borrow().is_written());
        drop(stderr);
        let text = reading.join().unwrap();
        let (whole, last) = text.trim_end().rsplit_once('\n').unwrap();
        let told = whole.lines().count();
        assert!(whole.lines().all(|told| told.ends_with(&line)));
        assert_eq!(
            last,
            format!(
                "eddyline: {} lines were dropped, because stderr was not read",
                1_000 - told
            )
        );
    }

    #[test]
    fn a_reader_that_takes_nothing_or_has_gone_is_not_waited_for() {
        let (reader, writer) = testing::pipe();
        let stderr = Stderr::on(Output::from_fd(writer).ok());
        stderr.say(&"x".repeat(100_000));
        stderr.finish();
        assert!(!stderr.0.borrow().is_written());
        drop(reader);
        stderr.finish();
        assert!(stderr.0.borrow().is_written());
    }
}
