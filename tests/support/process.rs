//! Facts about a running node from /proc.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;

/// A process, by its id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    pub(crate) pid: u32,
}

impl Process {
    /// The greatest resident memory so far, in bytes. Exec resets it, so the parent's
    /// memory is not included.
    pub(crate) fn peak_memory(self) -> usize {
        kib_after(&self.read("status"), "VmHWM:") * 1024
    }

    /// The present resident memory, in bytes. The kernel walks the pages for it. The
    /// counters in `status` are too inaccurate: they may be off by the node's size.
    pub(crate) fn memory(self) -> usize {
        let rollup = self.read("smaps_rollup");
        kib_after(&rollup, "Rss:") * 1024
    }

    /// How many file descriptors are open.
    pub(crate) fn open_files(self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid))
            .expect("the node is running")
            .count()
    }

    /// Processor time used, user and system, in ticks of 10 ms.
    pub(crate) fn cpu_ticks(self) -> u64 {
        let field = |n: usize| -> u64 {
            let value = self.stat_field(n);
            value.parse().expect("a number of ticks")
        };
        field(14) + field(15)
    }

    /// Whether the process waits in the kernel. A wake-up is visible here before the
    /// system call that caused it returns. So the state after a write is never that of
    /// before the write.
    pub(crate) fn is_asleep(self) -> bool {
        self.stat_field(3) == "S"
    }

    /// Whether a signal has stopped the process.
    pub(crate) fn is_stopped(self) -> bool {
        self.stat_field(3) == "T"
    }

    /// A field of /proc/PID/stat, numbered from 1 as in the manual page proc(5).
    fn stat_field(self, number: usize) -> String {
        let stat = self.read("stat");
        // The second field is the command's name, which may contain spaces.
        let (_, rest) = stat.rsplit_once(')').expect("a name in parentheses");
        let field = rest.split_whitespace().nth(number - 3);
        field.expect("so many fields").to_owned()
    }

    fn read(self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid)).expect("the node is running")
    }
}

/// The number of kB on the line that begins with `name`.
fn kib_after(text: &str, name: &str) -> usize {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.map(|line| line.trim().trim_end_matches(" kB").parse());
    number
        .expect("a running process has it")
        .expect("a number of kB")
}

/// The number of connections, at most `wanted`, that the hard limit on open files
/// allows. Raises the soft limit, which nodes started later inherit.
pub(crate) fn affordable(wanted: usize) -> usize {
    // For the standard streams, pipes and sockets of tests in other threads.
    const MARGIN: usize = 500;
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("the soft limit may rise to the hard one");
    let hard = limit
        .maximum
        .map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
    let count = wanted.min(hard.saturating_sub(MARGIN));
    if count < wanted {
        eprintln!("`ulimit -Hn` is {hard}: testing with {count} connections, not {wanted}");
    }
    count
}
