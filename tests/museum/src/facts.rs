//! The facts that a loop on stdin and stdout must respect. Each has one exhibit.

/// A fact about the kernel or about the language, as a choice of the museum.
pub struct Fact {
    pub key: &'static str,
    /// The choice.
    pub title: &'static str,
    /// The consequence for a loop, told with the answer.
    pub text: &'static str,
    /// The chapter of the book that builds on it.
    pub chapter: &'static str,
}

const fn fact(
    key: &'static str,
    title: &'static str,
    text: &'static str,
    chapter: &'static str,
) -> Fact {
    Fact {
        key,
        title,
        text,
        chapter,
    }
}

pub const FACTS: [Fact; 19] = [
    fact(
        "description",
        "O_NONBLOCK belongs to the open file description, which other processes share",
        "Reopen a pipe or a terminal through /proc/self/fd for a description of your own. Use sockets with MSG_DONTWAIT, and ask poll(2) before each call where neither is possible.",
        "14-stdin",
    ),
    fact(
        "stderr",
        "stderr can be the same pipe as stdout, and a print panics when it is full",
        "Write lines for people with a call whose failure is ignored, and let them wait as messages wait.",
        "14-stdin",
    ),
    fact(
        "hidden",
        "Lines in a buffer of the process's own are invisible to epoll",
        "Hand on every whole line of a read, or remember that there are more. Do not mix std's Stdin with readiness.",
        "05-lines",
    ),
    fact(
        "files",
        "epoll refuses regular files: they are always ready and have no edges",
        "Serve a source that epoll refuses in every turn, in bounded parts, until it ends.",
        "14-stdin",
    ),
    fact(
        "edges",
        "An edge is told once: what a read leaves behind raises no further one",
        "Keep a flag that only the source's own answer clears, and carry the source over while it is set.",
        "02-edges",
    ),
    fact(
        "short-read",
        "A short read proves that no byte is left, but the end may have come with the same edge",
        "Read on to 0 or EAGAIN once the end was announced, or keep the announcement as a flag.",
        "02-edges",
    ),
    fact(
        "hang-up",
        "An empty pipe that was closed reports a hang-up, and not that it is readable",
        "Try both directions after an error or a hang-up: only a read can fetch the end.",
        "02-edges",
    ),
    fact(
        "partial-write",
        "A write may take a part only",
        "Advance by the number that write returns, and keep the rest for the next edge.",
        "06-output",
    ),
    fact(
        "reader-gone",
        "A reader that has gone is an error event and EPIPE, and no failure of the process",
        "End quietly, with status 0: there is no reader left for an answer or a complaint.",
        "06-output",
    ),
    fact(
        "last-output",
        "stdin can end while stdout still waits for its reader",
        "Stop reading, let handlers end, write everything, and only then end.",
        "17-ending",
    ),
    fact(
        "descriptors",
        "When accept fails for want of a descriptor, the client stays in the queue, and no new edge tells of it",
        "Pause, and try again by a timer and whenever a connection closes.",
        "04-slots",
    ),
    fact(
        "bounds",
        "A source that is read until it is empty starves all others",
        "Bound the reads, writes, accepts and polls of a turn.",
        "03-turns",
    ),
    fact(
        "backpressure",
        "Output that is not read grows, unless input is held back",
        "Stop reading above a high watermark, and go on below a low one.",
        "06-output",
    ),
    fact(
        "generation",
        "An event can belong to an earlier owner of the same slot",
        "Put a generation into the token, compare it, and close at the end of the turn.",
        "04-slots",
    ),
    fact(
        "clock",
        "epoll counts whole milliseconds: a timeout that is rounded down makes the loop spin",
        "Round timeouts up. A timer is then late by less than a millisecond, and never early.",
        "08-deadlines",
    ),
    fact(
        "borrow",
        "The author's code can run while the loop's own state is borrowed, and ask for it again",
        "Let no author's code and no waker run during a borrow: take out what is needed, end the borrow, and call.",
        "13-calls",
    ),
    fact(
        "connect",
        "An event does not say that a non-blocking connect has succeeded: SO_ERROR does",
        "Ask SO_ERROR before the first byte, and tell a refused connection from a failed write.",
        "07-connection",
    ),
    fact(
        "half-close",
        "A TCP peer that has ended its direction can still read",
        "Echo what is held and what is unread, and close after the last byte.",
        "07-connection",
    ),
    fact(
        "interest",
        "An edge can come before the interest in it",
        "Register each source once, at its start, for every direction that it will ever need, and keep what the edge says.",
        "02-edges",
    ),
];
