//! Where a reply goes, as a value that can be sent to another node.
//!
//! A request stays on its node: it is a piece of that node's memory. Its address is two texts.
//! Read next: `messages`, which sends the reply.

use crate::protocol::is_json_integer;
use serde::{Deserialize, Deserializer, Serialize, de};

/// Where the reply to a request goes: the name of its sender, and its number. It is made by
/// [`Request::reply_to`], and [`Context::reply_to`](super::Context::reply_to) sends the reply,
/// on any node.
///
/// Here a follower hands a client's request on, and the leader answers the client itself:
///
/// ```
/// use eddyline::node::ReplyAddress;
/// use eddyline::{Context, Request, Result};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Forward {
///     to: ReplyAddress,
///     element: u64,
/// }
///
/// # #[derive(Deserialize)] struct Add { element: u64 }
/// fn on_follower(cx: &Context, request: &Request, leader: &str) -> Result<()> {
///     let Add { element } = request.body()?;
///     let to = request.reply_to(); // from here on the request may end without a reply
///     cx.send(leader, "forward", &Forward { to, element })
/// }
///
/// fn on_leader(cx: &Context, request: &Request) -> Result<()> {
///     let Forward { to, element } = request.body()?;
///     cx.reply_to(&to, "add_ok", &())
/// }
/// ```
///
/// In JSON it is `{"name":"c1","number":"7"}`. The number is a string, because a JSON integer
/// of any length must survive, also in an enum that serde reads by its tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReplyAddress {
    name: String,
    #[serde(deserialize_with = "number")]
    number: Option<String>,
}

impl ReplyAddress {
    pub(super) fn new(name: &str, number: Option<&str>) -> ReplyAddress {
        ReplyAddress {
            name: name.to_owned(),
            number: number.map(str::to_owned),
        }
    }

    /// The name of the request's sender.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The request's `msg_id`; `None` if its sender wants no reply.
    pub fn number(&self) -> Option<&str> {
        self.number.as_deref()
    }
}

/// The number goes out as it is, so it must be JSON.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let number = Option::<String>::deserialize(deserializer)?;
    match number {
        Some(text) if !is_json_integer(&text) => Err(de::Error::custom(
            "`number`: expected the digits of an integer",
        )),
        number => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_digits_of_a_json_integer_are_a_number() {
        let read = |number: &str| {
            serde_json::from_str::<ReplyAddress>(&format!(r#"{{"name":"c1","number":{number}}}"#))
        };
        let long = format!("\"-1{}\"", "0".repeat(40));
        for number in ["\"0\"", "\"-7\"", &long] {
            let address = read(number).unwrap();
            assert_eq!(address.number(), Some(number.trim_matches('"')));
            let json = serde_json::to_string(&address).unwrap();
            assert_eq!(
                serde_json::from_str::<ReplyAddress>(&json).unwrap(),
                address
            );
        }
        assert_eq!(read("null").unwrap().number(), None);
        for number in [
            "\"\"",
            "\"7,\\\"x\\\":1\"",
            "\"007\"",
            "\" 7\"",
            "\"7.5\"",
            "7",
            "\"-\"",
        ] {
            assert!(read(number).is_err(), "{number}");
        }
    }
}
