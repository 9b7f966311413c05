//! A client that calls nodes, one call after the other.

use super::port::Port;
use crate::engine::{Nats, Sink};
use crate::notices::Topic;
use crate::protocol::{
    Envelope, Error, ErrorBody, ErrorCode, Fields, Numbers, Quote, RawRequest, ReplyTo, Result,
    write_fields, write_header,
};
use crate::sys;
use std::fmt;
use std::io;
use std::time::Duration;

/// A client of the nodes of a cluster on NATS. It waits for each reply.
///
/// ```no_run
/// use eddyline::client::Client;
/// use eddyline::{Nats, protocol::RawRequest};
/// use std::time::Duration;
///
/// let nats = Nats::new("nats://127.0.0.1:4222", "demo")?;
/// let mut client = Client::new(&nats, None)?;
/// let request: RawRequest = serde_json::from_str(r#"{"type":"echo","echo":"hi"}"#)?;
/// match client.call("n1", &request, Duration::from_secs(1)) {
///     Ok(body) => println!("{body}"), // {"type":"echo_ok","in_reply_to":1,"echo":"hi"}
///     Err(error) => eprintln!("{error}"), // error 1: n1 is not connected to the cluster
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client {
    port: Port,
    name: String,
    has_random_name: bool,
    /// The number of the last call.
    last: u64,
    /// Why there is no connection, or why the last one ended. Empty if none was tried.
    lost: String,
    /// The last thing that was refused on a connection that stays: by the server, or here
    /// because a reply was too long. Empty if there was none.
    refused: String,
}

impl Client {
    /// A client of that name; `None` is a random one. Where the server's permissions bind
    /// names to users, the name is that of the user. It connects with the first call.
    ///
    /// Two clients must not have one name: each would receive the replies to both.
    ///
    /// # Errors
    /// When the kernel gives no epoll.
    pub fn new(nats: &Nats, name: Option<&str>) -> io::Result<Client> {
        let seed = sys::random_seed();
        let has_random_name = name.is_none();
        let name = match name {
            Some(name) => name.to_owned(),
            None => format!("call-{seed:016x}"),
        };
        Ok(Client {
            port: Port::new(nats, vec![name.clone()])?,
            name,
            has_random_name,
            // A late reply to an earlier client of this name has another number.
            last: seed >> 32,
            lost: String::new(),
            refused: String::new(),
        })
    }

    /// Sends a request to `dest`, and waits for the body of its reply.
    ///
    /// The `msg_id` of the request is replaced. The time for a connection to the server
    /// counts too.
    ///
    /// # Errors
    /// - The error that is the reply.
    /// - 1: `dest` is not connected to the cluster.
    /// - 0: no reply came within `timeout`. The text says if no server was reached, or if
    ///   one has refused a subject.
    /// - 11: the request is over the server's limit, and was not sent.
    /// - 13: the kernel's epoll failed.
    pub fn call(
        &mut self,
        dest: &str,
        request: &RawRequest<'_>,
        timeout: Duration,
    ) -> Result<String> {
        self.last += 1;
        let numbers = Numbers {
            msg_id: Some(self.last),
            in_reply_to: None,
        };
        let mut line = Vec::new();
        write_header(&mut line, (&self.name, dest), (request.kind(), ""), numbers);
        write_fields(&mut line, Fields::<()>::Raw(request.body()))?;
        let end = self.port.now() + timeout;
        let mut awaited = Awaited {
            dest,
            number: self.last,
            reply: None,
            lost: &mut self.lost,
            refused: &mut self.refused,
        };
        let failed = |error: io::Error| Error::crash(format!("epoll failed: {error}"));
        // A look first: the connection may have ended since the last call.
        let now = self.port.now();
        self.port.turn(now, &mut awaited).map_err(failed)?;
        let mut is_sent = false;
        loop {
            if !is_sent && self.port.carrier.is_ready() {
                is_sent = true;
                self.port
                    .carrier
                    .publish(line.trim_ascii_end(), &mut awaited);
            }
            if let Some(reply) = awaited.reply.take() {
                return reply;
            }
            if self.port.now() >= end {
                return Err(too_late(
                    is_sent,
                    timeout,
                    &self.lost,
                    &self.refused,
                    self.has_random_name,
                ));
            }
            self.port.turn(end, &mut awaited).map_err(failed)?;
        }
    }
}

