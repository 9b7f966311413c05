//! A body as a type of the author's choice, by serde.
//!
//! This is the plain way: serde_json reads the body. Requests and replies are read
//! by `fast/body.rs`, which skips what the scan of the line has seen already. It
//! reads exactly the bodies that [`parse_body`] reads, and calls it for the text of
//! the error when a body has another shape.

use super::fast::ObjectFields;
use super::misfit::{has_unknown_type, parse_with_path};
use super::quote::{JsonExcerpt, TEXT_BYTES_MAX, cut};
use super::{Error, ErrorCode, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Parses the body of a message of type `kind`, or says with error 12 which field
/// is wrong.
///
/// serde's text about a wrong string quotes all of it, up to six times as long with
/// its escapes. The text is cut and dropped at once, so only one exists at a time.
/// `misfit.rs` makes the text that is kept.
pub(crate) fn parse_body<'a, T: Deserialize<'a>>(body: &'a str, kind: &str) -> Result<T> {
    let parsed = serde_json::from_str(body).ok();
    parsed.map_or_else(|| parse_with_path(body, kind), Ok)
}

/// As [`parse_body`], for the body of a request. A type that the enum `T` does not have is
/// error 10, because another node may know it.
#[cold]
pub(super) fn parse_request<'a, T: Deserialize<'a>>(body: &'a str, kind: &str) -> Result<T> {
    let parsed = parse_body(body, kind);
    if parsed.is_err() && has_unknown_type::<T>(body, kind) {
        return Err(Error::not_supported(kind));
    }
    parsed
}

/// Parses a JSON value, or says why it is not a `T`.
pub(crate) fn parse_value<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|why| cut(why, TEXT_BYTES_MAX))
}

/// The fields of an `error` body as JSON. A text that is not a string could take a
/// hundred times its length as a value.
#[derive(Deserialize)]
struct ErrorJson<'a> {
    #[serde(borrow)]
    code: &'a RawValue,
    text: Option<&'a RawValue>,
}

/// The error that an `error` body of another node carries, with all its fields.
pub(crate) fn error_of(body: &str) -> Error {
    let unusable = |why: &str| Error::crash(format!("an error reply without a usable code: {why}"));
    let ErrorJson { code, text } = match parse_body(body, "error") {
        Ok(json) => json,
        Err(why) => return unusable(&why.text),
    };
    match code.get().parse::<i64>() {
        Ok(number) => {
            let text = text.map_or(String::new(), text_of);
            let mut error = Error::new(ErrorCode::from(number), text);
            add_further(&mut error, body);
            error
        }
        Err(_) => {
            let code = JsonExcerpt(code.get());
            unusable(&format!("field `code`: expected an integer, not {code}"))
        }
    }
}

/// Adds the fields that not every error has. A key that is no text ends them: it could not
/// be written again.
fn add_further(error: &mut Error, body: &str) {
    let Ok(mut fields) = ObjectFields::of(body) else {
        return;
    };
    while let Ok(Some(key)) = fields.next_key() {
        let Ok(json) = fields.value() else { return };
        error.add_received(&key, json);
    }
}

/// A string is the text. The protocol allows nothing else, but the beginning of
/// another value is better than no text.
fn text_of(text: &RawValue) -> String {
    let json = text.get();
    serde_json::from_str(json).unwrap_or_else(|_no_string| JsonExcerpt(json).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ErrorFields;

    fn text(value: &str) -> String {
        let error = error_of(&format!(r#"{{"code":20,"text":{value}}}"#));
        assert_eq!(error.code, ErrorCode::KeyDoesNotExist);
        error.text
    }

    #[test]
    fn the_text_of_an_error_is_a_string_or_the_beginning_of_another_value() {
        assert_eq!(text(r#""a\nb""#), "a\nb");
        assert_eq!(text("null"), "");
        assert_eq!(error_of(r#"{"code":20}"#).text, "");
        assert_eq!(text(r#"{"a":[1,1e400]}"#), r#"{"a":[1,1e400]}"#);
        // It could not be written again as a string.
        assert_eq!(text(r#""\ud800""#), r#""\ud800""#);
        let long = text(&format!("[\"{}\"]", "é".repeat(100)));
        assert_eq!(long, format!("[\"{}… (204 bytes)", "é".repeat(39)));
    }

    #[test]
    fn an_error_keeps_every_further_field_as_it_came() {
        let body = r#"{"type":"error","in_reply_to":7,"msg_id":1,"code":11,"text":"x",
            "leader":"n3","term":18446744073709551616,"n":null,"de\u0065p":{"a":[1.0]}}"#;
        let error = error_of(body);
        assert_eq!(error.field::<&str>("leader"), Some("n3"));
        assert_eq!(
            error.field::<&RawValue>("term").map(RawValue::get),
            Some("18446744073709551616")
        );
        let json = serde_json::to_string(&ErrorFields(&error)).unwrap();
        let whole = r#"{"code":11,"text":"x","leader":"n3","term":18446744073709551616,"n":null,"deep":{"a":[1.0]}}"#;
        assert_eq!(json, whole);
    }

    #[test]
    fn an_error_without_a_code_is_error_13_that_says_why() {
        for body in ["{}", r#"{"code":"x"}"#, r#"{"code":1,"code":2}"#] {
            let error = error_of(body);
            assert_eq!(error.code, ErrorCode::Crash);
            assert!(error.text.contains("without a usable code: "), "{error}");
            assert!(error.text.contains("code`"), "{error}");
        }
    }
}
