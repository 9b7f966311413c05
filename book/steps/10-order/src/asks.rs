//! A small protocol with timeouts.
//!
//! | line that comes | is answered |
//! |---|---|
//! | `ask NAME MS` | `NAME?` at once, and `NAME timeout` after so many milliseconds |
//! | `reply NAME` | `NAME ok`, if the question still waits. There is no timeout then |

use crate::deadlines::{Deadlines, TimerId, tick_at_or_after};
use crate::output::OutputBuffer;
use std::collections::HashMap;
use std::time::Duration;

#[derive(Default)]
pub struct Asks {
    waiting: HashMap<String, TimerId>,
    deadlines: Deadlines<String>,
}

impl Asks {
    pub fn receive(&mut self, line: &[u8], now: Duration, output: &mut OutputBuffer) {
        let line = String::from_utf8_lossy(line);
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("ask"), Some(name), Some(millis)) => {
                let millis = millis.parse().unwrap_or_default();
                let tick = tick_at_or_after(now + Duration::from_millis(millis));
                let timer = self.deadlines.insert(tick, name.to_owned());
                self.waiting.insert(name.to_owned(), timer);
                output.append(format!("{name}?\n").as_bytes());
            }
            (Some("reply"), Some(name), None) => {
                if let Some(timer) = self.waiting.remove(name) {
                    self.deadlines.cancel(timer);
                    output.append(format!("{name} ok\n").as_bytes());
                }
            }
            _ => {} // it means nothing here
        }
    }

    pub fn next_deadline(&mut self) -> Option<u64> {
        self.deadlines.next_deadline()
    }

    /// Ends the questions whose time is over.
    pub fn expire(&mut self, now: u64, output: &mut OutputBuffer) {
        let mut due = Vec::new();
        self.deadlines.expire(now, &mut due);
        for name in due {
            self.waiting.remove(&name);
            output.append(format!("{name} timeout\n").as_bytes());
        }
    }

    /// How many questions have neither a reply nor a timeout.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}
