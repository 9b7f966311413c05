//! One test for each rule of the reactor, on real descriptors.

use super::*;
use rustix::fs::{MemfdFlags, Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::pipe::PipeFlags;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);
const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

type TestReactor = Reactor<OwnedFd>;

/// (read end, write end)
fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap()
}

fn socket_pair() -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap()
}

fn write(fd: &OwnedFd) {
    rustix::io::write(fd, b"x").unwrap();
}

fn insert(reactor: &mut TestReactor, fd: OwnedFd) -> Token {
    reactor.insert(fd, BOTH).unwrap()
}

/// The token of the next source to serve.
fn next_ready(reactor: &mut TestReactor) -> Option<Token> {
    reactor.next_ready().map(|(token, ..)| token)
}

/// One turn's worth of sources, after a wait that must not last.
fn turn(reactor: &mut TestReactor) -> Vec<Token> {
    reactor.wait(AT_ONCE).unwrap();
    reactor.assert_invariants();
    let ready = std::iter::from_fn(|| next_ready(reactor)).collect();
    reactor.assert_invariants();
    ready
}

/// Says for the source that it used flags up and waits.
fn use_up(reactor: &mut TestReactor, token: Token, used_up: Readiness) {
    let progress = Progress {
        used_up,
        ..Progress::idle(Next::Wait)
    };
    reactor.apply(token, &progress);
}

/// Says for the source that it has more work than its bound allows.
fn carry_over(reactor: &mut TestReactor, token: Token) {
    let next = Next::CarryOver(Reason::BoundReached);
    reactor.apply(token, &Progress::idle(next));
}

#[test]
fn readiness_sticks_until_it_is_cleared() {
    let mut reactor = TestReactor::new().unwrap();
    let (read, write_end) = pipe();
    let token = insert(&mut reactor, read);
    assert_eq!(turn(&mut reactor), []);
    write(&write_end);
    assert_eq!(turn(&mut reactor), [token]);
    assert_eq!(turn(&mut reactor), [], "one edge, one event");
    assert!(reactor.readiness(token).is_readable(), "it was not read");
    use_up(&mut reactor, token, Readiness::READABLE);
    assert_eq!(reactor.readiness(token), Readiness::NONE);
    write(&write_end);
    assert_eq!(turn(&mut reactor), [token]);
    assert_eq!(reactor.readiness(token), Readiness::READABLE);
}

#[test]
fn what_is_ready_before_it_is_registered_is_news() {
    let mut reactor = TestReactor::new().unwrap();
    let (read, write_end) = pipe();
    write(&write_end);
    let reader = insert(&mut reactor, read);
    let writer = insert(&mut reactor, write_end);
    assert_eq!(turn(&mut reactor).len(), 2);
    assert!(reactor.readiness(reader).is_readable());
    assert!(reactor.readiness(writer).is_writable());
}

#[test]
fn a_carried_source_is_served_once_in_the_next_turn_without_waiting() {
    let mut reactor = TestReactor::new().unwrap();
    let (read, write_end) = pipe();
    write(&write_end);
    let token = insert(&mut reactor, read);
    reactor.wait(None).unwrap();
    carry_over(&mut reactor, token);
    carry_over(&mut reactor, token);
    assert_eq!(next_ready(&mut reactor), Some(token), "the edge");
    assert_eq!(
        next_ready(&mut reactor),
        None,
        "carried to the next turn, not this"
    );
    assert!(reactor.has_carried_over());
    // An edge on top of it, and still once; a wait for ever that does not wait.
    write(&write_end);
    reactor.wait(None).unwrap();
    assert_eq!(next_ready(&mut reactor), Some(token));
    assert_eq!(next_ready(&mut reactor), None);
    assert!(!reactor.has_carried_over());
}

#[test]
fn what_a_turn_leaves_in_the_queue_comes_first_in_the_next() {
    let mut reactor = TestReactor::new().unwrap();
    let (read, write_end) = pipe();
    write(&write_end);
    let token = insert(&mut reactor, read);
    reactor.wait(None).unwrap();
    assert!(reactor.has_carried_over());
    reactor.wait(None).unwrap();
    assert_eq!(next_ready(&mut reactor), Some(token));
    assert_eq!(next_ready(&mut reactor), None);
}

#[test]
fn gotcha_12_a_source_to_serve_first_enters_the_queue_in_front() {
    let mut reactor = TestReactor::new().unwrap();
    let (readers, writers): (Vec<_>, Vec<_>) = (0..3).map(|_| pipe()).unzip();
    let mut insert = |fd| insert(&mut reactor, fd);
    let tokens: Vec<Token> = readers.into_iter().map(&mut insert).collect();
    let &[a, b, first] = &tokens[..] else {
        unreachable!("three")
    };
    reactor.serve_first(first);
    writers.iter().for_each(write);
    assert_eq!(turn(&mut reactor), [first, a, b]);
    // Left in the queue by a turn, or carried over: the same.
    write(&writers[0]);
    write(&writers[1]);
    reactor.wait(AT_ONCE).unwrap();
    assert_eq!(next_ready(&mut reactor), Some(a));
    write(&writers[2]);
    assert_eq!(turn(&mut reactor), [first, b]);
    for token in [a, b, first] {
        carry_over(&mut reactor, token);
    }
    assert_eq!(turn(&mut reactor), [first, a, b]);
}

