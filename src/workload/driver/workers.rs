//! Workers and their clients.

use super::{Driver, Worker};
use crate::workload::contract::Workload;
use crate::workload::testbed::Testbed;
use std::collections::VecDeque;

impl<T: Testbed, W: Workload> Driver<'_, T, W> {
    pub(super) fn add_worker(&mut self, node: usize) -> usize {
        let worker = self.workers.len();
        let client = self.new_client(worker);
        self.workers.push(Worker {
            client,
            name: self.testbed.client_name(client),
            node,
            pending: None,
            next_msg_id: 1,
            queue: VecDeque::new(),
            draws: self.streams.fork(),
        });
        worker
    }

    fn new_client(&mut self, worker: usize) -> usize {
        let client = self.testbed.open_client();
        self.worker_of.resize(client + 1, None);
        self.worker_of[client] = Some(worker);
        client
    }

    pub(super) fn replace_client(&mut self, worker: usize) {
        self.retire(worker);
        let client = self.new_client(worker);
        self.workers[worker].client = client;
        self.workers[worker].name = self.testbed.client_name(client);
    }

    pub(super) fn retire(&mut self, worker: usize) {
        self.testbed.close_client(self.workers[worker].client);
    }
}
