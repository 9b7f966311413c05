//! The parts of a cluster of processes: nodes, packets, timers.

use crate::carrier::Carries;
use crate::protocol::{Header, ReplyTo};
use crate::reactor::Token;
use crate::sys::{Child, Descriptor, Pipe};
use crate::time::Instant;
use crate::wire::{LineBuffer, OutputBuffer};
use crate::workload::faults::Moment;
use std::os::fd::{AsRawFd, RawFd};

/// The number of `init`, which its answer must name.
pub(super) const INIT_NUMBER: u64 = 1;

/// A sender or receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    Node(usize),
    /// By its number in the list of services.
    Service(usize),
    Client(usize),
}

/// A message on its way.
pub(super) struct Packet {
    pub(super) id: u64,
    pub(super) src: Address,
    pub(super) dest: Address,
    /// A JSON object.
    pub(super) body: Box<str>,
}

impl Packet {
    /// The memory that it takes while it waits, about.
    pub(super) fn weight(&self) -> usize {
        self.body.len() + size_of::<Packet>()
    }
}

/// A timer.
pub(super) enum Due {
    Arrival(Packet),
    /// A moment of the fault schedule.
    Moment(Moment),
    /// An alarm of the driver.
    Alarm(u64),
    /// The `init` that this client sent to this node must be answered by now.
    InitDeadline {
        node: usize,
        client: usize,
    },
    /// The `init` is sent again if it is not answered yet: on NATS the node may not have been
    /// connected.
    InitAgain {
        node: usize,
        client: usize,
    },
    /// The NATS server is killed, or starts again.
    Broker,
    /// A node closed its stdout some time ago. It must have ended since.
    StdoutClosed {
        node: usize,
        life: u32,
    },
}

/// A source of the reactor.
pub(super) enum Stream {
    /// A stream of a node.
    Node {
        pipe: Pipe,
        node: usize,
        kind: StreamKind,
    },
    /// The stderr of the NATS server, or its pidfd.
    Server(Pipe),
    /// The tester's own connection to it.
    Carrier(Descriptor),
    /// A listener of the relay.
    Gate { fd: Descriptor, number: usize },
    /// A socket of the relay.
    Side { fd: Descriptor, pair: u64 },
}

impl Stream {
    /// The pipe, if it is one of a node.
    pub(super) fn pipe(&self) -> Option<&Pipe> {
        match self {
            Stream::Node { pipe, .. } => Some(pipe),
            _ => None,
        }
    }
}

impl Carries for Stream {
    fn socket(fd: Descriptor) -> Stream {
        Stream::Carrier(fd)
    }

    fn as_socket(&self) -> Option<&Descriptor> {
        match self {
            Stream::Carrier(fd) => Some(fd),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamKind {
    Stdin,
    Stdout,
    Stderr,
    /// The pidfd.
    End,
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Stream::Node { pipe, .. } | Stream::Server(pipe) => pipe.as_raw_fd(),
            Stream::Carrier(fd) | Stream::Gate { fd, .. } | Stream::Side { fd, .. } => {
                fd.as_raw_fd()
            }
        }
    }
}

/// A node.
///
/// ```text
///            start            kill, or an end of its own
///   down ────────────> running ─────────────> down
///                       │   ^                  ^
///                 pause │   │ resume           │ kill
///                       v   │                  │
///                      paused ─────────────────┘
/// ```
#[derive(Default)]
pub(super) struct Server {
    /// `None` while it is down.
    pub(super) process: Option<Box<Process>>,
    pub(super) is_paused: bool,
    /// Whether it was found to have stopped itself.
    pub(super) is_stopped: bool,
    /// Whether a request to it got no reply in time.
    pub(super) is_slow: bool,
    /// Whether it was found to send more than the network holds.
    pub(super) is_flooding: bool,
    /// Whether it has answered its `init` in this life.
    pub(super) is_ready: bool,
    /// The number of the message with its `init`.
    pub(super) init_message: u64,
    /// The client whose `init` it has not answered yet.
    pub(super) init_from: Option<usize>,
    /// The number of this life, from 1.
    pub(super) life: u32,
    /// Messages with a lower number were sent to an earlier life, and are lost.
    pub(super) first_message: u64,
    /// How many lines of stdout were read, in all lives.
    pub(super) lines: u64,
    /// How many of them in earlier lives.
    pub(super) lines_before: u64,
    /// How many messages to clients were no reply, by [`Astray`].
    pub(super) astray: [u64; Astray::ALL.len()],
    /// How many replies came to requests that had one.
    pub(super) again: Again,
    /// On NATS: when the server told last that nothing receives messages to this node.
    pub(super) absent_at: Option<Instant>,
}

/// Further replies of a node to requests that it had answered.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Again {
    pub(super) count: u64,
    /// The client of the first one, and the number of its request.
    pub(super) first: (usize, u64),
}

