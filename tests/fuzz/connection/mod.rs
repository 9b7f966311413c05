//! The state machines of both ends of a TCP echo against a peer that follows the
//! input: it writes, reads, half-closes and goes away at any time. Events come
//! late, together, or for nothing.
//!
//! The sockets are a pair with the smallest buffers that the kernel allows, so that
//! writes are soon partial. The events are those of an edge-triggered epoll. A state
//! machine that loses one waits for ever, which the end of the check notices.

mod client;
#[path = "../input.rs"]
mod input;
mod server;
mod watched;

use input::Input;

pub(crate) fn check(input: &[u8]) {
    let mut input = Input::new(input);
    match input.byte() % 2 {
        0 => server::check(&mut input),
        _ => client::check(&mut input),
    }
}

#[cfg(test)]
#[path = "../replay.rs"]
mod replay;

#[cfg(test)]
#[test]
fn connection() {
    replay::corpus("connection", check);
    replay::random(64, b"\0\x01", check);
}
