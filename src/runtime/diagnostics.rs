//! Lines for people, on stderr.
//!
//! Lines are gathered, and written once a turn or when many have gathered. The loop never
//! waits for stderr: when it is full, lines are dropped and counted. `eprintln!` would
//! panic when stderr is non-blocking and full.
//!
//! Invariant: every line that is begun is written to its end, also when
//! [`close`](Diagnostics::close) drops all others.
//!
//! Read next: `outputs.rs`, for a stderr that leads to where stdout leads.

use super::source::Source;
use crate::reactor::{Interest, Reactor};
use crate::sys::Output;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;

/// How many bytes of lines wait for a stderr that takes none: 256 KiB, four full pipes.
/// A reader that is so far behind does not read.
const HELD_BYTES_MAX: usize = 256 << 10;

/// How much one write offers: 4 KiB (PIPE_BUF), which a pipe takes whole or not at all.
/// So no write leaves half a line in front of a message on a shared pipe.
const WRITE_BYTES_MAX: usize = 4096;

/// How many characters of a line are written: 800. A name in it may have 16 MiB.
const LINE_CHARS_MAX: usize = 800;

/// The beginning of every line. It names the library and not the program, so that a line of the
/// library is told from those that an author's code writes. [`main`](crate::main) writes its errors
/// with it, too.
pub(crate) const PREFIX: &str = "eddyline: ";

/// The way to stderr.
pub(super) struct Diagnostics {
    /// `None` when stderr cannot be used. Then lines are dropped.
    output: Option<Output>,
    held: RefCell<Held>,
    /// Nothing may be written: on a shared pipe, the reader waits for the rest of a
    /// message.
    is_barred: Cell<bool>,
    is_closed: Cell<bool>,
    /// The last byte that was written is not the end of a line: a socket may take half
    /// of one.
    is_inside_line: Cell<bool>,
}

#[derive(Default)]
struct Held {
    bytes: VecDeque<u8>,
    /// Lines that found no room.
    dropped: u64,
}

impl Diagnostics {
    /// Registers stderr: its edge ends a wait, so that the rest is written then.
    pub(super) fn new(reactor: &mut Reactor<Source>, stderr: Option<Output>) -> Diagnostics {
        let output = stderr.filter(|output| {
            let source = Source::Stderr(output.as_raw_fd());
            reactor.insert(source, Interest::WRITABLE).is_ok()
        });
        Diagnostics {
            output,
            held: RefCell::default(),
            is_barred: Cell::new(false),
            is_closed: Cell::new(false),
            is_inside_line: Cell::new(false),
        }
    }

    /// Takes one line, without its newline.
    pub(super) fn line(&self, text: fmt::Arguments<'_>) {
        // Formatted before anything is borrowed: an author's `Display` may log a line
        // of its own.
        let mut line = OneLine::default();
        let _as_far_as_it_came = write!(line, "{PREFIX}{text}");
        self.push(line.text);
    }

    /// Takes a line that the reader is to paste: nothing stands in front of it, and it is not
    /// cut.
    pub(super) fn line_to_paste(&self, line: String) {
        self.push(line);
    }

    fn push(&self, mut line: String) {
        line.push('\n');
        if self.held.borrow().bytes.len() > HELD_BYTES_MAX {
            self.flush();
        }
        let held = &mut *self.held.borrow_mut();
        if held.bytes.len() > HELD_BYTES_MAX || self.is_closed.get() {
            held.dropped += 1;
        } else {
            held.bytes.extend(line.as_bytes());
        }
    }

    /// Whether every line was written or dropped.
    pub(super) fn is_empty(&self) -> bool {
        self.held.borrow().bytes.is_empty()
    }

    /// Whether the reader has the beginning of a line, and waits for its rest.
    pub(super) fn is_inside_line(&self) -> bool {
        self.is_inside_line.get()
    }

    /// Drops all lines, those to come too. Only the rest of a line that the reader has
    /// the beginning of is kept.
    pub(super) fn close(&self) {
        self.is_closed.set(true);
        let bytes = &mut self.held.borrow_mut().bytes;
        let rest = match self.is_inside_line.get() {
            true => bytes.iter().position(|&byte| byte == b'\n'),
            false => None,
        };
        bytes.truncate(rest.map_or(0, |newline| newline + 1));
    }

    /// Forbids writing, or allows it again.
    pub(super) fn bar(&self, is_barred: bool) {
        self.is_barred.set(is_barred);
    }

