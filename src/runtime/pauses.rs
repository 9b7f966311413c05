//! When the listener was paused, and whether that is news.

use crate::time::Instant;
use std::time::Duration;

/// For how long it must not have paused before the next pause is news: 10 s. While
/// it is paused it tries ten times a second, and a crowd that comes and goes fills
/// it again and again; whoever reads of it once knows.
const CALM: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Pauses {
    last: Option<Instant>,
}

impl Pauses {
    /// It is paused now. True if somebody should be told.
    pub(super) fn is_news(&mut self, now: Instant) -> bool {
        let last = self.last.replace(now);
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
        assert!(pauses.is_news(now));
        for _ in 0..100 {
            now = now + CALM / 2;
            assert!(!pauses.is_news(now));
        }
        assert!(pauses.is_news(now + CALM));
    }
}
