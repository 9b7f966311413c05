//! The inside: where to start reading.
//!
//! This page and those of the private modules exist in the documentation of the
//! inside only. `.ci/run docs-inside` builds it and prints the page to open.
//! ARCHITECTURE.md has the glossary, a worked turn, all bounds, and the facts of the
//! kernel that the code has to respect.
//!
//! # The rooms, in an order for reading
//!
//! Each room's page names its purpose and what to read next.
//!
//! | room | its job |
//! |---|---|
//! | [`sys`](crate::sys) | the system calls on descriptors: what stdin and stdout can be, and how to never block on them |
//! | [`source`](crate::source) | the contract between a source and the loop |
//! | [`reactor`](crate::reactor) | epoll, a slot for each source, the queue and the carry-over list |
//! | [`tcp`](crate::tcp) | the echo server: connections as state machines |
//! | [`time`](crate::time) | the clock and the timer wheel |
//! | [`task`](crate::task) | futures in recycled slots, wakers and the ready queue |
//! | [`wire`](crate::wire) | bytes to lines, messages to bytes, watermarks |
//! | [`protocol`](crate::protocol) | messages: parsed without copying, written in place |
//! | [`node`](crate::node) | what authors write against: requests, calls and their table |
//! | [`session`](crate::session) | a whole node without descriptors |
//! | [`engine`](crate::engine) | the same messages over NATS |
//! | [`carrier`](crate::carrier) | the sockets of those |
//! | [`runtime`](crate::runtime) | the turn, which drives all of the above |
//! | [`command_line`](crate::command_line) | the options, and `main` |
//! | [`workload`](crate::workload) | what clients ask for, and what must be true of the answers |
//! | [`sim`](crate::sim) | clusters of sessions on virtual time, with faults from a seed |
//! | [`lab`](crate::lab) | the simulated kernel, and the loop on it |
//! | [`microscope`](crate::microscope) | recordings of the loop, to watch it think |
//!
//! # Three ways in
//!
//! - One turn of the loop: [`EventLoop::turn`](crate::runtime::EventLoop::turn), and
//!   from there each step. `docs/microscope.html` shows it at work.
//! - One message, from a line to the reply:
//!   [`Session::receive`](crate::session::Session::receive).
//! - The event loop under faults: [`lab`](crate::lab), which has a kernel in memory.
