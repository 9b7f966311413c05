//! The reader of stderr: it checks that each line is whole.

use super::ledger::Ledger;
use crate::lab::kernel::{Actor, ActorId, FileId, Kernel, Received};
use std::cell::RefCell;
use std::rc::Rc;

pub(super) struct StderrReader {
    pub(super) ledger: Rc<RefCell<Ledger>>,
    pub(super) stderr: FileId,
    /// A line whose end has not arrived yet.
    pub(super) partial: Vec<u8>,
}

impl Actor for StderrReader {
    fn act(&mut self, _id: ActorId, kernel: &mut Kernel) {
        while let Received::Bytes(bytes) = kernel.peer_read(self.stderr, 10_000) {
            self.partial.extend(bytes);
        }
        let partial = std::mem::take(&mut self.partial);
        for line in partial.split_inclusive(|&byte| byte == b'\n') {
            if !line.ends_with(b"\n") {
                self.partial = line.to_vec();
            } else if !line.starts_with(b"eddyline: ") {
                let line = String::from_utf8_lossy(line);
                let text = format!("a line of stderr is not whole: {line:?}");
                self.ledger.borrow_mut().error(text);
            }
        }
    }
}
