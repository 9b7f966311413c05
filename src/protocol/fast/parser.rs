//! The parser of a stream of lines. It is faster when a line looks like an earlier one.

use super::envelope::scan;
use super::outline::Outline;
use super::scan::Refused;
use super::shape::Shape;
use crate::protocol::envelope::{Envelope, Malformed};

/// How many shapes are remembered: one for requests, one for the replies to what
/// they made this node ask. Comparing a line with a shape that it has not costs a
/// seventh of its echo, so a third shape would cost more than it saves.
const SHAPES_MAX: usize = 2;

/// How many lines in a row are scanned without comparing them with the shapes.
/// Where lines come in many shapes, the comparisons and the learning of new shapes
/// cost half a scan for each line. This bound makes it a hundredth. When lines come
/// in few shapes again, the parser notices it after as many lines.
const DOUBT_MAX: u32 = 63;

/// Parses the lines of one stream, and remembers their shapes.
///
/// It finds exactly what [`Envelope::parse`] finds.
///
/// ```
/// use eddyline::protocol::Parser;
///
/// let mut parser = Parser::default();
/// for line in [
///     r#"{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":1,"echo":"hi"}}"#,
///     r#"{"src":"c2","dest":"n1","body":{"type":"echo","msg_id":27,"echo":[1, 2]}}"#,
/// ] {
///     assert_eq!(parser.parse(line.as_bytes())?.dest, "n1");
/// }
/// # Ok::<(), eddyline::protocol::Malformed>(())
/// ```
#[derive(Debug, Default)]
pub struct Parser {
    shapes: [Shape; SHAPES_MAX],
    /// The shape of the last line that had one of them.
    last: usize,
    /// For each shape, the one that came after it the last time, which is tried first.
    /// Requests come one after another, or alternate with the replies to what they
    /// ask for.
    successors: [usize; SHAPES_MAX],
    /// Where the next shape is learned. Its memory is used again.
    draft: Shape,
    /// How many lines are scanned after the next line of an unknown shape. Each such
    /// line doubles it. A match reduces it by a quarter. So it grows unless four
    /// lines of five match; with fewer matches the comparisons do not pay.
    doubt: u32,
    /// How many lines are still to be scanned without a comparison.
    scans: u32,
}

impl Parser {
    /// Parses one line, without its newline.
    ///
    /// ```
    /// # use eddyline::protocol::Parser;
    /// let envelope = Parser::default().parse(br#"{"src":"c1","dest":"n1","body":{}}"#)?;
    /// assert_eq!((&*envelope.src, envelope.body), ("c1", "{}"));
    /// # Ok::<(), eddyline::protocol::Malformed>(())
    /// ```
    ///
    /// # Errors
    /// As [`Envelope::parse`].
    #[inline]
    pub fn parse<'a>(&mut self, line: &'a [u8]) -> Result<Envelope<'a>, Malformed> {
        let Ok(text) = std::str::from_utf8(line) else {
            return refuse(line);
        };
        if self.scans == 0 {
            let likely = self.successors[self.last];
            if let Some(envelope) = self.shapes[likely].read(text) {
                self.last = likely;
                self.doubt -= self.doubt.div_ceil(4);
                return Ok(envelope);
            }
            return self.try_other_shape(text);
        }
        self.scan(text)
    }

    /// Parses a line that does not have the likely shape.
    #[inline(never)]
    fn try_other_shape<'a>(&mut self, text: &'a str) -> Result<Envelope<'a>, Malformed> {
        let other = SHAPES_MAX - 1 - self.successors[self.last];
        let Some(envelope) = self.shapes[other].read(text) else {
            return self.scan(text);
        };
        self.successors[self.last] = other;
        self.last = other;
        self.doubt -= self.doubt.div_ceil(4);
        Ok(envelope)
    }

    /// Parses a line that matched no shape, and learns its shape if no lines are
    /// left to be scanned alone.
    #[inline(never)]
    fn scan<'a>(&mut self, text: &'a str) -> Result<Envelope<'a>, Malformed> {
        if self.scans > 0 {
            self.scans -= 1;
            return scan(text, None).or_else(|Refused| refuse(text.as_bytes()));
        }
        self.scans = self.doubt;
        self.doubt = (2 * self.doubt + 1).min(DOUBT_MAX);
        let mut outer = Outline::new();
        let envelope = match scan(text, Some(&mut outer)) {
            Ok(envelope) => envelope,
            Err(Refused) => return refuse(text.as_bytes()),
        };
        if self.draft.learn(&envelope, &outer) {
            // The shape that matched longer ago is forgotten.
            self.last = SHAPES_MAX - 1 - self.last;
            std::mem::swap(&mut self.shapes[self.last], &mut self.draft);
        }
        Ok(envelope)
    }
}

/// Asks the plain parser why a line is not a message.
///
/// Should the plain parser accept the line, its answer counts: the scan has a
/// defect then. Tests fail, a node goes on.
#[cold]
fn refuse(line: &[u8]) -> Result<Envelope<'_>, Malformed> {
    let parsed = Envelope::parse(line);
    debug_assert!(parsed.is_err(), "refused: {}", line.escape_ascii());
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(key: &str) -> String {
        format!(r#"{{"src":"a","dest":"b","body":{{"type":"c","{key}":1}}}}"#)
    }

    fn knows(parser: &Parser, line: &str) -> bool {
        parser.shapes.iter().any(|shape| shape.read(line).is_some())
    }

    #[test]
    fn the_latest_shapes_are_remembered() {
        let mut parser = Parser::default();
        let lines = ["k0", "k1", "k2"].map(message);
        for line in &lines {
            // Twice, since one of the two may be only scanned.
            for _ in 0..2 {
                assert!(parser.parse(line.as_bytes()).is_ok());
            }
        }
        assert_eq!(lines.map(|line| knows(&parser, &line)), [false, true, true]);
    }

    #[test]
    fn most_lines_of_ever_new_shapes_are_only_scanned() {
        let mut parser = Parser::default();
        let count = 10_000;
        let mut looked = 0;
        for number in 0..count {
            looked += u32::from(parser.scans == 0);
            let line = message(&format!("k{number}"));
            assert!(parser.parse(line.as_bytes()).is_ok());
        }
        assert_eq!(parser.doubt, DOUBT_MAX);
        assert!(looked < count / DOUBT_MAX + 10, "{looked}");
        // A shape that comes again is noticed, and then always compared with.
        for _ in 0..=2 * DOUBT_MAX {
            assert!(parser.parse(message("k").as_bytes()).is_ok());
        }
        assert!(knows(&parser, &message("k")) && parser.scans == 0);
    }

    #[test]
    fn a_line_with_much_text_or_many_fields_has_no_shape() {
        let mut parser = Parser::default();
        let fields: String = (0..20).map(|key| format!(r#""k{key}":1,"#)).collect();
        let around = message("k").replacen('{', &format!("{{{fields}"), 1);
        let inside = message("k").replace("\"c\",", &format!("\"c\",{fields}"));
        for line in [message(&"k".repeat(2000)), around, inside] {
            for _ in 0..100 {
                assert!(parser.parse(line.as_bytes()).is_ok());
            }
            assert!(!knows(&parser, &line));
        }
    }
}
