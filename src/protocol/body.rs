//! Reading a body as a type of somebody's choice.
//!
//! The type is serde's business, and so is every value in it. Only the walk over
//! the body's own fields is done here: by the scanner, which steps over
//! `type`, `msg_id` and whatever else the type does not name far faster than
//! serde_json does, because their values are not looked at again.

use super::capped::{Capped, TEXT_BYTES_MAX};
use super::outline::Outline;
use super::quote::{Quote, cut};
use super::scan::{Problem, Quoted, Scanner};
use super::{Error, Result};
use serde::Deserialize;
use serde::de::value::{BorrowedStrDeserializer, CowStrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Error as JsonError;
use std::borrow::Cow;
use std::fmt::Display;
use std::ops::Range;

/// How long a body is at most in which serde may quote what it finds wrong without
/// a [cap](Capped): 64 KiB. Escaped that is six times as long, for a moment; a cap on
/// every number and string would cost each message more.
const VERBOSE_BYTES_MAX: usize = 64 << 10;

type JsonResult<T> = std::result::Result<T, JsonError>;

/// Parses a body. What fails is parsed once more by serde_json alone, for the
/// path to the culprit: only what goes wrong pays for a good message.
pub(crate) fn parse_body<'a, T: Deserialize<'a>>(body: &'a str, kind: &str) -> Result<T> {
    deserialize(Body(body, None)).map_or_else(|| parse_again(body, kind), Ok)
}

/// As [`parse_body`], when it is known where the body's fields lie.
pub(crate) fn parse_outlined<'a, T: Deserialize<'a>>(
    body: &'a str,
    outline: &Outline,
    kind: impl FnOnce() -> &'a str,
) -> Result<T> {
    deserialize(Body(body, Some(outline))).map_or_else(|| parse_again(body, kind()), Ok)
}

/// Reads a body; `None` if that fails. Why is not looked at, and yet serde says
/// it: in a longer body, where it could say much, it is made to be brief.
#[inline(always)]
fn deserialize<'a, T: Deserialize<'a>>(body: Body<'a, '_>) -> Option<T> {
    if body.0.len() <= VERBOSE_BYTES_MAX {
        return T::deserialize(body).ok();
    }
    T::deserialize(Capped::body(body)).ok()
}

#[cold]
fn parse_again<'a, T: Deserialize<'a>>(body: &'a str, kind: &str) -> Result<T> {
    let mut again = serde_json::Deserializer::from_str(body);
    if body.len() <= VERBOSE_BYTES_MAX {
        return parse_with(&mut again, kind);
    }
    parse_with(Capped::body(&mut again), kind)
}

fn parse_with<'a, T: Deserialize<'a>>(
    deserializer: impl Deserializer<'a>,
    kind: &str,
) -> Result<T> {
    let kind = Quote(kind);
    let short = |text: &dyn Display| cut(text, TEXT_BYTES_MAX);
    let text = match serde_path_to_error::deserialize::<_, T>(deserializer) {
        Ok(value) => return Ok(value),
        Err(error) if error.path().iter().len() > 0 => {
            let (path, why) = (short(error.path()), short(error.inner()));
            format!("malformed {kind}: field `{path}`: {why}")
        }
        Err(error) => format!("malformed {kind}: {}", short(error.inner())),
    };
    Err(Error::malformed_request(text))
}

/// A JSON object that was scanned before, and where its fields lie if that was
/// noted.
struct Body<'de, 'o>(&'de str, Option<&'o Outline>);

/// What is no map is none of the fast path's business.
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
        if let Some(outline) = self.1.filter(|outline| outline.is_whole()) {
            let mut fields = Outlined {
                body: self.0,
                outline,
                next: 0,
            };
            let value = visitor.visit_map(&mut fields)?;
            // serde_json takes no visitor's leaving early for an answer, either.
            return match outline.key(self.0, fields.next) {
                None => Ok(value),
                Some(_) => Err(wrong(Problem::Trailing)),
            };
        }
        let mut scanner = Scanner::new(self.0);
        if !scanner.take(b'{') {
            return Err(JsonError::custom("not a JSON object"));
        }
        let mut fields = Fields {
            scanner,
            is_first: true,
        };
        let value = visitor.visit_map(&mut fields)?;
        fields.scanner.end().map_err(wrong)?;
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

/// The fields of a body, one after another.
struct Fields<'de> {
    /// Stands before a key, or before the value that belongs to the last one.
    scanner: Scanner<'de>,
    is_first: bool,
}

