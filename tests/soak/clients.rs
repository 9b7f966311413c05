//! TCP clients that come, speak, read when they like to, and go in three ways.

use crate::support::{Numbers, PATIENCE};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

/// How many are there at once.
const CLIENTS_MAX: usize = 40;

/// What one says at once.
const BYTES_MAX: usize = 16 << 10;

struct Client {
    stream: TcpStream,
    /// What was said and has not been read back.
    unread: Vec<u8>,
}

/// Everybody who is connected.
pub(crate) struct Clients {
    port: u16,
    open: Vec<Client>,
    came: usize,
    /// By half-close, by closing, and by closing with bytes unread.
    left: [usize; 3],
    bytes: usize,
}

impl Clients {
    pub(crate) fn new(port: u16) -> Clients {
        Clients {
            port,
            open: Vec::new(),
            came: 0,
            left: [0; 3],
            bytes: 0,
        }
    }

    /// Some come, and some go.
    pub(crate) fn come_and_go(&mut self, numbers: &mut Numbers) {
        while self.open.len() < CLIENTS_MAX && numbers.below(3) > 0 {
            let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connect");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
            self.came += 1;
            self.open.push(Client {
                stream,
                unread: Vec::new(),
            });
        }
        while !self.open.is_empty() && numbers.below(3) == 0 {
            let client = self.open.swap_remove(numbers.below(self.open.len()));
            if numbers.below(2) == 0 {
                client.half_close();
                self.left[0] += 1;
            } else {
                self.close(&client);
            }
        }
    }

    /// A half of them say something.
    pub(crate) fn speak(&mut self, numbers: &mut Numbers) {
        for client in &mut self.open {
            if numbers.below(2) == 0 && client.unread.len() < BYTES_MAX {
                let letter = b'a' + u8::try_from(numbers.below(26)).expect("a letter");
                let said = vec![letter; 1 + numbers.below(BYTES_MAX)];
                client.stream.write_all(&said).expect("write");
                client.unread.extend(&said);
                self.bytes += said.len();
            }
        }
    }

    /// A half of them read what has come back.
    pub(crate) fn listen(&mut self, numbers: &mut Numbers) {
        for client in &mut self.open {
            if numbers.below(2) == 0 {
                client.listen();
            }
        }
    }

    /// All go, as they are.
    pub(crate) fn leave(&mut self) {
        for client in std::mem::take(&mut self.open) {
            self.close(&client);
        }
    }

    fn close(&mut self, client: &Client) {
        self.left[if client.unread.is_empty() { 1 } else { 2 }] += 1;
    }

    pub(crate) fn summary(&self) -> String {
        let [half_closed, closed, reset] = self.left;
        format!(
            "{} TCP clients, {} bytes; {half_closed} half-closed, {closed} closed, {reset} closed with echoes unread",
            self.came, self.bytes
        )
    }
}

impl Client {
    /// Reads back all that was said.
    fn listen(&mut self) {
        let mut echo = vec![0; self.unread.len()];
        self.stream.read_exact(&mut echo).expect("the echo");
        assert!(echo == self.unread, "another echo than was said");
        self.unread.clear();
    }

    /// Says that it has said everything, and reads to the end.
    fn half_close(mut self) {
        self.stream.shutdown(Shutdown::Write).expect("half-close");
        let mut echo = Vec::new();
        self.stream.read_to_end(&mut echo).expect("read to the end");
        assert!(echo == self.unread, "another echo than was said");
    }
}
