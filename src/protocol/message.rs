//! Writing a message: one compact JSON object and a newline, header keys first.
//!
//! A message is written into the caller's buffer in two steps: `write_header` up to
//! the body's own fields, then `write_fields`. A [`Content`] is a body that is
//! serialised before its number is known, or that is sent more than once.

use super::fast::{ObjectFields, is_plain};
use super::fields::{Keys, OneLine, write_object};
use super::own_header::{HEADER_KEYS, OwnHeader, ReplyKind};
use super::{Error, Result};
use serde::Serialize;
use serde_json::ser::Formatter as _;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The fields of a body besides `type`, `msg_id` and `in_reply_to`.
///
/// ```
/// use eddyline::protocol::{Content, Fields};
///
/// let typed = Content::new(Vec::new(), "add", Fields::Typed(&serde_json::json!({"delta": 1})))?;
/// let raw = serde_json::from_str(r#"{"type":"never mind","delta":1}"#).unwrap();
/// let raw = Content::new(Vec::new(), "add", Fields::<()>::Raw(raw))?;
/// assert_eq!(typed.into_bytes(), raw.into_bytes());
/// # Ok::<(), eddyline::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Fields<'a, T: ?Sized> {
    /// A value that serialises to a JSON object; `()` is an empty one. Fields that
    /// are named like header keys are left out. In a [`Content`] they must agree with it.
    Typed(&'a T),
    /// An object from elsewhere. Its fields go out as they came and in their order.
    /// The three header keys are left out.
    Raw(&'a RawValue),
}

/// The number of a message, and the number of the request that it answers.
///
/// ```
/// use eddyline::protocol::{Numbers, write_header};
///
/// let mut out = Vec::new();
/// write_header(&mut out, ("n1", "n2"), ("tell", ""), Numbers::default()); // neither of the two
/// assert_eq!(out, br#"{"src":"n1","dest":"n2","body":{"type":"tell""#);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Numbers<'a> {
    /// The body's `msg_id`.
    pub msg_id: Option<u64>,
    /// The body's `in_reply_to`, a JSON integer exactly as the request wrote it.
    pub in_reply_to: Option<&'a str>,
}

/// Appends a message up to the body's own fields. `suffix` is appended to `kind`:
/// the type of a reply is `<the request's type>_ok`.
///
/// ```
/// use eddyline::protocol::{Numbers, write_header};
///
/// let mut out = Vec::new();
/// let numbers = Numbers { msg_id: None, in_reply_to: Some("2") };
/// write_header(&mut out, ("n1", "c1"), ("add", "_ok"), numbers);
/// assert_eq!(out, br#"{"src":"n1","dest":"c1","body":{"type":"add_ok","in_reply_to":2"#);
/// ```
pub fn write_header(
    out: &mut Vec<u8>,
    (src, dest): (&str, &str),
    (kind, suffix): (&str, &str),
    numbers: Numbers<'_>,
) {
    write_front(out, src, dest, kind, suffix);
    write_numbers(out, numbers);
}

/// The beginning of every message of a node, up to the receiver's name; `None` if
/// the node's name needs escapes. It is made once, for [`write_plain_header`].
pub(crate) fn plain_front(src: &str) -> Option<String> {
    is_plain(src).then(|| format!("{{\"src\":\"{src}\",\"dest\":\""))
}

/// A shortcut of [`write_header`], for a reply whose receiver and type are known to
/// need no escape. Checking that again would take 150 instructions, and assembling
/// the front 50.
pub(crate) fn write_plain_header(
    out: &mut Vec<u8>,
    front: &str,
    dest: &str,
    kind: ReplyKind<'_>,
    (msg_id, in_reply_to): (u64, &str),
) {
    let body = "\",\"body\":{\"type\":\"";
    match kind {
        ReplyKind::Ok(request) => put(out, [front, dest, body, request, "_ok\",\"msg_id\":"]),
        ReplyKind::Named(_) | ReplyKind::Error => {
            put(out, [front, dest]);
            write_kind(out, kind);
        }
    }
    out.extend_from_slice(digits(msg_id, &mut [0; 20]));
    put(out, [",\"in_reply_to\":", in_reply_to]);
}

