//! The bare loop: a node that can only echo, as a lower bound of the cost.
//!
//! It parses the envelope and then the body with serde_json, both borrowed from the line,
//! and serialises its reply. It has no timers, calls, limits, errors or backpressure, and
//! ends at the first malformed line. `lean_loop` goes one step further.

use peers::bare::{answer, run};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    run(answer)
}
