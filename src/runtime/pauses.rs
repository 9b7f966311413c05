//! When the listener was paused, and whether that is news.

use crate::time::Instant;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// For how long it must not have paused before the next pause is news: 10 s. While
/// it is paused it tries ten times a second, and a crowd that comes and goes fills
/// it again and again; whoever reads of it once knows.
const CALM: Duration = Duration::from_secs(10);

/// The last pause for each reason: the kernel's error numbers, and none for a
/// server that is full.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    last: BTreeMap<Option<i32>, Instant>,
}

impl Pauses {
    /// It is paused now. True if somebody should be told.
    pub(super) fn is_news(&mut self, reason: &io::Error, now: Instant) -> bool {
        let last = self.last.insert(reason.raw_os_error(), now);
        last.is_none_or(|last| now.since(last) >= CALM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_news_when_there_was_none_for_a_while() {
        let mut pauses = Pauses::default();
        let mut now = Instant::ZERO;
        let full = io::Error::other("full");
        assert!(pauses.is_news(&full, now));
        for _ in 0..100 {
            now = now + CALM / 2;
            assert!(!pauses.is_news(&full, now));
        }
        let another = io::Error::from_raw_os_error(24);
        assert!(pauses.is_news(&another, now));
        assert!(!pauses.is_news(&another, now));
        assert!(pauses.is_news(&full, now + CALM));
    }
}