/// The type of a reply that is not `…_ok`. Its own function: an escaped text would cost every
/// reply ten instructions.
#[inline(never)]
fn write_kind(out: &mut Vec<u8>, kind: ReplyKind<'_>) {
    let kind = escaped(kind.parts().0);
    put(out, ["\",\"body\":{\"type\":\"", &kind, "\",\"msg_id\":"]);
}

/// Appends the body's own fields, and ends the message and its line.
///
/// # Errors
/// Error 13 when the fields do not serialise to a JSON object. `out` may then
/// end in part of a message: the caller cuts it back to where it was.
///
/// ```
/// use eddyline::protocol::{Fields, Numbers, write_fields, write_header};
///
/// let mut out = Vec::new();
/// let numbers = Numbers { msg_id: Some(1), in_reply_to: Some("2") };
/// write_header(&mut out, ("n1", "c1"), ("echo", "_ok"), numbers);
/// write_fields(&mut out, Fields::Typed(&serde_json::json!({"echo": "hi"})))?;
/// assert_eq!(
///     String::from_utf8_lossy(&out),
///     "{\"src\":\"n1\",\"dest\":\"c1\",\"body\":{\"type\":\"echo_ok\",\
///      \"msg_id\":1,\"in_reply_to\":2,\"echo\":\"hi\"}}\n",
/// );
/// # Ok::<(), eddyline::Error>(())
/// ```
pub fn write_fields<T: Serialize + ?Sized>(out: &mut Vec<u8>, fields: Fields<'_, T>) -> Result<()> {
    write_body(out, fields, |_own_header, _out| Ok(()))
}

/// As [`write_fields`]. If header keys were left out, `decide` is called with them when the
/// other fields are written. Of a raw object only the type is noted.
#[inline(always)]
pub(crate) fn write_body<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    fields: Fields<'_, T>,
    decide: impl FnOnce(&OwnHeader, &mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    match fields {
        Fields::Typed(fields) => write_typed(out, fields, decide)?,
        Fields::Raw(object) => {
            let mut own = OwnHeader::default();
            write_own_fields(out, object, |key, json| own.note_raw(key, json))?;
            decide(&own, out)?;
        }
    }
    out.extend_from_slice(b"}}\n");
    Ok(())
}

/// A body without its numbers, serialised before it is known when, or how
/// often, it will be sent.
///
/// ```
/// use eddyline::protocol::{Content, Fields};
///
/// let ping = Content::new(Vec::new(), "ping", Fields::Typed(&()))?;
/// let mut out = Vec::new();
/// for (msg_id, peer) in ["n2", "n3"].iter().enumerate() {
///     ping.write(&mut out, "n1", peer, msg_id as u64);
/// }
/// assert!(out.ends_with(b"{\"src\":\"n1\",\"dest\":\"n3\",\"body\":{\"type\":\"ping\",\"msg_id\":1}}\n"));
/// # Ok::<(), eddyline::Error>(())
/// ```
#[derive(Debug)]
pub struct Content {
    /// The type, escaped and without quotes, then the fields and the line's end.
    bytes: Vec<u8>,
    kind_len: usize,
}

impl Content {
    /// Serialises a body into `bytes`, which are cleared first.
    ///
    /// ```
    /// use eddyline::protocol::{Content, Fields};
    ///
    /// assert!(Content::new(Vec::new(), "ping", Fields::Typed(&())).is_ok());
    /// assert_eq!(Content::new(Vec::new(), "ping", Fields::Typed(&7)).unwrap_err().code.number(), 13);
    /// ```
    ///
    /// # Errors
    /// Error 13 when the fields do not serialise to a JSON object, or when typed fields have
    /// another `type` than `kind`, or numbers.
    pub fn new<T: Serialize + ?Sized>(
        mut bytes: Vec<u8>,
        kind: &str,
        fields: Fields<'_, T>,
    ) -> Result<Content> {
        bytes.clear();
        bytes.extend_from_slice(escaped(kind).as_bytes());
        let kind_len = bytes.len();
        match fields {
            Fields::Typed(_) => {
                write_body(&mut bytes, fields, |own, _| own.of_message(kind))?;
            }
            // The body of a `RawRequest`, whose type is `kind`.
            Fields::Raw(object) => {
                write_own_fields(&mut bytes, object, |_key, _json| Ok(()))?;
                bytes.extend_from_slice(b"}}\n");
            }
        }
        Ok(Content { bytes, kind_len })
    }

