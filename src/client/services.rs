//! Maelstrom's services on NATS: one process, in memory.

use super::port::Port;
use crate::engine::{Nats, Sink};
use crate::notices::{Notices, Topic};
use crate::protocol::Envelope;
use crate::random::Random;
use crate::sys;
use crate::time::Instant;
use crate::workload::{SERVICE_NAMES, Services};
use serde_json::json;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::time::Duration;

/// The names of the services.
///
/// ```
/// assert_eq!(eddyline::client::SERVICES, ["lin-kv", "seq-kv", "lww-kv", "lin-tso"]);
/// ```
pub const SERVICES: [&str; 4] = SERVICE_NAMES;

/// The longest wait without a need: a minute.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Serves Maelstrom's services of these names on NATS, for nodes that use them. `log` gets
/// lines for people, at most 20 a minute about one topic and the count of those beyond it.
///
/// The services have the freedoms that Maelstrom gives them: `seq-kv` may answer with an
/// older state. A request that they cannot carry out gets error 10 or 12, where Maelstrom's say
/// nothing. All values are in the memory of this process, without a bound, and are lost
/// with it. Two processes that serve one name do not know each other. It is for trials; a
/// production system has a store in this place, such as the key-value store of NATS.
///
/// ```no_run
/// use eddyline::{Nats, client::serve};
///
/// let nats = Nats::new("nats://127.0.0.1:4222", "demo")?;
/// let never = serve(&nats, &["seq-kv"], &mut |text| eprintln!("{text}"))?;
/// # match never {}
/// # #[allow(unreachable_code)]
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When a name is none of [`SERVICES`], or the kernel's epoll fails.
pub fn serve(
    nats: &Nats,
    names: &[&str],
    log: &mut dyn FnMut(fmt::Arguments<'_>),
) -> io::Result<Infallible> {
    if let Some(name) = names.iter().find(|name| !SERVICES.contains(name)) {
        let text = format!("there is no service {name:?}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let all = names.iter().map(|&name| name.to_owned()).collect();
    let mut port = Port::new(nats, all)?;
    let mut desk = Desk {
        notices: Notices::default(),
        now: port.now(),
        is_served: SERVICES.map(|name| names.contains(&name)),
        services: Services::new(Random::new(sys::random_seed())),
        replies: Vec::new(),
        log,
    };
    loop {
        desk.now = port.now();
        desk.tell_left_out();
        port.turn(desk.now + WAIT_MAX, &mut desk)?;
        // The replies to one read, so their number is bounded. If the server does not take
        // them they are lost.
        for reply in std::mem::take(&mut desk.replies) {
            port.carrier.publish(&reply, &mut desk);
        }
    }
}

/// Answers requests.
struct Desk<'a> {
    notices: Notices,
    /// The time at which the turn began.
    now: Instant,
    /// By the numbers of the services.
    is_served: [bool; 4],
    services: Services,
    replies: Vec<Vec<u8>>,
    log: &'a mut dyn FnMut(fmt::Arguments<'_>),
}

impl Desk<'_> {
    /// Logs the counts of the lines that were left out.
    fn tell_left_out(&mut self) {
        while let Some(left_out) = self.notices.take_left_out(self.now) {
            (self.log)(format_args!("{left_out}"));
        }
    }
}

impl Sink for Desk<'_> {
    fn line(&mut self, line: &[u8]) {
        let Ok(Envelope {
            src, dest, body, ..
        }) = Envelope::parse(line)
        else {
            return;
        };
        let service = SERVICES.iter().position(|&name| name == dest);
        let service = service.filter(|&service| self.is_served[service]);
        let reply = service.and_then(|service| self.services.answer_strictly(service, &src, body));
        if let Some(body) = reply {
            let reply = json!({"src": dest, "dest": src, "body": body});
            self.replies.push(reply.to_string().into_bytes());
        }
    }

    fn too_long(&mut self, excerpt: &[u8]) {
        let text = String::from_utf8_lossy(excerpt);
        self.log(
            Topic::Message,
            format_args!("a message is too long: {text}"),
        );
    }

    fn log(&mut self, topic: Topic, text: fmt::Arguments<'_>) {
        if self.notices.admit(topic, self.now) {
            (self.log)(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notices::{LINES_MAX, WINDOW};

    #[test]
    fn a_server_that_complains_without_end_is_cut_and_counted() {
        let mut lines = Vec::new();
        let mut desk = Desk {
            notices: Notices::default(),
            now: Instant::ZERO,
            is_served: [true; 4],
            services: Services::new(Random::new(7)),
            replies: Vec::new(),
            log: &mut |text| lines.push(text.to_string()),
        };
        for _ in 0..LINES_MAX + 5 {
            desk.tell_left_out();
            desk.log(Topic::Server, format_args!("the server complains"));
        }
        desk.now = desk.now + WINDOW;
        desk.tell_left_out();
        assert_eq!(lines.len() as u64, LINES_MAX + 1);
        assert!(lines.last().unwrap().starts_with("5 more lines about"));
    }
}
