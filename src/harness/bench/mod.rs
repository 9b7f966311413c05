//! A measurement of node programs: how many messages a second, how late, at which cost.
//!
//! ```text
//!   Bench ──> round ──> node: a process, its pipes, one reactor
//!               │         ^ │
//!          pace: when     │ v lines
//!          is a request   ledger: answers, latencies, wrong lines
//!          due?             │
//!               └──────> figures ──> a table for people, JSON
//! ```
//!
//! Two programs are measured in turn, round by round, so that a change of the machine's speed
//! meets both. The ratio is taken within each round. `hyperfine` measures one program after
//! the other, and warns its users of the drift instead.
//!
//! One thread drives the node. It costs about as much time for each message as a fast node,
//! because it reads each answer as JSON and looks its request up. So the number of messages a
//! second is that of both together, and CPU a message is the figure of the node alone.

mod answers;
mod figures;
mod histogram;
mod ledger;
mod node;
mod pace;
mod plan;
mod requests;
mod round;
mod stop;

pub use pace::Pace;
pub use plan::{Bench, Program};
pub use requests::Requests;

use figures::Figures;
use serde_json::{Value, json};
use std::fmt;
use std::io;
use std::time::Duration;
use stop::Stop;

/// Why there are no figures. `{}` is a sentence for people.
///
/// ```
/// use eddyline::harness::BenchError;
///
/// let error = BenchError::Node { program: "./node".into(), round: 2, why: "it is silent".into() };
/// assert_eq!(error.to_string(), "./node, round 2: it is silent");
/// ```
#[derive(Debug)]
pub enum BenchError {
    /// A node did something wrong: it ended, was silent, answered twice, or wrote a line that is
    /// no message.
    Node {
        /// The program and its arguments.
        program: String,
        /// The round, from 1.
        round: usize,
        /// The fault.
        why: String,
    },
    /// The kernel refused what the bench itself needs.
    Tester(io::Error),
    /// A signal ended the measurement.
    Interrupted,
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BenchError::Node {
                program,
                round,
                why,
            } => write!(f, "{program}, round {round}: {why}"),
            BenchError::Tester(error) => write!(f, "the bench failed: {error}"),
            BenchError::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for BenchError {}

impl BenchError {
    /// One JSON object: the sentence, and for a node its program and the round.
    pub fn json(&self) -> Value {
        match self {
            BenchError::Node {
                program,
                round,
                why,
            } => json!({"error": why, "program": program, "round": round}),
            other => json!({"error": other.to_string()}),
        }
    }
}

impl Bench {
    /// Measures.
    ///
    /// # Errors
    /// The first node that does something wrong ends the measurement.
    pub fn run(&self) -> Result<Measured, BenchError> {
        let programs: Vec<&Program> = [Some(&self.program), self.against.as_ref()]
            .into_iter()
            .flatten()
            .collect();
        let mut rounds = vec![Vec::new(); programs.len()];
        for number in 1..=self.rounds {
            let mut places: Vec<usize> = (0..programs.len()).collect();
            if number % 2 == 0 {
                // The first of a pair may find a colder machine.
                places.reverse();
            }
            for place in places {
                let program = programs[place];
                let figures = round::run(self, program).map_err(|stop| match stop {
                    Stop::Node(why) => BenchError::Node {
                        program: program.to_string(),
                        round: number,
                        why,
                    },
                    Stop::Tester(error) => BenchError::Tester(error),
                    Stop::Interrupted => BenchError::Interrupted,
                })?;
                rounds[place].push(figures);
            }
        }
        Ok(Measured {
            names: programs.iter().map(ToString::to_string).collect(),
            pace: self.pace,
            time_limit: self.time_limit,
            warm_up: self.warm_up,
            rounds,
        })
    }
}

/// The figures of a measurement. `{}` is a table for people.
#[derive(Debug)]
pub struct Measured {
    names: Vec<String>,
    pace: Pace,
    time_limit: Duration,
    warm_up: Duration,
    /// The rounds of each program.
    rounds: Vec<Vec<Figures>>,
}

impl Measured {
    /// One JSON object: the programs with their figures, and the ratios of the first to the
    /// second. Units stand in the names.
    pub fn json(&self) -> Value {
        let (outstanding, rate) = match self.pace {
            Pace::Outstanding(count) => (Some(count), None),
            Pace::Rate(rate) => (None, Some(rate)),
        };
        let programs = self.names.iter().zip(&self.rounds).map(|(name, rounds)| {
            let mut figures = figures::json(rounds);
            figures.insert("program".to_owned(), json!(name));
            Value::Object(figures)
        });
        json!({
            "outstanding": outstanding,
            "rate_per_second": rate,
            "time_limit_seconds": self.time_limit.as_secs_f64(),
            "warm_up_seconds": self.warm_up.as_secs_f64(),
            "rounds": self.rounds[0].len(),
            "programs": programs.collect::<Vec<Value>>(),
            "ratios": figures::ratios(&self.rounds),
        })
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pace {
            Pace::Outstanding(count) => write!(f, "closed loop, {count} outstanding")?,
            Pace::Rate(rate) => write!(f, "open loop, {rate} requests a second")?,
        }
        let (rounds, seconds) = (self.rounds[0].len(), self.time_limit.as_secs_f64());
        let warm_up = self.warm_up.as_secs_f64();
        write!(f, "; ")?;
        if rounds > 1 {
            write!(f, "{rounds} rounds of ")?;
        }
        write!(f, "{seconds} s after {warm_up} s of warm-up")?;
        if rounds > 1 {
            write!(f, "; medians (least – greatest)")?;
        }
        write!(f, "\n\n{}", figures::table(&self.names, &self.rounds))
    }
}
