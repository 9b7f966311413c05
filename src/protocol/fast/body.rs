//! A body as a type of the author's choice, with what the scan of its line has seen.
//!
//! serde reads the type and all values in it. Only the walk over the body's own
//! fields is done here: by the outline, which knows where they lie, or by the
//! scanner. Both step over the fields that the type does not name, as `type` and
//! `msg_id` mostly are, without a second look at their values.

use super::outline::Outline;
use super::scan::{ObjectFields, Refused};
use crate::protocol::Result;
use crate::protocol::body::{parse_body, parse_request};
use serde::Deserialize;
use serde::de::value::{BorrowedStrDeserializer, CowStrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Error as JsonError;
use std::borrow::Cow;
use std::ops::Range;

type JsonResult<T> = std::result::Result<T, JsonError>;

/// The message whose body is read, for the text of an error.
pub(crate) enum Subject<'a> {
    /// A request of this type. Another type than the author's enum has is error 10.
    Request(&'a str),
    /// A reply of this type.
    Reply(&'a str),
}

/// Parses a body whose fields lie where `outline` says. It reads the bodies that
/// [`parse_body`] reads, which is asked for the error when this fails.
pub(crate) fn parse_outlined<'a, T: Deserialize<'a>>(
    body: &'a str,
    outline: &Outline,
    subject: impl FnOnce() -> Subject<'a>,
) -> Result<T> {
    match T::deserialize(Body(body, outline)) {
        Ok(value) => Ok(value),
        Err(error) => refuse(error, body, subject),
    }
}

/// Asks the plain parser why a body is not of a type, or for the value after all.
#[cold]
fn refuse<'a, T: Deserialize<'a>>(
    error: JsonError,
    body: &'a str,
    subject: impl FnOnce() -> Subject<'a>,
) -> Result<T> {
    // It may be long, and the plain parser will make another one.
    drop(error);
    match subject() {
        Subject::Request(kind) => parse_request(body, kind),
        Subject::Reply(kind) => parse_body(body, kind),
    }
}

/// A JSON object that was scanned before, and where its fields lie.
struct Body<'de, 'o>(&'de str, &'o Outline);

/// Types that are not a map are read by serde_json alone.
macro_rules! leave_to_serde_json {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> JsonResult<V::Value> {
            serde_json::Deserializer::from_str(self.text()).$method($($argument,)* visitor)
        }
    )*};
}

impl<'de> Body<'de, '_> {
    fn text(&self) -> &'de str {
        self.0
    }
}

impl<'de> Deserializer<'de> for Body<'de, '_> {
    type Error = JsonError;

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> JsonResult<V::Value> {
        if self.1.is_whole() {
            let mut fields = OutlinedFields {
                body: self.0,
                outline: self.1,
                next: 0,
            };
            let value = visitor.visit_map(&mut fields)?;
            // A visitor that leaves fields unread is an error for serde_json, too.
            return match self.1.key(self.0, fields.next) {
                None => Ok(value),
                Some(_) => Err(refused(Refused)),
            };
        }
        let mut fields = ScannedFields(ObjectFields::of(self.0).map_err(refused)?);
        let value = visitor.visit_map(&mut fields)?;
        fields.0.end().map_err(refused)?;
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> JsonResult<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> JsonResult<V::Value> {
        newtype_struct(self.0.trim_matches(BLANKS), name, visitor)
    }

    leave_to_serde_json! {
        deserialize_any();
        deserialize_ignored_any();
        deserialize_option();
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string
        bytes byte_buf unit unit_struct seq tuple tuple_struct identifier
    }
}

/// The fields of a body whose outline is not whole.
struct ScannedFields<'de>(ObjectFields<'de>);