/// The error of a call whose time is over.
///
/// | the request | what is known | the text has |
/// |---|---|---|
/// | was not sent | why there is no connection | the reason |
/// | was not sent | nothing yet | no reason |
/// | was sent | nothing was refused | no reason |
/// | was sent | something was refused | what, and why |
/// | was sent | permissions refused it, and the client's name is a random one | the option for a name, too |
fn too_late(
    is_sent: bool,
    timeout: Duration,
    lost: &str,
    refused: &str,
    has_random_name: bool,
) -> Error {
    let (mut text, reason) = match is_sent {
        true => (format!("no reply within {timeout:?}"), refused),
        false => (
            format!("nothing was sent: no connection to a NATS server within {timeout:?}"),
            lost,
        ),
    };
    if !reason.is_empty() {
        text = format!("{text}; {reason}");
        if is_sent && has_random_name && refused.contains("Permissions") {
            text += ": the name of this client is a random one; where permissions bind names to \
                     users, give the name of the user: --as";
        }
    }
    Error::timeout(text)
}

/// Takes the reply to one call. Everything else is dropped.
struct Awaited<'a> {
    dest: &'a str,
    number: u64,
    reply: Option<Result<String>>,
    lost: &'a mut String,
    refused: &'a mut String,
}

impl Sink for Awaited<'_> {
    fn line(&mut self, line: &[u8]) {
        let Ok(Envelope {
            src, header, body, ..
        }) = Envelope::parse(line)
        else {
            return;
        };
        if src != self.dest || header.in_reply_to != ReplyTo::Call(self.number) {
            return;
        }
        let is_error = header.kind.as_deref() == Some("error");
        self.reply = Some(match is_error {
            false => Ok(body.to_owned()),
            true => Err(match serde_json::from_str::<ErrorBody<String>>(body) {
                Ok(ErrorBody { code, text }) => Error::new(code, text),
                Err(_) => Error::new(ErrorCode::Crash, format!("{} is no error", Quote(body))),
            }),
        });
    }

    fn too_long(&mut self, excerpt: &[u8]) {
        *self.refused = format!(
            "a message was too long: {}",
            String::from_utf8_lossy(excerpt)
        );
    }

    fn log(&mut self, topic: Topic, text: fmt::Arguments<'_>) {
        if topic == Topic::Server {
            *self.refused = text.to_string();
        }
    }

    /// A call ends with its time, so no further attempt is told.
    fn lost(&mut self, why: fmt::Arguments<'_>) {
        *self.lost = why.to_string();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_comes_too_late_says_why_if_it_knows() {
        let second = Duration::from_secs(1);
        let complaint = "the NATS server says: Permissions Violation";
        let lost = "the connection to nats://a:1: refused";
        let unsent = "nothing was sent: no connection to a NATS server within 1s";
        for (is_sent, lost, refused, expected) in [
            (false, lost, "", format!("{unsent}; {lost}")),
            (false, lost, complaint, format!("{unsent}; {lost}")),
            (false, "", "", unsent.to_owned()),
            (true, lost, "", "no reply within 1s".to_owned()),
            (
                true,
                lost,
                complaint,
                format!("no reply within 1s; {complaint}"),
            ),
        ] {
            assert_eq!(
                too_late(is_sent, second, lost, refused, false).text,
                expected
            );
        }
        let hinted = too_late(true, second, lost, complaint, true).text;
        assert!(hinted.starts_with(&format!("no reply within 1s; {complaint}")));
        assert!(hinted.ends_with("give the name of the user: --as"));
        for other in ["", "a message was too long: {"] {
            let text = too_late(true, second, lost, other, true).text;
            assert!(!text.contains("--as"), "{text}");
        }
    }
}
