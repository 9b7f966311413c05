//! Each test shares a descriptor with a stream, as a shell shares its terminal with the
//! programs that it starts.

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fs::{OFlags, SeekFrom, fcntl_getfl, seek};
use rustix::io::{Errno, FdFlags, fcntl_getfd, read, write};
use rustix::pipe::pipe;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::Duration;
use streams::{Direction, Stream};

/// Runs a test on a thread of its own, so that a call that waits fails the test.
fn within_a_limit(test: fn()) {
    let (done, end) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        _ = done.send(());
    });
    let ended = end.recv_timeout(Duration::from_secs(5));
    assert!(
        ended != Err(mpsc::RecvTimeoutError::Timeout),
        "a call waits: after 5 s it has not returned"
    );
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn reading(fd: &impl AsFd) -> Stream {
    Stream::open(fd.as_fd(), Direction::Read).unwrap()
}

fn writing(fd: &impl AsFd) -> Stream {
    Stream::open(fd.as_fd(), Direction::Write).unwrap()
}

fn is_nonblocking(fd: &OwnedFd) -> bool {
    fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
}

/// A file with some text, at offset 0.
fn file(name: &str, text: &str) -> File {
    let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    std::fs::remove_file(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    seek(&file, SeekFrom::Start(0)).unwrap();
    file
}

#[test]
fn a_read_of_an_empty_pipe_does_not_wait() {
    within_a_limit(|| {
        let (reader, _writer) = pipe().unwrap();
        let error = reading(&reader).read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_process_that_shares_a_pipe_keeps_its_mode() {
    let (reader, writer) = pipe().unwrap();
    let _streams = (reading(&reader), writing(&writer));
    let modes = (is_nonblocking(&reader), is_nonblocking(&writer));
    assert_eq!(modes, (false, false), "O_NONBLOCK of the two shared ends");
}

#[test]
fn the_bytes_of_a_pipe_come_and_then_its_end() {
    let (reader, writer) = pipe().unwrap();
    let stream = reading(&reader);
    write(&writer, b"hello").unwrap();
    drop(writer);
    let mut chunk = [0; 8];
    assert_eq!(stream.read(&mut chunk).unwrap(), 5);
    assert_eq!(
        stream.read(&mut chunk).ok(),
        Some(0),
        "the last writer is gone"
    );
}

#[test]
fn a_write_into_a_full_pipe_does_not_wait() {
    within_a_limit(|| {
        let (reader, writer) = pipe().unwrap();
        let stream = writing(&writer);
        let written = stream.write(&[b'x'; 100_000]).unwrap();
        let error = stream.write(b"more").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(read(&reader, &mut [0; 100_000]).unwrap(), written);
    });
}

#[test]
fn a_read_of_an_empty_socket_does_not_wait() {
    within_a_limit(|| {
        let (shared, mut peer) = UnixStream::pair().unwrap();
        let stream = reading(&shared);
        let error = stream.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        peer.write_all(b"hello").unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 5);
    });
}

#[test]
fn a_write_into_a_full_socket_does_not_wait() {
    within_a_limit(|| {
        let (shared, _peer) = UnixStream::pair().unwrap();
        let stream = writing(&shared);
        let error = (0..10_000).find_map(|_| stream.write(&[b'x'; 10_000]).err());
        assert_eq!(error.unwrap().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_file_is_read_where_the_others_have_stopped() {
    let shared = file("read", "first second");
    read(&shared, &mut [0; 6]).unwrap(); // as another program of the shell would
    let mut chunk = [0; 16];
    let count = reading(&shared).read(&mut chunk).unwrap();
    assert_eq!(&chunk[..count], b"second");
    assert_eq!(read(&shared, &mut chunk).unwrap(), 0, "the place is shared");
}

#[test]
fn a_file_is_written_where_the_others_have_stopped() {
    let shared = file("write", "");
    write(&shared, b"theirs ").unwrap();
    writing(&shared).write(b"ours").unwrap();
    write(&shared, b" theirs").unwrap();
    seek(&shared, SeekFrom::Start(0)).unwrap();
    let mut chunk = [0; 32];
    let count = read(&shared, &mut chunk).unwrap();
    assert_eq!(&chunk[..count], b"theirs ours theirs");
}

/// Whether epoll takes a descriptor.
fn is_taken_by_epoll(fd: &impl AsFd) -> bool {
    let epoll = epoll::create(CreateFlags::CLOEXEC).unwrap();
    let flags = EventFlags::IN | EventFlags::ET;
    match epoll::add(&epoll, fd, EventData::new_u64(0), flags) {
        Ok(()) => true,
        Err(Errno::PERM) => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_stream_that_epoll_refuses_is_always_ready() {
    let (reader, _writer) = pipe().unwrap();
    let (socket, _peer) = UnixStream::pair().unwrap();
    let null = File::open("/dev/null").unwrap();
    let file = file("ready", "text");
    for (name, stream) in [
        ("a pipe", reading(&reader)),
        ("a socket", reading(&socket)),
        ("/dev/null", reading(&null)),
        ("a file", reading(&file)),
    ] {
        let is_taken = is_taken_by_epoll(&stream);
        assert_eq!(stream.is_always_ready(), !is_taken, "{name}");
    }
}

#[test]
fn a_child_process_does_not_inherit_our_descriptors() {
    let (reader, _writer) = pipe().unwrap();
    let (socket, _peer) = UnixStream::pair().unwrap();
    for stream in [reading(&reader), reading(&socket)] {
        let flags = fcntl_getfd(&stream).unwrap();
        assert!(flags.contains(FdFlags::CLOEXEC));
    }
}
