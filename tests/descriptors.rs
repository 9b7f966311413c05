//! Checks the real binary with every kind of descriptor as a standard stream. Every
//! usable descriptor works, every other one is reported, and none makes the node panic
//! or hang.

mod support;

use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create, open};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use support::{Channel, End, Ending, INIT, Launch, client};

const ECHO: &str = r#"{"type":"echo","msg_id":2,"echo":"here"}"#;

/// The node's end, and our end if there is one.
type Made = (OwnedFd, Option<OwnedFd>);

fn sockets(kind: SocketType) -> Made {
    let (theirs, ours) =
        socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).expect("socketpair");
    (theirs, Some(ours))
}

fn tcp() -> Made {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let ours = TcpStream::connect(listener.local_addr().expect("bound")).expect("connect");
    let (theirs, _) = listener.accept().expect("accept");
    (theirs.into(), Some(ours.into()))
}

fn listener() -> Made {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    (listener.into(), None)
}

fn unconnected() -> Made {
    let flags = SocketFlags::CLOEXEC;
    let fd = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
    (fd.expect("socket"), None)
}

/// A terminal in raw mode: (master, terminal).
fn terminal() -> (OwnedFd, OwnedFd) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).expect("openpt");
    grantpt(&master).expect("grantpt");
    unlockpt(&master).expect("unlockpt");
    let terminal = ioctl_tiocgptpeer(&master, flags).expect("the terminal's other side");
    let mut modes = tcgetattr(&terminal).expect("tcgetattr");
    modes.make_raw();
    tcsetattr(&terminal, OptionalActions::Now, &modes).expect("tcsetattr");
    (master, terminal)
}

fn opened(path: &str, flags: OFlags) -> Made {
    let fd = open(path, flags | OFlags::CLOEXEC, Mode::empty()).expect(path);
    (fd, None)
}

fn pipe(flags: PipeFlags) -> (OwnedFd, OwnedFd) {
    pipe_with(PipeFlags::CLOEXEC | flags).expect("pipe")
}

/// The kinds of descriptor that can be a standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    PipeReader,
    PipeWriter,
    PacketReader,
    PacketWriter,
    Stream,
    SeqPacket,
    Datagram,
    Tcp,
    Listener,
    Unconnected,
    Master,
    Terminal,
    File,
    Directory,
    Path,
    Null,
    Full,
    Memory,
    Event,
    Epoll,
}

impl Kind {
    const ALL: [Kind; 20] = [
        Kind::PipeReader,
        Kind::PipeWriter,
        Kind::PacketReader,
        Kind::PacketWriter,
        Kind::Stream,
        Kind::SeqPacket,
        Kind::Datagram,
        Kind::Tcp,
        Kind::Listener,
        Kind::Unconnected,
        Kind::Master,
        Kind::Terminal,
        Kind::File,
        Kind::Directory,
        Kind::Path,
        Kind::Null,
        Kind::Full,
        Kind::Memory,
        Kind::Event,
        Kind::Epoll,
    ];

    fn make(self) -> Made {
        let swap = |(a, b)| (b, a);
        let both = |(theirs, ours)| (theirs, Some(ours));
        match self {
            Kind::PipeReader => both(pipe(PipeFlags::empty())),
            Kind::PipeWriter => both(swap(pipe(PipeFlags::empty()))),
            Kind::PacketReader => both(pipe(PipeFlags::DIRECT)),
            Kind::PacketWriter => both(swap(pipe(PipeFlags::DIRECT))),
            Kind::Stream => sockets(SocketType::STREAM),
            Kind::SeqPacket => sockets(SocketType::SEQPACKET),
            Kind::Datagram => sockets(SocketType::DGRAM),
            Kind::Tcp => tcp(),
            Kind::Listener => listener(),
            Kind::Unconnected => unconnected(),
            Kind::Master => both(terminal()),
            Kind::Terminal => both(swap(terminal())),
            Kind::File => (
                memfd_create("stream", MemfdFlags::CLOEXEC).expect("memfd"),
                None,
            ),
            Kind::Directory => opened("/", OFlags::RDONLY),
            Kind::Path => opened("/", OFlags::PATH),
            Kind::Null => opened("/dev/null", OFlags::RDWR),
            Kind::Full => opened("/dev/full", OFlags::RDWR),
            Kind::Memory => opened("/proc/self/mem", OFlags::RDONLY),
            Kind::Event => (eventfd(0, EventfdFlags::CLOEXEC).expect("eventfd"), None),
            Kind::Epoll => {
                let fd = epoll::create(epoll::CreateFlags::CLOEXEC);
                (fd.expect("epoll"), None)
            }
        }
    }

    fn channel(self) -> Channel {
        let (theirs, ours) = self.make();
        let end = match self {
            Kind::Stream | Kind::SeqPacket | Kind::Tcp => End::HalfClose,
            _ => End::Close,
        };
        Channel { theirs, ours, end }
    }

    /// As [`Kind::channel`], but with our end apart: it stays open and is not read.
    fn unread(self) -> (Channel, Option<OwnedFd>) {
        let Channel { theirs, ours, end } = self.channel();
        let channel = Channel {
            theirs,
            ours: None,
            end,
        };
        (channel, ours)
    }
}

/// Checks that the node exited with 1, and that one line names the stream.
#[track_caller]
fn assert_reported(kind: Kind, names: [&str; 2], ending: &Ending) {
    assert_eq!(ending.status.code(), Some(1), "{kind:?}: {ending:?}");
    assert!(ending.stdout.is_empty(), "{kind:?}: {ending:?}");
    let [line] = &ending.stderr[..] else {
        panic!("{kind:?}: expected one line, not {ending:?}");
    };
    assert!(
        names.iter().any(|name| line.contains(name)),
        "{kind:?}: {line}"
    );
    assert!(!line.contains("panicked"), "{kind:?}: {line}");
}

