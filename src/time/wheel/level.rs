//! The levels: the slot that a tick belongs to, and the slot that comes next.

use super::node::List;
use super::tick::Tick;

/// Bits of one digit. A `u64` has an occupancy bit for each of its 64 slots, so that
/// finding the next occupied slot is one instruction.
const LEVEL_BITS: u32 = 6;
const SLOTS_IN_LEVEL: usize = 1 << LEVEL_BITS;
const SLOT_MASK: u64 = SLOTS_IN_LEVEL as u64 - 1;

/// Enough levels for [`Tick::LAST`], which has 45 bits. No deadline is too far for
/// them, so the wheel needs no overflow list. The occupancy words fill a cache line.
pub(super) const LEVELS: usize = 8;
const _: () = assert!(Tick::LAST.0 >> (LEVEL_BITS as usize * LEVELS) == 0);

const SLOTS: usize = LEVELS * SLOTS_IN_LEVEL;

/// A slot of a level, as one index over all slots of all levels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place(usize);

impl Place {
    /// The place of a timer due at `tick` when the wheel's time is `elapsed`: on the
    /// level of the highest base-64 digit in which the two differ.
    ///
    /// Nothing else decides a timer's place, and the wheel's time cannot pass a slot
    /// without emptying it. So a node need not remember its place.
    pub(super) fn of(elapsed: Tick, tick: Tick) -> Place {
        debug_assert!(elapsed <= tick && tick <= Tick::LAST);
        // The mask sets the lowest digit, so that equal ticks get level 0.
        let level = ((elapsed.0 ^ tick.0) | SLOT_MASK).ilog2() / LEVEL_BITS;
        let digit = (tick.0 >> (level * LEVEL_BITS)) & SLOT_MASK;
        // Below 64, which fits any usize.
        Place(level as usize * SLOTS_IN_LEVEL + digit as usize)
    }

    /// Whether all timers in this slot are due at one and the same tick.
    pub(super) fn is_one_tick(self) -> bool {
        self.0 < SLOTS_IN_LEVEL
    }

    /// The first tick of this slot, at which the wheel must stop: the digits above are
    /// those of `elapsed`, and the digits below are zero.
    pub(super) fn start(self, elapsed: Tick) -> Tick {
        let (level, slot) = (self.level(), self.slot());
        // Both shifts stay below 48, because there are 8 levels of 6 bits.
        let unit = LEVEL_BITS as usize * level;
        let above = unit + LEVEL_BITS as usize;
        Tick((elapsed.0 >> above << above) | ((slot as u64) << unit))
    }

    fn level(self) -> usize {
        self.0 / SLOTS_IN_LEVEL
    }

    fn slot(self) -> usize {
        self.0 % SLOTS_IN_LEVEL
    }
}

/// All slots of all levels, each a list, and a bit for each that is occupied.
pub(super) struct Levels {
    /// A bit for each slot of a level, set while its list is not empty.
    occupied: [u64; LEVELS],
    /// In a box, so that moving a wheel does not copy 4 KiB.
    lists: Box<[List; SLOTS]>,
}

impl Levels {
    pub(super) fn new() -> Levels {
        Levels {
            occupied: [0; LEVELS],
            lists: Box::new([List::EMPTY; SLOTS]),
        }
    }

    /// The slot that holds the earliest timers. O(levels).
    ///
    /// It is on the lowest level that is not empty: timers on a higher level differ from
    /// the wheel's time in a higher digit, so they are due later. Within a level no
    /// occupied slot lies before the wheel's time, so the first bit is the earliest slot.
    pub(super) fn earliest(&self) -> Option<Place> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        let slot = self.occupied[level].trailing_zeros() as usize;
        Some(Place(level * SLOTS_IN_LEVEL + slot))
    }

    /// The list of the slot at `place`.
    pub(super) fn list(&self, place: Place) -> &List {
        &self.lists[place.0]
    }

    /// Changes the list at `place` by `change`, and its bit with it.
    pub(super) fn update(&mut self, place: Place, change: impl FnOnce(&mut List)) {
        let list = &mut self.lists[place.0];
        change(list);
        let bit = 1 << place.slot();
        let slots = &mut self.occupied[place.level()];
        if list.is_empty() {
            *slots &= !bit;
        } else {
            *slots |= bit;
        }
    }

    /// The slots whose bit is set, as (level, slot).
    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn occupied(&self) -> impl Iterator<Item = (usize, usize)> {
        let slots = |(level, bits): (usize, &u64)| {
            let bits = *bits;
            (0..SLOTS_IN_LEVEL)
                .filter(move |slot| bits >> slot & 1 == 1)
                .map(move |slot| (level, slot))
        };
        self.occupied.iter().enumerate().flat_map(slots)
    }

    /// The lists that have timers, each with its level and slot.
    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn lists(&self) -> impl Iterator<Item = (usize, usize, &List)> {
        let lists = self.lists.iter().enumerate();
        lists
            .filter(|(_, list)| !list.is_empty())
            .map(|(index, list)| (Place(index).level(), Place(index).slot(), list))
    }

    /// Empties the slot at `place` and returns what was in it.
    pub(super) fn take(&mut self, place: Place) -> List {
        let mut taken = List::EMPTY;
        self.update(place, |list| std::mem::swap(list, &mut taken));
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The place at `slot` of `level`.
    fn place(level: usize, slot: usize) -> Place {
        Place(level * SLOTS_IN_LEVEL + slot)
    }

    #[test]
    fn the_level_is_that_of_the_highest_digit_that_differs() {
        let at = |elapsed, tick| Place::of(Tick(elapsed), Tick(tick));
        assert_eq!(at(0, 0), place(0, 0));
        assert_eq!(at(0, 63), place(0, 63));
        assert_eq!(at(0, 64), place(1, 1));
        // One tick away and on level 1, because the digit carries.
        assert_eq!(at(63, 64), place(1, 1));
        assert_eq!(at(64, 64), place(0, 0));
        assert_eq!(at(100, 127), place(0, 63));
        assert_eq!(at(0, 64 * 64 * 5 + 17), place(2, 5));
    }

    #[test]
    fn the_last_tick_has_a_place_from_everywhere() {
        let top = Place::of(Tick(0), Tick::LAST);
        assert_eq!(top.level(), LEVELS - 1);
        assert_eq!(top.start(Tick(0)).0, Tick::LAST.0 >> 42 << 42);
        let here = Place::of(Tick::LAST, Tick::LAST);
        assert_eq!(here.start(Tick::LAST), Tick::LAST);
    }

    #[test]
    fn a_slot_starts_at_or_before_its_ticks_and_after_the_wheel() {
        for elapsed in [0, 1, 63, 64, 4095, 4096, 123_456_789] {
            for ahead in [1, 2, 63, 64, 65, 4096, 262_144, 1 << 30, 1 << 40] {
                let (elapsed, tick) = (Tick(elapsed), Tick(elapsed + ahead));
                let place = Place::of(elapsed, tick);
                let start = place.start(elapsed);
                assert!(elapsed < start && start <= tick);
                // From its slot's start a timer falls to a lower level.
                let next = Place::of(start, tick);
                assert!(place.is_one_tick() || next.level() < place.level());
            }
        }
    }
}
