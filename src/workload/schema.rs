//! Closed schemas: a reply has the fields of its workload and no others.

use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Checks that `body` is a reply to a request of type `kind` with exactly these
/// fields besides its header.
pub(crate) fn check(body: &str, kind: &str, fields: &[&str]) -> Result<(), String> {
    let object: BTreeMap<Cow<'_, str>, &RawValue> =
        serde_json::from_str(body).map_err(|error| format!("the reply is no object: {error}"))?;
    let expected = format!("\"{kind}_ok\"");
    match object.get("type") {
        Some(found) if found.get() == expected => {}
        found => {
            let found = found.map_or("nothing", |found| found.get());
            return Err(format!("`type` of the reply is {found} and not {expected}"));
        }
    }
    for key in object.keys() {
        let header = matches!(&**key, "type" | "msg_id" | "in_reply_to");
        if !header && !fields.contains(&&**key) {
            return Err(format!("a reply to {kind:?} must not have a field {key:?}"));
        }
    }
    match fields.iter().find(|&&field| !object.contains_key(field)) {
        Some(missing) => Err(format!("a reply to {kind:?} must have a field {missing:?}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_reply_has_exactly_the_fields_of_its_workload() {
        let ok = r#"{"type":"read_ok","msg_id":1,"in_reply_to":2,"value":[]}"#;
        assert_eq!(check(ok, "read", &["value"]), Ok(()));
        let refused = |body: &str| check(body, "read", &["value"]).unwrap_err();
        assert!(refused(r#"{"type":"read_ok"}"#).contains("must have a field \"value\""));
        assert!(
            refused(r#"{"type":"read_ok","value":1,"x":1}"#).contains("not have a field \"x\"")
        );
        assert!(refused(r#"{"type":"read","value":1}"#).contains("`type`"));
    }
}
