//! A loop that is about to sleep, a waker on another thread, and every order of their
//! steps. Three drafts: only one of them loses no wake.

#[derive(Clone, Copy, Default)]
struct State {
    tasks: u32,
    parked: bool,
    sleeps: bool,
    rings: u32,
}

type Step = (&'static str, fn(&mut State));

const SET: Step = ("set", |s| s.parked = true);
const LOOK: Step = ("look", |s| s.sleeps = s.tasks == 0);
const ADD: Step = ("ADD", |s| s.tasks += 1);
const RING: Step = ("RING?", |s| {
    if std::mem::take(&mut s.parked) {
        s.rings += 1;
    }
});

/// Takes the steps of both sides in every order.
fn explore(state: State, before: &str, waits: &[Step], wakes: &[Step]) {
    if waits.is_empty() && wakes.is_empty() {
        let end = match (state.sleeps, state.rings) {
            (false, 0) => "does not sleep: it has seen the task",
            (false, _) => "does not sleep; the bell rings without need",
            (true, 0) => "SLEEPS WITH A TASK IN THE QUEUE",
            (true, _) => "sleeps, and the bell wakes it",
        };
        println!("  {before:<24} {end}");
    }
    for (mine, others, is_loop) in [(waits, wakes, true), (wakes, waits, false)] {
        let Some(((name, step), rest)) = mine.split_first() else {
            continue;
        };
        let mut next = state;
        step(&mut next);
        let before = format!("{before}{name}  ");
        match is_loop {
            true => explore(next, &before, rest, others),
            false => explore(next, &before, others, rest),
        }
    }
}

fn main() {
    println!("loop: set parked, look at the queue.  waker: ADD to the queue, RING if parked.");
    explore(State::default(), "", &[SET, LOOK], &[ADD, RING]);
    println!("the loop looks first:");
    explore(State::default(), "", &[LOOK, SET], &[ADD, RING]);
    println!("the waker asks first:");
    explore(State::default(), "", &[SET, LOOK], &[RING, ADD]);
}
