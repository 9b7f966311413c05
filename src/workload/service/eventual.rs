//! `lww-kv`: two replicas, of which a random one answers. The last writer wins.
//!
//! Before each request a random replica is merged into a random one, which may be
//! the same. A write carries its replica's Lamport time.

use super::kept::Kept;
use super::key::{Access, Answer, KeyRequest};
use crate::random::Random;
use std::collections::BTreeMap;
use std::rc::Rc;

#[derive(Default)]
pub(super) struct Eventual {
    replicas: [Replica; 2],
}

#[derive(Default)]
struct Replica {
    clock: u64,
    values: BTreeMap<String, (u64, Rc<Kept>)>,
}

impl Eventual {
    pub(super) fn answer(&mut self, request: &KeyRequest, random: &mut Random) -> Answer {
        let mut draw = || random.chance(0.5);
        let (source, dest, asked) = (draw(), draw(), draw());
        if source != dest {
            let [first, second] = &mut self.replicas;
            let (source, dest) = if source {
                (second, first)
            } else {
                (first, second)
            };
            dest.merge(source);
        }
        self.replicas[usize::from(asked)].answer(request)
    }
}

impl Replica {
    fn answer(&mut self, request: &KeyRequest) -> Answer {
        let current = self.values.get(&request.key).map(|(_, value)| value);
        if current.is_none() && matches!(request.access, Access::Cas { .. }) {
            // This service ignores `create_if_not_exists`.
            return Answer::NoSuchKey;
        }
        let (written, answer) = request.apply(current);
        if let Some(value) = written {
            self.values.insert(request.key.clone(), (self.clock, value));
            self.clock += 1;
        }
        answer
    }

    /// Takes over the values of `source` whose times are later or equal.
    fn merge(&mut self, source: &Replica) {
        self.clock = self.clock.max(source.clock);
        for (key, (time, value)) in &source.values {
            match self.values.get_mut(key) {
                Some(known) if known.0 > *time => {}
                Some(known) => *known = (*time, Rc::clone(value)),
                None => {
                    self.values.insert(key.clone(), (*time, Rc::clone(value)));
                }
            }
        }
    }
}
