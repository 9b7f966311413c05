//! A kernel that lies within its rules. Whatever it does, a real kernel may do too.

#![forbid(unsafe_code)]

pub mod calls;
pub mod check;
pub mod executor;
pub mod lines;
pub mod node;
pub mod output;
pub mod session;

use node::{Edges, Kernel};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// The size of both pipes.
pub const PIPE_BYTES: usize = 4096;

/// The longest pause between two pieces of input, and between two reads of the output.
const PAUSE_MICROS_MAX: usize = 2_000;

pub struct Liar {
    random: u64,
    now: Duration,
    /// Input that has still to arrive.
    coming: VecDeque<u8>,
    arrival: Duration,
    input: VecDeque<u8>,
    /// No edge is owed for input: the last read has not said `WouldBlock`.
    is_input_known: bool,
    owes_readable: bool,
    /// Bytes that the node has written and that were not taken yet.
    output: VecDeque<u8>,
    taking: Duration,
    /// A write has said `WouldBlock`, so an edge is owed for room.
    was_full: bool,
    owes_writable: bool,
    /// All bytes that were taken from the output.
    pub taken: Vec<u8>,
    /// The node waits for ever, and nothing will come.
    pub is_over: bool,
}

impl Liar {
    /// The same seed and input make the same run.
    pub fn new(seed: u64, input: &[u8]) -> Liar {
        Liar {
            random: seed,
            now: Duration::ZERO,
            coming: input.iter().copied().collect(),
            arrival: Duration::ZERO,
            input: VecDeque::new(),
            is_input_known: false,
            owes_readable: false,
            output: VecDeque::new(),
            taking: Duration::ZERO,
            was_full: false,
            owes_writable: false,
            taken: Vec::new(),
            is_over: false,
        }
    }

    /// A number from 0 to `max`. (The step of splitmix64.)
    fn random(&mut self, max: usize) -> usize {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) % (max as u64 + 1)) as usize
    }

    /// True once in eight times.
    fn chance(&mut self) -> bool {
        self.random(7) == 0
    }

    fn pause(&mut self) -> Duration {
        Duration::from_micros(self.random(PAUSE_MICROS_MAX) as u64 + 1)
    }

    /// Lets everything happen that is due by now. Edges are owed from then on.
    fn catch_up(&mut self) {
        todo!("what is due happens, and edges are owed")
    }

    /// The next moment at which something happens by itself.
    fn next_event(&self) -> Option<Duration> {
        let arrival = (!self.coming.is_empty()).then_some(self.arrival);
        let taking = (!self.output.is_empty()).then_some(self.taking);
        arrival.into_iter().chain(taking).min()
    }
}

impl Kernel for Liar {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Edges> {
        todo!("tell what is owed; lie a little; let time pass")
    }

    fn now(&mut self) -> Duration {
        self.now
    }

    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        todo!("what is there, or less")
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        todo!("what there is room for, or less")
    }
}
