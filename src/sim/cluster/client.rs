//! Clients: mailboxes on the network, and calls made by hand.

use super::Cluster;
use crate::protocol::{Envelope, Error, ErrorBody, ReplyTo};
use crate::sim::address::Address;
use serde::Serialize;
use serde_json::Value;
use std::rc::Rc;
use std::time::Duration;

/// How long a client waits for a reply: Maelstrom's 5 s.
pub(in crate::sim) const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client as the network sees it: a mailbox.
pub(super) struct Client {
    pub(super) is_open: bool,
    /// It brings an `init`, which no network loses: without one there is no node.
    pub(super) is_midwife: bool,
    /// Messages that nobody has taken yet; only for clients driven by hand.
    pub(super) inbox: Vec<Value>,
}

impl Cluster {
    /// Sends a message from a client, which needs no introduction. `dest` is a
    /// node or a service.
    ///
    /// ```
    /// # use {eddyline::sim::Cluster, serde_json::json};
    /// # fn test(cluster: &mut Cluster) {
    /// cluster.inject("c9", "n0", &json!({"type": "echo", "msg_id": 1, "echo": "hi"}));
    /// # }
    /// ```
    ///
    /// # Panics
    /// When there is no such `dest`, or `src` is a node or service.
    pub fn inject<T: Serialize + ?Sized>(&mut self, src: &str, dest: &str, body: &T) {
        let client = match self.book.find(src) {
            Some(Address::Client(client)) => client,
            Some(_) => panic!("{src:?} is no client, and speaks for itself"),
            None => self.add_client(src),
        };
        let Some(dest) = self.book.find(dest) else {
            panic!("there is nobody called {dest:?} to send to");
        };
        match serde_json::to_value(body) {
            Ok(body) => self.send_value(Address::Client(client), dest, &body),
            Err(error) => panic!("the body does not serialise: {error}"),
        }
    }

    /// Takes all messages that have come for a client since the last time.
    ///
    /// ```
    /// # use {eddyline::sim::Cluster, std::time::Duration};
    /// # fn test(cluster: &mut Cluster) {
    /// cluster.run_for(Duration::from_millis(100));
    /// for message in cluster.take_received("c9") {
    ///     assert_eq!(message["body"]["type"], "echo_ok");
    /// }
    /// # }
    /// ```
    pub fn take_received(&mut self, client: &str) -> Vec<Value> {
        match self.book.find(client) {
            Some(Address::Client(client)) => std::mem::take(&mut self.clients[client].inbox),
            _ => Vec::new(),
        }
    }

    /// Has a new client call a node or service, and lets the time pass until the
    /// reply has come. Returns its body.
    ///
    /// ```
    /// # use {eddyline::sim::Cluster, serde_json::json};
    /// # fn test(cluster: &mut Cluster) -> eddyline::Result<()> {
    /// cluster.call("n0", "add", &json!({"element": 7}))?;
    /// assert_eq!(cluster.call("n0", "read", &())?["value"], json!([7]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The error that was replied, or error 0 when nothing came within 5 s.
    pub fn call<T: Serialize + ?Sized>(
        &mut self,
        dest: &str,
        kind: &str,
        fields: &T,
    ) -> crate::Result<Value> {
        self.run_until(CLIENT_TIMEOUT, |cluster| cluster.is_ready());
        let mut body = serde_json::to_value(fields)
            .map_err(|error| Error::malformed_request(format!("the body: {error}")))?;
        if body.is_null() {
            body = Value::Object(serde_json::Map::new());
        }
        body["type"] = kind.into();
        body["msg_id"] = 1.into();
        let client = self.open_client();
        let name = self.book.name(Address::Client(client)).clone();
        self.inject(&name, dest, &body);
        let arrived = |cluster: &Cluster| !cluster.clients[client].inbox.is_empty();
        self.run_until(CLIENT_TIMEOUT, arrived);
        self.close_client(client);
        let reply = self.clients[client].inbox.pop();
        let Some(reply) = reply else {
            let text = format!("no reply from {dest:?} within {CLIENT_TIMEOUT:?}");
            return Err(Error::timeout(text));
        };
        let body = reply["body"].clone();
        if body["type"] != "error" {
            return Ok(body);
        }
        let error = serde_json::from_value::<ErrorBody<String>>(body)
            .map_err(|error| Error::crash(format!("a malformed error: {error}")))?;
        Err(Error::new(error.code, error.text))
    }

    pub(in crate::sim) fn open_client(&mut self) -> usize {
        loop {
            let name = format!("c{}", self.next_client);
            self.next_client += 1;
            if self.book.find(&name).is_none() {
                return self.add_client(&name);
            }
        }
    }

    fn add_client(&mut self, name: &str) -> usize {
        self.clients.push(Client {
            is_open: true,
            is_midwife: false,
            inbox: Vec::new(),
        });
        self.book.add_client(name)
    }

    pub(in crate::sim) fn close_client(&mut self, client: usize) {
        self.clients[client].is_open = false;
    }

    pub(in crate::sim) fn client_name(&self, client: usize) -> Rc<str> {
        self.book.name(Address::Client(client)).clone()
    }
}

/// The message that a reply to a client answers, and its body.
pub(in crate::sim) fn reply_to(line: &[u8]) -> Option<(u64, &str)> {
    let envelope = Envelope::parse(line).ok()?;
    match envelope.header.in_reply_to {
        ReplyTo::Call(msg_id) => Some((msg_id, envelope.body)),
        ReplyTo::Absent | ReplyTo::Unknown | ReplyTo::Invalid => None,
    }
}
