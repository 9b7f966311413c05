//! The parser: bytes of a NATS server to operations.
//!
//! An operation is a line, and two of them have a payload of known length behind it:
//!
//! ```text
//!   INFO {…}␍␊     PING␍␊     PONG␍␊     +OK␍␊     -ERR '…'␍␊
//!   MSG  <subject> <sid> [reply] <bytes>␍␊<payload>␍␊
//!   HMSG <subject> <sid> [reply] <header bytes> <all bytes>␍␊<header><payload>␍␊
//! ```
//!
//! The operation is handed out as parts of the one flat block that was read into. The
//! block is the line buffer's design (`wire/line_buffer.rs`), but a payload is not
//! searched: its length is known. nats.go and nats.c step a state machine over each
//! byte. async-nats waits for the whole operation in one block, as this does.
//!
//! Invariants:
//! - What is found does not depend on how the bytes were cut into reads.
//! - The block grows with the bytes that have arrived, and never beyond the longest line,
//!   or the longest payload that is accepted, and two reads. A longer payload is skipped
//!   while it arrives, so an announced length costs nothing.
//! - Whatever comes, there is no panic. After an error the connection is of no use.

use std::fmt;
use std::ops::Range;

/// The longest line of a server, without its payload: 64 KiB. An `INFO` names all servers
/// of a cluster, some 30 bytes each. nats-server itself accepts lines of 4 KiB.
pub(crate) const LINE_BYTES_MAX: usize = 64 << 10;

/// The longest payload that a server may announce: 64 MiB, the largest `max_payload` that
/// nats-server can be given.
pub(crate) const ANNOUNCED_BYTES_MAX: usize = 64 << 20;

/// How much one read asks for: 64 KiB, as from stdin.
pub(crate) const READ_BYTES: usize = 64 << 10;

/// The size of the block, unless a long payload made it larger.
const SMALL_BYTES_MAX: usize = 2 * READ_BYTES;

/// How much of a line that is no operation is shown to a person.
const EXCERPT_BYTES: usize = 80;

/// An operation of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Operation<'a> {
    /// The server's properties, as JSON.
    Info(&'a [u8]),
    Message {
        subject: &'a [u8],
        sid: u64,
        /// Empty for `MSG`.
        headers: &'a [u8],
        payload: &'a mut [u8],
    },
    /// A message with a payload over the limit. The payload is skipped.
    TooLong {
        subject: &'a [u8],
        bytes: usize,
    },
    Ping,
    Pong,
    Ok,
    /// An error, without its quotes.
    Error(&'a [u8]),
}

impl Operation<'_> {
    /// Whether it is obeyed in front of the first `INFO`. TLS begins after that, so anything else
    /// could be of a stranger on the path.
    pub(super) fn may_come_first(&self) -> bool {
        matches!(self, Operation::Info(_) | Operation::Error(_))
    }
}

/// Why the bytes are not those of a NATS server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// The beginning of the line.
    Unknown(Vec<u8>),
    LineTooLong,
    AnnouncedTooLong(usize),
    PayloadWithoutEnd,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Unknown(excerpt) => {
                let excerpt = String::from_utf8_lossy(excerpt);
                write!(f, "it sent {excerpt:?}, which is not NATS")
            }
            Malformed::LineTooLong => write!(f, "it sent a line over {LINE_BYTES_MAX} bytes"),
            Malformed::AnnouncedTooLong(bytes) => write!(
                f,
                "it announced a message of {bytes} bytes, over {ANNOUNCED_BYTES_MAX}"
            ),
            Malformed::PayloadWithoutEnd => f.write_str("it sent a message without its end"),
        }
    }
}

/// An operation, as ranges of the block.
enum Found {
    Info(Range<usize>),
    Message(Head),
    TooLong(Head),
    Ping,
    Pong,
    Ok,
    Error(Range<usize>),
}

/// The line of a message.
#[derive(Clone)]
struct Head {
    subject: Range<usize>,
    sid: u64,
    /// Where the headers begin: behind the line.
    begin: usize,
    header_bytes: usize,
    all_bytes: usize,
}

/// Cuts the bytes of a server into operations.
#[derive(Debug)]
pub(crate) struct Parser {
    /// All of it is initialised; only `start..end` holds bytes of the server.
    bytes: Vec<u8>,
    /// Where the next operation begins.
    start: usize,
    /// Everything before this was searched for the end of a line.
    scanned: usize,
    end: usize,
    /// Where the operation at `start` ends, once its line is there.
    needed: Option<usize>,
    /// How many bytes of a payload over the limit are still to come.
    skipped: usize,
    payload_bytes_max: usize,
}