/// The meaning of a message of a node to a client.
///
/// | the client waits for this node's `init_ok` | `in_reply_to` | `type` | |
/// |---|---|---|---|
/// | yes | 1 | `init_ok` | the node is ready |
/// | yes | 1 | another | the node refuses: the run ends |
/// | yes | another, or none | | it answers no `init`, and is waited for |
/// | no | the number of a request of this client | | a reply, perhaps a late one |
/// | no | another, or none | | it is astray |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Ready,
    Refusal,
    NotToInit,
    Reply,
    Astray(Astray),
}

impl Answer {
    /// `last_msg_id` is the number of the client's last request.
    pub(super) fn of(header: Option<&Header<'_>>, is_awaited: bool, last_msg_id: u64) -> Answer {
        let in_reply_to = header.map(|header| &header.in_reply_to);
        let is_ok = header.is_some_and(|header| header.kind.as_deref() == Some("init_ok"));
        match (is_awaited, in_reply_to) {
            (true, Some(ReplyTo::Call(INIT_NUMBER))) if is_ok => Answer::Ready,
            (true, Some(ReplyTo::Call(INIT_NUMBER))) => Answer::Refusal,
            (true, _) => Answer::NotToInit,
            // The driver knows what a body without a header is.
            (false, None) => Answer::Reply,
            (false, Some(in_reply_to)) => match Astray::of(in_reply_to, last_msg_id) {
                None => Answer::Reply,
                Some(astray) => Answer::Astray(astray),
            },
        }
    }
}

/// A message to a client that answers no request of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Astray {
    /// It has no `in_reply_to`.
    Unnumbered,
    /// Its `in_reply_to` is no integer.
    Misnumbered,
    /// The client has sent no request of that number.
    Unasked,
}

impl Astray {
    pub(super) const ALL: [Astray; 3] = [Astray::Unnumbered, Astray::Misnumbered, Astray::Unasked];

    /// The fault of a message to a client whose last request has that number. A late reply is
    /// none.
    fn of(in_reply_to: &ReplyTo, last_msg_id: u64) -> Option<Astray> {
        match in_reply_to {
            ReplyTo::Call(number) if (1..=last_msg_id).contains(number) => None,
            ReplyTo::Absent => Some(Astray::Unnumbered),
            ReplyTo::Invalid => Some(Astray::Misnumbered),
            ReplyTo::Call(_) | ReplyTo::Unknown => Some(Astray::Unasked),
        }
    }

    pub(super) fn why(self) -> &'static str {
        match self {
            Astray::Unnumbered => {
                "a message to a client has no `in_reply_to`, so it answers no request"
            }
            Astray::Misnumbered => "`in_reply_to` is no integer, so it answers no request",
            Astray::Unasked => "`in_reply_to` is the number of no request of this client",
        }
    }
}

impl Server {
    /// Whether the load waits for its `init_ok`. A node that has ended gives none.
    pub(super) fn is_awaited(&self) -> bool {
        self.process.is_some() && !self.is_ready
    }
}

/// The reason for a node's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It ended before the tester killed it.
    ItsOwn,
    /// The tester kills it.
    Killed,
}