#[test]
fn gotcha_12_a_wait_brings_all_that_are_ready_however_many() {
    const PER_CALL: usize = 4;
    for count in [PER_CALL - 1, PER_CALL, PER_CALL + 1, 5 * PER_CALL] {
        let mut reactor = TestReactor::with_events_per_call(PER_CALL).unwrap();
        let (readers, writers): (Vec<_>, Vec<_>) = (0..count).map(|_| pipe()).unzip();
        let mut insert = |fd| insert(&mut reactor, fd);
        let tokens: Vec<Token> = readers.into_iter().map(&mut insert).collect();
        writers.iter().for_each(write);
        assert_eq!(turn(&mut reactor), tokens, "in the order of the edges");
        assert_eq!(turn(&mut reactor), []);
    }
}

#[test]
fn gotcha_4_what_epoll_refuses_is_always_ready() {
    let mut reactor = TestReactor::new().unwrap();
    let file = rustix::fs::memfd_create("eddyline-test", MemfdFlags::CLOEXEC).unwrap();
    let null = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty()).unwrap();
    for fd in [file, null] {
        let token = reactor.insert(fd, Interest::READABLE).unwrap();
        reactor.wait(None).unwrap();
        assert_eq!(next_ready(&mut reactor), Some(token));
        use_up(&mut reactor, token, Readiness::READABLE);
        assert_eq!(reactor.readiness(token), Readiness::READABLE, "for ever");
        assert_eq!(turn(&mut reactor), [], "but it does not spin by itself");
        carry_over(&mut reactor, token);
        assert_eq!(turn(&mut reactor), [token]);
        assert!(reactor.remove(token).is_some());
    }
}

#[test]
fn gotcha_7_a_hang_up_alone_makes_readable() {
    let mut reactor = TestReactor::new().unwrap();
    let (read, write_end) = pipe();
    let token = insert(&mut reactor, read);
    drop(write_end);
    assert_eq!(turn(&mut reactor), [token]);
    let readiness = reactor.readiness(token);
    assert!(readiness.is_readable() && readiness.is_read_closed());
}

#[test]
fn gotcha_9_an_error_alone_makes_writable() {
    let mut reactor = TestReactor::new().unwrap();
    let (read, write_end) = pipe();
    while rustix::io::write(&write_end, &[0; 4096]).is_ok() {}
    let token = insert(&mut reactor, write_end);
    assert_eq!(turn(&mut reactor), [], "full");
    drop(read);
    assert_eq!(turn(&mut reactor), [token]);
    assert!(reactor.readiness(token).is_writable());
}

#[test]
fn gotcha_6_data_and_close_in_one_edge_are_both_seen() {
    let mut reactor = TestReactor::new().unwrap();
    let (ours, theirs) = socket_pair();
    let token = insert(&mut reactor, ours);
    assert_eq!(turn(&mut reactor), [token]);
    write(&theirs);
    rustix::net::shutdown(&theirs, rustix::net::Shutdown::Write).unwrap();
    assert_eq!(turn(&mut reactor), [token]);
    let readiness = reactor.readiness(token);
    assert!(readiness.is_readable() && readiness.is_read_closed());
    use_up(&mut reactor, token, Readiness::READABLE);
    assert!(reactor.readiness(token).is_read_closed(), "sticky");
}

#[test]
fn gotcha_14_an_event_for_a_removed_source_does_not_reach_its_successor() {
    let mut reactor = TestReactor::new().unwrap();
    let (first, first_writer) = pipe();
    let (second, second_writer) = pipe();
    let (third, third_writer) = pipe();
    let first = insert(&mut reactor, first);
    let second = insert(&mut reactor, second);
    write(&first_writer);
    write(&second_writer);
    reactor.wait(None).unwrap();
    let served = next_ready(&mut reactor).unwrap();
    let removed = if served == first { second } else { first };
    drop(reactor.remove(removed));
    let successor = insert(&mut reactor, third);
    assert_eq!(successor.index(), removed.index(), "the same slot");
    assert_ne!(successor, removed);
    assert_eq!(next_ready(&mut reactor), None);
    assert_eq!(reactor.stale_events(), 1);
    assert!(reactor.get(removed).is_none());
    assert_eq!(reactor.readiness(removed), Readiness::NONE);
    carry_over(&mut reactor, removed);
    assert!(!reactor.has_carried_over());
    assert!(reactor.remove(removed).is_none());
    write(&third_writer);
    assert_eq!(turn(&mut reactor), [successor]);
    assert_eq!(reactor.len(), 2);
}