impl Parser {
    /// A parser that hands out payloads of up to `payload_bytes_max` bytes.
    pub(crate) fn new(payload_bytes_max: usize) -> Parser {
        Parser {
            bytes: vec![0; SMALL_BYTES_MAX],
            start: 0,
            scanned: 0,
            end: 0,
            needed: None,
            skipped: 0,
            payload_bytes_max,
        }
    }

    /// Forgets everything: another connection begins.
    pub(crate) fn reset(&mut self) {
        *self = Parser::new(self.payload_bytes_max);
    }

    /// Whether no byte waits for the rest of its operation.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end && self.skipped == 0
    }

    /// Where the next read may write: at least one byte, at most [`READ_BYTES`]. Call it
    /// when [`next`](Parser::next) has returned `None`.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.scanned, self.end) = (0, 0, 0);
            self.bytes.truncate(SMALL_BYTES_MAX);
            self.bytes.shrink_to(SMALL_BYTES_MAX);
        } else if self.bytes.len() - self.end < READ_BYTES {
            self.make_room();
        }
        let until = self.bytes.len().min(self.end + READ_BYTES);
        &mut self.bytes[self.end..until]
    }

    /// Tells the parser that the first `count` bytes of [`space`](Parser::space) were
    /// written.
    pub(crate) fn filled(&mut self, count: usize) {
        self.end = self.bytes.len().min(self.end + count);
    }

    fn make_room(&mut self) {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.scanned -= self.start;
        self.needed = self.needed.map(|needed| needed - self.start);
        self.start = 0;
        if self.bytes.len() - self.end < READ_BYTES {
            // Doubled, so that each byte moves O(1) times. `next` has taken every whole
            // operation out, so what is left is part of one.
            let one = self.needed.unwrap_or(LINE_BYTES_MAX);
            let len = (2 * self.bytes.len()).min(one + READ_BYTES);
            let len = len.max(self.end + READ_BYTES);
            self.bytes.reserve_exact(len - self.bytes.len());
            self.bytes.resize(len, 0);
        }
    }

    /// The next operation, or `None` until more bytes come.
    pub(crate) fn next(&mut self) -> Result<Option<Operation<'_>>, Malformed> {
        let Some(found) = self.find()? else {
            return Ok(None);
        };
        Ok(Some(match found {
            Found::Info(json) => Operation::Info(&self.bytes[json]),
            Found::Error(text) => Operation::Error(&self.bytes[text]),
            Found::Ping => Operation::Ping,
            Found::Pong => Operation::Pong,
            Found::Ok => Operation::Ok,
            Found::TooLong(head) => Operation::TooLong {
                subject: &self.bytes[head.subject],
                bytes: head.all_bytes,
            },
            Found::Message(head) => {
                let (line, behind) = self.bytes.split_at_mut(head.begin);
                let (headers, payload) = behind[..head.all_bytes].split_at_mut(head.header_bytes);
                Operation::Message {
                    subject: &line[head.subject],
                    sid: head.sid,
                    headers,
                    payload,
                }
            }
        }))
    }

    fn find(&mut self) -> Result<Option<Found>, Malformed> {
        self.skip();
        if self.needed.is_some_and(|needed| needed > self.end) {
            return Ok(None);
        }
        // Once the operation is known to be whole, its line is there.
        let from = if self.needed.is_some() {
            self.start
        } else {
            self.scanned
        };
        let Some(found) = memchr::memchr(b'\n', &self.bytes[from..self.end]) else {
            self.scanned = self.end;
            if self.end - self.start > LINE_BYTES_MAX {
                return Err(Malformed::LineTooLong);
            }
            return Ok(None);
        };
        let behind = from + found + 1;
        let mut line = self.start..from + found;
        if line.len() > LINE_BYTES_MAX {
            return Err(Malformed::LineTooLong);
        }
        if self.bytes[line.clone()].ends_with(b"\r") {
            line.end -= 1;
        }
        match self.operation(line, behind)? {
            Found::Message(head) => self.whole(head),
            found => {
                self.start = behind;
                self.scanned = behind;
                Ok(Some(found))
            }
        }
    }

    /// The message of a head, once its payload is there.
    fn whole(&mut self, head: Head) -> Result<Option<Found>, Malformed> {
        let payload_end = head.begin + head.all_bytes;
        if head.all_bytes > self.payload_bytes_max {
            self.start = head.begin;
            self.scanned = head.begin;
            self.skipped = head.all_bytes + 2;
            return Ok(Some(Found::TooLong(head)));
        }
        let needed = payload_end + 2;
        if needed > self.end {
            self.needed = Some(needed);
            return Ok(None);
        }
        if &self.bytes[payload_end..needed] != b"\r\n" {
            return Err(Malformed::PayloadWithoutEnd);
        }
        self.needed = None;
        self.start = needed;
        self.scanned = needed;
        Ok(Some(Found::Message(head)))
    }

    /// Drops the bytes of a payload over the limit.
    fn skip(&mut self) {
        let here = self.skipped.min(self.end - self.start);
        if here > 0 {
            self.skipped -= here;
            self.start += here;
            self.scanned = self.start;
        }
    }

    /// The operation of a line. `behind` is where its payload begins.
    fn operation(&self, line: Range<usize>, behind: usize) -> Result<Found, Malformed> {
        let text = &self.bytes[line.clone()];
        let unknown = || Malformed::Unknown(text[..text.len().min(EXCERPT_BYTES)].to_vec());
        let argument = |name_len: usize| {
            let argument = text[name_len..].trim_ascii();
            let begin = line.end - text[name_len..].trim_ascii_start().len();
            begin..begin + argument.len()
        };
        match text {
            b"PING" => Ok(Found::Ping),
            b"PONG" => Ok(Found::Pong),
            b"+OK" => Ok(Found::Ok),
            [b'I', b'N', b'F', b'O', b' ', ..] => Ok(Found::Info(argument(5))),
            [b'-', b'E', b'R', b'R', ..] => {
                let mut quoted = argument(4);
                if let [b'\'', .., b'\''] = self.bytes[quoted.clone()] {
                    quoted = quoted.start + 1..quoted.end - 1;
                }
                Ok(Found::Error(quoted))
            }
            [b'M', b'S', b'G', b' ', ..] => {
                let head = head(text, 4, false).ok_or_else(unknown)?;
                self.message(head, line.start, behind)
            }
            [b'H', b'M', b'S', b'G', b' ', ..] => {
                let head = head(text, 5, true).ok_or_else(unknown)?;
                self.message(head, line.start, behind)
            }
            _ => Err(unknown()),
        }
    }

    fn message(&self, head: Head, line: usize, behind: usize) -> Result<Found, Malformed> {
        if head.all_bytes > ANNOUNCED_BYTES_MAX {
            return Err(Malformed::AnnouncedTooLong(head.all_bytes));
        }
        Ok(Found::Message(Head {
            subject: line + head.subject.start..line + head.subject.end,
            begin: behind,
            ..head
        }))
    }
}