impl<'de> MapAccess<'de> for &mut ScannedFields<'de> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> JsonResult<Option<K::Value>> {
        match self.0.next_key().map_err(refused)? {
            None => Ok(None),
            Some(Cow::Borrowed(key)) => seed
                .deserialize(BorrowedStrDeserializer::new(key))
                .map(Some),
            Some(key) => seed.deserialize(CowStrDeserializer::new(key)).map(Some),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> JsonResult<V::Value> {
        let value = self.0.value().map_err(refused)?;
        seed.deserialize(Value {
            text: value,
            place: 0..value.len(),
        })
    }
}

/// The fields of a body whose outline is whole.
struct OutlinedFields<'de, 'o> {
    body: &'de str,
    outline: &'o Outline,
    /// The number of the field whose key is asked for next.
    next: usize,
}

impl<'de> MapAccess<'de> for &mut OutlinedFields<'de, '_> {
    type Error = JsonError;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> JsonResult<Option<K::Value>> {
        let Some(key) = self.outline.key(self.body, self.next) else {
            return Ok(None);
        };
        self.next += 1;
        seed.deserialize(BorrowedStrDeserializer::new(key))
            .map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> JsonResult<V::Value> {
        let last = self.next.checked_sub(1);
        let place = last.and_then(|last| self.outline.value(last));
        seed.deserialize(Value {
            text: self.body,
            place: place.unwrap_or_default(),
        })
    }
}

/// A field's value, at its place in a text. serde_json reads it, unless the type
/// ignores it.
struct Value<'de> {
    text: &'de str,
    place: Range<usize>,
}

impl<'de> Value<'de> {
    #[inline(always)]
    fn text(&self) -> &'de str {
        self.text.get(self.place.clone()).unwrap_or_default()
    }
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = JsonError;

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> JsonResult<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> JsonResult<V::Value> {
        newtype_struct(self.text(), name, visitor)
    }

    leave_to_serde_json! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
    }
}

/// By this name a `RawValue` asks a deserializer for the text as it is, and expects
/// a map with this one key. serde_json would read the text once more to find its
/// end, a sixth of the cost of a long echo. Here the end is known. If a later
/// `RawValue` asks in another way, serde_json answers it.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

fn newtype_struct<'de, V: Visitor<'de>>(
    text: &'de str,
    name: &'static str,
    visitor: V,
) -> JsonResult<V::Value> {
    if name == RAW_VALUE {
        return visitor.visit_map(Raw(text));
    }
    serde_json::Deserializer::from_str(text).deserialize_newtype_struct(name, visitor)
}

/// The blanks of JSON.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// The text of a body or of a field's value, for a `RawValue`.
struct Raw<'de>(&'de str);

impl<'de> MapAccess<'de> for Raw<'de> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> JsonResult<Option<K::Value>> {
        let key = BorrowedStrDeserializer::new(RAW_VALUE);
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> JsonResult<V::Value> {
        seed.deserialize(BorrowedStrDeserializer::new(self.0))
    }
}

