//! A network of sessions on virtual time. For tests: the node does not need it.

use crate::Session;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a message is on its way.
pub const DELAY: Duration = Duration::from_millis(5);

#[derive(Default)]
pub struct Net {
    sessions: BTreeMap<String, Session>,
    now: Duration,
    /// Messages on their way, by their time of arrival and a number.
    coming: BTreeMap<(Duration, u64), String>,
    messages: u64,
    /// All messages, with the times at which they left.
    pub log: Vec<(u64, String)>,
    /// Messages to these nodes are lost.
    pub silent: Vec<&'static str>,
}

impl Net {
    /// Nodes that have been told their names.
    pub fn new(names: &[&str]) -> Net {
        let mut net = Net::default();
        for name in names {
            let mut session = Session::default();
            let init = format!(r#"{{"body":{{"type":"init","node_id":"{name}"}}}}"#);
            session.receive(init.as_bytes());
            session.run_tasks();
            net.sessions.insert((*name).to_owned(), session);
        }
        net
    }

    /// A message leaves now.
    pub fn send(&mut self, message: &str) {
        self.log.push((self.now.as_millis() as u64, message.to_owned()));
        self.coming.insert((self.now + DELAY, self.messages), message.to_owned());
        self.messages += 1;
    }

    /// Goes from event to event until a time.
    pub fn run_until(&mut self, millis: u64) {
        let end = Duration::from_millis(millis);
        loop {
            let deadlines = self.sessions.values().filter_map(Session::next_deadline);
            let deadlines = deadlines.map(Duration::from_millis);
            let arrivals = self.coming.keys().map(|(at, _)| *at);
            match deadlines.chain(arrivals).min() {
                Some(at) if at <= end => self.now = at.max(self.now),
                _ => break,
            }
            self.step();
        }
        self.now = end;
    }

    /// Everything that happens at this moment.
    fn step(&mut self) {
        while let Some(entry) = self.coming.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let line = entry.remove();
            let message: Value = serde_json::from_str(&line).unwrap_or_default();
            let dest = message["dest"].as_str().unwrap_or_default();
            if let Some(session) = self.sessions.get_mut(dest)
                && !self.silent.contains(&dest)
            {
                session.set_now(self.now);
                session.receive(line.as_bytes());
            }
        }
        let now = self.now.as_millis() as u64;
        let mut said = Vec::new();
        for session in self.sessions.values_mut() {
            session.set_now(self.now);
            session.expire(now);
            session.run_tasks();
            said.extend(session.take_output());
        }
        for line in String::from_utf8_lossy(&said).lines() {
            self.send(line);
        }
    }
}
