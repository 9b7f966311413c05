//! Why a body is not of the author's type.
//!
//! A body is read a second time here, in slower ways, once serde has refused it. Nothing of it
//! is on a path that has to be fast.
//!
//! serde notes the path to a wrong field while it reads the body. It cannot do so for an enum
//! with `#[serde(tag = "type")]`, nor behind `#[serde(flatten)]`: there the derived code
//! first collects all fields, and reads them when the body has ended. Then the fields are
//! tried one by one, each with the header alone: the wrong one causes the same error again.

use super::fast::ObjectFields;
use super::own_header::HEADER_KEYS;
use super::quote::{Quote, TEXT_BYTES_MAX, cut};
use super::{Error, Result};
use serde::Deserialize;
use serde::de::value::MapDeserializer;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// How many fields are tried alone: 1,000, about a millisecond's work. Bodies for people are
/// far smaller, and a line has room for a million fields.
const FIELDS_TRIED_MAX: usize = 1_000;

/// Parses the body of a message of type `kind` a second time, or says with error 12 which
/// field is wrong.
#[cold]
pub(super) fn parse_with_path<'a, T: Deserialize<'a>>(body: &'a str, kind: &str) -> Result<T> {
    let mut json = serde_json::Deserializer::from_str(body);
    let error = match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let why = cut(error.inner(), TEXT_BYTES_MAX);
    let path = if error.path().iter().len() > 0 {
        Some(cut(error.path(), TEXT_BYTES_MAX))
    } else {
        wrong_field::<T>(body).map(|key| cut(key, TEXT_BYTES_MAX))
    };
    let kind = Quote(kind);
    Err(Error::malformed_request(match path {
        Some(path) => format!("malformed {kind}: field `{path}`: {why}"),
        None => format!("malformed {kind}: {why}"),
    }))
}

/// Whether a body that was refused has a type that is no variant of the enum `T`.
#[cold]
pub(super) fn has_unknown_type<'a, T: Deserialize<'a>>(body: &'a str, kind: &str) -> bool {
    let fields = fields(body);
    let header = fields.iter().filter(|field| is_header(field));
    let unknown = format!("unknown variant `{kind}`");
    why_not::<T>(header).is_some_and(|why| why.starts_with(&unknown))
}

type Field<'a> = (Cow<'a, str>, &'a RawValue);

fn fields(body: &str) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let Ok(mut object) = ObjectFields::of(body) else {
        return fields;
    };
    while let Ok(Some(key)) = object.next_key() {
        let value = object.value().ok();
        let Some(Ok(value)) = value.map(serde_json::from_str) else {
            break;
        };
        fields.push((key, value));
    }
    fields
}

fn is_header((key, _): &Field<'_>) -> bool {
    HEADER_KEYS.contains(&key.as_ref())
}

/// The key of the field that causes the error of a whole body, also without the others.
fn wrong_field<'a, T: Deserialize<'a>>(body: &'a str) -> Option<Cow<'a, str>> {
    let fields = fields(body);
    let why = why_not::<T>(fields.iter())?;
    let (header, others): (Vec<_>, Vec<_>) = fields.iter().partition(|field| is_header(field));
    let names_the_field = ["missing field", "unknown field", "duplicate field"];
    if names_the_field.iter().any(|text| why.starts_with(text))
        || why_not::<T>(header.iter().copied()).as_ref() == Some(&why)
    {
        return None;
    }
    for field in others.into_iter().take(FIELDS_TRIED_MAX) {
        let alone = header.iter().copied().chain(std::iter::once(field));
        if why_not::<T>(alone).as_ref() == Some(&why) {
            return Some(field.0.clone());
        }
    }
    None
}

/// The reason why an object of these fields is not a `T`.
fn why_not<'f, 'a: 'f, T: Deserialize<'a>>(
    fields: impl Iterator<Item = &'f Field<'a>>,
) -> Option<String> {
    let fields = fields.map(|(key, value)| (key.clone(), *value));
    let refused = T::deserialize(MapDeserializer::new(fields)).err()?;
    Some(cut(refused, TEXT_BYTES_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    #[allow(dead_code, reason = "only read by serde")]
    enum Message<'a> {
        Write {
            key: &'a str,
            value: i64,
            next: Option<i64>,
        },
        Read {
            key: String,
        },
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only read by serde")]
    struct Whole<'a> {
        msg_id: u64,
        #[serde(flatten, borrow)]
        message: Message<'a>,
    }

    #[track_caller]
    fn refused<'a, T: Deserialize<'a> + std::fmt::Debug>(body: &'a str) -> String {
        parse_with_path::<T>(body, "write").unwrap_err().text
    }

    #[test]
    fn a_wrong_field_of_an_enum_is_named() {
        for (field, fields) in [
            ("value", r#""key":"a","value":"x""#),
            ("value", r#""value":"x","next":"x","key":"a""#),
            ("next", r#""value":1,"next":"x","key":"a""#),
            ("key", r#""key":7"#),
        ] {
            let body = format!(r#"{{"type":"write","msg_id":1,{fields}}}"#);
            let part = format!("malformed \"write\": field `{field}`: invalid type");
            assert!(refused::<Message>(&body).starts_with(&part), "{body}");
            assert!(refused::<Whole>(&body).starts_with(&part), "{body}");
        }
        let missing = refused::<Message>(r#"{"type":"write","key":"a"}"#);
        assert_eq!(missing, "malformed \"write\": missing field `value`");
    }

    #[test]
    fn a_body_of_a_million_fields_does_not_hold_the_loop() {
        let body = |fillers: usize| {
            let fillers: String = (0..fillers).map(|n| format!("\"f{n}\":0,")).collect();
            format!(r#"{{"type":"write",{fillers}"value":1,"key":7}}"#)
        };
        let part = "malformed \"write\": field `key`: invalid type";
        let within = refused::<Message>(&body(FIELDS_TRIED_MAX - 2));
        assert!(within.starts_with(part), "{within}");
        // If each try looked at all fields, this would take a minute and more.
        let beyond = refused::<Message>(&body(100_000));
        assert!(
            beyond.starts_with("malformed \"write\": invalid type"),
            "{beyond}"
        );
    }

    #[test]
    fn an_unknown_type_is_told_from_an_unknown_value() {
        let unknown = r#"{"msg_id":1,"type":"frob","key":7}"#;
        assert!(has_unknown_type::<Message>(unknown, "frob"));
        assert!(has_unknown_type::<Whole>(unknown, "frob"));
        let known = r#"{"msg_id":1,"type":"write","key":7}"#;
        assert!(!has_unknown_type::<Message>(known, "write"));

        #[derive(Debug, Deserialize)]
        enum Op {}
        #[derive(Debug, Deserialize)]
        #[allow(dead_code, reason = "only read by serde")]
        struct Plain {
            op: Op,
        }
        assert!(!has_unknown_type::<Plain>(
            r#"{"type":"set","op":"set"}"#,
            "set"
        ));
    }

    #[test]
    fn an_error_that_no_field_causes_names_none() {
        #[derive(Debug, Deserialize)]
        #[serde(untagged)]
        #[allow(dead_code, reason = "only read by serde")]
        enum Either {
            A { a: u8 },
            B { b: u8 },
        }
        let text = refused::<Either>(r#"{"type":"write","c":1}"#);
        assert!(
            text.starts_with("malformed \"write\": data did not match"),
            "{text}"
        );
    }
}
