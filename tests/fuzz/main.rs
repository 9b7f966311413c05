//! Runs the check of each fuzz target without a fuzzer, over its corpus and some random
//! inputs. The checks are in this folder; `fuzz/targets/` calls them.

mod conversation;
mod engine;
mod envelope;
mod framing;
mod input;
mod memory;
mod nats;
#[path = "../reference/mod.rs"]
mod reference;
mod replay;
mod wheel;
#[path = "../reference/wheel.rs"]
mod wheel_model;

#[test]
fn conversation() {
    replay::corpus("conversation", conversation::check);
    replay::random(64, b"\x01", conversation::check);
}

#[test]
fn envelope() {
    replay::corpus("envelope", envelope::check);
    replay::random(64, b"{\"", envelope::check);
}

#[test]
fn framing() {
    replay::corpus("framing", framing::check);
    replay::random(32, b"\0\x01", framing::check);
}

#[test]
fn nats() {
    replay::corpus("nats", nats::check);
    replay::random(16, b"\0\x40", nats::check);
}

#[test]
fn wheel() {
    replay::corpus("wheel", wheel::check);
    replay::random(64, b"\0\xff", wheel::check);
}
