//! TCP clients that connect, send, read at random times, and leave in three ways.

use crate::support::{Numbers, PATIENCE};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

/// The most clients at the same time.
const CLIENTS_MAX: usize = 40;

/// The most bytes in one write.
const BYTES_MAX: usize = 16 << 10;

struct Client {
    stream: TcpStream,
    /// Bytes that were sent, and whose echo was not read yet.
    unread: Vec<u8>,
}

/// All connected clients.
pub(crate) struct Clients {
    port: u16,
    open: Vec<Client>,
    connected: usize,
    half_closed: usize,
    closed: usize,
    closed_with_unread_echoes: usize,
    bytes: usize,
}

impl Clients {
    pub(crate) fn new(port: u16) -> Clients {
        Clients {
            port,
            open: Vec::new(),
            connected: 0,
            half_closed: 0,
            closed: 0,
            closed_with_unread_echoes: 0,
            bytes: 0,
        }
    }

    /// Some clients connect, and some leave.
    pub(crate) fn connect_and_leave(&mut self, numbers: &mut Numbers) {
        while self.open.len() < CLIENTS_MAX && numbers.below(3) > 0 {
            let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connect");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
            self.connected += 1;
            self.open.push(Client {
                stream,
                unread: Vec::new(),
            });
        }
        while !self.open.is_empty() && numbers.below(3) == 0 {
            let client = self.open.swap_remove(numbers.below(self.open.len()));
            if numbers.below(2) == 0 {
                client.half_close();
                self.half_closed += 1;
            } else {
                self.close(client);
            }
        }
    }

    /// Half of the clients send bytes.
    pub(crate) fn send(&mut self, numbers: &mut Numbers) {
        for client in &mut self.open {
            if numbers.below(2) == 0 && client.unread.len() < BYTES_MAX {
                let letter = b'a' + u8::try_from(numbers.below(26)).expect("a letter");
                let data = vec![letter; 1 + numbers.below(BYTES_MAX)];
                client.stream.write_all(&data).expect("write");
                client.unread.extend(&data);
                self.bytes += data.len();
            }
        }
    }

    /// Half of the clients read their echoes.
    pub(crate) fn receive(&mut self, numbers: &mut Numbers) {
        for client in &mut self.open {
            if numbers.below(2) == 0 {
                client.receive();
            }
        }
    }

    /// All clients close, with or without unread echoes.
    pub(crate) fn leave(&mut self) {
        for client in std::mem::take(&mut self.open) {
            self.close(client);
        }
    }

    fn close(&mut self, client: Client) {
        if client.unread.is_empty() {
            self.closed += 1;
        } else {
            self.closed_with_unread_echoes += 1;
        }
        drop(client.stream);
    }

    pub(crate) fn summary(&self) -> String {
        format!(
            "{} TCP clients, {} bytes; {} half-closed, {} closed, {} closed with unread echoes",
            self.connected,
            self.bytes,
            self.half_closed,
            self.closed,
            self.closed_with_unread_echoes
        )
    }
}

impl Client {
    /// Reads the echo of all sent bytes.
    fn receive(&mut self) {
        let mut echo = vec![0; self.unread.len()];
        self.stream.read_exact(&mut echo).expect("the echo");
        assert!(echo == self.unread, "the echo differs");
        self.unread.clear();
    }

    /// Shuts down its sending direction, and reads to the end.
    fn half_close(mut self) {
        self.stream.shutdown(Shutdown::Write).expect("half-close");
        let mut echo = Vec::new();
        self.stream.read_to_end(&mut echo).expect("read to the end");
        assert!(echo == self.unread, "the echo differs");
    }
}
