//! The progress of a run, for people: one line that is redrawn on a terminal, a line now and
//! then elsewhere.

use crate::time::Instant;
use crate::workload::Outcome;
use std::io::Write;
use std::time::Duration;

/// How often the line is redrawn on a terminal, and how often a plain line is written.
const REDRAWN_EVERY: Duration = Duration::from_millis(250);
const WRITTEN_EVERY: Duration = Duration::from_secs(5);

/// Goes to the beginning of the line and clears it.
const CLEAR: &str = "\r\x1b[K";

/// Makes a terminal cut what is wider than it, and wrap it again. A line that wraps could not be
/// cleared. This needs no knowledge of the width, which can change.
const CUT: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// The progress line, and the other lines that are written while a test runs.
pub(super) struct Progress {
    out: Box<dyn Write>,
    is_redrawn: bool,
    /// Whether the cursor stands behind a line that will be redrawn.
    is_open: bool,
    next: Instant,
    last: Instant,
    done: u64,
    failed: u64,
    unknown: u64,
    /// How many operations had ended when the last line was written.
    shown: u64,
}

impl Progress {
    pub(super) fn new(out: Box<dyn Write>, is_redrawn: bool) -> Progress {
        Progress {
            out,
            is_redrawn,
            is_open: false,
            next: Instant::ZERO + every(is_redrawn),
            last: Instant::ZERO,
            done: 0,
            failed: 0,
            unknown: 0,
            shown: 0,
        }
    }

    pub(super) fn count(&mut self, outcome: &Outcome) {
        *match outcome {
            Outcome::Ok(_) => &mut self.done,
            Outcome::Fail(_) => &mut self.failed,
            Outcome::Info(_) => &mut self.unknown,
        } += 1;
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// Shows how far the run has come, and the faults in force.
    pub(super) fn show(
        &mut self,
        now: Instant,
        messages: u64,
        is_cut: bool,
        down: &[&str],
        paused: &[&str],
    ) {
        let all = self.done + self.failed + self.unknown;
        let span = now.since(self.last).as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
        let rate = (all - self.shown) as f64 / span;
        let mut line = format!("{:>5.1} s", now.since(Instant::ZERO).as_secs_f64());
        // The faults come first: the end of the line may not fit on a terminal.
        if is_cut {
            line.push_str("  partition");
        }
        for (what, names) in [("down", down), ("paused", paused)] {
            if !names.is_empty() {
                line.push_str(&format!("  {what}: {}", names.join(" ")));
            }
        }
        line.push_str(&format!(
            "  {rate:.0} operations/s  {} ok, {} failed, {} unknown  {messages} messages",
            self.done, self.failed, self.unknown,
        ));
        self.shown = all;
        self.last = now;
        self.next = now + every(self.is_redrawn);
        if self.is_redrawn {
            self.write(&format!("{CLEAR}{CUT}{line}{WRAP}"));
            self.is_open = true;
        } else {
            self.write(&format!("{line}\n"));
        }
    }

    /// Writes a line of its own.
    pub(super) fn say(&mut self, text: &str) {
        self.finish();
        self.write(&format!("{text}\n"));
    }

    /// Removes the line that would be redrawn.
    pub(super) fn finish(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.write(CLEAR);
        }
    }

    /// Writes what waits in a writer that never waits itself.
    pub(super) fn flush(&mut self) {
        let _ignored = self.out.flush();
    }

    /// Progress that cannot be written is no reason to end a test.
    fn write(&mut self, text: &str) {
        let _ignored = self.out.write_all(text.as_bytes());
        self.flush();
    }
}

/// How often the line is shown.
fn every(is_redrawn: bool) -> Duration {
    if is_redrawn {
        REDRAWN_EVERY
    } else {
        WRITTEN_EVERY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn shown(is_redrawn: bool) -> String {
        let out = Shared::default();
        let mut progress = Progress::new(Box::new(out.clone()), is_redrawn);
        for _ in 0..10 {
            progress.count(&Outcome::Ok("{}".into()));
        }
        let now = Instant::from_millis(5_000);
        assert!(progress.is_due(now));
        progress.show(now, 40, true, &["n1"], &[]);
        assert!(!progress.is_due(now));
        progress.say("a line");
        let bytes = out.0.borrow().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_terminal_has_one_line_and_anything_else_has_plain_ones() {
        let line =
            "  5.0 s  partition  down: n1  2 operations/s  10 ok, 0 failed, 0 unknown  40 messages";
        assert_eq!(shown(false), format!("{line}\na line\n"));
        assert_eq!(
            shown(true),
            format!("{CLEAR}{CUT}{line}{WRAP}{CLEAR}a line\n")
        );
    }
}
