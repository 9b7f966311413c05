//! The plan of a measurement: everything that its command line can say.

use super::pace::Pace;
use super::requests::Requests;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A program that is measured, with its arguments.
///
/// ```
/// use eddyline::harness::Program;
///
/// let program = Program { path: "/usr/bin/python3".into(), arguments: vec!["node.py".into()] };
/// assert_eq!(program.to_string(), "/usr/bin/python3 node.py");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its file.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        let words = self.arguments.iter();
        words
            .map(|word| word.display())
            .try_for_each(|word| write!(f, " {word}"))
    }
}

/// The plan of a measurement.
///
/// ```no_run
/// use eddyline::harness::{Bench, Pace, Program};
///
/// let node = Program { path: "target/release/node".into(), arguments: Vec::new() };
/// let mut bench = Bench::new(node);
/// bench.pace = Pace::Rate(10_000.0);
/// print!("{}", bench.run()?);
/// # Ok::<(), eddyline::harness::BenchError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bench {
    /// The program.
    pub program: Program,
    /// A second one, which the first is compared with.
    pub against: Option<Program>,
    /// The requests.
    pub requests: Requests,
    /// How they follow each other.
    pub pace: Pace,
    /// The measured time of each round.
    pub time_limit: Duration,
    /// The load before it, which is not measured.
    pub warm_up: Duration,
    /// How often each program is measured. Each time it is started again.
    pub rounds: usize,
    /// Set to end the measurement. A handler of SIGINT does that.
    pub interrupt: Arc<AtomicBool>,
}

impl Bench {
    /// A measurement of that program with the defaults: short echoes, 64 outstanding, one round
    /// of 3 s after half a second.
    pub fn new(program: Program) -> Bench {
        Bench {
            program,
            against: None,
            requests: Requests::echo(23),
            pace: Pace::Outstanding(64),
            time_limit: Duration::from_secs(3),
            warm_up: Duration::from_millis(500),
            rounds: 1,
            interrupt: Arc::default(),
        }
    }
}
