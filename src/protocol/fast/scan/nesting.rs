//! The objects and arrays that are open around a value.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Object,
    Array,
}

/// The containers that are open around a value, innermost last: one bit for each,
/// which is set for an object.
///
/// ```text
///   0 … 0 1 0 1 1     an array, in it an object, in it another
///         │     └ the innermost
///         └ marks where they begin
/// ```
pub(super) struct Nesting {
    /// The innermost 63 at most, below a bit that marks where they begin.
    bits: u64,
    /// The outer ones, 63 in each word.
    outer: Vec<u64>,
}

/// Nothing is open.
const EMPTY: u64 = 1;

impl Default for Nesting {
    fn default() -> Nesting {
        Nesting {
            bits: EMPTY,
            outer: Vec::new(),
        }
    }
}

impl Nesting {
    #[inline]
    pub(super) fn enter(&mut self, container: Container) {
        if self.bits >> 63 != 0 {
            self.outer.push(self.bits);
            self.bits = EMPTY;
        }
        self.bits = self.bits << 1 | u64::from(container == Container::Object);
    }

    #[inline]
    pub(super) fn innermost(&self) -> Option<Container> {
        match (self.bits, self.bits & 1) {
            (EMPTY, _) => None,
            (_, 0) => Some(Container::Array),
            _ => Some(Container::Object),
        }
    }

    #[inline]
    pub(super) fn leave(&mut self) {
        self.bits >>= 1;
        if self.bits == EMPTY {
            self.bits = self.outer.pop().unwrap_or(EMPTY);
        }
    }
}
