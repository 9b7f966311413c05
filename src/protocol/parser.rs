//! The parser: lines in, envelopes out, faster when a line looks like an
//! earlier one.

use super::envelope::{Envelope, Malformed};
use super::outline::Outline;
use super::shape::Shape;

/// How many shapes are remembered: requests, and the replies to what they made
/// this node ask. A line that is held against a shape and has another one has cost a
/// seventh of its echo, so a third would cost more than it spares.
const SHAPES_MAX: usize = 2;

/// How many lines in a row are scanned at most without being held against a
/// shape. Where lines come in many shapes, to look for two of them and to learn others
/// costs half a scan each time; this makes it a hundredth. Once they come in few
/// again, that is noticed after as many lines.
const DOUBT_MAX: u32 = 63;

/// Reads the lines of one stream, and remembers what they looked like.
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
    /// Which of them the last line had that was recognised.
    last: usize,
    /// Which of them came after each, the last time: the one to try first. Requests
    /// come one after another, or in turn with the replies to what they ask for.
    successors: [usize; SHAPES_MAX],
    /// Where a shape is learned; its memory is used again.
    draft: Shape,
    /// How many lines are scanned after the next one of an unknown shape. Doubles
    /// with each of those, and loses a quarter with each line of a known one: so
    /// it grows unless four of five are known, and fewer would not pay.
    doubt: u32,
    /// How many of the lines to be scanned are still to come.
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
        let text = Envelope::text(line)?;
        if self.scans == 0 {
            let likely = self.successors[self.last];
            if let Some(envelope) = self.shapes[likely].read(text) {
                self.last = likely;
                self.doubt -= self.doubt.div_ceil(4);
                return Ok(envelope);
            }
            return self.read_as_other(text);
        }
        self.scan(text)
    }

    /// Parses a line that has not the likely shape.
    #[inline(never)]
    fn read_as_other<'a>(&mut self, text: &'a str) -> Result<Envelope<'a>, Malformed> {
        let other = SHAPES_MAX - 1 - self.successors[self.last];
        let Some(envelope) = self.shapes[other].read(text) else {
            return self.scan(text);
        };
        self.successors[self.last] = other;
        self.last = other;
        self.doubt -= self.doubt.div_ceil(4);
        Ok(envelope)
    }

    /// Parses a line that was not recognised, and remembers its shape if this is
    /// the time for it.
    #[inline(never)]
    fn scan<'a>(&mut self, text: &'a str) -> Result<Envelope<'a>, Malformed> {
        if self.scans > 0 {
            self.scans -= 1;
            return Envelope::scan(text, None);
        }
        self.scans = self.doubt;
        self.doubt = (2 * self.doubt + 1).min(DOUBT_MAX);
        let mut outer = Outline::new();
        let envelope = Envelope::scan(text, Some(&mut outer))?;
        if self.draft.learn(&envelope, &outer) {
            // The other one has not come for longer.
            self.last = SHAPES_MAX - 1 - self.last;
            std::mem::swap(&mut self.shapes[self.last], &mut self.draft);
        }
        Ok(envelope)
    }
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
            // Twice: the second time it may be one that is only scanned.
            for _ in 0..2 {
                assert!(parser.parse(line.as_bytes()).is_ok());
            }
        }
        assert_eq!(lines.map(|line| knows(&parser, &line)), [false, true, true]);
    }

    #[test]
    fn where_nothing_comes_twice_most_lines_are_only_scanned() {
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
        // What comes again is noticed, and then always looked for.
        for _ in 0..=2 * DOUBT_MAX {
            assert!(parser.parse(message("k").as_bytes()).is_ok());
        }
        assert!(knows(&parser, &message("k")) && parser.scans == 0);
    }

    #[test]
    fn what_has_much_text_or_many_fields_is_not_remembered() {
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
