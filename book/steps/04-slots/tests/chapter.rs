//! The rules of the reactor, each with pipes. A pipe has no delays: what was written
//! before a wait is reported by it.

use rustix::io::write;
use rustix::pipe::{PipeFlags, pipe_with};
use slots::{Next, Progress, Reactor, Readiness, Token};
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::time::Duration;

/// A pipe: the end to read and the end to write.
fn pipe() -> (OwnedFd, OwnedFd) {
    pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap()
}

/// Inserts the reading end of a pipe that holds a byte. Returns the writing end.
fn insert_readable(reactor: &mut Reactor<OwnedFd>) -> (Token, OwnedFd) {
    let (reader, writer) = pipe();
    let token = reactor.insert(reader).unwrap();
    write(&writer, b"x").unwrap();
    (token, writer)
}

/// The sources that a turn would serve, with their flags.
fn ready(reactor: &mut Reactor<OwnedFd>) -> Vec<(Token, Readiness)> {
    let mut ready = Vec::new();
    while let Some((token, _source, readiness)) = reactor.next_ready() {
        ready.push((token, readiness));
    }
    ready
}

fn wait(reactor: &mut Reactor<OwnedFd>) {
    reactor.wait(Some(Duration::ZERO)).unwrap();
}

const READABLE: Readiness = Readiness {
    readable: true,
    writable: false,
};

#[test]
fn a_source_is_ready_once_for_each_edge() {
    let mut reactor = Reactor::new().unwrap();
    let (token, writer) = insert_readable(&mut reactor);
    wait(&mut reactor);
    assert_eq!(ready(&mut reactor), [(token, READABLE)]);
    wait(&mut reactor);
    assert_eq!(ready(&mut reactor), []);
    write(&writer, b"y").unwrap();
    wait(&mut reactor);
    assert_eq!(ready(&mut reactor), [(token, READABLE)]);
}

#[test]
fn a_flag_stays_until_it_is_used_up() {
    let mut reactor = Reactor::new().unwrap();
    let (_reader, writer) = pipe();
    let token = reactor.insert(writer).unwrap();
    wait(&mut reactor);
    let (_, _, readiness) = reactor.next_ready().unwrap();
    assert!(readiness.writable && !readiness.readable);
    let keeps = |used_up| Progress {
        used_up,
        next: Next::CarryOver,
    };
    reactor.apply(token, keeps(Readiness::default()));
    wait(&mut reactor);
    assert!(
        reactor.next_ready().unwrap().2.writable,
        "nothing used it up"
    );
    reactor.apply(
        token,
        keeps(Readiness {
            readable: true,
            writable: false,
        }),
    );
    wait(&mut reactor);
    assert!(
        reactor.next_ready().unwrap().2.writable,
        "the other flag was used up"
    );
    reactor.apply(
        token,
        keeps(Readiness {
            readable: false,
            writable: true,
        }),
    );
    wait(&mut reactor);
    assert!(!reactor.next_ready().unwrap().2.writable, "it was used up");
}

#[test]
fn a_carried_source_is_served_in_the_next_turn_without_a_wait() {
    let (done, end) = mpsc::channel();
    std::thread::spawn(move || {
        let mut reactor = Reactor::new().unwrap();
        let (token, _writer) = insert_readable(&mut reactor);
        wait(&mut reactor);
        assert_eq!(ready(&mut reactor).len(), 1);
        let progress = Progress {
            used_up: Readiness::default(),
            next: Next::CarryOver,
        };
        reactor.apply(token, progress);
        // There is no edge. A reactor that waits here waits for ever.
        reactor.wait(None).unwrap();
        assert_eq!(ready(&mut reactor), [(token, READABLE)]);
        _ = done.send(());
    });
    end.recv_timeout(Duration::from_secs(5))
        .expect("the reactor does not wait");
}

#[test]
fn a_carried_source_with_an_edge_is_served_once() {
    let mut reactor = Reactor::new().unwrap();
    let (token, writer) = insert_readable(&mut reactor);
    wait(&mut reactor);
    assert_eq!(ready(&mut reactor).len(), 1);
    let progress = Progress {
        used_up: Readiness::default(),
        next: Next::CarryOver,
    };
    reactor.apply(token, progress);
    write(&writer, b"y").unwrap();
    wait(&mut reactor);
    assert_eq!(ready(&mut reactor), [(token, READABLE)]);
}

#[test]
fn a_hang_up_alone_makes_a_source_readable() {
    let mut reactor = Reactor::new().unwrap();
    let (reader, writer) = pipe();
    let token = reactor.insert(reader).unwrap();
    drop(writer);
    wait(&mut reactor);
    let ready = ready(&mut reactor);
    assert!(ready[0].0 == token && ready[0].1.readable);
}

#[test]
fn a_new_source_does_not_get_the_event_of_an_old_one() {
    let mut reactor = Reactor::new().unwrap();
    let (_first, _writer) = insert_readable(&mut reactor);
    let (old, _other) = insert_readable(&mut reactor);
    wait(&mut reactor);
    assert!(reactor.next_ready().is_some(), "the first source is served");
    // Serving it closes the second source, whose event is still in the queue.
    reactor.finish(old);
    reactor.close_finished().unwrap();
    let (new, _last) = insert_readable(&mut reactor);
    assert_ne!(new, old);
    assert_eq!(
        ready(&mut reactor),
        [],
        "no wait has reported the new source"
    );
    wait(&mut reactor);
    assert_eq!(ready(&mut reactor), [(new, READABLE)]);
}

#[test]
fn a_finished_source_is_not_served_again() {
    let mut reactor = Reactor::new().unwrap();
    let (_first, _writer) = insert_readable(&mut reactor);
    let (second, _other) = insert_readable(&mut reactor);
    wait(&mut reactor);
    assert!(reactor.next_ready().is_some(), "the first source is served");
    reactor.finish(second);
    assert_eq!(ready(&mut reactor), []);
    reactor.close_finished().unwrap();
    assert_eq!(reactor.sources(), 1);
}

#[test]
fn a_closed_source_is_out_of_epoll_although_its_duplicate_is_open() {
    let mut reactor = Reactor::new().unwrap();
    let (reader, writer) = pipe();
    let duplicate = reader.try_clone().unwrap();
    let token = reactor.insert(reader).unwrap();
    reactor.finish(token);
    reactor.close_finished().unwrap();
    write(&writer, b"x").unwrap();
    wait(&mut reactor);
    assert_eq!(reactor.stale_events, 0);
    drop(duplicate);
}
