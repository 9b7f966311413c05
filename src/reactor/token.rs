//! The name of a source: the index of its slot, and a generation.

use std::num::NonZeroU32;

/// Names one registration of one source, and no later one in the same slot.
///
/// Without the generation, a source in a slot that was freed and reused within a
/// turn would receive the event of its predecessor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Token {
    /// Never zero, so that `Option<Token>` takes no more memory than a token.
    generation: NonZeroU32,
    index: u32,
}

/// Half of the 64 bits that epoll keeps for each descriptor. 32 bits of index are
/// more than the kernel has descriptors. 32 bits of generation repeat after four
/// billion inserts. An old event waits in the queue for a few turns at most.
const INDEX_BITS: u32 = 32;

const _: () = assert!(
    usize::BITS == 2 * INDEX_BITS,
    "mio's token is a usize, and generation and index need 32 bits each of it"
);

impl Token {
    pub(super) fn new(generation: NonZeroU32, index: u32) -> Token {
        Token { generation, index }
    }

    pub(super) fn generation(self) -> NonZeroU32 {
        self.generation
    }

    pub(crate) fn index(self) -> usize {
        self.index as usize
    }

    pub(super) fn to_mio(self) -> mio::Token {
        mio::Token(((self.generation.get() as usize) << INDEX_BITS) | self.index as usize)
    }

    /// `None` for a number that no token has, such as one of generation 0.
    pub(super) fn from_mio(token: mio::Token) -> Option<Token> {
        let half = |bits: usize| u32::try_from(bits & u32::MAX as usize).ok();
        Some(Token {
            generation: NonZeroU32::new(half(token.0 >> INDEX_BITS)?)?,
            index: half(token.0)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_way_through_the_kernel() {
        for (generation, index) in [(1, 0), (u32::MAX, u32::MAX), (7, 9), (1, u32::MAX)] {
            let token = Token::new(NonZeroU32::new(generation).unwrap(), index);
            assert_eq!(Token::from_mio(token.to_mio()), Some(token));
        }
        assert_eq!(Token::from_mio(mio::Token(5)), None);
    }

    #[test]
    fn an_absent_token_costs_nothing() {
        assert_eq!(size_of::<Option<Token>>(), size_of::<Token>());
    }
}
