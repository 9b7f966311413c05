//! Writing a message: one compact JSON object and a newline, header keys first.

use super::{Error, Result};
use serde::Serialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

/// The keys of a body that the protocol itself gives a meaning.
const HEADER_KEYS: [&str; 3] = ["type", "msg_id", "in_reply_to"];

/// Everything of a message but the fields of its body.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Who sends it.
    pub src: &'a str,
    /// Who is to get it.
    pub dest: &'a str,
    /// The body's `type`.
    pub kind: &'a str,
    /// What to put behind `kind`: replies are called `<request's type>_ok`.
    pub kind_suffix: &'static str,
    /// The body's `msg_id`.
    pub msg_id: Option<u64>,
    /// The body's `in_reply_to`, a JSON integer exactly as the request wrote it.
    pub in_reply_to: Option<&'a str>,
}

/// The fields of a body besides `type`, `msg_id` and `in_reply_to`.
#[derive(Debug, Clone, Copy)]
pub enum Fields<'a, T: ?Sized> {
    /// Anything that serialises to a JSON object; `()` is an empty one.
    Typed(&'a T),
    /// An object that came from elsewhere. Its fields go out as they came,
    /// in their order, but for the three header keys, which are ours to say.
    Raw(&'a RawValue),
}

/// Appends one message and its newline to `out`.
///
/// # Errors
/// Error 13 when the fields do not serialise to a JSON object. `out` may then
/// end in part of a message: the caller cuts it back to where it was.
///
/// ```
/// use eddyline::protocol::{Fields, Outgoing, write_message};
///
/// let header = Outgoing {
///     src: "n1",
///     dest: "c1",
///     kind: "echo",
///     kind_suffix: "_ok",
///     msg_id: Some(1),
///     in_reply_to: Some("2"),
/// };
/// let mut out = Vec::new();
/// write_message(&mut out, &header, Fields::Typed(&serde_json::json!({"echo": "hi"})))?;
/// assert_eq!(
///     String::from_utf8_lossy(&out),
///     "{\"src\":\"n1\",\"dest\":\"c1\",\"body\":{\"type\":\"echo_ok\",\
///      \"msg_id\":1,\"in_reply_to\":2,\"echo\":\"hi\"}}\n",
/// );
/// # Ok::<(), eddyline::Error>(())
/// ```
pub fn write_message<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    header: &Outgoing<'_>,
    fields: Fields<'_, T>,
) -> Result<()> {
    let begin = out.len();
    out.extend_from_slice(b"{\"src\":");
    write_string(out, header.src)?;
    out.extend_from_slice(b",\"dest\":");
    write_string(out, header.dest)?;
    out.extend_from_slice(b",\"body\":{\"type\":");
    write_string(out, header.kind)?;
    if !header.kind_suffix.is_empty() {
        out.pop();
        out.extend_from_slice(header.kind_suffix.as_bytes());
        out.push(b'"');
    }
    if let Some(msg_id) = header.msg_id {
        out.extend_from_slice(b",\"msg_id\":");
        write_integer(out, msg_id)?;
    }
    if let Some(in_reply_to) = header.in_reply_to {
        out.extend_from_slice(b",\"in_reply_to\":");
        out.extend_from_slice(in_reply_to.as_bytes());
    }
    match fields {
        Fields::Typed(fields) => write_typed(out, fields)?,
        Fields::Raw(object) => write_own_fields(out, object)?,
    }
    // A newline can stand in valid JSON only between tokens, where an author's
    // RawValue may have brought one. On the wire it would end the message.
    let mut clean = begin;
    while let Some(newline) = memchr::memchr(b'\n', &out[clean..]) {
        clean += newline;
        out[clean] = b' ';
    }
    out.extend_from_slice(b"}}\n");
    Ok(())
}

/// Appends `,"key":value…`: an object's inside, joined to the header before it.
fn write_typed<T: Serialize + ?Sized>(out: &mut Vec<u8>, fields: &T) -> Result<()> {
    let begin = out.len();
    serde_json::to_writer(&mut *out, fields).map_err(unserialisable)?;
    match &out[begin..] {
        b"{}" | b"null" => out.truncate(begin),
        [b'{', .., b'}'] => {
            out[begin] = b',';
            out.pop();
        }
        other => {
            let shown = super::Excerpt(other);
            let text = format!("the fields of a body must be a JSON object, not {shown}");
            return Err(Error::crash(text));
        }
    }
    Ok(())
}

/// Appends the fields of an object that are not header keys, values byte for byte.
fn write_own_fields(out: &mut Vec<u8>, object: &RawValue) -> Result<()> {
    use serde::Deserializer as _;
    serde_json::Deserializer::from_str(object.get())
        .deserialize_map(OwnFields(out))
        .map_err(|error| Error::malformed_request(format!("not a JSON object: {error}")))
}

struct OwnFields<'a>(&'a mut Vec<u8>);

impl<'de> Visitor<'de> for OwnFields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let value: &'de RawValue = map.next_value()?;
            if HEADER_KEYS.contains(&key.as_ref()) {
                continue;
            }
            self.0.push(b',');
            write_string(self.0, &key).map_err(serde::de::Error::custom)?;
            self.0.push(b':');
            self.0.extend_from_slice(value.get().as_bytes());
        }
        Ok(())
    }
}

fn write_string(out: &mut Vec<u8>, text: &str) -> Result<()> {
    serde_json::to_writer(out, text).map_err(unserialisable)
}

fn write_integer(out: &mut Vec<u8>, integer: u64) -> Result<()> {
    write!(out, "{integer}").map_err(|error| Error::crash(error.to_string()))
}

fn unserialisable(error: serde_json::Error) -> Error {
    Error::crash(format!("the body does not serialise: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn header() -> Outgoing<'static> {
        Outgoing {
            src: "n1",
            dest: "c\"1",
            kind: "k",
            kind_suffix: "",
            msg_id: None,
            in_reply_to: None,
        }
    }

    fn written<T: Serialize + ?Sized>(fields: Fields<'_, T>) -> String {
        let mut out = Vec::new();
        write_message(&mut out, &header(), fields).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_to_say_is_an_empty_body() {
        let expected = "{\"src\":\"n1\",\"dest\":\"c\\\"1\",\"body\":{\"type\":\"k\"}}\n";
        assert_eq!(written(Fields::Typed(&())), expected);
        assert_eq!(written(Fields::Typed(&json!({}))), expected);
    }

    #[test]
    fn a_raw_object_keeps_its_fields_and_loses_its_header() {
        let object =
            r#"{ "a":1e400,"msg_id":7,"b\u0021":[ 1 ,2],"type":"x","in_reply_to":0,"a":-0 }"#;
        let object: &RawValue = serde_json::from_str(object).unwrap();
        let line = written::<()>(Fields::Raw(object));
        let body = r#"{"type":"k","a":1e400,"b!":[ 1 ,2],"a":-0}}"#;
        assert!(line.trim_end().ends_with(body), "{line}");
    }

    #[test]
    fn a_newline_in_raw_json_does_not_end_the_message() {
        let object = RawValue::from_string("{\n\"a\":[\n1]}".to_owned()).unwrap();
        let line = written::<()>(Fields::Raw(&object));
        assert_eq!(line.matches('\n').count(), 1);
        assert!(line.ends_with("\"a\":[ 1]}}\n"), "{line}");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let mut out = Vec::new();
        let refused = write_message(&mut out, &header(), Fields::Typed(&[1, 2]));
        assert!(refused.unwrap_err().text.contains("`[1,2]`"));
    }
}
