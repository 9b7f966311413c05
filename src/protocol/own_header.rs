//! The header keys among an author's fields: what becomes of them.
//!
//! The node writes `type`, `msg_id` and `in_reply_to` itself. An author's fields may name
//! them too: an enum with `#[serde(tag = "type")]`, or a request's whole body that is handed
//! back. They are never written a second time, because a reader could take either. So each
//! is compared with the node's own header, and a contradiction is an error.
//!
//! | key | value | in a reply | in a message or a call |
//! |---|---|---|---|
//! | any | null | left out | left out |
//! | `type` | the type that the author named in the call of the method | left out | left out |
//! | `type` | the request's own: its whole body is handed back | left out, the type is `…_ok` | |
//! | `type` | another string | the reply's type, unless the author named one: error 13 | error 13 |
//! | `type` | no string | error 13 | error 13 |
//! | `msg_id` | the request's, or the reply's own | left out | |
//! | `in_reply_to` | the request's `msg_id` | left out | |
//! | `msg_id`, `in_reply_to` | any other | error 13 | error 13 |
//! | any | it stands twice | error 13 | error 13 |
//!
//! A raw object comes from another node. Its numbers are that node's, so they are replaced
//! without a comparison, and a wrong `type` is error 12.

use super::quote::{JsonExcerpt, Quote};
use super::{Error, Result};

/// The keys of a body that the protocol itself gives a meaning.
pub(super) const HEADER_KEYS: [&str; 3] = ["type", "msg_id", "in_reply_to"];

