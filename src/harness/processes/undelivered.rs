//! Requests of clients that get no reply on NATS.
//!
//! | the request | its operation ends at once with |
//! |---|---|
//! | comes while the server takes no messages | error 11: nothing was sent |
//! | finds no receiver | error 1 |
//! | is over the server's limit | error 11 |
//! | is under way when the tester's connection ends | error 0: it may have been carried out |
//! | is under way to a node that stands still or is cut off | (nothing: it may come through) |
//!
//! Without this a client would wait for its timeout, so that a second without the server would
//! cost each client five.

use super::Processes;
use super::parts::{Address, Client, Packet};
use crate::harness::record::MessageFate;
use crate::protocol::{Envelope, Error, ErrorBody, ReplyTo};
use crate::time::Clock;
use crate::workload::Happening;

impl Processes {
    /// Takes an error in place of a reply. An `init` is sent again.
    pub(super) fn take_undelivered(&mut self, error: &[u8]) {
        let Ok(Envelope {
            src,
            dest,
            header,
            body,
            ..
        }) = Envelope::parse(error)
        else {
            return;
        };
        let (Some(Address::Node(node)), Some(Address::Client(client))) =
            (self.find(&src), self.find(&dest))
        else {
            return;
        };
        if self.clients[client].is_for_init {
            self.servers[node].absent_at = Some(self.clock.now());
        } else if let (ReplyTo::Call(msg_id), Ok(ErrorBody { code, text })) = (
            header.in_reply_to,
            serde_json::from_str::<ErrorBody<String>>(body),
        ) {
            self.undo(client, msg_id, Error::new(code, text));
        }
    }

    fn undo(&mut self, client: usize, msg_id: u64, error: Error) {
        self.happenings.push_back(Happening::Undone {
            client,
            msg_id,
            error,
        });
    }

    /// Ends the requests that were under way when the connection ended.
    pub(super) fn undo_requests(&mut self) {
        for client in 0..self.clients.len() {
            let Client {
                is_open,
                is_for_init,
                last_msg_id,
                ..
            } = self.clients[client];
            if is_open && !is_for_init {
                let error = Error::timeout("the connection to the NATS server was lost");
                self.undo(client, last_msg_id, error);
            }
        }
    }

    /// Loses a message to a node, because there is no server that takes it.
    pub(super) fn lose_without_server(&mut self, packet: &Packet) {
        self.statistics.lost += 1;
        self.notes.fate(packet.id, MessageFate::Lost);
        if let Address::Client(client) = packet.src
            && !self.clients[client].is_for_init
        {
            let why = "nothing was sent: there is no NATS server that takes messages";
            let error = Error::temporarily_unavailable(why);
            self.undo(client, self.clients[client].last_msg_id, error);
        }
    }
}
