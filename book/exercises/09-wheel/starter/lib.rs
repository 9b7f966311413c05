//! A timer wheel: timers by their tick, in levels of 64 slots.

#![forbid(unsafe_code)]
// The starter does not use everything yet. Take this line out at the end.
#![allow(unused)]

use slab::Slab;

/// How many bits of a tick a level has: one digit in base 64.
const DIGIT_BITS: u32 = 6;

/// Each level has a slot for each value of its digit.
const SLOTS: usize = 64;

/// Eleven digits in base 64 are enough for 64 bits.
const LEVELS: usize = 11;

/// "No timer", in a list.
const NIL: usize = usize::MAX;

/// The name of a timer, and of no later one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimerId {
    generation: u64,
    index: usize,
}

/// A slot of a level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub level: usize,
    pub slot: usize,
}

/// The first and the last timer of a slot.
#[derive(Clone, Copy)]
struct List {
    head: usize,
    tail: usize,
}

struct Level {
    /// Bit N is set if and only if the list of slot N is not empty.
    occupied: u64,
    lists: [List; SLOTS],
}

struct Timer<T> {
    generation: u64,
    tick: u64,
    /// The neighbours in the list.
    prev: usize,
    next: usize,
    value: T,
}

pub struct Wheel<T> {
    /// The wheel's time: no timer is due before it.
    elapsed: u64,
    levels: Vec<Level>,
    timers: Slab<Timer<T>>,
    generation: u64,
}

impl Place {
    /// The place of a timer: the first digit, from the left, in which its tick and the
    /// wheel's time differ.
    pub fn of(elapsed: u64, tick: u64) -> Place {
        todo!("the first digit, from the left, that differs; the timer's own digit there")
    }

    /// The first tick of the slot. The digits to its left are those of the wheel's time.
    fn start(self, elapsed: u64) -> u64 {
        todo!("the digits of elapsed to the left, then the slot, then zeros")
    }
}

impl<T> Wheel<T> {
    pub fn new(now: u64) -> Wheel<T> {
        let list = List {
            head: NIL,
            tail: NIL,
        };
        let level = || Level {
            occupied: 0,
            lists: [list; SLOTS],
        };
        Wheel {
            elapsed: now,
            levels: (0..LEVELS).map(|_| level()).collect(),
            timers: Slab::new(),
            generation: 0,
        }
    }

    /// Arms a timer. One whose tick has passed is due at the wheel's time.
    pub fn insert(&mut self, tick: u64, value: T) -> TimerId {
        let generation = self.generation;
        self.generation += 1;
        let index = self.timers.insert(Timer {
            generation,
            tick: tick.max(self.elapsed),
            prev: NIL,
            next: NIL,
            value,
        });
        self.link(index);
        TimerId { generation, index }
    }

    /// Disarms a timer, and returns its value. `None` if it has fired or was cancelled.
    pub fn cancel(&mut self, id: TimerId) -> Option<T> {
        let timer = self.timers.get(id.index)?;
        if timer.generation != id.generation {
            return None;
        }
        let place = Place::of(self.elapsed, timer.tick);
        self.unlink(place, id.index);
        Some(self.timers.remove(id.index).value)
    }

    /// The tick at which [`expire`](Wheel::expire) next has something to do: never later
    /// than the earliest timer, and sometimes earlier.
    pub fn next_deadline(&self) -> Option<u64> {
        todo!("the start of the earliest slot")
    }

    /// Moves the values of all timers that are due to the end of `due`: the earliest tick
    /// first, and first come first served within a tick.
    pub fn expire(&mut self, now: u64, due: &mut Vec<T>) {
        todo!(
            "while the earliest slot has begun: fire its timers on level 0, place them again on any other"
        )
    }

    /// How many timers are armed.
    pub fn armed(&self) -> usize {
        self.timers.len()
    }

    /// The slot with the earliest timer: the first one on the lowest level that has any.
    fn earliest(&self) -> Option<Place> {
        todo!("the lowest level that has timers, and its first occupied slot")
    }

    /// Appends a timer to the list of its place.
    fn link(&mut self, index: usize) {
        let place = Place::of(self.elapsed, self.timers[index].tick);
        let level = &mut self.levels[place.level];
        let list = &mut level.lists[place.slot];
        let last = std::mem::replace(&mut list.tail, index);
        level.occupied |= 1 << place.slot;
        self.timers[index].prev = last;
        self.timers[index].next = NIL;
        match last {
            NIL => list.head = index,
            _ => self.timers[last].next = index,
        }
    }

    /// Takes a timer out of the middle of its list.
    fn unlink(&mut self, place: Place, index: usize) {
        let (prev, next) = (self.timers[index].prev, self.timers[index].next);
        let level = &mut self.levels[place.level];
        let list = &mut level.lists[place.slot];
        match prev {
            NIL => list.head = next,
            _ => self.timers[prev].next = next,
        }
        match next {
            NIL => list.tail = prev,
            _ => self.timers[next].prev = prev,
        }
        if list.head == NIL {
            level.occupied &= !(1 << place.slot);
        }
    }

    /// Empties a slot. Returns the first timer of its list.
    fn take(&mut self, place: Place) -> usize {
        let level = &mut self.levels[place.level];
        level.occupied &= !(1 << place.slot);
        level.lists[place.slot].tail = NIL;
        std::mem::replace(&mut level.lists[place.slot].head, NIL)
    }
}