#[test]
fn every_two_way_descriptor_works_as_stdin_and_stdout() {
    let kinds = [
        Kind::Stream,
        Kind::SeqPacket,
        Kind::Datagram,
        Kind::Tcp,
        Kind::Master,
        Kind::Terminal,
    ];
    for kind in kinds {
        let mut node = Launch::new().both(kind.channel()).ready();
        for _ in 0..20 {
            node.check();
        }
        // The test cannot end the input of these kinds.
        if matches!(kind, Kind::Datagram | Kind::Master | Kind::Terminal) {
            node.kill();
        } else {
            node.finish_quietly();
        }
    }
}

#[test]
fn pipes_in_packet_mode_work_as_stdin_and_stdout() {
    let launch = Launch::new().stdin(Kind::PacketReader.channel());
    let mut node = launch.stdout(Kind::PacketWriter.channel()).ready();
    for _ in 0..20 {
        node.check();
    }
    node.finish_quietly();
}

#[test]
fn an_unreadable_stdin_is_reported() {
    let kinds = [
        Kind::PipeWriter,
        Kind::PacketWriter,
        Kind::Listener,
        Kind::Unconnected,
        Kind::Directory,
        Kind::Path,
        Kind::Memory,
    ];
    for kind in kinds {
        let ending = Launch::new().stdin(kind.channel()).start().wait();
        assert_reported(kind, ["stdin", "standard input"], &ending);
    }
}

#[test]
fn an_empty_stdin_is_an_end_of_input() {
    for kind in [Kind::Null, Kind::File] {
        Launch::new().stdin(kind.channel()).start().finish_quietly();
    }
}

#[test]
fn a_stdin_without_newlines_is_read_in_bounded_memory() {
    let (theirs, ours) = opened("/dev/zero", OFlags::RDONLY);
    let end = End::Close;
    let zeros = Channel { theirs, ours, end };
    let mut node = Launch::new().stdin(zeros).start();
    let line = node.stderr_line();
    assert!(line.contains("longer than"), "{line}");
    let peak = node.process().peak_memory();
    assert!(peak < 48 << 20, "{peak} bytes");
    node.kill();
}

#[test]
fn an_unwritable_stdout_is_reported() {
    let kinds = [
        Kind::PipeReader,
        Kind::PacketReader,
        Kind::Listener,
        Kind::Directory,
        Kind::Path,
        Kind::Memory,
        Kind::Full,
        Kind::Event,
        Kind::Epoll,
    ];
    for kind in kinds {
        let (stdout, _other_end) = kind.unread();
        let mut node = Launch::new().stdout(stdout).start();
        node.send(INIT);
        let ending = node.wait();
        assert_reported(kind, ["stdout", "standard output"], &ending);
    }
}

#[test]
fn the_node_works_with_every_kind_of_stderr() {
    for kind in Kind::ALL {
        let (stderr, _other_end) = kind.unread();
        let mut node = Launch::new().stderr(stderr).ready();
        node.send("a malformed line, which is reported on stderr");
        node.check();
        let ending = node.finish();
        assert!(ending.stdout.is_empty(), "{kind:?}: {ending:?}");
    }
}

#[test]
fn all_three_streams_may_be_the_same() {
    for kind in [Kind::Stream, Kind::Tcp, Kind::Terminal] {
        let mut node = Launch::new().both(kind.channel()).merge_stderr().start();
        if kind == Kind::Terminal {
            assert!(node.line().contains("stdin is a terminal"));
            assert!(node.line().contains(r#""type":"init""#), "a line to paste");
        }
        assert_eq!(node.ask(INIT)["body"]["type"], "init_ok");
        node.send("nonsense");
        node.send(&client(ECHO));
        let mut lines = [node.line(), node.line()];
        lines.sort_by_key(|line| line.starts_with('{'));
        assert!(
            lines[0].starts_with("eddyline: line 2: "),
            "{kind:?}: {lines:?}"
        );
        assert!(lines[1].contains("echo_ok"), "{kind:?}: {lines:?}");
        node.check();
        node.kill();
    }
}

// The reactor, its waker and the private copies need descriptors. The test does not
// depend on their number, but checks that too few are reported clearly.
#[test]
fn too_few_descriptors_at_the_start_are_reported() {
    let mut served = false;
    for limit in 3..24 {
        let mut node = Launch::shell(&format!("ulimit -n {limit}; exec \"$0\"")).start();
        node.write(format!("{INIT}\n{}\n", client(ECHO)).as_bytes());
        node.close_stdin();
        let ending = node.wait();
        let errors = ending.stderr.join("\n");
        assert!(!errors.contains("panicked"), "{limit}: {errors}");
        match ending.status.code() {
            Some(0) => {
                assert_eq!(ending.stdout.len(), 2, "{limit}: {ending:?}");
                served = true;
            }
            // The loader failed, or the node before its first line.
            Some(_) => {
                assert!(!served, "{limit} fail, but fewer were enough");
                assert!(ending.stdout.is_empty(), "{limit}: {ending:?}");
                assert!(!errors.is_empty(), "{limit}: {ending:?}");
            }
            None => panic!("{limit}: a signal ended it: {ending:?}"),
        }
    }
    assert!(served, "23 descriptors are not enough");
}
