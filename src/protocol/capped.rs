//! Errors of a bounded length from any deserializer.
//!
//! What serde says of a wrong value quotes it, whatever its length: a string
//! of 15 MiB of control characters gives an error of 90 MiB. The text is made deep
//! inside, by whoever finds the value wrong, as an error of the deserializer's own
//! type. So this wraps a deserializer, and everything that it hands out, to put
//! an error type of its own there, which cuts what it quotes before there is a text.
//! It costs time with each value, so that only long bodies are read this way.

use super::quote::{QUOTE_BYTES_MAX, Quote, beginning, cut};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, Error, Expected, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde_json::Error as JsonError;
use std::fmt;

/// How many bytes the text of an error has at most: 4 KiB. serde's own have a
/// hundred; an author's may list what they would have taken.
pub(super) const TEXT_BYTES_MAX: usize = 4 << 10;

/// A deserializer, or a part of one, whose errors are short.
pub(super) struct Capped<T> {
    inner: T,
    /// It is a value inside of a body. There serde_json is asked for whatever the
    /// value is, and not for what it should be: if it were something else,
    /// serde_json would say so itself, at length.
    is_value: bool,
}

impl<T> Capped<T> {
    /// For a body. It is an object, which nobody quotes.
    pub(super) fn body(inner: T) -> Capped<T> {
        let is_value = false;
        Capped { inner, is_value }
    }

    /// For a key: a string, which may have to be read as a number.
    fn key(inner: T) -> Capped<T> {
        Capped::body(inner)
    }

    fn value(inner: T) -> Capped<T> {
        let is_value = true;
        Capped { inner, is_value }
    }
}

/// An error with a short text, in serde_json's words for JSON's types.
#[derive(Debug)]
pub(super) struct Short(JsonError);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Short {}

impl Error for Short {
    fn custom<T: fmt::Display>(text: T) -> Short {
        Short(JsonError::custom(cut(text, TEXT_BYTES_MAX)))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Short {
        match long_string(unexpected) {
            Some(shown) => {
                Short::custom(format_args!("invalid type: {shown}, expected {expected}"))
            }
            None => Short(JsonError::invalid_type(unexpected, expected)),
        }
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Short {
        match long_string(unexpected) {
            Some(shown) => {
                Short::custom(format_args!("invalid value: {shown}, expected {expected}"))
            }
            None => Short(JsonError::invalid_value(unexpected, expected)),
        }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Short {
        let variant = beginning(variant, QUOTE_BYTES_MAX);
        Short(JsonError::unknown_variant(variant, expected))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Short {
        let field = beginning(field, QUOTE_BYTES_MAX);
        Short(JsonError::unknown_field(field, expected))
    }
}

/// A value that is not to be quoted whole, as it is shown. Others are short: JSON
/// has no bytes.
fn long_string(unexpected: Unexpected<'_>) -> Option<String> {
    match unexpected {
        Unexpected::Str(text) if text.len() > QUOTE_BYTES_MAX => {
            Some(format!("string {}", Quote(text)))
        }
        _ => None,
    }
}

/// The same, of either error type.
fn same<A: fmt::Display, B: Error>(error: A) -> B {
    B::custom(error)
}

/// Reads a value from its text, or says why not.
pub(crate) fn parse_value<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, String> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let value = T::deserialize(Capped::value(&mut deserializer)).map_err(|why| why.to_string())?;
    deserializer.end().map_err(|why| why.to_string())?;
    Ok(value)
}

/// What serde_json takes in one shape only, or says nothing long of.
macro_rules! as_asked {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Short> {
            let is_value = self.is_value;
            let visitor = Capped { inner: visitor, is_value };
            self.inner.$method($($argument,)* visitor).map_err(same)
        }
    )*};
}

/// What might be a long string instead.
macro_rules! as_it_is {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Short> {
            if self.is_value {
                return self.deserialize_any(visitor);
            }
            self.inner.$method($($argument,)* Capped::key(visitor)).map_err(same)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Capped<D> {
    type Error = Short;

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Short> {
        self.inner.deserialize_any(Choice(visitor)).map_err(same)
    }

    as_asked! {
        deserialize_any();
        deserialize_ignored_any();
        deserialize_i128();
        deserialize_u128();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_newtype_struct(name: &'static str);
        deserialize_identifier();
    }

    as_it_is! {
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_f32();
        deserialize_f64();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
    }
}

macro_rules! visit {
    ($($method:ident($($argument:ident: $type:ty)?);)*) => {$(
        fn $method<E: Error>(self, $($argument: $type)?) -> Result<V::Value, E> {
            self.inner.$method::<Short>($($argument)?).map_err(same)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Capped<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit! {
        visit_bool(value: bool);
        visit_i8(value: i8);
        visit_i16(value: i16);
        visit_i32(value: i32);
        visit_i64(value: i64);
        visit_i128(value: i128);
        visit_u8(value: u8);
        visit_u16(value: u16);
        visit_u32(value: u32);
        visit_u64(value: u64);
        visit_u128(value: u128);
        visit_f32(value: f32);
        visit_f64(value: f64);
        visit_char(value: char);
        visit_str(value: &str);
        visit_borrowed_str(value: &'de str);
        visit_string(value: String);
        visit_bytes(value: &[u8]);
        visit_borrowed_bytes(value: &'de [u8]);
        visit_byte_buf(value: Vec<u8>);
        visit_none();
        visit_unit();
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let is_value = self.is_value;
        let some = Capped { inner, is_value };
        self.inner.visit_some(some).map_err(same)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let is_value = self.is_value;
        let wrapped = Capped { inner, is_value };
        self.inner.visit_newtype_struct(wrapped).map_err(same)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Capped::value(seq)).map_err(same)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Capped::value(map)).map_err(same)
    }
}

/// Whoever wants an enum: a string is the name of a variant, and an object has
/// it as its only key.
struct Choice<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Choice<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<V::Value, E> {
        let name = StrDeserializer::<Short>::new(name);
        self.0.visit_enum(name).map_err(same)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        let map = MapAccessDeserializer::new(Capped::value(map));
        self.0.visit_enum(map).map_err(same)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Capped<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let is_value = self.is_value;
        let place = Capped { inner, is_value };
        self.inner.deserialize(place).map_err(same)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Capped<A> {
    type Error = Short;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Short> {
        let seed = Capped::value(seed);
        self.inner.next_element_seed(seed).map_err(same)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Capped<A> {
    type Error = Short;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Short> {
        self.inner.next_key_seed(Capped::key(seed)).map_err(same)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Short> {
        let seed = Capped::value(seed);
        self.inner.next_value_seed(seed).map_err(same)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}