    /// Writes as much as stderr takes now.
    pub(super) fn flush(&self) {
        if self.is_barred.get() {
            return;
        }
        let mut held = self.held.borrow_mut();
        let Some(output) = &self.output else {
            held.bytes.clear();
            return;
        };
        while !held.bytes.is_empty() {
            let bytes = held.bytes.make_contiguous();
            match output.write(whole_lines(bytes)) {
                Ok(count) => {
                    if let Some(last) = bytes[..count].last() {
                        self.is_inside_line.set(*last != b'\n');
                    }
                    drop(held.bytes.drain(..count));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_no_reader_is_left) => {
                    self.is_inside_line.set(false);
                    held.bytes.clear();
                }
            }
            if held.bytes.is_empty() && held.dropped > 0 {
                let dropped = std::mem::take(&mut held.dropped);
                let text = "lines were dropped: stderr was not read";
                let _to_memory = io::Write::write_fmt(
                    &mut held.bytes,
                    format_args!("{PREFIX}{dropped} {text}\n"),
                );
            }
        }
    }
}

/// The beginning of a text, as one line. Characters are escaped if they could end the
/// line, move a terminal, or show another order or text than there is. The rest of
/// the text takes no memory, however long it is.
#[derive(Default)]
struct OneLine {
    text: String,
    /// How many characters of the text it has taken.
    chars: usize,
    is_cut: bool,
}

impl fmt::Write for OneLine {
    /// Never fails: an author's `Display` might not expect an error.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.is_cut {
                break;
            }
            if self.chars == LINE_CHARS_MAX {
                self.text.push('…');
                self.is_cut = true;
            } else if is_treacherous(c) {
                self.text.extend(c.escape_default());
            } else {
                self.text.push(c);
            }
            self.chars += 1;
        }
        Ok(())
    }
}

/// Control characters, those of C1 too; separators of lines and paragraphs; characters
/// without width, and those that turn the direction of the text around them.
fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// As many whole lines as a pipe takes at once; a single longer line as it is.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let most = &bytes[..bytes.len().min(WRITE_BYTES_MAX)];
    let end = memchr::memrchr(b'\n', most).or_else(|| memchr::memchr(b'\n', bytes));
    end.map_or(bytes, |end| &bytes[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::testing;
    use std::os::fd::OwnedFd;

    fn one_line(text: &str) -> String {
        let mut line = OneLine::default();
        write!(line, "{text}").unwrap();
        line.text
    }

    #[test]
    fn what_could_deceive_a_reader_is_escaped() {
        let hostile =
            "\u{1b}[2J\r\n\0\u{7f}\u{9b}31m\u{85}\u{202e}dlrow\u{2066}\u{200f}\u{2028}\u{feff}";
        let shown = one_line(hostile);
        assert_eq!(
            shown,
            r"\u{1b}[2J\r\n\u{0}\u{7f}\u{9b}31m\u{85}\u{202e}dlrow\u{2066}\u{200f}\u{2028}\u{feff}"
        );
        assert_eq!(one_line("žluťoučký 😀 \\ \"x\""), "žluťoučký 😀 \\ \"x\"");
    }

    #[test]
    fn a_line_is_cut_and_says_so() {
        let long = "é".repeat(LINE_CHARS_MAX + 1);
        let shown = one_line(&long);
        assert_eq!(shown.chars().count(), LINE_CHARS_MAX + 1);
        assert!(shown.ends_with("é…"));
        assert_eq!(one_line(&long[2..]), long[2..]);
    }

    /// Everything that can be read now.
    fn read(pipe: &OwnedFd) -> String {
        let mut bytes = vec![0; 1 << 20];
        let count = rustix::io::read(pipe, &mut bytes).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    #[test]
    fn lines_beyond_the_bound_are_dropped_and_counted_and_none_before_it() {
        const LINES: usize = 10_000;
        let (reader, stderr) = testing::pipe();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        let mut reactor = Reactor::new().unwrap();
        let diagnostics = Diagnostics::new(&mut reactor, Output::from_fd(stderr).ok());
        let text = "x".repeat(100);
        let mut most = 0;
        for number in 0..LINES {
            diagnostics.line(format_args!("{number} {text}"));
            most = most.max(diagnostics.held.borrow().bytes.len());
        }
        // The bound is exceeded by less than a line.
        let bound = HELD_BYTES_MAX..HELD_BYTES_MAX + 200;
        assert!(bound.contains(&most), "{most}");
        let mut heard = String::new();
        while !diagnostics.is_empty() {
            heard.push_str(&read(&reader));
            diagnostics.flush();
        }
        heard.push_str(&read(&reader));
        let lines: Vec<&str> = heard.lines().collect();
        let (last, whole) = lines.split_last().unwrap();
        for (number, line) in whole.iter().enumerate() {
            assert_eq!(**line, format!("{PREFIX}{number} {text}"));
        }
        let dropped = LINES - whole.len();
        let said = format!("{PREFIX}{dropped} lines were dropped: stderr was not read");
        assert_eq!(*last, said);
    }
}
