//! The kernel lies, and keeps its rules. The rules are tested here, and what the lies are
//! good for.

use lab::check::{Bug, check};
use lab::node::{Edges, Kernel};
use lab::{Liar, PIPE_BYTES};
use std::io::ErrorKind;
use std::time::Duration;

/// How many seeds find a bug, or prove nothing.
const SEEDS: u64 = 200;

fn pattern(count: usize) -> Vec<u8> {
    let byte = |place: usize| (place.wrapping_mul(2_654_435_761) >> 13) as u8;
    (0..count).map(byte).collect()
}

#[test]
fn one_seed_makes_one_run() {
    let run = |seed| {
        let mut liar = Liar::new(seed, &pattern(50_000));
        let step = |_| {
            let edges = liar.wait(Some(Duration::from_millis(1))).unwrap();
            (edges, liar.read(&mut [0; 1000]).ok(), liar.now())
        };
        (0..200).map(step).collect::<Vec<_>>()
    };
    assert!(run(7) == run(7), "the same seed, and another run");
    assert!(run(7) != run(8), "another seed, and the same run");
}

#[test]
fn no_byte_of_the_input_is_lost_or_changed() {
    for seed in 0..20 {
        let input = pattern(30_000);
        let mut liar = Liar::new(seed, &input);
        let mut read = Vec::new();
        for _ in 0..10_000 {
            liar.wait(Some(Duration::from_millis(1))).unwrap();
            let mut chunk = [0; 1000];
            while let Ok(count) = liar.read(&mut chunk) {
                read.extend_from_slice(&chunk[..count]);
            }
        }
        assert!(read == input, "seed {seed}: {} of 30000 bytes", read.len());
    }
}

#[test]
fn no_byte_of_the_output_is_lost_or_changed() {
    for seed in 0..20 {
        let output = pattern(30_000);
        let mut liar = Liar::new(seed, b"");
        let mut written = 0;
        for _ in 0..10_000 {
            written += liar.write(&output[written..]).unwrap_or(0);
            liar.wait(Some(Duration::from_millis(1))).unwrap();
        }
        assert!(
            liar.taken == output,
            "seed {seed}: {} of 30000",
            liar.taken.len()
        );
    }
}

#[test]
fn a_pipe_holds_no_more_than_its_size() {
    let mut liar = Liar::new(1, b"");
    let mut written = 0;
    while let Ok(count) = liar.write(&[b'x'; 100]) {
        written += count;
        assert!(written - liar.taken.len() <= PIPE_BYTES);
        assert!(written < 1_000_000, "its reader is infinitely fast");
    }
}

#[test]
fn a_read_may_bring_less_than_there_is() {
    let mut liar = Liar::new(3, &[b'x'; 1_000_000]);
    let mut short = 0;
    for _ in 0..1000 {
        liar.wait(Some(Duration::from_millis(3))).unwrap();
        short += u32::from(liar.read(&mut [0; 10]).is_ok_and(|count| count < 10));
    }
    assert!(
        short > 300,
        "{short} of 1000 reads brought less than they asked for"
    );
}

#[test]
fn a_write_may_take_less_than_there_is_room_for() {
    let mut liar = Liar::new(3, b"");
    let mut partial = 0;
    for _ in 0..1000 {
        partial += u32::from(liar.write(&[b'x'; 10]).is_ok_and(|count| count < 10));
        liar.wait(Some(Duration::from_millis(3))).unwrap();
    }
    assert!(
        partial > 300,
        "{partial} of 1000 writes took less than they were given"
    );
}

#[test]
fn a_wait_ends_at_its_timeout_at_the_latest() {
    for seed in 0..50 {
        let mut liar = Liar::new(seed, &[b'x'; 100_000]);
        for _ in 0..20 {
            while liar.read(&mut [0; 1000]).is_ok() {}
            let before = liar.now();
            liar.wait(Some(Duration::from_millis(1))).unwrap();
            let waited = liar.now() - before;
            assert!(
                waited <= Duration::from_millis(1),
                "a wait of 1 ms took {waited:?}"
            );
        }
    }
}

#[test]
fn nothing_to_wait_for_is_noticed() {
    let mut liar = Liar::new(1, b"");
    assert_eq!(liar.wait(None).unwrap(), Edges::default());
    assert!(liar.is_over);
    assert_eq!(
        liar.read(&mut [0; 8]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
}

#[test]
fn a_sound_node_is_right_with_every_seed() {
    for seed in 0..SEEDS {
        if let Err(text) = check(seed, None) {
            panic!("seed {seed}: {text}");
        }
    }
}

#[track_caller]
fn is_found(bug: Bug) {
    let found = (0..SEEDS).any(|seed| check(seed, Some(bug)).is_err());
    assert!(found, "{SEEDS} seeds, and {bug:?} was not found");
}

#[test]
fn a_short_read_that_is_taken_as_the_last_is_found() {
    is_found(Bug::ShortReadIsDry);
}

#[test]
fn a_rest_that_is_dropped_is_found() {
    is_found(Bug::RestIsDropped);
}

#[test]
fn an_edge_that_is_taken_for_a_proof_is_found() {
    is_found(Bug::EdgeIsProof);
}
