//! The processor time and the memory of a process that runs, from /proc.
//!
//! wait4(2) would tell both after the end of a process, with its start and its end included,
//! and rustix has no function for it. /proc tells them for any span of time.

use std::fs;
use std::io;
use std::time::Duration;

/// How long a clock tick of /proc is. `USER_HZ` is 100 on every architecture that Rust's
/// standard library supports.
const TICK: Duration = Duration::from_millis(10);

/// The resources that a process has used since its start. Programs that it starts itself are
/// not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// The processor time of all its threads, in user space and in the kernel.
    pub(crate) cpu: Duration,
    /// The part of it that the kernel counted as its own, in steps of 10 ms.
    pub(crate) kernel: Duration,
    /// The most memory that it had at any time.
    pub(crate) peak_bytes: u64,
}

impl Usage {
    /// The usage of that process; `"self"` is this one.
    ///
    /// # Errors
    /// When there is no such process, or /proc is not mounted.
    pub(crate) fn of(process: &str) -> io::Result<Usage> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}"));
        let (user, kernel) = ticks(&read("stat")?)
            .ok_or_else(|| io::Error::other("/proc: the form of `stat` is unknown"))?;
        // Nanoseconds, but only of threads that still run. `stat` has the others too.
        let mut threads = Duration::ZERO;
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            let text = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            let nanos = text.split_whitespace().next();
            let nanos = nanos.and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
            threads += Duration::from_nanos(nanos);
        }
        let both = user + kernel;
        Ok(Usage {
            // `stat` rounds each of its two numbers down.
            cpu: if threads.is_zero() || both > threads + 2 * TICK {
                both
            } else {
                threads
            },
            kernel,
            peak_bytes: peak_bytes(&read("status")?),
        })
    }
}

/// The time in user space and in the kernel.
fn ticks(stat: &str) -> Option<(Duration, Duration)> {
    // The name of the program, the second field, may have blanks and brackets in it.
    let (_, behind) = stat.rsplit_once(')')?;
    let mut fields = behind.split_whitespace().skip(11);
    let mut next = || Some(TICK * fields.next()?.parse().ok()?);
    Some((next()?, next()?))
}

/// 0 if the kernel does not tell it.
fn peak_bytes(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_proc_are_read() {
        let stat = "7 (a) b) R 1 1 1 0 -1 4194304 90 0 0 0 12 3 0 0 20 0 1 0 99 1 2 3";
        let times = (Duration::from_millis(120), Duration::from_millis(30));
        assert_eq!(ticks(stat), Some(times));
        assert_eq!(ticks("7 (a"), None);
        let status = "Name:\ta\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n";
        assert_eq!((peak_bytes(status), peak_bytes("")), (2 << 20, 0));
    }

    #[test]
    fn this_process_has_used_memory_and_time() {
        let before = Usage::of("self").unwrap();
        assert!(before.peak_bytes > 1 << 16, "{before:?}");
        // The work is done when the count has risen: nothing here depends on a speed.
        while Usage::of("self").unwrap().cpu == before.cpu {}
        assert!(Usage::of("no process").is_err());
    }
}