    /// Appends a whole message with this body to `out`.
    ///
    /// ```
    /// # use eddyline::protocol::{Content, Fields};
    /// # let ping = Content::new(Vec::new(), "ping", Fields::Typed(&()))?;
    /// let mut out = Vec::new();
    /// ping.write(&mut out, "n1", "n2", 7);
    /// assert_eq!(out, b"{\"src\":\"n1\",\"dest\":\"n2\",\"body\":{\"type\":\"ping\",\"msg_id\":7}}\n");
    /// # Ok::<(), eddyline::Error>(())
    /// ```
    pub fn write(&self, out: &mut Vec<u8>, src: &str, dest: &str, msg_id: u64) {
        let (kind, fields) = self.bytes.split_at(self.kind_len);
        // `kind` is escaped already, so it replaces the empty type before its quote.
        write_front(out, src, dest, "", "");
        out.pop();
        out.extend_from_slice(kind);
        out.push(b'"');
        let numbers = Numbers {
            msg_id: Some(msg_id),
            in_reply_to: None,
        };
        write_numbers(out, numbers);
        out.extend_from_slice(fields);
    }

    /// The memory, for the next content.
    ///
    /// ```
    /// # use eddyline::protocol::{Content, Fields};
    /// let memory = Vec::with_capacity(100);
    /// let ping = Content::new(memory, "ping", Fields::Typed(&()))?;
    /// let pong = Content::new(ping.into_bytes(), "pong", Fields::Typed(&()))?;
    /// # Ok::<(), eddyline::Error>(())
    /// ```
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Appends a message up to the end of its type.
///
/// Names and types hardly ever need an escape. Checking that takes a quarter of the
/// work of escaping them.
#[inline(always)]
fn write_front(out: &mut Vec<u8>, src: &str, dest: &str, kind: &str, suffix: &str) {
    if is_plain(src) && is_plain(dest) && is_plain(kind) && is_plain(suffix) {
        write_plain_front(out, src, dest, kind, suffix);
    } else {
        let [src, dest, kind, suffix] = [src, dest, kind, suffix].map(escape);
        write_plain_front(out, &src, &dest, &kind, &suffix);
    }
}

#[inline(always)]
fn write_plain_front(out: &mut Vec<u8>, src: &str, dest: &str, kind: &str, suffix: &str) {
    put(
        out,
        [
            "{\"src\":\"",
            src,
            "\",\"dest\":\"",
            dest,
            "\",\"body\":{\"type\":\"",
            kind,
            suffix,
            "\"",
        ],
    );
}

#[inline(always)]
fn write_numbers(out: &mut Vec<u8>, numbers: Numbers<'_>) {
    if let Some(msg_id) = numbers.msg_id {
        put(out, [",\"msg_id\":"]);
        out.extend_from_slice(digits(msg_id, &mut [0; 20]));
    }
    if let Some(in_reply_to) = numbers.in_reply_to {
        put(out, [",\"in_reply_to\":", in_reply_to]);
    }
}

/// Appends pieces, and makes room for all of them at once.
#[inline(always)]
fn put<const N: usize>(out: &mut Vec<u8>, pieces: [&str; N]) {
    out.reserve(pieces.iter().map(|piece| piece.len()).sum());
    for piece in pieces {
        out.extend_from_slice(piece.as_bytes());
    }
}

fn escaped(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(escape(text))
    }
}

/// The text as the inside of a JSON string.
#[cold]
fn escape(text: &str) -> String {
    // Serialising a string never fails.
    let quoted = serde_json::to_string(text).unwrap_or_default();
    let inside = quoted.strip_prefix('"').and_then(|q| q.strip_suffix('"'));
    inside.unwrap_or_default().to_owned()
}

/// A number in decimal. It is written into `room` from the end, two digits at a time.
#[inline(always)]
fn digits(mut number: u64, room: &mut [u8; 20]) -> &[u8] {
    let mut begin = room.len();
    while number >= 10 && begin >= 2 {
        begin -= 2;
        // A remainder of a hundred is two digits.
        let pair = number % 100;
        room[begin] = b'0' + (pair / 10) as u8;
        room[begin + 1] = b'0' + (pair % 10) as u8;
        number /= 100;
    }
    if (number > 0 || begin == room.len()) && begin > 0 {
        begin -= 1;
        room[begin] = b'0' + (number % 10) as u8;
    }
    &room[begin..]
}

