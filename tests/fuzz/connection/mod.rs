//! The state machines of both ends of a TCP echo against a peer that does
//! whatever the input says: it writes, reads, half-closes and goes away at any
//! time, and events come late, together, or for nothing.
//!
//! The sockets are a pair, with buffers as small as the kernel allows, so that
//! writes are partial early; the events are those of an edge-triggered epoll.
//! Whoever loses one waits for ever, and is found out at the end.

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