/// The line of a message, whose arguments begin at `from`. Ranges are those of the line.
fn head(line: &[u8], from: usize, has_headers: bool) -> Option<Head> {
    let mut words = [0..0, 0..0, 0..0, 0..0, 0..0];
    let mut count = 0;
    let mut at = from;
    while at < line.len() {
        let word = &line[at..];
        let len = memchr::memchr2(b' ', b'\t', word).unwrap_or(word.len());
        if len > 0 {
            *words.get_mut(count)? = at..at + len;
            count += 1;
        }
        at += len + 1;
    }
    let numbers = if has_headers { 2 } else { 1 };
    // Between sid and numbers there may be the subject for replies.
    if count != numbers + 2 && count != numbers + 3 {
        return None;
    }
    let number = |word: usize| number(&line[words[word].clone()]);
    let all_bytes = number(count - 1)?;
    let header_bytes = if has_headers { number(count - 2)? } else { 0 };
    (header_bytes <= all_bytes).then_some(Head {
        subject: words[0].clone(),
        sid: u64::try_from(number(1)?).ok()?,
        begin: 0,
        header_bytes,
        all_bytes,
    })
}

/// A number of at most 12 digits: more can neither be a length nor one of our sids.
fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 12 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = digits.iter().map(|digit| usize::from(digit - b'0'));
    digits.reduce(|number, digit| number * 10 + digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds bytes in pieces, and returns all operations as text.
    fn parse(parser: &mut Parser, mut bytes: &[u8], piece: usize) -> Vec<String> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let space = parser.space();
            let count = piece.min(space.len()).min(bytes.len());
            space[..count].copy_from_slice(&bytes[..count]);
            parser.filled(count);
            bytes = &bytes[count..];
            loop {
                match parser.next() {
                    Ok(Some(operation)) => found.push(text(&operation)),
                    Ok(None) => break,
                    Err(error) => {
                        found.push(error.to_string());
                        return found;
                    }
                }
            }
        }
        found
    }

    fn text(operation: &Operation<'_>) -> String {
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match operation {
            Operation::Info(json) => format!("info {}", lossy(json)),
            Operation::Error(text) => format!("error {}", lossy(text)),
            Operation::Message {
                subject,
                sid,
                headers,
                payload,
            } => {
                let (subject, headers) = (lossy(subject), lossy(headers));
                format!("message {subject} {sid} [{headers}] {}", lossy(payload))
            }
            Operation::TooLong { subject, bytes } => {
                format!("too long {} {bytes}", lossy(subject))
            }
            other => format!("{other:?}"),
        }
    }

    const CONVERSATION: &[u8] = b"INFO {\"a\":1} \r\nPING\r\nMSG a.b 1 5\r\nhe\r\no\r\n+OK\r\n\
        MSG a 12 inbox.1  0\r\n\r\nHMSG b 2 16 16\r\nNATS/1.0 503\r\n\r\n\r\n\
        HMSG b 2 reply 4 6\r\nhead!!\r\nMSG c\t3\t12\r\nover the max\r\n-ERR 'No way'\r\nPONG\r\n\
        INFO {}\r\n";

    #[test]
    fn a_conversation_is_the_same_however_it_is_cut() {
        let expected = [
            "info {\"a\":1}",
            "Ping",
            "message a.b 1 [] he\r\no",
            "Ok",
            "message a 12 [] ",
            "message b 2 [NATS/1.0 503\r\n\r\n] ",
            "message b 2 [head] !!",
            "message c 3 [] over the max",
            "error No way",
            "Pong",
            "info {}",
        ];
        for piece in 1..=CONVERSATION.len() {
            let found = parse(&mut Parser::new(100), CONVERSATION, piece);
            assert_eq!(found, expected, "in pieces of {piece}");
        }
        for piece in 1..=CONVERSATION.len() {
            let found = parse(&mut Parser::new(10), CONVERSATION, piece);
            assert!(found.contains(&"too long c 12".to_owned()), "{found:?}");
            assert_eq!(found.last().map(String::as_str), Some("info {}"));
        }
    }

    #[test]
    fn whatever_is_no_operation_is_an_error() {
        for line in [
            "",
            "hello",
            "MSG",
            "MSG a",
            "MSG a 1",
            "MSG a 1 x",
            "MSG a 1 r s 5",
            "MSG a 1 -5",
            "HMSG a 1 5",
            "HMSG a 1 9 5",
            "HMSG a 1 r s 1 5",
            "PINGS",
            "msg a 1 0",
            "MSG a 1 9999999999999",
        ] {
            let bytes = format!("{line}\r\nPING\r\n");
            let found = parse(&mut Parser::new(100), bytes.as_bytes(), 7);
            assert!(found[0].contains("is not NATS"), "{line}: {found:?}");
        }
        let unended = parse(&mut Parser::new(100), b"MSG a 1 2\r\nabcdPING\r\n", 100);
        assert_eq!(unended, ["it sent a message without its end"]);
    }

    #[test]
    fn lines_and_lengths_have_bounds() {
        let long = vec![b'x'; LINE_BYTES_MAX + 1];
        for piece in [1000, READ_BYTES] {
            let found = parse(&mut Parser::new(100), &long, piece);
            assert_eq!(found, [Malformed::LineTooLong.to_string()]);
        }
        let mut whole = b"INFO ".to_vec();
        whole.resize(LINE_BYTES_MAX, b'x');
        whole.extend_from_slice(b"\n");
        assert!(parse(&mut Parser::new(100), &whole, READ_BYTES)[0].starts_with("info x"));
        let announced = format!("MSG a 1 {}\r\n", ANNOUNCED_BYTES_MAX + 1);
        let found = parse(&mut Parser::new(usize::MAX), announced.as_bytes(), 100);
        assert!(found[0].contains("it announced"), "{found:?}");
    }

    #[test]
    fn an_announced_payload_costs_only_the_bytes_that_have_come() {
        let limit = 1 << 20;
        let mut parser = Parser::new(limit);
        assert!(parse(&mut parser, b"MSG a 1 1048576\r\nabc", 100).is_empty());
        parser.space();
        assert_eq!(parser.bytes.len(), SMALL_BYTES_MAX);
        let rest = vec![b'x'; limit - 3];
        assert!(parse(&mut parser, &rest, READ_BYTES).is_empty());
        assert!(parser.bytes.capacity() <= limit + 2 * READ_BYTES + 100);
        assert_eq!(parse(&mut parser, b"\r\n", 2).len(), 1);
        parser.space();
        assert_eq!(parser.bytes.capacity(), SMALL_BYTES_MAX);
        // A longer one is skipped in the memory that is there.
        let mut over = b"MSG a 1 3000000\r\n".to_vec();
        over.resize(over.len() + 3_000_000, b'y');
        over.extend_from_slice(b"\r\nPING\r\n");
        assert_eq!(
            parse(&mut parser, &over, READ_BYTES),
            ["too long a 3000000", "Ping"]
        );
        assert_eq!(parser.bytes.capacity(), SMALL_BYTES_MAX);
    }
}