#[test]
fn gotcha_14_events_of_a_descriptor_closed_before_its_removal_are_dropped() {
    let mut reactor = TestReactor::new().unwrap();
    let (read, write_end) = pipe();
    let _inherited = read.try_clone().unwrap();
    let token = reactor.insert(read, Interest::READABLE).unwrap();
    // Against the rule: epoll cannot find the closed number any more, while the
    // duplicate keeps the registration alive.
    drop(std::mem::replace(
        &mut slot_mut(&mut reactor.slots, token).unwrap().source,
        pipe().0,
    ));
    drop(reactor.remove(token));
    write(&write_end);
    assert_eq!(turn(&mut reactor), []);
    assert_eq!(reactor.stale_events(), 1);
}

#[test]
fn gotcha_17_the_same_descriptor_twice_is_an_error_that_names_it() {
    /// A source that does not own its descriptor.
    struct Borrower(RawFd);

    impl AsRawFd for Borrower {
        fn as_raw_fd(&self) -> RawFd {
            self.0
        }
    }

    let mut reactor = Reactor::new().unwrap();
    let (read, _write_end) = pipe();
    let raw = read.as_raw_fd();
    reactor.insert(Borrower(raw), BOTH).unwrap();
    let error = reactor.insert(Borrower(raw), BOTH).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert!(error.to_string().contains(&format!("descriptor {raw}")));
    assert_eq!(reactor.len(), 1);
    reactor.assert_invariants();
}

#[test]
fn two_descriptors_of_one_socket_are_two_sources() {
    let mut reactor = TestReactor::new().unwrap();
    let (ours, theirs) = socket_pair();
    let twin = ours.try_clone().unwrap();
    let input = reactor.insert(ours, Interest::READABLE).unwrap();
    let output = reactor.insert(twin, Interest::WRITABLE).unwrap();
    write(&theirs);
    turn(&mut reactor);
    assert_eq!(reactor.readiness(input), Readiness::READABLE);
    assert_eq!(reactor.readiness(output), Readiness::WRITABLE);
    reactor.remove(input);
    write(&theirs);
    turn(&mut reactor);
    assert_eq!(
        reactor.stale_events(),
        0,
        "deregistered, though its twin lives"
    );
}

#[test]
fn a_wake_from_another_thread_ends_the_wait() {
    let mut reactor = TestReactor::new().unwrap();
    let waker = reactor.waker().unwrap();
    assert!(Arc::ptr_eq(&waker, &reactor.waker().unwrap()));
    let thread = std::thread::spawn(move || waker.wake().unwrap());
    reactor.wait(None).unwrap();
    assert_eq!(next_ready(&mut reactor), None);
    assert_eq!(reactor.stale_events(), 0);
    thread.join().unwrap();
}

#[test]
fn a_source_is_named_by_one_index_and_costs_few_bytes() {
    struct Payload(OwnedFd, u64);

    impl AsRawFd for Payload {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_raw_fd()
        }
    }

    let mut reactor = Reactor::<Payload>::new().unwrap();
    let (read, _write_end) = pipe();
    let token = reactor
        .insert(Payload(read, 1), Interest::READABLE)
        .unwrap();
    slot_mut(&mut reactor.slots, token).unwrap().source.1 = 3;
    assert_eq!(reactor.get(token).unwrap().1, 3);
    assert_eq!(size_of::<Slot<[u64; 2]>>(), 24);
}

#[test]
fn a_finished_source_is_taken_out_once_and_deregistered() {
    let mut reactor = TestReactor::new().unwrap();
    let (read, write_end) = pipe();
    let twin = read.try_clone().unwrap();
    let token = insert(&mut reactor, read);
    write(&write_end);
    assert_eq!(turn(&mut reactor), [token]);
    // It had been carried over, and its owner has ended it as well.
    carry_over(&mut reactor, token);
    reactor.finish(token);
    reactor.apply(token, &Progress::idle(Next::Finished(())));
    reactor.assert_invariants();
    let fd = reactor.get(token).unwrap().as_raw_fd();
    let finished = reactor.take_finished().unwrap();
    assert_eq!(finished.as_raw_fd(), fd);
    drop(finished);
    assert!(reactor.take_finished().is_none(), "once");
    reactor.assert_invariants();
    write(&write_end);
    assert_eq!(turn(&mut reactor), [], "though a duplicate of it is open");
    assert_eq!(reactor.stale_events(), 0);
    drop(twin);
}

#[test]
fn an_answer_of_a_removed_source_changes_nothing() {
    let mut reactor = TestReactor::new().unwrap();
    let token = insert(&mut reactor, pipe().0);
    drop(reactor.remove(token));
    use_up(&mut reactor, token, Readiness::READABLE);
    carry_over(&mut reactor, token);
    reactor.apply(token, &Progress::idle(Next::Finished(())));
    reactor.assert_invariants();
    assert!(!reactor.has_carried_over() && reactor.take_finished().is_none());
}
