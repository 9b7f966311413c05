//! Serialising the author's fields into a body.
//!
//! The header keys belong to the protocol. An author may hand the whole body of a
//! request back, as other languages' libraries teach. Then each header key would
//! stand twice in the message, and its readers could take either. So an object that
//! may have them is searched once it is written, and `own_header.rs` decides what
//! becomes of them. A struct's field names cost nothing to compare. A map has its keys
//! only at run time, so it is always searched.

use super::Error;
use super::own_header::HEADER_KEYS;
use serde::ser::{Impossible, SerializeStruct, Serializer};
use serde::{Serialize, ser};
use serde_json::Error as JsonError;
use serde_json::ser::{Compound, Formatter};
use std::io;

/// serde_json's name for the only field of a `RawValue`, which is any JSON.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// Appends `fields` as a JSON object, or nothing for `()`. Returns whether header keys
/// may be in it.
pub(super) fn write_object<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    fields: &T,
) -> Result<Keys, Error> {
    let mut json = serde_json::Serializer::with_formatter(out, OneLine);
    let mut keys = Keys::Own;
    let top = Top {
        json: &mut json,
        keys: &mut keys,
    };
    fields
        .serialize(top)
        .map_err(|error| Error::crash(format!("the body does not serialise: {error}")))?;
    Ok(keys)
}

/// The keys of an object that was written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// Header keys are not among them.
    Own,
    /// They have to be searched for header keys.
    Any,
}

type Json<'b> = serde_json::Serializer<&'b mut Vec<u8>, OneLine>;

/// Compact JSON without a newline, which would end the message on the wire. Valid
/// JSON can have one only between tokens, as an author's `RawValue` may. A carriage
/// return stays, so that an echo goes back byte for byte.
pub(super) struct OneLine;

impl Formatter for OneLine {
    // The search comes before the copy. Reading bytes that were just written has to
    // wait for them, which took 4% of a short echo.
    fn write_raw_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        match memchr::memchr(b'\n', fragment.as_bytes()) {
            None => writer.write_all(fragment.as_bytes()),
            Some(_) => writer.write_all(fragment.replace('\n', " ").as_bytes()),
        }
    }
}

/// Serialises the outermost value of a body.
struct Top<'a, 'b> {
    json: &'a mut Json<'b>,
    keys: &'a mut Keys,
}

/// Serialises a struct, and notices fields that are named like header keys.
struct Struct<'a, 'b> {
    json: Compound<'a, &'b mut Vec<u8>, OneLine>,
    keys: &'a mut Keys,
}

impl SerializeStruct for Struct<'_, '_> {
    type Ok = ();
    type Error = JsonError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), JsonError> {
        if HEADER_KEYS.contains(&key) || key == RAW_VALUE {
            *self.keys = Keys::Any;
        }
        SerializeStruct::serialize_field(&mut self.json, key, value)
    }

    fn end(self) -> Result<(), JsonError> {
        SerializeStruct::end(self.json)
    }
}

/// A body is an object. Any other value is refused before it is written.
macro_rules! refuse {
    ($($method:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<$output, JsonError> {
            Err(not_an_object())
        }
    )*};
}

fn not_an_object() -> JsonError {
    ser::Error::custom("the fields of a body must be a JSON object")
}

impl<'a, 'b> Serializer for Top<'a, 'b> {
    type Ok = ();
    type Error = JsonError;
    type SerializeSeq = Impossible<(), JsonError>;
    type SerializeTuple = Impossible<(), JsonError>;
    type SerializeTupleStruct = Impossible<(), JsonError>;
    type SerializeTupleVariant = Impossible<(), JsonError>;
    type SerializeMap = Compound<'a, &'b mut Vec<u8>, OneLine>;
    type SerializeStruct = Struct<'a, 'b>;
    type SerializeStructVariant = Compound<'a, &'b mut Vec<u8>, OneLine>;

    // Not inlined, it would return its value through memory, in pieces: 5 ns for
    // each message.
    #[inline(always)]
    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Struct<'a, 'b>, JsonError> {
        Ok(Struct {
            json: self.json.serialize_struct(name, len)?,
            keys: self.keys,
        })
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, JsonError> {
        *self.keys = Keys::Any;
        self.json.serialize_map(len)
    }

    fn serialize_unit(self) -> Result<(), JsonError> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), JsonError> {
        Ok(())
    }

    fn serialize_none(self) -> Result<(), JsonError> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), JsonError> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), JsonError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), JsonError> {
        *self.keys = Keys::Any;
        self.json
            .serialize_newtype_variant(name, index, variant, value)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, JsonError> {
        *self.keys = Keys::Any;
        self.json
            .serialize_struct_variant(name, index, variant, len)
    }

    refuse! {
        serialize_bool(value: bool) -> ();
        serialize_i8(value: i8) -> ();
        serialize_i16(value: i16) -> ();
        serialize_i32(value: i32) -> ();
        serialize_i64(value: i64) -> ();
        serialize_u8(value: u8) -> ();
        serialize_u16(value: u16) -> ();
        serialize_u32(value: u32) -> ();
        serialize_u64(value: u64) -> ();
        serialize_f32(value: f32) -> ();
        serialize_f64(value: f64) -> ();
        serialize_char(value: char) -> ();
        serialize_str(value: &str) -> ();
        serialize_bytes(value: &[u8]) -> ();
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> ();
        serialize_seq(len: Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(len: usize) -> Self::SerializeTuple;
        serialize_tuple_struct(name: &'static str, len: usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(
            name: &'static str,
            index: u32,
            variant: &'static str,
            len: usize
        ) -> Self::SerializeTupleVariant;
    }
}