/// A node's process and its streams.
pub(super) struct Process {
    pub(super) child: Child,
    pub(super) stdin: Token,
    pub(super) stdout: Token,
    pub(super) stderr: Token,
    pub(super) end: Token,
    /// Messages that wait for its stdin.
    pub(super) input: OutputBuffer,
    /// The lines of its stdout and stderr; `None` while they are worked through.
    pub(super) output: Option<LineBuffer>,
    pub(super) errors: Option<LineBuffer>,
    /// Whether its stdin takes nothing more: it is closed, or too much waits.
    pub(super) is_deaf: bool,
    /// Whether the tester killed it. Its last line may be cut then, and is not judged.
    pub(super) is_killed: bool,
}

impl Process {
    /// The lines of that stream.
    pub(super) fn lines(&mut self, kind: StreamKind) -> &mut Option<LineBuffer> {
        match kind {
            StreamKind::Stderr => &mut self.errors,
            _ => &mut self.output,
        }
    }
}

/// A client, as the network sees it.
pub(super) struct Client {
    pub(super) name: std::rc::Rc<str>,
    pub(super) is_open: bool,
    /// Whether it sends an `init` and nothing else. The driver does not know it.
    pub(super) is_for_init: bool,
    /// The number of its last request. The first one is 1.
    pub(super) last_msg_id: u64,
    /// The numbers of its requests that have no reply: the pending one, and those that were
    /// given up.
    pub(super) unanswered: Vec<u64>,
}

impl Client {
    /// Takes note of a reply to a request. Returns whether it is the first one.
    pub(super) fn is_first_reply(&mut self, msg_id: u64) -> bool {
        // The newest request is the last, and most replies are to it.
        let found = self.unanswered.iter().rposition(|&it| it == msg_id);
        found.map(|place| self.unanswered.remove(place)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_answers_no_request_is_astray() {
        for (in_reply_to, expected) in [
            (ReplyTo::Call(1), None),
            (ReplyTo::Call(3), None),
            (ReplyTo::Call(4), Some(Astray::Unasked)),
            (ReplyTo::Call(0), Some(Astray::Unasked)),
            (ReplyTo::Unknown, Some(Astray::Unasked)),
            (ReplyTo::Absent, Some(Astray::Unnumbered)),
            (ReplyTo::Invalid, Some(Astray::Misnumbered)),
        ] {
            assert_eq!(Astray::of(&in_reply_to, 3), expected, "{in_reply_to:?}");
        }
    }

    #[test]
    fn each_request_has_one_first_reply() {
        let mut client = Client {
            name: "c1".into(),
            is_open: true,
            is_for_init: false,
            last_msg_id: 3,
            unanswered: vec![1, 2, 3],
        };
        for (msg_id, is_first) in [(3, true), (3, false), (1, true), (1, false), (2, true)] {
            assert_eq!(client.is_first_reply(msg_id), is_first, "{msg_id}");
        }
    }

    #[test]
    fn an_answer_to_init_is_judged_once() {
        let rows = [
            (true, r#""type":"init_ok","in_reply_to":1"#, Answer::Ready),
            (true, r#""type":"error","in_reply_to":1"#, Answer::Refusal),
            (
                true,
                r#""type":"init_ok","in_reply_to":2"#,
                Answer::NotToInit,
            ),
            (true, r#""type":"init_ok""#, Answer::NotToInit),
            (false, r#""type":"init_ok","in_reply_to":1"#, Answer::Reply),
            (false, r#""type":"x""#, Answer::Astray(Astray::Unnumbered)),
            (
                false,
                r#""type":"x","in_reply_to":9"#,
                Answer::Astray(Astray::Unasked),
            ),
        ];
        for (is_awaited, fields, expected) in rows {
            let body = format!("{{{fields}}}");
            let header = Header::parse(&body).unwrap();
            let answer = Answer::of(Some(&header), is_awaited, 1);
            assert_eq!(answer, expected, "{is_awaited} {body}");
        }
        assert_eq!(Answer::of(None, true, 1), Answer::NotToInit);
        assert_eq!(Answer::of(None, false, 1), Answer::Reply);
    }
}
