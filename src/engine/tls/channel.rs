//! One TLS connection, on bytes in memory.

use super::settings::Tls;
use super::words::words;
use crate::wire::OutputBuffer;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::fmt;
use std::io::{ErrorKind, Read as _, Write as _};
use std::ops::Range;
use std::time::Duration;

/// How much one read asks for: 64 KiB, four of the longest records.
const READ_BYTES: usize = 64 << 10;

/// Up to how many waiting bytes for the server more are sealed: 64 KiB. The rest stays
/// plain, where the link counts it.
const SEALED_BYTES_MAX: usize = 64 << 10;

/// How much is sealed at once: the content of one record.
const RECORD_BYTES: usize = 16 << 10;

/// A TLS connection.
pub(in crate::engine) struct Channel {
    connection: ClientConnection,
    /// The name that the server's certificate must have.
    name: String,
    has_identity: bool,
    /// Bytes of the socket. Of them `unread` were not taken yet.
    block: Box<[u8]>,
    unread: Range<usize>,
    sealed: OutputBuffer,
}

impl Channel {
    /// A connection that begins. `Err` says why it cannot.
    pub(in crate::engine) fn open(
        tls: &Tls,
        name: &str,
        unix_time: Duration,
    ) -> Result<Box<Channel>, String> {
        tls.time.set(unix_time);
        let server = ServerName::try_from(name.to_owned())
            .map_err(|_| format!("{name:?} is no name that a certificate can have"))?;
        let connection = ClientConnection::new(tls.config.clone(), server)
            .map_err(|error| words(&error, name, tls.has_identity))?;
        Ok(Box::new(Channel {
            connection,
            name: name.to_owned(),
            has_identity: tls.has_identity,
            block: vec![0; READ_BYTES].into(),
            unread: 0..0,
            sealed: OutputBuffer::default(),
        }))
    }

    /// Whether the server has proved its name, and plain bytes can go both ways.
    pub(in crate::engine) fn is_open(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// Where the next read may write. Call it when [`read`](Channel::read) has returned 0.
    pub(in crate::engine) fn space(&mut self) -> &mut [u8] {
        &mut self.block
    }

    /// The first `count` bytes of [`space`](Channel::space) were written.
    pub(in crate::engine) fn filled(&mut self, count: usize) {
        self.unread = 0..count.min(self.block.len());
    }

    /// Takes plain bytes out, in several calls until it returns 0. `Err` says why the
    /// connection is of no use.
    pub(in crate::engine) fn read(&mut self, space: &mut [u8]) -> Result<usize, String> {
        loop {
            match self.connection.reader().read(space) {
                Ok(0) => return Err("the server has closed the connection".to_owned()),
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.to_string()),
            }
            if self.unread.is_empty() {
                return Ok(0);
            }
            let mut rest = &self.block[self.unread.clone()];
            let taken = self.connection.read_tls(&mut rest);
            let taken = taken.map_err(|error| error.to_string())?;
            self.unread.start += taken;
            let processed = self.connection.process_new_packets();
            processed.map_err(|error| words(&error, &self.name, self.has_identity))?;
            if taken == 0 {
                return Err("the server has closed the connection".to_owned());
            }
        }
    }

    /// Seals plain bytes for the server, as many as its bound lets, and returns all that
    /// are sealed.
    pub(in crate::engine) fn seal(&mut self, plain: &mut OutputBuffer) -> &[u8] {
        while self.is_open() && !plain.is_empty() && self.sealed.len() < SEALED_BYTES_MAX {
            let offered = &plain.pending()[..plain.len().min(RECORD_BYTES)];
            let taken = self.connection.writer().write(offered).unwrap_or(0);
            plain.consume(taken);
            self.collect();
            if taken == 0 {
                break;
            }
        }
        self.collect();
        self.sealed.pending()
    }

    /// Moves rustls' records to the sealed bytes.
    fn collect(&mut self) {
        if !self.connection.wants_write() {
            return;
        }
        let mut draft = self.sealed.begin();
        while self.connection.wants_write() {
            // A vector takes everything.
            if self.connection.write_tls(&mut draft).is_err() {
                break;
            }
        }
        self.sealed.commit(&mut draft);
    }

    /// The last bytes for the server, if the handshake has failed on this side: those that
    /// wait, and behind them the alert that says why. Its operator reads it in the log.
    pub(in crate::engine) fn last_words(mut self) -> Vec<u8> {
        if self.is_open() {
            return Vec::new();
        }
        self.collect();
        self.sealed.pending().to_vec()
    }

    /// How many bytes are sealed and wait.
    pub(in crate::engine) fn waiting(&self) -> usize {
        self.sealed.len()
    }

    /// The first `count` sealed bytes were written.
    pub(in crate::engine) fn written(&mut self, count: usize) {
        self.sealed.consume(count);
    }
}

/// Shows no bytes.
impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
