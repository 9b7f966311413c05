//! Memory that is used again, so that steady work allocates nothing.
//!
//! New memory costs more than most of the work that is done in it, because the kernel
//! has to clear each page. So a block that has become empty serves the next use. A
//! block that grew large must not stay large for ever. One policy decides how much an
//! empty block keeps, [`Retention`]. A use is large if it took more than
//! `small_bytes_max`.
//!
//! | the block | its last use | large uses in a row | the block keeps |
//! |---|---|---|---|
//! | at most `small_bytes_max` | small | 0 | all of its memory |
//! | larger | small | 0 | `small_bytes_max` |
//! | larger | large | fewer than `large_uses_min` | `small_bytes_max` |
//! | larger | large | at least `large_uses_min` | all of its memory |
//!
//! | block | `small_bytes_max` | `large_uses_min` | reason |
//! |---|---|---|---|
//! | line buffer | 128 KiB | 1 | long lines come in rows, and a block grows to 16 MiB in seven steps |
//! | output buffer | 512 KiB | 2 | a single burst is usual when a reader was slow |
//! | received message, body of a call | 4 KiB | never | a [`Pool`] has a thousand of them, and each could become as large as the largest |
//!
//! A pooled block that is filled again may wait with its content for long. It keeps
//! [`held_bytes_max`] then:
//!
//! | the block | it keeps |
//! |---|---|
//! | at most 512 bytes | all of its memory |
//! | at most four times its content | all of its memory |
//! | larger | as much as its content takes |
//!
//! Used by `wire/` for its two buffers, and by `node/pools.rs`.

use std::cell::RefCell;

/// How many blocks a pool keeps: 1,024. The other blocks of a burst are freed.
const POOLED_BLOCKS_MAX: usize = 1024;

/// The largest block that a pool keeps: 4 KiB, so that all of them hold 4 MiB at most.
const POOLED_BYTES_MAX: usize = 4 << 10;

/// How much larger than its content a block that holds some may be. A thousand blocks
/// that are each as large as the largest message was, held by small messages that
/// wait, would be a thousand more with every burst.
const HELD_FACTOR_MAX: usize = 4;

/// How large a block that holds content may be, however short that is: 512 bytes.
const HELD_BYTES_MIN: usize = 512;

/// Decides how much memory one block keeps when it becomes empty. The table is above.
#[derive(Debug)]
pub(crate) struct Retention {
    small_bytes_max: usize,
    large_uses_min: u32,
    /// How many uses in a row were large.
    large_uses: u32,
}

impl Retention {
    pub(crate) const fn new(small_bytes_max: usize, large_uses_min: u32) -> Retention {
        Retention {
            small_bytes_max,
            large_uses_min,
            large_uses: 0,
        }
    }

    /// Notes that a block is empty again, after a use that took `used_bytes`. Returns
    /// how much memory it may keep.
    pub(crate) fn end_use(&mut self, used_bytes: usize) -> usize {
        if used_bytes <= self.small_bytes_max {
            self.large_uses = 0;
            return self.small_bytes_max;
        }
        self.large_uses = self.large_uses.saturating_add(1);
        if self.large_uses < self.large_uses_min {
            self.small_bytes_max
        } else {
            usize::MAX
        }
    }
}

/// How much memory a pooled block may keep while it holds `content_bytes`.
#[inline]
pub(crate) fn held_bytes_max(content_bytes: usize) -> usize {
    (HELD_FACTOR_MAX * content_bytes).max(HELD_BYTES_MIN)
}

/// A block that a [`Pool`] can take back.
pub(crate) trait Recycle: Default {
    /// Empties the block, and frees what it has beyond `bytes_max`. Returns false if
    /// it is still in use.
    fn recycle(&mut self, bytes_max: usize) -> bool;
}

impl Recycle for Vec<u8> {
    fn recycle(&mut self, bytes_max: usize) -> bool {
        self.clear();
        self.shrink_to(bytes_max);
        true
    }
}

/// Blocks that are not in use.
#[derive(Default)]
pub(crate) struct Pool<T> {
    blocks: RefCell<Vec<T>>,
}

impl<T: Recycle> Pool<T> {
    /// An empty block, a used one if there is any.
    pub(crate) fn take(&self) -> T {
        self.blocks.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a block back, unless it is still in use or the pool is full.
    pub(crate) fn give_back(&self, mut block: T) {
        if block.recycle(POOLED_BYTES_MAX) {
            let mut blocks = self.blocks.borrow_mut();
            if blocks.len() < POOLED_BLOCKS_MAX {
                blocks.push(block);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: usize = usize::MAX;

    /// The sizes that a block keeps after each of some uses.
    fn kept<const N: usize>(large_uses_min: u32, used_bytes: [usize; N]) -> [usize; N] {
        let mut retention = Retention::new(100, large_uses_min);
        used_bytes.map(|used_bytes| retention.end_use(used_bytes))
    }

    #[test]
    fn after_a_small_use_a_block_keeps_the_small_size() {
        for large_uses_min in 1..3 {
            assert_eq!(kept(large_uses_min, [0, 1, 100]), [100; 3]);
        }
    }

    #[test]
    fn after_too_few_large_uses_a_block_keeps_the_small_size() {
        assert_eq!(kept(2, [101]), [100]);
        assert_eq!(kept(3, [101, 1000]), [100; 2]);
    }

    #[test]
    fn after_enough_large_uses_a_block_keeps_all_until_a_small_one() {
        assert_eq!(kept(1, [101, 1000, 100]), [ALL, ALL, 100]);
        assert_eq!(kept(2, [101, 101, 101, 100]), [100, ALL, ALL, 100]);
    }

    #[test]
    fn a_small_use_ends_a_row_of_large_ones() {
        assert_eq!(kept(2, [101, 1, 101, 101]), [100, 100, 100, ALL]);
    }

    #[test]
    fn a_block_that_holds_content_may_be_small_or_four_times_as_large() {
        assert_eq!(held_bytes_max(0), 512);
        assert_eq!(held_bytes_max(128), 512);
        assert_eq!(held_bytes_max(1000), 4000);
    }

    #[test]
    fn a_pool_gives_out_the_memory_that_came_back() {
        let pool = Pool::<Vec<u8>>::default();
        let mut block = pool.take();
        block.extend_from_slice(&[1; 1000]);
        let memory = block.as_ptr();
        pool.give_back(block);
        let block = pool.take();
        assert_eq!((block.len(), block.as_ptr()), (0, memory));
        assert_eq!(pool.take().capacity(), 0);
    }

    #[test]
    fn a_pool_keeps_neither_large_blocks_nor_more_than_its_bound() {
        let pool = Pool::<Vec<u8>>::default();
        pool.give_back(vec![1; 2 * POOLED_BYTES_MAX]);
        assert_eq!(pool.take().capacity(), POOLED_BYTES_MAX);
        for _ in 0..=POOLED_BLOCKS_MAX {
            pool.give_back(Vec::new());
        }
        assert_eq!(pool.blocks.borrow().len(), POOLED_BLOCKS_MAX);
    }
}
