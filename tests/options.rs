//! Checks the command line of the real binary: the help, errors, and the effect of each
//! option.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use support::{Ending, INIT, Launch, PATIENCE, assert_error, client, message};

fn run(args: &[&str]) -> Ending {
    let mut node = Launch::new().args(args).start();
    node.close_stdin();
    node.wait()
}

#[track_caller]
fn assert_refused(args: &[&str], names: &str) {
    let ending = run(args);
    assert_eq!(ending.status.code(), Some(2), "{args:?}: {ending:?}");
    assert!(ending.stdout.is_empty(), "{args:?}: {ending:?}");
    let message = ending.stderr.join("\n");
    assert!(message.contains(names), "{args:?} names {names}: {message}");
    assert!(!message.contains("panicked"), "{args:?}: {message}");
}

#[test]
fn help_names_every_option() {
    let ending = run(&["--help"]);
    assert_eq!(ending.status.code(), Some(0));
    assert!(ending.stderr.is_empty(), "{ending:?}");
    let help = ending.stdout.join("\n");
    for option in [
        "--node NAME",
        "--nodes NAME",
        "--rpc-timeout-ms",
        "--line-bytes-max",
        "--tcp-bind",
        "--tcp-connections-max",
        "--nats URL",
        "--cluster NAME",
        "--user NAME",
        "--password-file",
        "--token-file",
        "--ca-file",
        "--cert-file",
        "--key-file",
        "--nkey-file",
        "--creds-file",
        "--tls-handshake",
        "--help",
        "--version",
    ] {
        assert!(help.contains(option), "{option} in {help}");
    }
    // Each option stands below the others, and no line is wider than a terminal.
    for line in &ending.stdout {
        let words = line.trim_start();
        assert!(
            !words.starts_with("--") || line.starts_with("  --"),
            "{line}"
        );
        assert!(line.chars().count() <= 84, "{line}");
    }
    let defaults = eddyline::Options::default();
    for default in [
        defaults.rpc_timeout.as_millis().to_string(),
        defaults.line_bytes_max.to_string(),
        defaults.tcp_bind.to_string(),
        defaults.tcp_connections_max.to_string(),
    ] {
        assert!(
            help.contains(&format!("[default: {default}]")),
            "{default}: {help}"
        );
    }
}

#[test]
fn version_is_the_version_of_the_package() {
    let ending = run(&["--version"]);
    assert_eq!(ending.status.code(), Some(0));
    assert!(ending.stderr.is_empty(), "{ending:?}");
    let expected = concat!("eddyline ", env!("CARGO_PKG_VERSION"));
    assert_eq!(ending.stdout, [expected]);
}

#[test]
fn a_wrong_option_is_a_clear_error_and_exit_2() {
    assert_refused(&["--frobnicate"], "--frobnicate");
    assert_refused(&["--rpc-timeout", "5"], "--rpc-timeout");
    assert_refused(&["-x"], "-x");
    assert_refused(&["input.jsonl"], "input.jsonl");
    assert_refused(&["--version=3"], "--version");
}

#[test]
fn a_bad_rpc_timeout_is_a_clear_error_and_exit_2() {
    for value in ["soon", "-5", "1.5", "", "99999999999999999999999"] {
        let joined = format!("--rpc-timeout-ms={value}");
        assert_refused(&[&joined], "--rpc-timeout-ms");
        assert_refused(&[&joined], value);
    }
    assert_refused(&["--rpc-timeout-ms", "soon"], "soon");
    assert_refused(&["--rpc-timeout-ms"], "--rpc-timeout-ms");
}

#[test]
fn a_bad_address_to_bind_is_a_clear_error_and_exit_2() {
    for value in ["nowhere", "127.0.0.1.1", "256.0.0.1", ""] {
        let joined = format!("--tcp-bind={value}");
        assert_refused(&[&joined], "--tcp-bind");
        assert_refused(&[&joined], value);
    }
    assert_refused(&["--tcp-bind"], "--tcp-bind");
}

// A socket can listen on these addresses, but no client can connect to it.
#[test]
fn an_address_to_bind_that_tcp_cannot_connect_to_is_refused() {
    for value in [
        "255.255.255.255",
        "224.0.0.1",
        "ff02::1",
        "::ffff:224.0.0.1",
    ] {
        let joined = format!("--tcp-bind={value}");
        assert_refused(&[&joined], "--tcp-bind");
        assert_refused(&[&joined], value);
        assert_refused(&[&joined], "TCP can connect to");
    }
}

