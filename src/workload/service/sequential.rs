//! `seq-kv`: any past state that is not older than the one the caller has seen.
//!
//! Maelstrom keeps the last 32 states as persistent maps. Here each key keeps its own
//! versions, numbered by the state in which they appeared. The cost of a write does not
//! depend on the number of keys.

use super::kept::Kept;
use super::key::{Answer, KeyRequest};
use crate::random::Random;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// How many past states can be seen: Maelstrom's number.
const STATES: u64 = 32;

#[derive(Default)]
pub(super) struct Sequential {
    /// The number of the newest state.
    newest: u64,
    /// Each key's values, oldest first, with the state each appeared in.
    versions: BTreeMap<String, VecDeque<(u64, Rc<Kept>)>>,
    /// The newest state that each caller has seen.
    seen: BTreeMap<String, u64>,
}

impl Sequential {
    pub(super) fn answer(
        &mut self,
        client: &str,
        request: &KeyRequest,
        random: &mut Random,
    ) -> Answer {
        let seen = self.seen.get(client).copied().unwrap_or(0);
        // A caller whose state is no longer kept gets the oldest that is.
        let oldest = seen.max((self.newest + 1).saturating_sub(STATES));
        let state = oldest + random.below(self.newest - oldest + 1);
        let current = self.value_at(&request.key, state);
        let (written, answer) = request.apply(current);
        let changes = written
            .as_ref()
            .is_some_and(|written| current.is_none_or(|current| current.value != written.value));
        if !changes {
            // It changes nothing, so it may have happened in that state. A write of the
            // value that was there already changes nothing either.
            self.saw(client, state);
            return answer;
        }
        let (written, answer) = request.apply(self.value_at(&request.key, self.newest));
        self.newest += 1;
        if let Some(value) = written {
            self.write(&request.key, value);
        }
        self.saw(client, self.newest);
        answer
    }

    fn value_at(&self, key: &str, state: u64) -> Option<&Rc<Kept>> {
        let versions = self.versions.get(key)?.iter().rev();
        let mut known = versions.skip_while(|(appeared, _)| *appeared > state);
        known.next().map(|(_, value)| value)
    }

    fn write(&mut self, key: &str, value: Rc<Kept>) {
        let versions = self.versions.entry(key.to_owned()).or_default();
        versions.push_back((self.newest, value));
        // Of the versions that are as old as the oldest state, it shows the last.
        let oldest = (self.newest + 1).saturating_sub(STATES);
        while versions.get(1).is_some_and(|(at, _)| *at <= oldest) {
            versions.pop_front();
        }
    }

    fn saw(&mut self, client: &str, state: u64) {
        match self.seen.get_mut(client) {
            Some(seen) => *seen = state,
            None => {
                self.seen.insert(client.to_owned(), state);
            }
        }
    }
}
