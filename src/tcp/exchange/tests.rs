//! The client's side against servers that behave and servers that do not.

use super::*;
use crate::lab::testing::await_any;
use rustix::event::PollFlags;
use rustix::net::{AddressFamily, SocketType};
use std::net::Ipv4Addr;

const DATA: &[u8] = b"some bytes";

/// An exchange, and the socket of the server that it talks to.
fn exchange() -> (Exchange, Descriptor) {
    let listener = socket::listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket::local_address(&listener).unwrap();
    let exchange = Exchange::start(address, DATA.to_vec()).unwrap();
    await_any(&listener, PollFlags::IN);
    let server = socket::accept(&listener).unwrap();
    (exchange, server)
}

/// Drives it to its end, each time with the readiness that poll(2) reports.
fn finish(exchange: &mut Exchange) -> Result<Vec<u8>, ExchangeError> {
    loop {
        let mut wanted = PollFlags::IN | PollFlags::RDHUP;
        wanted.set(PollFlags::OUT, !matches!(exchange.state, State::Receiving));
        let events = await_any(&*exchange, wanted);
        let read_closed = events.intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR);
        let mut readiness = Readiness::NONE;
        if read_closed || events.contains(PollFlags::IN) {
            readiness |= Readiness::READABLE;
        }
        if events.intersects(PollFlags::OUT | PollFlags::HUP | PollFlags::ERR) {
            readiness |= Readiness::WRITABLE;
        }
        if read_closed {
            readiness |= Readiness::READ_CLOSED;
        }
        if let Next::Finished(outcome) = exchange.ready(readiness).next {
            return outcome;
        }
    }
}

fn send_all(exchange: &mut Exchange) {
    await_any(&*exchange, PollFlags::OUT);
    let progress = exchange.ready(Readiness::WRITABLE);
    assert!(matches!(progress.next, Next::Wait));
    assert!(matches!(exchange.state, State::Receiving));
}

#[test]
fn it_half_closes_behind_the_last_byte_and_then_waits() {
    let (mut exchange, server) = exchange();
    send_all(&mut exchange);
    await_any(&server, PollFlags::RDHUP);
    let mut buffer = [0; 64];
    assert_eq!(socket::read(&server, &mut buffer).unwrap(), DATA.len());
    assert_eq!(socket::read(&server, &mut buffer).unwrap(), 0);
    socket::write(&server, DATA).unwrap();
    drop(server);
    await_any(&exchange, PollFlags::RDHUP);
    let all = Readiness::READABLE | Readiness::WRITABLE | Readiness::READ_CLOSED;
    // Bytes and end in one edge (gotcha 6), and both in one turn.
    let Next::Finished(outcome) = exchange.ready(all).next else {
        panic!("an end was lost");
    };
    assert_eq!(outcome.unwrap(), DATA);
    assert!(matches!(exchange.ready(all).next, Next::Wait), "once");
}

#[test]
fn gotcha_17_a_spurious_event_before_the_answer_changes_nothing() {
    let (mut exchange, _server) = exchange();
    let progress = exchange.ready(Readiness::NONE);
    assert!(matches!(progress.next, Next::Wait));
    assert!(matches!(exchange.state, State::Connecting { .. }));
}

#[test]
fn gotcha_12_a_turn_is_bounded_both_ways() {
    let listener = socket::listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket::local_address(&listener).unwrap();
    let bound = CALLS_PER_TURN * CHUNK_BYTES;
    let mut exchange = Exchange::start(address, vec![b'x'; 2 * bound]).unwrap();
    await_any(&listener, PollFlags::IN);
    let server = socket::accept(&listener).unwrap();
    await_any(&exchange, PollFlags::OUT);
    let progress = exchange.ready(Readiness::WRITABLE);
    let State::Sending { sent, .. } = exchange.state else {
        panic!("sent too much");
    };
    assert!(sent <= bound);
    let is_carried = matches!(progress.next, Next::CarryOver(_));
    assert_eq!(is_carried, !progress.used_up.is_writable());
    drop(server);
}

#[test]
fn a_refused_connection_is_an_error_that_names_the_address() {
    // Bound and not listening: the port cannot be another process's, and it refuses.
    let bound = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&bound, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let bound = Descriptor::from(bound);
    let address = socket::local_address(&bound).unwrap();
    let outcome = Exchange::start(address, DATA.to_vec())
        .map_err(|(error, _)| error)
        .and_then(|mut exchange| finish(&mut exchange));
    let error = outcome.unwrap_err();
    assert!(matches!(error, ExchangeError::Connect { .. }), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[test]
fn a_server_that_ends_early_cuts_it_short() {
    let (mut exchange, server) = exchange();
    send_all(&mut exchange);
    await_any(&server, PollFlags::RDHUP);
    let mut buffer = [0; 64];
    while socket::read(&server, &mut buffer).unwrap() > 0 {}
    socket::write(&server, &DATA[..4]).unwrap();
    drop(server);
    let error = finish(&mut exchange).unwrap_err();
    let ExchangeError::CutShort {
        received, expected, ..
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!((received, expected), (4, DATA.len()));
}

#[test]
fn a_server_that_resets_is_an_error() {
    let (mut exchange, server) = exchange();
    send_all(&mut exchange);
    await_any(&server, PollFlags::IN);
    // Closed with bytes unread, which is a reset.
    drop(server);
    let error = finish(&mut exchange).unwrap_err();
    assert!(matches!(error, ExchangeError::Receive { .. }), "{error}");
}

#[test]
fn more_than_was_sent_is_not_held() {
    let (mut exchange, server) = exchange();
    send_all(&mut exchange);
    socket::write(&server, &[b'x'; 1000]).unwrap();
    let error = finish(&mut exchange).unwrap_err();
    assert!(matches!(error, ExchangeError::TooMuch { .. }), "{error}");
}

#[test]
fn a_deadline_tells_how_far_it_came() {
    let (mut exchange, server) = exchange();
    let text = exchange.timed_out().to_string();
    assert!(text.ends_with("sent 0 of 10 bytes within 5 s"), "{text}");
    send_all(&mut exchange);
    socket::write(&server, &DATA[..4]).unwrap();
    await_any(&exchange, PollFlags::IN);
    let progress = exchange.ready(Readiness::READABLE);
    assert!(matches!(progress.next, Next::Wait));
    let text = exchange.timed_out().to_string();
    assert!(text.ends_with("sent 4 of 10 bytes within 5 s"), "{text}");
}