/// The type of a reply.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ReplyKind<'a> {
    /// The request's type with `_ok` appended.
    Ok(&'a str),
    /// A type that the author has named.
    Named(&'a str),
    /// `error`.
    Error,
}

impl<'a> ReplyKind<'a> {
    /// The type and its suffix, as [`write_header`](super::write_header) takes them.
    pub(crate) fn parts(self) -> (&'a str, &'static str) {
        match self {
            ReplyKind::Ok(request) => (request, "_ok"),
            ReplyKind::Named(kind) => (kind, ""),
            ReplyKind::Error => ("error", ""),
        }
    }
}

/// The header keys among an author's fields, with their values as JSON.
#[derive(Debug, Default)]
pub(crate) struct OwnHeader {
    kind: Option<String>,
    msg_id: Option<String>,
    in_reply_to: Option<String>,
}

impl OwnHeader {
    /// Notes one header key.
    pub(super) fn note(&mut self, key: &str, json: &str) -> Result<()> {
        let place = match key {
            "type" => &mut self.kind,
            "msg_id" => &mut self.msg_id,
            _ => &mut self.in_reply_to,
        };
        if place.is_some() {
            return Err(Error::crash(format!("field `{key}` stands twice")));
        }
        *place = Some(json.to_owned()).filter(|json| json != "null");
        Ok(())
    }

    /// Notes one header key of a raw object. Its numbers are another node's.
    pub(super) fn note_raw(&mut self, key: &str, json: &str) -> Result<()> {
        match key {
            "type" if json.starts_with('"') || json == "null" => self.note(key, json),
            "type" => Err(Error::malformed_request("field `type`: not a string")),
            _ => Ok(()),
        }
    }

    /// Checks the fields of a reply with number `msg_id` to the request `in_reply_to`. Returns
    /// the reply's type if the fields give it another one than `kind`.
    pub(crate) fn of_reply(
        &self,
        kind: ReplyKind<'_>,
        (msg_id, in_reply_to): (u64, &str),
    ) -> Result<Option<String>> {
        if let Some(own) = &self.msg_id
            && own != in_reply_to
            && !is_float_of(own, in_reply_to)
            && *own != msg_id.to_string()
        {
            let text = format!("it is neither the request's nor the reply's. {PASS_ON}");
            return Err(contradiction("msg_id", own, &text));
        }
        if let Some(own) = &self.in_reply_to
            && own != in_reply_to
            && !is_float_of(own, in_reply_to)
        {
            let text = format!("the reply has another one. {PASS_ON}");
            return Err(contradiction("in_reply_to", own, &text));
        }
        let Some(own) = self.kind()? else {
            return Ok(None);
        };
        match kind {
            ReplyKind::Ok(request) if own == request => Ok(None),
            ReplyKind::Ok(_) => Ok(Some(own)),
            ReplyKind::Named(kind) if own == kind => Ok(None),
            ReplyKind::Named(kind) => Err(other_kind(&own, kind)),
            ReplyKind::Error => Err(other_kind(&own, "error")),
        }
    }

    /// Checks the fields of a message or a call of type `kind`.
    pub(crate) fn of_message(&self, kind: &str) -> Result<()> {
        let text = "this node numbers its messages itself. To pass a request on, call sync_rpc_raw";
        if let Some(own) = &self.msg_id {
            return Err(contradiction("msg_id", own, text));
        }
        if let Some(own) = &self.in_reply_to {
            return Err(contradiction("in_reply_to", own, "the message is no reply"));
        }
        match self.kind()? {
            Some(own) if own != kind => Err(other_kind(&own, kind)),
            Some(_) | None => Ok(()),
        }
    }

    /// The `type` as text.
    fn kind(&self) -> Result<Option<String>> {
        let Some(json) = &self.kind else {
            return Ok(None);
        };
        let kind = serde_json::from_str(json);
        kind.map(Some)
            .map_err(|_| contradiction("type", json, "a type is a string"))
    }
}

/// Whether a JSON value is the number that was received with these digits. serde_json's `Value`
/// holds an integer of more than 64 bits, and -0, as a float, which is off in its last digits.
///
/// Not inlined: a reply with equal digits, as in an echo, should not pay for it.
#[cold]
#[inline(never)]
fn is_float_of(json: &str, digits: &str) -> bool {
    if !json.contains(['.', 'e']) {
        return false;
    }
    match (json.parse::<f64>(), digits.parse::<f64>()) {
        (Ok(own), Ok(number)) => (own - number).abs() <= number.abs() * 1e-15,
        _ => false,
    }
}

/// The usual reason for a number of another message: the fields are a whole reply that came
/// from another node.
const PASS_ON: &str = "To pass on the reply to a call, use reply_raw";

fn contradiction(key: &str, json: &str, why: &str) -> Error {
    let json = JsonExcerpt(json);
    Error::crash(format!("the body has a field `{key}`: {json}, but {why}"))
}

fn other_kind(own: &str, kind: &str) -> Error {
    let (own, kind) = (Quote(own), Quote(kind));
    Error::crash(format!(
        "the body has a field `type`: {own}, but it is sent as {kind}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(fields: &[(&str, &str)]) -> Result<OwnHeader> {
        let mut own = OwnHeader::default();
        for (key, json) in fields {
            own.note(key, json)?;
        }
        Ok(own)
    }

    /// The reply 3 to the request 7.
    fn of_reply(kind: ReplyKind<'_>, fields: &[(&str, &str)]) -> Result<Option<String>> {
        own(fields)?.of_reply(kind, (3, "7"))
    }

    #[test]
    fn a_type_of_ones_own_is_the_replys_type() {
        let poll = ReplyKind::Ok("poll");
        let named = ReplyKind::Named("ballot");
        let ballot = Ok(Some("ballot".to_owned()));
        assert_eq!(of_reply(poll, &[("type", "\"ballot\"")]), ballot);
        assert_eq!(of_reply(poll, &[("type", "\"poll\"")]), Ok(None));
        assert_eq!(of_reply(poll, &[("type", "null")]), Ok(None));
        assert_eq!(of_reply(named, &[("type", "\"ballot\"")]), Ok(None));
    }

    #[test]
    fn numbers_that_agree_are_left_out() {
        for fields in [
            [("msg_id", "7"), ("in_reply_to", "7")],
            [("msg_id", "3"), ("in_reply_to", "null")],
        ] {
            assert_eq!(of_reply(ReplyKind::Ok("poll"), &fields), Ok(None));
        }
    }

    #[test]
    fn a_number_that_a_value_has_made_a_float_agrees() {
        for digits in ["-0", "18446744073709551616", "-12345678901234567890123"] {
            let value: serde_json::Value = serde_json::from_str(digits).unwrap();
            let text = value.to_string();
            let json = text.as_str();
            assert_ne!(json, digits);
            let own = own(&[("msg_id", json), ("in_reply_to", json)]).unwrap();
            let agreed = own.of_reply(ReplyKind::Ok("poll"), (3, digits));
            assert_eq!(agreed, Ok(None));
            refused(own.of_reply(ReplyKind::Ok("poll"), (3, "7")), "`msg_id`");
        }
    }

    #[track_caller]
    fn refused<T: std::fmt::Debug>(checked: Result<T>, part: &str) {
        let error = checked.unwrap_err();
        assert_eq!(error.code.number(), 13);
        assert!(error.text.contains(part), "{error}");
    }

    #[test]
    fn a_contradiction_is_error_13_that_names_it() {
        let poll = ReplyKind::Ok("poll");
        refused(of_reply(poll, &[("msg_id", "8")]), "`msg_id`: 8");
        refused(of_reply(poll, &[("in_reply_to", "3")]), "`in_reply_to`: 3");
        refused(of_reply(poll, &[("msg_id", "8")]), "use reply_raw");
        refused(of_reply(poll, &[("in_reply_to", "3")]), "use reply_raw");
        refused(of_reply(poll, &[("type", "[1]")]), "`type`: [1]");
        let ballot = [("type", "\"ballot\"")];
        let text = "`type`: \"ballot\", but it is sent as \"vote\"";
        refused(of_reply(ReplyKind::Named("vote"), &ballot), text);
        refused(of_reply(ReplyKind::Error, &ballot), "sent as \"error\"");
        refused(
            of_reply(poll, &[("type", "1"), ("type", "1")]),
            "stands twice",
        );
    }

    #[test]
    fn a_message_may_name_its_own_type_only() {
        let of_message = |fields: &[_]| own(fields).and_then(|own| own.of_message("add"));
        assert_eq!(
            of_message(&[("type", "\"add\""), ("msg_id", "null")]),
            Ok(())
        );
        refused(of_message(&[("type", "\"read\"")]), "sent as \"add\"");
        refused(of_message(&[("msg_id", "1")]), "`msg_id`: 1");
        refused(of_message(&[("in_reply_to", "1")]), "`in_reply_to`: 1");
    }
}
