//! Reading an error that another node replied with.

use super::body::parse_body;
use super::quote::beginning;
use super::{Error, ErrorCode};
use serde::Deserialize;
use serde_json::value::RawValue;

/// How many bytes are kept of a text that is no string: as many as a person is
/// shown of a line.
const TEXT_BYTES_MAX: usize = super::excerpt::EXCERPT_BYTES;

/// The fields of an `error` body, read without making values of them: what is no
/// string could take a hundred times its text.
#[derive(Deserialize)]
struct ErrorReply<'a> {
    code: ErrorCode,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

/// The error that an `error` body carries.
pub(crate) fn error_of(body: &str) -> Error {
    match parse_body::<ErrorReply>(body, "error") {
        Ok(ErrorReply { code, text }) => Error::new(code, text.map_or(String::new(), text_of)),
        Err(why) => Error::crash(format!(
            "an error reply without a usable code: {}",
            why.text
        )),
    }
}

/// A string is the text. Anything else is none by the protocol, but better than
/// none: its beginning.
fn text_of(text: &RawValue) -> String {
    let raw = text.get();
    serde_json::from_str(raw).unwrap_or_else(|_no_string| {
        let shown = beginning(raw, TEXT_BYTES_MAX);
        match shown.len() < raw.len() {
            true => format!("{shown}… ({} bytes)", raw.len()),
            false => shown.to_owned(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> String {
        let error = error_of(&format!(r#"{{"code":20,"text":{value}}}"#));
        assert_eq!(error.code, ErrorCode::KeyDoesNotExist);
        error.text
    }

    #[test]
    fn a_text_is_a_string_or_the_beginning_of_what_it_is() {
        assert_eq!(text(r#""a\nb""#), "a\nb");
        assert_eq!(text("null"), "");
        assert_eq!(error_of(r#"{"code":20}"#).text, "");
        assert_eq!(text(r#"{"a":[1,1e400]}"#), r#"{"a":[1,1e400]}"#);
        // No string that could be written again.
        assert_eq!(text(r#""\ud800""#), r#""\ud800""#);
        let long = text(&format!("[\"{}\"]", "é".repeat(100)));
        assert_eq!(long, format!("[\"{}… (204 bytes)", "é".repeat(39)));
    }

    #[test]
    fn without_a_code_it_is_error_13_that_says_why() {
        for body in ["{}", r#"{"code":"x"}"#, r#"{"code":1,"code":2}"#] {
            let error = error_of(body);
            assert_eq!(error.code, ErrorCode::Crash);
            assert!(error.text.contains("without a usable code: "), "{error}");
            assert!(error.text.contains("code`"), "{error}");
        }
    }
}
