//! The rules for a line of a node: its keys, its sender, its receiver.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A line of a node. Maelstrom takes these keys and no others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outline<'a> {
    #[serde(borrow)]
    src: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) dest: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) body: &'a RawValue,
    #[serde(default, rename = "id")]
    _id: Option<i64>,
}

impl<'a> Outline<'a> {
    /// Reads a line of the node of that name.
    ///
    /// # Errors
    /// The rule that the line breaks.
    pub(super) fn read(line: &'a [u8], name: &str) -> Result<Outline<'a>, String> {
        let outline: Outline<'a> = serde_json::from_slice(line).map_err(|error| {
            let hint = "stdout is for messages only, so write diagnostics to stderr";
            format!("the line is no message: {error}; {hint}")
        })?;
        if !outline.body.get().starts_with('{') {
            return Err("`body` is not an object".to_owned());
        }
        if outline.src != name {
            let src = &outline.src;
            return Err(format!("`src` is {src:?}, and the node is {name:?}"));
        }
        Ok(outline)
    }
}

#[cfg(test)]
mod tests {
    use super::Outline;

    #[test]
    fn a_line_has_the_keys_of_a_message_and_the_name_of_its_node() {
        let wrong = |line: &str| Outline::read(line.as_bytes(), "n0").err();
        assert_eq!(wrong(r#"{"id":7,"dest":"n1","src":"n0","body":{}}"#), None);
        for (line, why) in [
            ("", "no message"),
            ("Hello", "no message"),
            (
                r#"{"src":"n0","dest":"n1","body":{},"x":1}"#,
                "unknown field `x`",
            ),
            (r#"{"dest":"n1","body":{}}"#, "missing field `src`"),
            (r#"{"src":"n0","dest":"n1","body":[]}"#, "not an object"),
            (
                r#"{"src":"n1","dest":"n1","body":{}}"#,
                "the node is \"n0\"",
            ),
        ] {
            let found = wrong(line).unwrap();
            assert!(found.contains(why), "{line}: {found}");
        }
    }
}