impl<'de> MapAccess<'de> for &mut Fields<'de> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> JsonResult<Option<K::Value>> {
        let is_first = std::mem::take(&mut self.is_first);
        let key = self.scanner.next_key(is_first).map_err(wrong)?;
        match key.map(Quoted::text) {
            None => Ok(None),
            Some(Some(Cow::Borrowed(key))) => seed
                .deserialize(BorrowedStrDeserializer::new(key))
                .map(Some),
            Some(Some(key)) => seed.deserialize(CowStrDeserializer::new(key)).map(Some),
            Some(None) => Err(wrong(Problem::Surrogate)),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> JsonResult<V::Value> {
        let value = self.scanner.value().map_err(wrong)?;
        seed.deserialize(Value {
            text: value,
            place: 0..value.len(),
        })
    }
}

/// The fields of a body whose places are known.
struct Outlined<'de, 'o> {
    body: &'de str,
    outline: &'o Outline,
    /// Which field's key is asked for next.
    next: usize,
}

impl<'de> MapAccess<'de> for &mut Outlined<'de, '_> {
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

/// A field's value, at its place in a text: serde_json's to read, unless nobody
/// wants it.
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

/// How a `RawValue` asks a deserializer for the text as it is, and what it then
/// expects to be given: a map of this one key. serde_json would read the text
/// once more to find its end; it is a sixth of what a long echo costs, so it is
/// told the end. Should it ever ask in another way, it gets its own answer.
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

/// What JSON takes for a blank.
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

/// Cannot be, for a body was scanned as part of its line.
#[cold]
fn wrong(problem: Problem) -> JsonError {
    JsonError::custom(problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    const BODY: &str =
        r#"{ "type":"t" , "msg_id":5,"n":[1,2.5],"t\u0065xt":"a\nb","o":null,"e":{"V":1}} "#;

    /// By both ways it is the same.
    #[track_caller]
    fn same<'a, T: Deserialize<'a> + Debug + PartialEq>(body: &'a str) -> T {
        let slow = serde_json::from_str(body).ok();
        let line = format!(r#"{{"src":"a","dest":"b","body":{body}}}"#);
        let outline = super::super::Envelope::parse(line.as_bytes())
            .unwrap()
            .outline;
        assert_eq!(T::deserialize(Body(body.trim(), Some(&outline))).ok(), slow);
        assert_eq!(T::deserialize(Body(body, None)).ok(), slow);
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
    fn every_shape_is_what_serde_json_makes_of_it() {
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
        let raw: &RawValue = parse_body(BODY, "t").unwrap();
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
        let raws = Raws::deserialize(Body(BODY, None)).unwrap();
        assert_eq!((raws.n.get(), raws.e.get()), ("[1,2.5]", r#"{"V":1}"#));
        assert!(raws.o.is_none());
        let blanks = r#"{ "n" : [ 1 ] , "o" : null , "e" : { } }"#;
        let raws = Raws::deserialize(Body(blanks, None)).unwrap();
        assert_eq!((raws.n.get(), raws.e.get()), ("[ 1 ]", "{ }"));
        // Were it parsed, this would not do: what serde_json asks for is known.
        let raw = <&RawValue>::deserialize(Value {
            text: "no JSON",
            place: 0..7,
        })
        .unwrap();
        assert_eq!(raw.get(), "no JSON");
    }

    #[test]
    fn what_only_serde_json_can_read_is_read() {
        // Its own deserializer of keys takes newtypes, serde's plain one does not.
        #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        struct Key(String);
        let map: BTreeMap<Key, u8> = parse_body(r#"{"a":1}"#, "t").unwrap();
        assert_eq!(map[&Key("a".to_owned())], 1);
    }

    #[test]
    fn a_wrong_shape_is_named_with_its_field() {
        let error = parse_body::<Typed>(r#"{"n":[1,"x"]}"#, "t").unwrap_err();
        assert!(error.text.contains("field `n[1]`"), "{error}");
        let error = parse_body::<Flat>("{}", "t").unwrap_err();
        assert!(error.text.contains("missing field `msg_id`"), "{error}");
        let twice = r#"{"n":[1,2],"n":[1,2]}"#;
        let error = parse_body::<Typed>(twice, "t").unwrap_err();
        assert!(error.text.contains("duplicate field `n`"), "{error}");
    }
}
