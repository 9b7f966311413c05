//! A node as a child process.

use crate::message::INIT;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::Pid;
use std::error::Error;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A node after `init`.
pub struct Node {
    child: Child,
    /// Its input, until it is taken.
    pub stdin: Option<ChildStdin>,
    /// Its output.
    pub stdout: ChildStdout,
    buffer: Vec<u8>,
    cpu_before: Duration,
}

impl Node {
    /// Starts `program`, on the given processor if there is one.
    pub fn start(program: &str, cpu: Option<usize>) -> Result<Node, Box<dyn Error>> {
        let cpu_before = cpu_of_children()?;
        let mut words = program.split_whitespace();
        let mut child = Command::new(words.next().ok_or("no program")?)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        if let Some(cpu) = cpu {
            pin(i32::try_from(child.id())?, cpu)?;
        }
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or("no pipe")?;
        let mut node = Node {
            child,
            stdin,
            stdout,
            buffer: vec![0; 64 << 10],
            cpu_before,
        };
        node.write(INIT)?;
        node.read_lines(1)?;
        Ok(node)
    }

    /// Writes all of `bytes`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
        let stdin = self.stdin.as_mut().ok_or("the input was taken")?;
        Ok(stdin.write_all(bytes)?)
    }

    /// Reads `lines` lines.
    pub fn read_lines(&mut self, mut lines: usize) -> Result<(), Box<dyn Error>> {
        while lines > 0 {
            let count = self.stdout.read(&mut self.buffer)?;
            if count == 0 {
                return Err("the node ended too early".into());
            }
            let ended = memchr::memchr_iter(b'\n', &self.buffer[..count]).count();
            lines = lines.checked_sub(ended).ok_or("too many replies")?;
        }
        Ok(())
    }

    /// Reads one line.
    pub fn read_line(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let count = self.stdout.read(&mut self.buffer)?;
            if count == 0 {
                return Err("the node ended too early".into());
            }
            line.extend_from_slice(&self.buffer[..count]);
        }
        Ok(String::from_utf8(line)?)
    }

    /// The processor time until now, user and system, of a node with one thread.
    pub fn cpu(&self) -> Result<Duration, Box<dyn Error>> {
        let file = format!("/proc/{}/schedstat", self.child.id());
        let text = std::fs::read_to_string(file)?;
        let nanos = text.split_whitespace().next().ok_or("an empty file")?;
        Ok(Duration::from_nanos(nanos.parse()?))
    }

    /// The bytes of memory that it holds now.
    pub fn memory(&self) -> Result<usize, Box<dyn Error>> {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id()))?;
        let pages = text.split_whitespace().nth(1).ok_or("an empty file")?;
        Ok(pages.parse::<usize>()? * 4096)
    }

    /// Kills the node and waits for its end. Returns its total processor time, user and
    /// system. Not all nodes end with their input, so a kill is necessary.
    pub fn end(mut self) -> Result<Duration, Box<dyn Error>> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(cpu_of_children()? - self.cpu_before)
    }
}

/// Pins a process, or this thread if `pid` is 0, to one processor.
pub fn pin(pid: i32, cpu: usize) -> Result<(), Box<dyn Error>> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(pid), &set)?)
}

/// Lets this thread run on every processor again.
pub fn unpin() -> Result<(), Box<dyn Error>> {
    let mut set = CpuSet::new();
    for cpu in 0..std::thread::available_parallelism()?
        .get()
        .max(CpuSet::count())
    {
        set.set(cpu)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// The processor time of all children that have ended, user and system.
pub fn cpu_of_children() -> Result<Duration, Box<dyn Error>> {
    let (user, system) = times_of_children()?;
    Ok(user + system)
}

/// The same in its two parts, user and system.
pub fn times_of_children() -> Result<(Duration, Duration), Box<dyn Error>> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let of = |time: nix::sys::time::TimeVal| -> Result<Duration, Box<dyn Error>> {
        Ok(Duration::new(
            u64::try_from(time.tv_sec())?,
            1_000 * u32::try_from(time.tv_usec())?,
        ))
    };
    Ok((of(usage.user_time())?, of(usage.system_time())?))
}
