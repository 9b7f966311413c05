//! A new kind of source, from its first line to its end: the stdout of a child
//! process. In the program it would be:
//!
//! 1. A file with the state machine. It owns its descriptor, makes a bounded number
//!    of calls, and answers as `source.rs` says. It knows no reactor. ([`ChildOutput`])
//! 2. A variant of `runtime::source::Source`, and its descriptor in `as_raw_fd`.
//! 3. An arm in `EventLoop::deliver` that calls `ready`. If the owner needs the
//!    outcome, it takes it there with `Progress::map`.
//! 4. An arm in step 7, where the finished source comes out of the reactor.
//!
//! Once the variant exists, the compiler asks for its arms. The test is a loop with
//! this one kind of source. It calls rustix itself; in the program a source reads and
//! writes through `sys::Descriptor`.

use super::*;
use std::os::fd::{OwnedFd, RawFd};

/// How many reads one turn makes.
const READS_PER_TURN: usize = 2;

/// The read end of a child's stdout. Its outcome is everything that the child wrote.
struct ChildOutput {
    fd: OwnedFd,
    received: Vec<u8>,
}

impl AsRawFd for ChildOutput {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl ChildOutput {
    fn ready(&mut self, readiness: Readiness) -> Progress<Vec<u8>> {
        let mut left = readiness;
        let before = self.received.len();
        let mut has_ended = false;
        for _ in 0..READS_PER_TURN {
            let mut buffer = [0; 4];
            if has_ended || !left.is_readable() {
                break;
            }
            match rustix::io::read(&self.fd, &mut buffer) {
                Ok(0) => has_ended = true,
                Ok(count) => self.received.extend_from_slice(&buffer[..count]),
                // The pipe is empty: only after this will there be another edge.
                Err(rustix::io::Errno::AGAIN) => left.remove(Readiness::READABLE),
                Err(_) => has_ended = true,
            }
        }
        let received_bytes = self.received.len() - before;
        let next = if has_ended {
            Next::Finished(std::mem::take(&mut self.received))
        } else if left.is_readable() {
            // No edge tells of bytes that have arrived already.
            Next::CarryOver(Reason::BoundReached)
        } else {
            Next::Wait
        };
        Progress {
            received_bytes,
            used_up: readiness.without(left),
            next,
        }
    }
}

#[test]
fn a_new_kind_of_source_is_read_to_its_end_within_its_bound() {
    let flags = rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK;
    let (fd, child) = rustix::pipe::pipe_with(flags).unwrap();
    rustix::io::write(&child, b"ten bytes.").unwrap();
    drop(child);
    let source = ChildOutput {
        fd,
        received: Vec::new(),
    };
    let mut reactor = Reactor::new().unwrap();
    reactor.insert(source, Interest::READABLE).unwrap();
    let mut outcome = None;
    let (mut turns, mut received_bytes) = (0, 0);
    while outcome.is_none() {
        turns += 1;
        reactor.wait(None).unwrap(); // step 1
        while let Some((token, source, readiness)) = reactor.next_ready() {
            let progress = source.ready(readiness);
            received_bytes += progress.received_bytes;
            let progress = progress.map(|bytes| outcome = Some(bytes)); // step 3
            reactor.apply(token, &progress);
        }
        reactor.assert_invariants();
        while let Some(source) = reactor.take_finished() {
            drop(source); // step 7: closed after it was taken out of the reactor
        }
    }
    // Reads of 4, 4, 2 and 0 bytes, two in each turn.
    assert_eq!(received_bytes, 10);
    assert_eq!((turns, outcome.as_deref()), (2, Some(&b"ten bytes."[..])));
    assert_eq!(reactor.len(), 0);
}
