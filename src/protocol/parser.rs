//! The parser: lines in, envelopes out, faster when the next is like the last.

use super::envelope::{Envelope, Malformed};
use super::outline::Outline;
use super::shape::Shape;

/// How many shapes are remembered. What a node hears comes in a handful: its
/// clients' requests, its peers' gossip, the replies. Holding a line
/// against a shape that it does not have costs a tenth of a scan.
const SHAPES_MAX: usize = 4;

/// Reads the lines of one stream, and remembers what they looked like.
///
/// It finds exactly what [`Envelope::parse`] finds, in half the time when a line
/// has the shape of an earlier one.
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
    /// The one that matched last comes first.
    shapes: Vec<Shape>,
}

impl Parser {
    /// Parses one line.
    ///
    /// # Errors
    /// As [`Envelope::parse`].
    #[inline]
    pub fn parse<'a>(&mut self, line: &'a [u8]) -> Result<Envelope<'a>, Malformed> {
        let text = Envelope::text(line)?;
        for index in 0..self.shapes.len() {
            if let Some(envelope) = self.shapes[index].read(text) {
                self.shapes[..=index].rotate_right(1);
                return Ok(envelope);
            }
        }
        self.scan(text)
    }

    /// Parses a line of a new shape, and remembers it instead of the one that has
    /// not come for the longest time.
    #[inline(never)]
    fn scan<'a>(&mut self, text: &'a str) -> Result<Envelope<'a>, Malformed> {
        let mut outer = Outline::new();
        let envelope = Envelope::scan(text, &mut outer)?;
        let mut shape = match self.shapes.len() {
            SHAPES_MAX => self.shapes.pop().unwrap_or_default(),
            _ => Shape::default(),
        };
        if shape.learn(&envelope, &outer) {
            self.shapes.insert(0, shape);
        }
        Ok(envelope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses a message with one field of that name; returns whether its shape was known.
    fn is_known(parser: &mut Parser, key: &str) -> bool {
        let line = format!(r#"{{"src":"a","dest":"b","body":{{"type":"c","{key}":1}}}}"#);
        let known = parser
            .shapes
            .iter()
            .any(|shape| shape.read(&line).is_some());
        assert!(parser.parse(line.as_bytes()).is_ok());
        known
    }

    #[test]
    fn the_shape_that_has_not_come_for_the_longest_time_is_forgotten() {
        let mut parser = Parser::default();
        for key in ["k0", "k1", "k2", "k3"] {
            assert!(!is_known(&mut parser, key));
        }
        assert!(is_known(&mut parser, "k0"));
        assert!(!is_known(&mut parser, "k4"));
        assert_eq!(parser.shapes.len(), SHAPES_MAX);
        assert!(is_known(&mut parser, "k0") && !is_known(&mut parser, "k1"));
    }

    #[test]
    fn a_shape_with_much_text_is_not_remembered() {
        let mut parser = Parser::default();
        let long = "k".repeat(2000);
        assert!(!is_known(&mut parser, &long) && !is_known(&mut parser, &long));
        assert!(parser.shapes.is_empty());
    }

    #[test]
    fn a_line_with_many_fields_is_not_remembered() {
        let mut parser = Parser::default();
        let fields: String = (0..20).map(|key| format!(r#""k{key}":1,"#)).collect();
        let line = format!(r#"{{{fields}"src":"a","dest":"b","body":{{"type":"c"}}}}"#);
        for line in [line.clone(), line.replace("\"c\"", "\"c\",\"x\":[1]")] {
            assert!(parser.parse(line.as_bytes()).is_ok());
        }
        assert!(parser.shapes.is_empty());
    }
}
