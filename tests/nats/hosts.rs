//! Four hosts: three with a node each, and one with the server. A host is a network namespace of
//! the test's own, and each node's host has one link to the server's.
//!
//! ```text
//!   n1 10.77.1.2 ──── 10.77.1.1 ┐
//!   n2 10.77.2.2 ─ ✂ ─ 10.77.2.1 ├ server, client
//!   n3 10.77.3.2 ──── 10.77.3.1 ┘
//! ```
//!
//! On a link that is down packets vanish. There is no RST and no error: each end finds the other
//! silent.
//!
//! It takes root, or a kernel that gives every user namespaces. Where neither is to be had the
//! test says that it is skipped. It fails instead where the variable CI is set, unless
//! EDDYLINE_WITHOUT_HOSTS is set, too: `.ci/run` sets it after it has tried.

use super::OnNats;
use super::server;
use super::support::Launch;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

/// A host. It is gone when its last process is.
struct Host {
    /// It waits for the end of its stdin.
    holder: Child,
    /// The options that enter the namespace of a user without rights.
    user: &'static [&'static str],
}

impl Host {
    /// The first host. `None`, after saying so, if the kernel gives none.
    fn first() -> Option<Host> {
        let is_given = |options: &str| {
            let mut unshare = Command::new("unshare");
            let status = unshare
                .args([options, "true"])
                .stderr(Stdio::null())
                .status();
            status.is_ok_and(|status| status.success())
        };
        if is_given("-n") {
            return Some(Host::hold(Command::new("unshare"), &["-n"], &[]));
        }
        if is_given("-Urn") {
            let user = &["-U", "--preserve-credentials"];
            return Some(Host::hold(Command::new("unshare"), &["-Urn"], user));
        }
        let why = "the kernel gives this user no network namespaces";
        let is_allowed = std::env::var_os("EDDYLINE_WITHOUT_HOSTS").is_some();
        assert!(std::env::var_os("CI").is_none() || is_allowed, "{why}");
        eprintln!("skipped: {why}");
        None
    }

    fn hold(mut command: Command, options: &[&str], user: &'static [&'static str]) -> Host {
        let mut holder = command
            .args(options)
            .args(["sh", "-c", "ip link set lo up && echo up && exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a namespace");
        let mut line = String::new();
        let stdout = holder.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        assert_eq!(
            line, "up\n",
            "ip is there (Debian: apt-get install iproute2)"
        );
        Host { holder, user }
    }

    /// A host with a link to this one. Both ends have their addresses.
    fn neighbour(&self, number: u8) -> Host {
        let host = Host::hold(self.command("unshare"), &["-n"], self.user);
        let pid = host.holder.id().to_string();
        let link = format!("link{number}");
        self.run(&format!(
            "link add {link} type veth peer name eth0 netns {pid}"
        ));
        self.run(&format!("addr add 10.77.{number}.1/24 dev {link}"));
        host.run(&format!("addr add 10.77.{number}.2/24 dev eth0"));
        host.run("link set eth0 up");
        self.run(&format!("link set {link} up"));
        host
    }

    /// A program on this host.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.holder.id().to_string(), "-n"]);
        command.args(self.user).arg(program);
        command
    }

    /// Runs `ip` with these words.
    fn run(&self, words: &str) {
        let output = self.command("ip").args(words.split(' ')).output();
        let output = output.expect("ip starts");
        assert!(output.status.success(), "{words}: {output:?}");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _killed = self.holder.kill();
        let _ended = self.holder.wait();
    }
}

/// The server, on the hub. It is killed when dropped.
struct OnHub(Child);

impl Drop for OnHub {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// Calls `n1`, which calls a node, from the hub.
fn call(hub: &Host, target: &str) -> Output {
    let proxy = format!(r#"{{"target":"{target}","inner":{{"type":"echo","echo":1}}}}"#);
    hub.command(env!("CARGO_BIN_EXE_eddyline"))
        .args(["call", "--nats", "10.77.1.1", "--cluster", "t"])
        .args(["--timeout-ms", "20000", "n1", "proxy", &proxy])
        .output()
        .expect("eddyline starts")
}

#[test]
fn a_host_whose_link_is_cut_is_noticed_and_comes_back_when_it_is_joined() {
    let Some(program) = server::program_if_there() else {
        return;
    };
    let Some(hub) = Host::first() else {
        return;
    };
    let hosts = [1, 2, 3].map(|number| hub.neighbour(number));
    let server = hub.command(&program).stderr(Stdio::null()).spawn();
    let _server = OnHub(server.expect("nats-server starts"));
    let mut nodes = [1, 2, 3].map(|number: usize| {
        let program = hosts[number - 1].command(env!("CARGO_BIN_EXE_eddyline"));
        let (name, url) = (format!("n{number}"), format!("nats://10.77.{number}.1"));
        let options = ["--rpc-timeout-ms", "700"];
        OnNats::of(Launch::command(program), &name, &url, &options)
    });
    for node in &mut nodes {
        node.wait_for("connected to");
    }
    for target in ["n2", "n3"] {
        let output = call(&hub, target);
        assert_eq!(output.status.code(), Some(0), "{target}: {output:?}");
    }

    hub.run("link set link2 down");
    // The server still knows n2, and nothing says that it is not there.
    let output = call(&hub, "n2");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("(error 0)"), "{stderr}");
    let output = call(&hub, "n3");
    assert_eq!(output.status.code(), Some(0), "others go on: {output:?}");
    nodes[1].wait_for("it has fallen silent");

    hub.run("link set link2 up");
    nodes[1].wait_for("connected to");
    let output = call(&hub, "n2");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    nodes.into_iter().for_each(OnNats::end);
}
