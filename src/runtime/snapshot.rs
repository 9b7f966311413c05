//! A snapshot of the whole loop, for the microscope.

use super::event_loop::EventLoop;
use super::source::Source;
use crate::lab::FileSnapshot;
use crate::microscope::{self, Moment};
use crate::reactor::ReactorSnapshot;
use crate::session::{OutputSnapshot, SessionSnapshot};
use crate::tcp::ConnectionSnapshot;
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

/// The loop at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct LoopSnapshot {
    pub(crate) phase: &'static str,
    /// On a simulated kernel only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kernel: Option<KernelSnapshot>,
    pub(crate) reactor: ReactorSnapshot,
    #[serde(flatten)]
    pub(crate) session: SessionSnapshot,
    pub(crate) buffers: BuffersSnapshot,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) connections: BTreeMap<String, ConnectionSnapshot>,
    /// The bytes that the echo server counts as held by its connections.
    #[serde(skip)]
    pub(crate) held_bytes: usize,
    /// The name of the source of each descriptor.
    #[serde(skip)]
    pub(crate) descriptors: BTreeMap<RawFd, String>,
}

/// The files behind the sources.
#[derive(Debug, Serialize)]
pub(crate) struct KernelSnapshot {
    pub(crate) pipes: BTreeMap<String, FileSnapshot>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) sockets: BTreeMap<String, FileSnapshot>,
}

/// The buffers between the descriptors and the session.
#[derive(Debug, Serialize)]
pub(crate) struct BuffersSnapshot {
    #[serde(rename = "line buffer")]
    pub(crate) lines: LinesSnapshot,
    pub(crate) stdout: OutputSnapshot,
}

/// The line buffer.
#[derive(Debug, Serialize)]
pub(crate) struct LinesSnapshot {
    pub(crate) bytes: usize,
    pub(crate) limit: usize,
}

impl EventLoop {
    /// Tells the microscope that this moment of a turn has come.
    pub(super) fn look(&self, moment: Moment) {
        microscope::look(moment, self.snapshot());
    }

    /// The same for the moment before a wait, with the reason for its timeout.
    pub(super) fn look_at_wait(&self, timeout: Option<Duration>) {
        let reason = if self.reactor.has_carried_over() {
            "carried over"
        } else if timeout == Some(Duration::ZERO) && self.session.has_ready_tasks() {
            "tasks left"
        } else if timeout.is_some() {
            "deadline"
        } else {
            "none"
        };
        self.look(Moment::Waits { timeout, reason });
    }

    pub(crate) fn snapshot(&self) -> LoopSnapshot {
        let mut session = self.session.snapshot();
        let output = std::mem::take(&mut session.output);
        let (lines, limit) = self.stdin.lines();
        LoopSnapshot {
            phase: self.phase.name(),
            kernel: self.kernel(),
            reactor: self.reactor.snapshot(name),
            buffers: BuffersSnapshot {
                lines: LinesSnapshot {
                    bytes: lines.len(),
                    limit,
                },
                stdout: output,
            },
            connections: self.connections(),
            held_bytes: self.tcp_echo.held_bytes(),
            descriptors: self.descriptors(),
            session,
        }
    }

    /// How many bytes wait for the NATS server, and how many for the session.
    #[cfg(test)]
    pub(crate) fn held_for_nats(&mut self) -> (usize, usize) {
        let broker = self.broker.as_mut();
        broker.map_or((0, 0), |broker| broker.held())
    }

    /// The requests whose handlers still wait.
    #[cfg(test)]
    pub(crate) fn unanswered(&self) -> usize {
        self.session.unanswered()
    }

    fn connections(&self) -> BTreeMap<String, ConnectionSnapshot> {
        let mut connections = BTreeMap::new();
        for (index, source, generation) in self.reactor.sources() {
            let name = name(source, generation);
            let snapshot = match source {
                Source::Connection(connection) => connection.snapshot(name),
                Source::Exchange(send) => send.exchange.snapshot(name),
                Source::Stdin(_)
                | Source::Stdout(_)
                | Source::Stderr(_)
                | Source::Listener(_)
                | Source::Broker(_) => continue,
            };
            connections.insert(index.to_string(), snapshot);
        }
        connections
    }

    fn kernel(&self) -> Option<KernelSnapshot> {
        if !crate::lab::is_simulated() {
            return None;
        }
        let mut kernel = KernelSnapshot {
            pipes: BTreeMap::new(),
            sockets: BTreeMap::new(),
        };
        for (index, source, generation) in self.reactor.sources() {
            let Some(file) = crate::lab::look_at(source.as_raw_fd()) else {
                continue;
            };
            if let Source::Stdin(_) | Source::Stdout(_) | Source::Stderr(_) = source {
                kernel
                    .pipes
                    .insert(self.pipe_name(source, generation), file);
            } else {
                kernel.sockets.insert(index.to_string(), file);
            }
        }
        Some(kernel)
    }
}

impl EventLoop {
    fn descriptors(&self) -> BTreeMap<RawFd, String> {
        let sources = self.reactor.sources();
        let named = sources.map(|(_, source, generation)| (source, name(source, generation)));
        named
            .map(|(source, name)| (source.as_raw_fd(), name))
            .collect()
    }

    /// The name of a pipe: that of its source, or of both that share it.
    fn pipe_name(&self, source: &Source, generation: u32) -> String {
        let fd = source.as_raw_fd();
        let mut others = self.reactor.sources().map(|(_, other, _)| other);
        let is_shared = |other: &Source| {
            other.as_raw_fd() != fd && crate::lab::is_same_file(fd, other.as_raw_fd())
        };
        if others.any(is_shared) {
            SHARED_PIPE.to_owned()
        } else {
            name(source, generation)
        }
    }
}

/// The name of the pipe that stdout and stderr share.
const SHARED_PIPE: &str = "stdout and stderr";

/// The name of a source. A number tells connections apart: it counts all sources.
pub(crate) fn name(source: &Source, generation: u32) -> String {
    match source {
        Source::Stdin(_) => "stdin".to_owned(),
        Source::Stdout(_) => "stdout".to_owned(),
        Source::Stderr(_) => "stderr".to_owned(),
        Source::Listener(_) => "listener".to_owned(),
        Source::Connection(_) => format!("connection {generation}"),
        Source::Exchange(_) => format!("exchange {generation}"),
        Source::Broker(_) => format!("broker {generation}"),
    }
}
