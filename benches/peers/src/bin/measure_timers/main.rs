//! Measures timers: the processor time to cancel one and insert another, with 1 k, 100 k
//! and 1 M outstanding.
//!
//! ```sh
//! measure_timers [--rounds N]
//! ```
//!
//! The others are compared with the first, this package's wheel. All get the same
//! deadlines, up to a minute ahead. No deadline is reached, and none of the contenders
//! reads the clock.

mod contenders;

use contenders::{Heaped, Mapped, Queued, Slept, Timers, Wheeled};
use nix::sys::resource::{UsageWho, getrusage};
use peers::stats::Sample;
use std::error::Error;
use tokio::runtime::Builder;

const OUTSTANDING: [usize; 3] = [1_000, 100_000, 1_000_000];

/// The measured operations of a round. The heap removes its dead entries at least once in
/// them, at every size.
const OPERATIONS: u32 = 1_000_000;

/// The operations before that, to warm up.
const WARM_UP: u32 = 100_000;

/// Deadlines are up to a minute ahead, like the timeouts of calls and connections.
const AHEAD_MILLIS_MAX: u64 = 60_000;

/// A round: nanoseconds to replace a random timer, and to insert and cancel one.
type Measure = fn(usize, u64) -> [f64; 2];

const CONTENDERS: [(&str, Measure); 5] = [
    ("eddyline::time::Wheel", measure::<Wheeled>),
    ("tokio::time::Sleep", measure::<Slept>),
    ("tokio_util DelayQueue", measure::<Queued>),
    ("BTreeMap<(tick, seq), _>", measure::<Mapped>),
    ("BinaryHeap, lazy deletion", measure::<Heaped>),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut rounds = 7;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg != "--rounds" {
            return Err(format!("unknown option {arg}").into());
        }
        rounds = args.next().ok_or("--rounds N")?.parse()?;
    }
    println!(
        "| timers | outstanding | random | ratio | newest | ratio |\n|---|---|---|---|---|---|"
    );
    for outstanding in OUTSTANDING {
        let mut samples = vec![[Sample::default(), Sample::default()]; CONTENDERS.len()];
        for round in 0..rounds {
            for (sample, (_, measure)) in samples.iter_mut().zip(CONTENDERS) {
                let [random, newest] = measure(outstanding, round);
                sample[0].push(random);
                sample[1].push(newest);
            }
        }
        for (own, (name, _)) in samples.iter().zip(CONTENDERS) {
            print!("| {name} | {outstanding} |");
            for (own, base) in own.iter().zip(&samples[0]) {
                let (nanos, ratio) = (own.spread(), own.ratio(base));
                print!(
                    " **{:.1} ns** ({:.1} – {:.1}) | {:.1} ({:.1} – {:.1}) |",
                    nanos.median,
                    nanos.least,
                    nanos.greatest,
                    ratio.median,
                    ratio.least,
                    ratio.greatest
                );
            }
            println!();
        }
    }
    Ok(())
}

fn measure<T: Timers>(outstanding: usize, seed: u64) -> [f64; 2] {
    // tokio's timers need a runtime. It is entered once, outside of the measurement.
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime of one thread");
    let _entered = runtime.enter();
    let mut random = Random(seed);
    let mut timers = T::new();
    for _ in 0..outstanding {
        timers.insert(random.below(AHEAD_MILLIS_MAX));
    }
    let random_nanos = time(|| {
        // It is below `outstanding`, which is a `usize`.
        let pick = random.below(outstanding as u64) as usize;
        timers.replace(pick, random.below(AHEAD_MILLIS_MAX));
    });
    let newest_nanos = time(|| timers.insert_and_cancel(random.below(AHEAD_MILLIS_MAX)));
    [random_nanos, newest_nanos]
}

/// The nanoseconds of one operation.
fn time(mut operation: impl FnMut()) -> f64 {
    for _ in 0..WARM_UP {
        operation();
    }
    let before = cpu_seconds();
    for _ in 0..OPERATIONS {
        operation();
    }
    (cpu_seconds() - before) * 1e9 / f64::from(OPERATIONS)
}

/// The processor time of this process. It does not include other work of the machine.
fn cpu_seconds() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("getrusage");
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6)
        .sum()
}

/// A splitmix64 generator: the same numbers for every contender.
struct Random(u64);

impl Random {
    /// A number below `bound`: the high half of a product, without a division.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((u128::from(bits) * u128::from(bound)) >> 64) as u64
    }
}