/// An error without a reason: the plain parser is asked for that.
#[cold]
fn refused(Refused: Refused) -> JsonError {
    JsonError::custom("refused")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    const BODY: &str =
        r#"{ "type":"t" , "msg_id":5,"n":[1,2.5],"t\u0065xt":"a\nb","o":null,"e":{"V":1}} "#;

    /// A body whose fields are found by the scanner.
    fn scanned(body: &str) -> Body<'_, 'static> {
        static UNKNOWN: Outline = Outline::unknown();
        Body(body, &UNKNOWN)
    }

    /// Checks that the shortcut reads what serde_json reads, by the outline and by
    /// the scanner.
    #[track_caller]
    fn same<'a, T: Deserialize<'a> + Debug + PartialEq>(body: &'a str) -> T {
        let slow = serde_json::from_str(body).ok();
        let line = format!(r#"{{"src":"a","dest":"b","body":{body}}}"#);
        let outline = crate::protocol::Parser::default()
            .parse(line.as_bytes())
            .unwrap()
            .outline;
        assert_eq!(T::deserialize(Body(body.trim(), &outline)).ok(), slow);
        assert_eq!(T::deserialize(scanned(body)).ok(), slow);
        slow.expect("it has this shape")
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Choice {
        V(u8),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Typed<'a> {
        n: (u8, f64),
        #[serde(borrow)]
        text: Cow<'a, str>,
        o: Option<u8>,
        missing: Option<String>,
        e: Choice,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Flat {
        msg_id: u64,
        #[serde(flatten)]
        rest: BTreeMap<String, serde_json::Value>,
    }

    #[test]
    fn every_type_is_read_as_serde_json_reads_it() {
        let typed: Typed = same(BODY);
        assert_eq!(
            (typed.n, &*typed.text, typed.e),
            ((1, 2.5), "a\nb", Choice::V(1))
        );
        assert_eq!(same::<Flat>(BODY).rest.len(), 5);
        assert_eq!(same::<serde_json::Value>(BODY)["n"][0], 1);
        assert_eq!(
            same::<Option<BTreeMap<String, serde_json::Value>>>(BODY).map(|m| m.len()),
            Some(6)
        );
        let raw: &RawValue =
            parse_outlined(BODY, &Outline::unknown(), || Subject::Reply("t")).unwrap();
        assert_eq!(raw.get(), BODY.trim());
    }

    #[test]
    fn a_key_may_have_escapes_and_fields_may_be_many() {
        same::<serde_json::Value>(r#"{"\u0061":1,"b":2}"#);
        let many: Vec<_> = (0..20).map(|n| format!("\"k{n}\":{n}")).collect();
        let body: &'static str = format!("{{{}}}", many.join(",")).leak();
        assert_eq!(same::<BTreeMap<String, u8>>(body)["k19"], 19);
    }

    #[test]
    fn a_raw_value_is_given_its_text_and_not_parsed() {
        #[derive(Deserialize)]
        struct Raws<'a> {
            #[serde(borrow)]
            n: &'a RawValue,
            o: Option<Box<RawValue>>,
            e: Box<RawValue>,
        }
        let raws = Raws::deserialize(scanned(BODY)).unwrap();
        assert_eq!((raws.n.get(), raws.e.get()), ("[1,2.5]", r#"{"V":1}"#));
        assert!(raws.o.is_none());
        let blanks = r#"{ "n" : [ 1 ] , "o" : null , "e" : { } }"#;
        let raws = Raws::deserialize(scanned(blanks)).unwrap();
        assert_eq!((raws.n.get(), raws.e.get()), ("[ 1 ]", "{ }"));
        // Parsing this text would fail, so it is not parsed.
        let raw = <&RawValue>::deserialize(Value {
            text: "no JSON",
            place: 0..7,
        })
        .unwrap();
        assert_eq!(raw.get(), "no JSON");
    }

    #[test]
    fn a_type_that_only_serde_json_can_read_is_read() {
        // Its own deserializer of keys takes newtypes, serde's plain one does not.
        #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        struct Key(String);
        let map: BTreeMap<Key, u8> =
            parse_outlined(r#"{"a":1}"#, &Outline::unknown(), || Subject::Reply("t")).unwrap();
        assert_eq!(map[&Key("a".to_owned())], 1);
    }

    fn wrong<'a, T: Deserialize<'a> + Debug>(body: &'a str) -> crate::protocol::Error {
        parse_outlined::<T>(body, &Outline::unknown(), || Subject::Reply("t")).unwrap_err()
    }

    #[test]
    fn a_wrong_shape_is_named_with_its_field() {
        let error = wrong::<Typed>(r#"{"n":[1,"x"]}"#);
        assert!(error.text.contains("field `n[1]`"), "{error}");
        let error = wrong::<Flat>("{}");
        assert!(error.text.contains("missing field `msg_id`"), "{error}");
        let twice = r#"{"n":[1,2],"n":[1,2]}"#;
        let error = wrong::<Typed>(twice);
        assert!(error.text.contains("duplicate field `n`"), "{error}");
    }
}
