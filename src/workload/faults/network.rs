//! The network: the fate of each message, and the links that are cut.

use super::latency::Latency;
use super::partition::Link;
use crate::random::Random;
use crate::workload::draws::duration_below;
use std::time::Duration;

/// The properties of the network that last for the whole run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conditions {
    pub(crate) latency: Latency,
    /// Probabilities for each message.
    pub(crate) loss: f64,
    pub(crate) duplication: f64,
    pub(crate) reordering: f64,
    /// Whether messages from and to clients suffer too.
    pub(crate) clients_too: bool,
}

impl Default for Conditions {
    fn default() -> Conditions {
        Conditions {
            latency: Latency::NONE,
            loss: 0.0,
            duplication: 0.0,
            reordering: 0.0,
            clients_too: false,
        }
    }
}

/// The longest time for which a reordered message is held back, if ten latencies are less.
const HELD_BACK_MIN: Duration = Duration::from_millis(10);

/// The fate of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Lost,
    /// It arrives after the first time, and perhaps once more after the second.
    Arrives(Duration, Option<Duration>),
}

/// Each cause draws from a stream of its own: more loss does not change the
/// latencies, so one test can be compared with another.
struct Streams {
    latency: Random,
    loss: Random,
    duplication: Random,
    reordering: Random,
}

pub(crate) struct Network {
    conditions: Conditions,
    streams: Streams,
    servers: usize,
    /// For each link, the number of partitions that cut it.
    cuts: Vec<u16>,
}

impl Network {
    pub(crate) fn new(conditions: Conditions, servers: usize, random: &mut Random) -> Network {
        Network {
            conditions,
            streams: Streams {
                latency: random.fork(),
                loss: random.fork(),
                duplication: random.fork(),
                reordering: random.fork(),
            },
            servers,
            cuts: vec![0; servers * servers],
        }
    }

    /// Draws the fate of a message from or to a client. A safe one always arrives.
    pub(crate) fn client_fate(&mut self, is_safe: bool) -> Fate {
        if is_safe || !self.conditions.clients_too {
            return Fate::Arrives(Duration::ZERO, None);
        }
        self.fate()
    }

    /// Draws the fate of a message between two servers.
    pub(crate) fn fate(&mut self) -> Fate {
        let (conditions, streams) = (&self.conditions, &mut self.streams);
        let mut delay = conditions.latency.draw(&mut streams.latency);
        // Drawn only when it can happen: most networks have neither.
        let happens =
            |probability: f64, stream: &mut Random| probability > 0.0 && stream.chance(probability);
        if happens(conditions.loss, &mut streams.loss) {
            return Fate::Lost;
        }
        if happens(conditions.reordering, &mut streams.reordering) {
            let most = conditions.latency.mean().saturating_mul(10);
            delay += duration_below(&mut streams.reordering, most.max(HELD_BACK_MIN));
        }
        let again = happens(conditions.duplication, &mut streams.duplication)
            .then(|| delay + conditions.latency.draw(&mut streams.duplication));
        Fate::Arrives(delay, again)
    }

    pub(crate) fn is_cut(&self, (from, to): Link) -> bool {
        self.cuts[from * self.servers + to] > 0
    }

    pub(crate) fn cut(&mut self, links: &[Link]) {
        for (from, to) in links {
            self.cuts[from * self.servers + to] += 1;
        }
    }

    pub(crate) fn heal(&mut self) {
        self.cuts.fill(0);
    }

    pub(crate) fn mend(&mut self, links: &[Link]) {
        for (from, to) in links {
            let cuts = &mut self.cuts[from * self.servers + to];
            *cuts = cuts.saturating_sub(1);
        }
    }

    /// Ends losses, duplicates, delays and cuts. Latency stays.
    pub(crate) fn calm(&mut self) {
        self.heal();
        self.conditions.loss = 0.0;
        self.conditions.duplication = 0.0;
        self.conditions.reordering = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(loss: f64) -> Network {
        let conditions = Conditions {
            latency: Latency::exponential_ms(100),
            loss,
            ..Conditions::default()
        };
        Network::new(conditions, 5, &mut Random::new(1))
    }

    #[test]
    fn loss_does_not_shift_the_latencies() {
        let (mut perfect, mut lossy) = (network(0.0), network(0.3));
        let mut lost = 0;
        for _ in 0..1000 {
            match (perfect.fate(), lossy.fate()) {
                (_, Fate::Lost) => lost += 1,
                (one, other) => assert_eq!(one, other),
            }
        }
        assert!((250..350).contains(&lost), "{lost}");
    }

    #[test]
    fn clients_suffer_only_when_told_to() {
        let mut network = network(1.0);
        let at_once = Fate::Arrives(Duration::ZERO, None);
        assert_eq!(network.client_fate(false), at_once);
        network.conditions.clients_too = true;
        assert_eq!(network.client_fate(true), at_once);
        assert_eq!(network.client_fate(false), Fate::Lost);
    }

    #[test]
    fn a_link_that_two_partitions_cut_is_healed_by_both() {
        let mut network = network(0.0);
        network.cut(&[(1, 2)]);
        network.cut(&[(1, 2)]);
        network.mend(&[(1, 2)]);
        assert!(network.is_cut((1, 2)) && !network.is_cut((2, 1)));
        network.mend(&[(1, 2)]);
        assert!(!network.is_cut((1, 2)));
    }
}