/// Appends `,"key":value…`: an object's inside, joined to the header before it.
fn write_typed<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    fields: &T,
    decide: impl FnOnce(&OwnHeader, &mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    let begin = out.len();
    let keys = write_object(out, fields)?;
    match &out[begin..] {
        [] | b"{}" => out.truncate(begin),
        _ if keys == Keys::Any => write_searched(out, begin, decide)?,
        _ => {
            out[begin] = b',';
            out.pop();
        }
    }
    Ok(())
}

/// Replaces the object at `begin` by its fields without the header keys. It is not part of
/// each place that writes a message: most objects are structs without header keys.
#[inline(never)]
fn write_searched(
    out: &mut Vec<u8>,
    begin: usize,
    decide: impl FnOnce(&OwnHeader, &mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    let object = String::from_utf8_lossy(&out[begin..]).into_owned();
    let object = RawValue::from_string(object).map_err(unserialisable)?;
    out.truncate(begin);
    let mut own = OwnHeader::default();
    // An error here is the author's, so it is error 13 and not 12.
    write_own_fields(out, &object, |key, json| own.note(key, json))
        .map_err(|error| Error::crash(error.text))?;
    decide(&own, out)
}

/// Appends the fields of an object but for header keys, with values byte for byte. The header
/// keys and their values go to `note`.
fn write_own_fields(
    out: &mut Vec<u8>,
    object: &RawValue,
    mut note: impl FnMut(&str, &str) -> Result<()>,
) -> Result<()> {
    let Ok(mut fields) = ObjectFields::of(object.get()) else {
        return Err(Error::malformed_request("not a JSON object"));
    };
    while let Some(key) = fields.next_key().map_err(|_| unusable_key())? {
        let value = fields.value().map_err(|_| unusable_key())?;
        if HEADER_KEYS.contains(&key.as_ref()) {
            note(&key, value)?;
            continue;
        }
        match &key {
            // A key without escapes needs none.
            Cow::Borrowed(key) => put(out, [",\"", key, "\":"]),
            Cow::Owned(key) => put(out, [",\"", &escaped(key), "\":"]),
        }
        OneLine
            .write_raw_fragment(&mut *out, value)
            .map_err(|error| unserialisable(serde_json::Error::io(error)))?;
    }
    Ok(())
}

/// A raw value is JSON, so only a key can be wrong: one that stands for no text.
#[cold]
fn unusable_key() -> Error {
    Error::malformed_request("a key has an escaped half of a surrogate pair, which is no text")
}

fn unserialisable(error: serde_json::Error) -> Error {
    Error::crash(format!("the body does not serialise: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written<T: Serialize + ?Sized>(fields: Fields<'_, T>) -> String {
        let mut out = Vec::new();
        write_header(&mut out, ("n1", "c\"1"), ("k", ""), Numbers::default());
        write_fields(&mut out, fields).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_content_is_the_same_message_in_two_steps() {
        let fields = json!({"a": 1});
        let content = Content::new(vec![1, 2], "k", Fields::Typed(&fields)).unwrap();
        let mut out = Vec::new();
        content.write(&mut out, "n1", "n2", 7);
        let expected =
            "{\"src\":\"n1\",\"dest\":\"n2\",\"body\":{\"type\":\"k\",\"msg_id\":7,\"a\":1}}\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn no_fields_are_an_empty_body() {
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
    fn a_value_that_is_not_an_object_is_refused() {
        let refused = write_fields(&mut Vec::new(), Fields::Typed(&[1, 2]));
        assert!(refused.unwrap_err().text.contains("must be a JSON object"));
    }

    #[test]
    fn header_keys_of_the_author_are_left_out() {
        #[derive(Serialize)]
        struct Whole {
            r#type: &'static str,
            msg_id: u64,
            a: u64,
        }
        let whole = Whole {
            r#type: "x",
            msg_id: 5,
            a: 1,
        };
        let expected = r#"{"type":"k","a":1}}"#;
        assert!(
            written(Fields::Typed(&whole))
                .trim_end()
                .ends_with(expected)
        );
        let map = json!({"a": 1, "type": "x", "in_reply_to": 7, "msg_id": 5});
        assert!(written(Fields::Typed(&map)).trim_end().ends_with(expected));
        let raw = RawValue::from_string(map.to_string()).unwrap();
        assert!(written(Fields::Typed(&raw)).trim_end().ends_with(expected));
    }
}
