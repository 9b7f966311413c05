//! Addresses: nodes, services and clients as small numbers in place of names.

use crate::workload::SERVICE_NAMES;
use std::collections::HashMap;
use std::rc::Rc;

/// A sender or receiver on the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    /// A node, by index.
    Node(usize),
    /// A service, by its index in [`SERVICE_NAMES`].
    Service(usize),
    /// A client, by index. A closed one keeps its address.
    Client(usize),
}

/// The names of all addresses.
pub(super) struct AddressBook {
    /// The names of the nodes, followed by those of the services.
    servers: Vec<Rc<str>>,
    nodes: usize,
    clients: Vec<Rc<str>>,
    by_name: HashMap<Rc<str>, Address>,
}

impl AddressBook {
    pub(super) fn new(nodes: usize) -> AddressBook {
        let mut servers: Vec<Rc<str>> = (0..nodes).map(|node| format!("n{node}").into()).collect();
        let mut by_name: HashMap<Rc<str>, Address> = HashMap::new();
        for (node, name) in servers.iter().enumerate() {
            by_name.insert(name.clone(), Address::Node(node));
        }
        for (service, name) in SERVICE_NAMES.into_iter().enumerate() {
            let name: Rc<str> = name.into();
            by_name.insert(name.clone(), Address::Service(service));
            servers.push(name);
        }
        AddressBook {
            servers,
            nodes,
            clients: Vec::new(),
            by_name,
        }
    }

    pub(super) fn add_client(&mut self, name: &str) -> usize {
        let index = self.clients.len();
        let name: Rc<str> = name.into();
        self.clients.push(name.clone());
        self.by_name.insert(name, Address::Client(index));
        index
    }

    pub(super) fn find(&self, name: &str) -> Option<Address> {
        self.by_name.get(name).copied()
    }

    pub(super) fn name(&self, address: Address) -> &Rc<str> {
        match address {
            Address::Node(node) => &self.servers[node],
            Address::Service(service) => &self.servers[self.nodes + service],
            Address::Client(client) => &self.clients[client],
        }
    }

    pub(super) fn node_names(&self) -> &[Rc<str>] {
        &self.servers[..self.nodes]
    }

    /// The index of a node or service among all servers; `None` for a client.
    pub(super) fn server(&self, address: Address) -> Option<usize> {
        match address {
            Address::Node(node) => Some(node),
            Address::Service(service) => Some(self.nodes + service),
            Address::Client(_) => None,
        }
    }

    pub(super) fn server_name(&self, server: usize) -> &Rc<str> {
        &self.servers[server]
    }

    pub(super) fn servers(&self) -> usize {
        self.servers.len()
    }
}
