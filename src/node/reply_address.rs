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
/// # Requests that come twice
///
/// A call with [`retry`](crate::Call::retry), or a network that duplicates, makes a node carry out
/// a request twice. Either that is harmless, as in a set, or the node remembers what it has done.
/// A reply's address tells the clients' requests apart, so the node that hands a request on sends
/// it along:
///
/// ```
/// # use eddyline::{Backoff, Context, Node, Request, Result, node::ReplyAddress};
/// # use serde::{Deserialize, Serialize};
/// # use std::{cell::RefCell, collections::HashMap, rc::Rc, time::Duration};
/// # #[derive(Deserialize)] struct Deposit { amount: u64 }
/// # #[derive(Serialize, Deserialize)] struct Apply { from: ReplyAddress, amount: u64 }
/// # #[derive(Serialize, Deserialize)] struct Balance { balance: u64 }
/// # #[derive(Default)] struct State { balance: u64, done: HashMap<ReplyAddress, u64> }
/// # struct Bank(RefCell<State>);
/// # impl Node for Bank {
/// # fn new(_: &Context) -> Self { Bank(RefCell::default()) }
/// async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
///     match request.kind() {
///         "deposit" => {
///             let Deposit { amount } = request.body()?;
///             let apply = Apply { from: request.reply_to(), amount };
///             let call = cx.sync_rpc(&cx.node_ids()[0], "apply", &apply);
///             let call = call.retry(Backoff::default()).timeout(Duration::from_secs(4));
///             let balance: Balance = call.await?.body()?;
///             cx.reply(&request, &balance)
///         }
///         "apply" => {
///             let Apply { from, amount } = request.body()?;
///             let State { balance, done } = &mut *self.0.borrow_mut();
///             let balance = *done.entry(from).or_insert_with(|| {
///                 *balance += amount; // no `.await` between the look and the deed
///                 *balance
///             });
///             cx.reply(&request, &Balance { balance }) // the second time as the first
///         }
///         _ => cx.not_supported(&request),
///     }
/// }
/// # }
/// # use eddyline::sim::{Latency, Simulation};
/// # let simulation = Simulation::new(1).nodes(3).latency(Latency::exponential_ms(20));
/// # let mut cluster = simulation.loss(0.3).duplication(0.3).build::<Bank>();
/// # let deposits = 1..=20;
/// # let last = deposits.map(|_| cluster.call("n1", "deposit", &serde_json::json!({"amount": 1})));
/// # assert_eq!(last.last().unwrap().unwrap()["balance"], 20);
/// # assert!(cluster.statistics().duplicated > 0 && cluster.statistics().lost > 0);
/// ```
///
/// If the deed itself waits, the second request may come meanwhile. It must then wait for the
/// first, or be refused with error 11. A node that runs for long forgets the oldest deeds after
/// the longest timeout of its clients.
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
