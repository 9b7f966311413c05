//! The requests of a load: lines in which only the number changes.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;

/// The node of the `echo` workload, and its client.
const NODE: &str = "n1";
const CLIENT: &str = "c1";

/// The requests of a load, used in turn.
///
/// ```
/// use eddyline::harness::Requests;
///
/// let line = r#"{"src":"c1","dest":"n7","body":{"type":"read","msg_id":1,"key":3}}"#;
/// let requests = Requests::from_lines(line)?;
/// assert_eq!(requests.node(), "n7");
/// assert!(Requests::from_lines("hello").is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone)]
pub struct Requests {
    node: String,
    lines: Vec<Template>,
    /// The echo that is expected in each answer, as JSON text.
    pub(super) echo: Option<String>,
}

/// A line in pieces. Its number stands between them.
#[derive(Debug, Clone)]
struct Template(Vec<Vec<u8>>);

#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    src: Cow<'a, str>,
    #[serde(borrow)]
    dest: Cow<'a, str>,
    #[serde(borrow)]
    body: &'a RawValue,
}

impl Requests {
    /// The workload `echo`, with a text of so many bytes.
    pub fn echo(bytes: usize) -> Requests {
        let text = "Please echo 35 and more ".repeat(bytes / 24 + 1);
        let echo = format!("\"{}\"", &text[..bytes]);
        let pieces = [
            r#"{"id":"#.to_owned(),
            format!(r#","src":"{CLIENT}","dest":"{NODE}","body":{{"type":"echo","msg_id":"#),
            format!(",\"echo\":{echo}}}}}\n"),
        ];
        Requests {
            node: NODE.to_owned(),
            lines: vec![Template(pieces.map(String::into_bytes).into())],
            echo: Some(echo),
        }
    }

    /// The requests of a text, one in each line. Each line is a whole message to the same
    /// node. Its `msg_id` is replaced by a new number each time that it is sent.
    ///
    /// # Errors
    /// The number of the first line that is no request, and why; or the text has none.
    pub fn from_lines(text: &str) -> Result<Requests, String> {
        let mut node: Option<String> = None;
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let (dest, template) =
                template(line).map_err(|why| format!("line {number} is no request: {why}"))?;
            let node = node.get_or_insert_with(|| dest.clone());
            if *node != dest {
                return Err(format!(
                    "line {number} is for {dest:?}, and an earlier one for {node:?}: a bench has one node"
                ));
            }
            lines.push(template);
        }
        let node = node.ok_or("there is no line in it")?;
        Ok(Requests {
            node,
            lines,
            echo: None,
        })
    }

    /// The name of the node.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Appends the request of that number, as a line.
    pub(super) fn write(&self, number: u64, line: &mut Vec<u8>) {
        let turn = usize::try_from(number % self.lines.len() as u64).unwrap_or(0);
        for (place, piece) in self.lines[turn].0.iter().enumerate() {
            if place > 0 {
                let _never_fails = write!(line, "{number}");
            }
            line.extend_from_slice(piece);
        }
    }
}

/// The receiver of a line, and the line without its number.
fn template(line: &str) -> Result<(String, Template), String> {
    let words = |error: serde_json::Error| error.to_string();
    let outline: Outline<'_> = serde_json::from_str(line).map_err(words)?;
    let body = outline.body.get();
    let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(body).map_err(words)?;
    let kind = fields.get("type").map(|kind| kind.get());
    match kind {
        None => return Err("its body has no `type`".to_owned()),
        Some(r#""init""#) => return Err("the bench sends `init` itself".to_owned()),
        Some(_) if fields.contains_key("in_reply_to") => return Err("it is a reply".to_owned()),
        Some(_) => {}
    }
    let plain = |name: &str| {
        name.chars()
            .all(|c| c.is_ascii_graphic() && c != '"' && c != '\\')
    };
    if !plain(&outline.dest) || outline.dest.is_empty() || outline.src == outline.dest {
        return Err(format!("its `dest` is {:?}", outline.dest));
    }
    let place = |part: &str| part.as_ptr() as usize - line.as_ptr() as usize;
    let (front, rest) = match fields.get("msg_id") {
        Some(msg_id) => {
            let begin = place(msg_id.get());
            let rest = &line[begin + msg_id.get().len()..];
            (line[..begin].to_owned(), rest.to_owned())
        }
        None => {
            let inside = place(body) + 1;
            let (front, rest) = line.split_at(inside);
            (format!(r#"{front}"msg_id":"#), format!(",{rest}"))
        }
    };
    let pieces = vec![front.into_bytes(), (rest + "\n").into_bytes()];
    Ok((outline.dest.into_owned(), Template(pieces)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(requests: &Requests, number: u64) -> String {
        let mut line = Vec::new();
        requests.write(number, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn an_echo_has_a_text_of_the_length_that_was_asked_for() {
        let requests = Requests::echo(3);
        let expected =
            r#"{"id":12,"src":"c1","dest":"n1","body":{"type":"echo","msg_id":12,"echo":"Ple"}}"#;
        assert_eq!(written(&requests, 12), format!("{expected}\n"));
        let line = written(&Requests::echo(5000), 1);
        assert_eq!(line.len(), 5000 + expected.len() + 1 - 2 - 3);
    }

    #[test]
    fn lines_are_used_in_turn_with_new_numbers() {
        let text = "{\"src\":\"c3\",\"dest\":\"a\",\"body\":{\"x\":{\"msg_id\":1}, \"msg_id\" : 7, \"type\":\"t\"}}\n\n\
                    {\"dest\":\"a\",\"body\":{\"type\":\"u\"},\"src\":\"c4\"}\r\n";
        let requests = Requests::from_lines(text).unwrap();
        assert_eq!(
            written(&requests, 40),
            "{\"src\":\"c3\",\"dest\":\"a\",\"body\":{\"x\":{\"msg_id\":1}, \"msg_id\" : 40, \"type\":\"t\"}}\n"
        );
        assert_eq!(
            written(&requests, 41),
            "{\"dest\":\"a\",\"body\":{\"msg_id\":41,\"type\":\"u\"},\"src\":\"c4\"}\n"
        );
    }

    #[test]
    fn a_line_that_is_no_request_is_named() {
        let good = r#"{"src":"c1","dest":"n1","body":{"type":"t"}}"#;
        for (text, expected) in [
            ("", "no line"),
            ("hello", "line 1 is no request"),
            (r#"{"src":"c1","dest":"n1","body":{}}"#, "no `type`"),
            (r#"{"src":"c1","dest":"n1","body":[]}"#, "line 1"),
            (r#"{"src":"c1","dest":"","body":{"type":"t"}}"#, "`dest`"),
            (
                r#"{"src":"c1","dest":"n1","body":{"type":"init"}}"#,
                "`init` itself",
            ),
            (
                r#"{"src":"c1","dest":"n1","body":{"type":"t_ok","in_reply_to":3}}"#,
                "a reply",
            ),
            (
                &format!("{good}\n\n{}", good.replace("n1", "n2")),
                "line 3 is for \"n2\"",
            ),
        ] {
            let found = Requests::from_lines(text).unwrap_err();
            assert!(found.contains(expected), "{text}: {found}");
        }
    }
}
