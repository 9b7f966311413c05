//! Measures the node's memory, descriptors and processor time.

use crate::support::{Process, wait_until};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

/// In runs of at least this length, memory must be flat. A third is then a minute, and
/// the first third is long enough for bursts of every kind.
pub(crate) const FLAT_FROM: Duration = Duration::from_secs(180);

/// The most growth of memory from the middle third to the last, in percent.
const GROWTH_MAX: f64 = 2.0;

/// How long the load pauses when it is above its share of the machine.
const REST: Duration = Duration::from_millis(2);

/// Ticks of processor time in a second, in /proc.
const TICKS_PER_SECOND: f64 = 100.0;

struct Sample {
    at: Duration,
    memory: usize,
    /// The most open descriptors since the last sample.
    files: usize,
}

/// Measures the node through /proc, and limits the load.
pub(crate) struct Meter {
    node: Process,
    own: Process,
    start: Instant,
    length: Duration,
    share: f64,
    processors: f64,
    /// Ticks used before the start, by the node and by this process.
    ticks_before: [u64; 2],
    files_at_rest: usize,
    files_most: usize,
    samples: Vec<Sample>,
}

impl Meter {
    pub(crate) fn start(node: Process, length: Duration, share_percent: u64) -> Meter {
        let own = Process {
            pid: std::process::id(),
        };
        wait_until("the node waits", || node.is_asleep());
        let processors = available_parallelism().expect("a number").get();
        Meter {
            node,
            own,
            start: Instant::now(),
            length,
            share: share_percent as f64 / 100.0,
            processors: processors as f64,
            ticks_before: [node.cpu_ticks(), own.cpu_ticks()],
            files_at_rest: node.open_files(),
            files_most: 0,
            samples: Vec::new(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.start.elapsed() >= self.length
    }

    /// The shares of the machine that the node and this process have used.
    fn shares(&self) -> [f64; 2] {
        let all = self.start.elapsed().as_secs_f64() * TICKS_PER_SECOND * self.processors;
        let now = [self.node.cpu_ticks(), self.own.cpu_ticks()];
        let used = |index: usize| (now[index] - self.ticks_before[index]) as f64 / all;
        [used(0), used(1)]
    }

    /// Pauses while load and node are above their share.
    pub(crate) fn pace(&mut self) {
        self.files_most = self.files_most.max(self.node.open_files());
        while self.shares().iter().sum::<f64>() > self.share && !self.is_over() {
            std::thread::sleep(REST);
        }
    }

    /// Checks, without load, that no descriptor was left open. Records the memory.
    pub(crate) fn sample(&mut self) {
        wait_until("no more descriptors are open than at the start", || {
            self.node.open_files() == self.files_at_rest
        });
        self.samples.push(Sample {
            at: self.start.elapsed(),
            memory: self.node.memory(),
            files: std::mem::take(&mut self.files_most),
        });
    }

    /// The samples of a third of the run, by their time.
    fn third(&self, third: u32) -> Vec<&Sample> {
        let span = self.samples.last().map_or(Duration::ZERO, |last| last.at) / 3;
        let (from, until) = (span * third, span * (third + 1));
        let last = third == 2;
        let samples = self.samples.iter();
        let within = samples.filter(|s| s.at > from && (last || s.at <= until));
        within.collect()
    }

    fn mean_memory(&self, third: u32) -> f64 {
        let samples = self.third(third);
        let sum: usize = samples.iter().map(|sample| sample.memory).sum();
        sum as f64 / samples.len().max(1) as f64
    }

    /// A table of the thirds, and the shares of the machine.
    pub(crate) fn summary(&self) -> String {
        let kib = |bytes: f64| format!("{:.1} KiB", bytes / 1024.0);
        let row = |name: &str, value: &dyn Fn(u32) -> String| {
            format!("| {name} | {} | {} | {} |\n", value(0), value(1), value(2))
        };
        let most = |third| self.third(third).iter().map(|s| s.files).max();
        let seconds = self.start.elapsed().as_secs_f64();
        let mut text =
            "| between rounds | first third | middle | last |\n|---|---|---|---|\n".to_owned();
        text += &row("rounds", &|third| self.third(third).len().to_string());
        text += &row("memory, mean", &|third| kib(self.mean_memory(third)));
        text += &row("descriptors", &|_| self.files_at_rest.to_string());
        text += &row("most descriptors in a round", &|third| {
            most(third).unwrap_or(0).to_string()
        });
        let [node, load] = self.shares().map(|share| share * 100.0);
        text += &format!(
            "\n{seconds:.0} s, node {node:.1}% and load {load:.1}% of {} processors, peak memory {}",
            self.processors,
            kib(self.node.peak_memory() as f64)
        );
        text
    }

    #[track_caller]
    pub(crate) fn assert_flat(&self) {
        if self.length < FLAT_FROM {
            return;
        }
        let (middle, last) = (self.mean_memory(1), self.mean_memory(2));
        let growth = (last / middle - 1.0) * 100.0;
        assert!(
            growth <= GROWTH_MAX,
            "memory grew by {growth:.1}% in the last third"
        );
    }
}
