//! The command line.

mod support;

use std::net::TcpStream;
use support::{Ending, Launch, client};

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
    for option in ["--rpc-timeout-ms", "--tcp-bind", "--help", "--version"] {
        assert!(help.contains(option), "{option} in {help}");
    }
    assert!(
        help.contains("1000") && help.contains("127.0.0.1"),
        "{help}"
    );
}

#[test]
fn version_is_the_package_s() {
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

#[test]
fn tcp_echo_binds_the_address_given_and_no_other() {
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
fn an_address_of_another_machine_is_an_error_to_the_caller_only() {
    // 192.0.2.0/24 is set aside for documentation: nobody has it.
    let mut node = Launch::new().args(["--tcp-bind", "192.0.2.1"]).ready();
    let reply = node.ask(&client(r#"{"type":"tcp_echo_start","msg_id":2,"port":0}"#));
    assert_eq!(reply["body"]["type"], "error", "{reply}");
    assert_eq!(reply["body"]["in_reply_to"], 2, "{reply}");
    node.check();
    assert!(node.finish().stdout.is_empty());
}
