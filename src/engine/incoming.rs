//! Messages and errors of a server, and what becomes of them.

use super::credentials::Credentials;
use super::outgoing::is_from;
use super::sink::Sink;
use super::subject::{last_token, name_of};
use crate::notices::Topic;
use crate::protocol::Quote;

/// Hands a message out, if it comes from the name that its subject gives. The bytes that are
/// checked are those that are handed out.
pub(super) fn deliver(subject: &[u8], payload: &mut [u8], sink: &mut impl Sink) {
    let Some(name) = name_of(last_token(subject)) else {
        let subject = String::from_utf8_lossy(subject);
        return sink.log(
            Topic::Sender,
            format_args!("refused: the subject {subject:?} names no sender"),
        );
    };
    // A line cannot have a newline. In JSON it can only be a blank. This comes before the
    // check: a newline in a text would make a message of what the check took for none.
    if let Some(first) = memchr::memchr(b'\n', payload) {
        let newlines = payload[first..].iter_mut().filter(|byte| **byte == b'\n');
        newlines.for_each(|byte| *byte = b' ');
    }
    if !is_from(payload, &name) {
        return sink.log(
            Topic::Sender,
            format_args!(
                "refused: a message whose src is not {}, the sender that its subject names",
                Quote(&name)
            ),
        );
    }
    sink.line(payload);
}

/// An error of the server. Some leave the connection as it is.
pub(super) fn complaint(
    text: &str,
    credentials: &Credentials,
    sink: &mut impl Sink,
) -> Result<(), String> {
    let stays = ["permissions violation", "invalid subject"];
    let lower = text.to_ascii_lowercase();
    if stays.iter().any(|beginning| lower.starts_with(beginning)) {
        let is_deaf = lower.starts_with("permissions violation for subscription");
        let advice = match is_deaf {
            true => ": messages to this name do not arrive, and the user needs another name",
            false => "",
        };
        sink.log(
            Topic::Server,
            format_args!("the NATS server says: {text}{advice}"),
        );
        return Ok(());
    }
    match lower.starts_with("authorization violation") {
        true => Err(format!("it says: {text}: {}", credentials.doubt())),
        false => Err(format!("it says: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Envelope, after_byte_order_mark};
    use crate::random::Random;
    use std::fmt;

    /// The last line that was handed out.
    #[derive(Default)]
    struct Last(Option<Vec<u8>>);

    impl Sink for Last {
        fn line(&mut self, line: &[u8]) {
            self.0 = Some(line.to_vec());
        }

        fn too_long(&mut self, _excerpt: &[u8]) {}

        fn log(&mut self, _topic: Topic, _text: fmt::Arguments<'_>) {}
    }

    fn delivered(line: &[u8]) -> Option<Vec<u8>> {
        let mut last = Last::default();
        deliver(b"eddyline.t.n1.c1", &mut line.to_vec(), &mut last);
        last.0
    }

    /// The sender as the session reads it, if the line is a message.
    fn sender(line: &[u8]) -> Option<String> {
        let line = after_byte_order_mark(line).unwrap_or(line);
        Some(Envelope::parse(line).ok()?.src.into_owned())
    }

    #[test]
    fn a_newline_or_a_mark_of_byte_order_hides_no_sender() {
        for line in [
            "{\"x\":\"\n\",\"src\":\"n2\",\"dest\":\"n1\",\"body\":{}}",
            "{\"src\":\"n2\",\"x\":\"\n\",\"dest\":\"n1\",\"body\":{}}",
            "{\"body\":{\"x\":\"\n\"},\"dest\":\"n1\",\"src\":\"\\u006e2\"}",
            "\u{feff}{\"src\":\"n2\",\"dest\":\"n1\",\"body\":{}}",
            "\u{feff}\n{\"src\":\"\\u006e2\",\"dest\":\"n1\",\"body\":{}}",
        ] {
            assert_eq!(delivered(line.as_bytes()), None, "{line}");
            let honest = line.replace("n2", "c1").replace("\\u006e2", "c1");
            let honest = delivered(honest.as_bytes()).unwrap();
            assert!(!honest.contains(&b'\n'), "one message is one line");
        }
    }

    /// Lines of these parts, most of which are almost messages.
    #[test]
    fn a_message_that_is_handed_out_has_its_subjects_sender_however_it_is_written() {
        const PARTS: [&[u8]; 26] = [
            b"\xef\xbb\xbf",
            b"{",
            b"}",
            b"\"src\"",
            b"\"\\u0073rc\"",
            b":",
            b",",
            b"\"c1\"",
            b"\"n2\"",
            b"\"\\u00631\"",
            b"\"c1\\\"\"",
            b"\"dest\":\"n1\"",
            b"\"body\":{}",
            b"\"body\":{\"src\":\"c1\"}",
            b"\"body\":{\"src\":\"n2\"}",
            b"\n",
            b" ",
            b"\"x\":\"",
            b"\"",
            b"\xff",
            b"[",
            b"]",
            b"\"src\":\"n2\",",
            b"\"src\":\"c1\",",
            b"\\",
            b"\"x\":\"0123456789012345678901234567890123456789\",",
        ];
        let mut random = Random::new(1);
        let mut messages = 0;
        for _ in 0..60_000 {
            // A message, honest or not, and then a part too many, one too few, or another one.
            let name: &[u8] = if random.chance(0.5) {
                b"\"c1\""
            } else {
                b"\"n2\""
            };
            let mut parts: Vec<&[u8]> = vec![
                b"{",
                b"\"x\":\"",
                b"0",
                b"\"",
                b",",
                b"\"src\"",
                b":",
                name,
                b",",
                b"\"dest\":\"n1\"",
                b",",
                b"\"body\":{}",
                b"}",
            ];
            for _ in 0..1 + random.below(3) {
                let at = usize::try_from(random.below(parts.len() as u64)).unwrap();
                let part = PARTS[usize::try_from(random.below(PARTS.len() as u64)).unwrap()];
                match random.below(3) {
                    0 => parts.insert(at, part),
                    1 => parts[at] = part,
                    _ => _ = parts.remove(at),
                }
                if parts.is_empty() {
                    parts.push(part);
                }
            }
            let line = parts.concat();
            if let Some(sender) = delivered(&line).as_deref().and_then(sender) {
                messages += 1;
                assert_eq!(sender, "c1", "{}", String::from_utf8_lossy(&line));
            }
        }
        assert!(messages > 1_000, "{messages} of the lines were messages");
    }
}
