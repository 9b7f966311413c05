//! stdout and stderr, and the rule for a pipe that they share.
//!
//! stdout takes messages, stderr takes lines for people. With `2>&1`, or on a terminal,
//! both lead to the same place. A write may be cut anywhere, so whatever is written next
//! could land in the middle of a message or of a line. Hence the rule:
//!
//! ```text
//!   the reader has seen          may be written next
//!   the beginning of a line      the rest of that line
//!   the beginning of a message   the rest of that message
//!   neither                      messages, then lines
//! ```
//!
//! Invariant: on a shared pipe at most one of the two streams has begun something.
//!
//! Read next: `stdout.rs`, `diagnostics.rs`.

use super::diagnostics::Diagnostics;
use super::phase::Unwritten;
use super::source::Source;
use super::stdout::Stdout;
use crate::reactor::Reactor;
use crate::session::Session;
use crate::source::Next;
use crate::sys::Output;
use std::io;
use std::rc::Rc;

/// Both output streams. The turn flushes them with one call.
pub(super) struct Outputs {
    stdout: Stdout,
    stderr: Rc<Diagnostics>,
    /// Both lead to the same pipe, terminal, socket or file.
    are_shared: bool,
    /// stdout will never take another byte.
    has_lost_reader: bool,
}

impl Outputs {
    pub(super) fn new(
        reactor: &mut Reactor<Source>,
        stdout: Output,
        stderr: Option<Output>,
    ) -> io::Result<Outputs> {
        let are_shared = stderr
            .as_ref()
            .is_some_and(|stderr| stderr.is_same_file(&stdout));
        Ok(Outputs {
            stderr: Rc::new(Diagnostics::new(reactor, stderr)),
            stdout: Stdout::new(reactor, stdout)?,
            are_shared,
            has_lost_reader: false,
        })
    }

    /// Where lines for people go.
    pub(super) fn diagnostics(&self) -> Rc<Diagnostics> {
        Rc::clone(&self.stderr)
    }

    /// Writes as much as the readers take, within the turn's bound.
    ///
    /// # Errors
    /// When stdout fails in another way than by losing its reader. The lines for
    /// people are written all the same.
    pub(super) fn flush(
        &mut self,
        reactor: &mut Reactor<Source>,
        session: &mut Session,
    ) -> io::Result<()> {
        if self.is_stdout_barred() {
            self.stderr.flush();
        }
        let flushed = self.flush_stdout(reactor, session);
        self.stderr.bar(self.is_stderr_barred());
        if !self.stderr.is_empty() {
            self.stderr.flush();
        }
        debug_assert!(!(self.is_stdout_barred() && self.is_stderr_barred()));
        flushed
    }

    /// Writes the lines for people alone: the messages of this node go elsewhere.
    pub(super) fn flush_stderr(&mut self) {
        if !self.stderr.is_empty() {
            self.stderr.flush();
        }
    }

    fn flush_stdout(
        &mut self,
        reactor: &mut Reactor<Source>,
        session: &mut Session,
    ) -> io::Result<()> {
        if self.is_stdout_barred() {
            return Ok(());
        }
        let token = self.stdout.token();
        let readiness = reactor.readiness(token);
        if session.output().is_empty() && !readiness.is_read_closed() {
            return Ok(());
        }
        let progress = self.stdout.ready(readiness, session)?;
        self.has_lost_reader = matches!(progress.next, Next::Finished(()));
        reactor.apply(token, &progress);
        Ok(())
    }

    /// The rest of a line comes before any message.
    fn is_stdout_barred(&self) -> bool {
        self.are_shared && self.stderr.is_inside_line()
    }

    /// The rest of a message comes before any line, unless it will never come.
    fn is_stderr_barred(&self) -> bool {
        self.are_shared && self.stdout.is_inside_line() && !self.has_lost_reader
    }

    /// Whether stdout will never take another byte.
    pub(super) fn has_lost_reader(&self) -> bool {
        self.has_lost_reader
    }

    /// The output that is still to be written.
    pub(super) fn unwritten(&self, session: &mut Session) -> Unwritten {
        if self.has_lost_reader {
            Unwritten::ReaderGone
        } else if !session.output().is_empty() {
            Unwritten::Messages
        } else if !self.stderr.is_empty() {
            Unwritten::Lines
        } else {
            Unwritten::Nothing
        }
    }

    /// Gives the reader of stderr up, if it has left lines unread.
    pub(super) fn close_stderr(&self) {
        if !self.stderr.is_empty() {
            self.stderr.close();
        }
    }
}