#[test]
fn a_bad_limit_is_a_clear_error_and_exit_2() {
    for (option, least) in [("--line-bytes-max", 1024), ("--tcp-connections-max", 1)] {
        let too_few = (least - 1).to_string();
        for value in ["many", "-5", "1.5", "", "99999999999999999999999", &too_few] {
            let joined = format!("{option}={value}");
            assert_refused(&[&joined], option);
            assert_refused(&[&joined], value);
        }
        assert_refused(&[option], option);
    }
}

#[test]
fn a_bad_identity_is_a_clear_error_and_exit_2() {
    for (option, given, text) in [
        ("--node", "", r#""" in --node: a name is not empty"#),
        ("--node", "n1,n2", r#""n1,n2" in --node: a comma stands"#),
        ("--node", "n 1", r#""n 1" in --node: a name has no blanks"#),
        (
            "--node",
            "n1\n",
            r#""n1\n" in --node: a name has no blanks"#,
        ),
        ("--nodes", "", r#""" in --nodes: a name is not empty"#),
        ("--nodes", "n1,,n2", r#""" in --nodes: a name is not empty"#),
        (
            "--nodes",
            "n1, n2",
            r#"" n2" in --nodes: a name has no blanks"#,
        ),
    ] {
        assert_refused(&["--node", "n1", option, given], text);
    }
    let stranger = r#""n9" is not among the nodes: "n1", "n2""#;
    assert_refused(&["--node", "n9", "--nodes", "n1,n2"], stranger);
    assert_refused(
        &["--node", "n1", "--nodes", "n1,n2,n1"],
        r#""n1" stands twice"#,
    );
    assert_refused(&["--nodes", "n1,n2"], "--nodes needs --node");
    assert_refused(&["--node"], "--node");
}

#[test]
fn wrong_options_about_nats_are_a_clear_error_and_exit_2() {
    let nats = ["--node", "n1", "--nats", "nats://127.0.0.1:4222"];
    assert_refused(&nats, "--nats needs --cluster");
    assert_refused(&["--nats", "a", "--cluster", "t"], "--nats needs --node");
    assert_refused(&["--nats", "a", "--cluster", "t"], "if it is not alone");
    assert_refused(&["--cluster", "t"], "--cluster needs --nats");
    assert_refused(&["--token-file", "t"], "--token-file needs --nats");
    for url in ["http://a", "a:b", ""] {
        let joined = format!("--nats={url}");
        assert_refused(&["--node", "n1", "--cluster", "t", &joined], "--nats");
    }
    let with = |more: &[&str], names: &str| {
        let named = [&nats[..], &["--cluster", "t"], more].concat();
        assert_refused(&named, names);
    };
    with(&["--user", "n1"], "--user needs a password");
    with(
        &["--password-file", "/dev/null"],
        "--password-file needs --user",
    );
    with(&["--token-file", "/no/such/file"], "/no/such/file");
    with(&["--token-file", "/dev/null"], "is empty");
    let long = "/dev/zero has more than 16384 bytes";
    with(&["--token-file", "/dev/zero"], long);
    with(&["--user", "u", "--password-file", "/dev/zero"], long);
    with(&["--user", "u", "--token-file", "t"], "exclude each other");
}

#[test]
#[cfg(not(feature = "tls"))]
fn options_that_need_another_build_say_which() {
    let named = ["--node", "n1", "--cluster", "t"];
    for given in [
        &["--nats", "tls://a"][..],
        &["--nats", "a", "--ca-file", "f"],
        &["--nats", "a", "--nkey-file", "f"],
        &["--nats", "a", "--creds-file", "f"],
    ] {
        let all = [&named[..], given].concat();
        assert_refused(&all, "cargo build --features tls");
    }
}

const ECHO: &str = r#"{"type":"echo","msg_id":2,"echo":1}"#;

#[test]
fn a_node_that_is_named_by_options_serves_at_once() {
    let args = ["--node=n1", "--nodes=n1,n2,n3"];
    let mut node = Launch::new().args(args).start();
    let reply = node.ask(&client(ECHO));
    assert_eq!(
        (&reply["src"], &reply["body"]["type"]),
        (&"n1".into(), &"echo_ok".into())
    );
    assert_eq!(reply["body"]["msg_id"], 0, "no init_ok was sent");
    let inner = r#"{"type":"proxy","msg_id":3,"target":"n3","inner":{"type":"x"}}"#;
    let call = node.ask(&client(inner));
    assert_eq!(call["dest"], "n3", "{call}");
    let call_id = &call["body"]["msg_id"];
    let reply = message(
        "n3",
        &format!(r#"{{"type":"x_ok","in_reply_to":{call_id}}}"#),
    );
    assert_eq!(node.ask(&reply)["body"]["type"], "proxy_ok");
    node.finish_quietly();
}

#[test]
fn an_init_that_agrees_with_the_options_is_answered_and_another_is_error_22() {
    let mut node = Launch::new()
        .args(["--node=n1", "--nodes=n1,n2,n3"])
        .start();
    assert_eq!(node.ask(INIT)["body"]["type"], "init_ok");
    let other = INIT.replace(r#","n3""#, "");
    assert_error(&node.ask(&other), "c0", 1, 22);
    let other = INIT.replace(r#""node_id":"n1""#, r#""node_id":"n2""#);
    assert_error(&node.ask(&other), "c0", 1, 22);
    assert_eq!(node.ask(&client(ECHO))["body"]["type"], "echo_ok");
    node.finish_quietly();
}

#[test]
fn a_node_without_nodes_is_alone() {
    let mut node = Launch::new().args(["--node", "n1"]).start();
    let alone = INIT.replace(r#","n2","n3""#, "");
    assert_eq!(node.ask(&alone)["body"]["type"], "init_ok");
    node.finish_quietly();
}

#[test]
fn a_line_over_the_limit_is_reported_and_the_next_is_answered() {
    const LIMIT: usize = 1024;
    let mut node = Launch::new().args(["--line-bytes-max", "1024"]).ready();
    let echo = |padding: usize| {
        let text = "x".repeat(padding);
        client(&format!(r#"{{"type":"echo","msg_id":2,"echo":"{text}"}}"#))
    };
    let fits = LIMIT - echo(0).len();
    assert_eq!(node.ask(&echo(fits))["body"]["type"], "echo_ok");
    node.send(&echo(fits + 1));
    let line = node.stderr_line();
    assert!(line.contains("longer than 1024 bytes"), "{line}");
    node.check();
    node.finish_quietly();
}

// The kernel completes the third client's connection. The node accepts it only after
// another client has left.
#[test]
fn the_limit_of_tcp_connections_is_kept() {
    let mut node = Launch::new().args(["--tcp-connections-max=2"]).ready();
    let started = node.ask(&client(r#"{"type":"tcp_echo_start","msg_id":2,"port":0}"#));
    let port = started["body"]["port"].as_u64().expect("a port");
    let port = u16::try_from(port).expect("16 bits");
    let clients = [0, 1, 2].map(|_| {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    });
    let [first, second, third] = clients;
    ping(&first);
    ping(&second);
    let line = node.stderr_line();
    assert!(line.contains("the server is full"), "{line}");
    let stats = client(r#"{"type":"tcp_echo_stats","msg_id":3}"#);
    assert_eq!(node.ask(&stats)["body"]["total_connections"], 2);
    drop(first);
    ping(&third);
    ping(&second);
    assert_eq!(node.ask(&stats)["body"]["total_connections"], 3);
    node.finish_quietly();
}

fn ping(mut stream: &TcpStream) {
    stream.write_all(b"ping").expect("write");
    let mut echo = [0; 4];
    stream.read_exact(&mut echo).expect("the echo");
    assert_eq!(&echo, b"ping");
}

#[test]
fn tcp_echo_binds_only_the_given_address() {
    let mut node = Launch::new().args(["--tcp-bind", "127.0.0.2"]).ready();
    let started = node.ask(&client(r#"{"type":"tcp_echo_start","msg_id":2,"port":0}"#));
    let port = started["body"]["port"].as_u64().expect("a port");
    let port = u16::try_from(port).expect("16 bits");
    TcpStream::connect(("127.0.0.2", port)).expect("the address given");
    TcpStream::connect(("127.0.0.1", port)).expect_err("another address");
    let send = r#"{"type":"tcp_echo_send","msg_id":3,"data":"there"}"#;
    assert_eq!(node.ask(&client(send))["body"]["echoed"], "there");
    node.finish_quietly();
}

#[test]
fn an_address_of_another_machine_is_an_error_for_the_caller_only() {
    // 192.0.2.0/24 is reserved for documentation. No machine has these addresses.
    let mut node = Launch::new().args(["--tcp-bind", "192.0.2.1"]).ready();
    let reply = node.ask(&client(r#"{"type":"tcp_echo_start","msg_id":2,"port":0}"#));
    assert_eq!(reply["body"]["type"], "error", "{reply}");
    assert_eq!(reply["body"]["in_reply_to"], 2, "{reply}");
    node.check();
    assert!(node.finish().stdout.is_empty());
}
