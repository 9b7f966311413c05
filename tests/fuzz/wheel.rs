//! Checks random operations on the timer wheel against a model.

use super::input::Input;
use super::wheel_model::{Pair, Step, TICK_NANOS};

/// The most steps of an input, to bound the cost of the model.
const STEPS_MAX: usize = 1_000;

pub(crate) fn check(input: &[u8]) {
    let mut input = Input::new(input);
    let mut pair = Pair::new(span(&mut input));
    let mut steps = 0;
    while let Some(choice) = input.step()
        && steps < STEPS_MAX
    {
        steps += 1;
        let step = match choice % 16 {
            0..4 => Step::Insert(span(&mut input)),
            4 => Step::InsertPast(span(&mut input)),
            5 | 6 => Step::InsertBeside,
            7 | 8 => Step::Cancel(input.word()),
            9 => Step::Change(input.word()),
            10..13 => Step::Expire(pause(&mut input)),
            13 | 14 => Step::ExpireNext,
            _ => Step::ExpireBackwards(span(&mut input)),
        };
        pair.step(step);
    }
    pair.run_out();
}

/// Spans of every size, including those at which digits of the wheel carry.
fn span(input: &mut Input<'_>) -> u64 {
    let ticks = |count: u64| count.saturating_mul(TICK_NANOS);
    match input.byte() {
        near @ 0..96 => ticks(near.into()) + small(input),
        // Next to a power of two, where digits carry.
        edge @ 96..192 => {
            let bit = (edge - 96) / 2;
            let ahead = ticks(1 << bit);
            if edge % 2 == 0 {
                ahead
            } else {
                ahead.saturating_sub(small(input))
            }
        }
        far @ 192..254 => {
            let nanos = input
                .take(8)
                .iter()
                .fold(0, |sum, &byte| sum << 8 | u64::from(byte));
            nanos >> (far - 192)
        }
        254 => ticks(small(input)),
        255 => u64::MAX,
    }
}

/// Steps in time. Most are small, so that many steps are possible.
fn pause(input: &mut Input<'_>) -> u64 {
    match input.byte() {
        short @ 0..200 => u64::from(short) * 64 * small(input).min(TICK_NANOS),
        _ => span(input) >> input.below(16),
    }
}

fn small(input: &mut Input<'_>) -> u64 {
    input.word() as u64
}
