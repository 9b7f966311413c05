//! Reading a body as a type of somebody's choice.

use super::{Error, Result};
use serde::Deserialize;

/// Parses a body, and on failure once more for the path to the culprit: only
/// what goes wrong pays for a good message.
pub(crate) fn parse_body<'a, T: Deserialize<'a>>(body: &'a str, kind: &str) -> Result<T> {
    serde_json::from_str(body).map_err(|error| {
        let mut again = serde_json::Deserializer::from_str(body);
        let why = match serde_path_to_error::deserialize::<_, T>(&mut again) {
            Err(error) if error.path().iter().len() > 0 => {
                format!("field `{}`: {}", error.path(), error.inner())
            }
            _ => error.to_string(),
        };
        Error::malformed_request(format!("malformed {kind:?}: {why}"))
    })
}
