//! The servers that a link may connect to, and how long it waits between attempts.

use super::nats::Address;
use crate::random::Random;
use std::time::Duration;

/// How many servers are remembered that the server itself has named: 64.
const LEARNED_MAX: usize = 64;

/// The longest pause before the first attempts on the other servers: 50 ms, drawn, so
/// that the clients of a server that was killed do not come to the next one all at once.
const FIRST_PAUSE_MAX: Duration = Duration::from_millis(50);

/// The pause after all servers have failed: 100 ms, doubled with each further round.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest pause: 2 s. A server that is back is found soon, and an attempt on a
/// server that is not there costs little.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(2);

/// A connection that was ready for so long has lasted: 2 s, the longest pause. So attempts
/// follow each other no faster than with a server that is not there, and one that dies now
/// and then is found again at once.
pub(super) const LASTS_MIN: Duration = PAUSE_MAX;

/// All servers, those that were given first.
#[derive(Debug)]
pub(crate) struct Servers {
    given: Vec<Address>,
    /// Named by the last `INFO` in `connect_urls`.
    learned: Vec<Address>,
    /// The server of this attempt.
    current: usize,
    /// Attempts that failed, and connections that did not last, since one has lasted.
    failures: usize,
}

impl Servers {
    /// The first attempt goes to any of them, so that clients spread over the servers.
    pub(crate) fn new(given: Vec<Address>, random: &mut Random) -> Servers {
        let count = u64::try_from(given.len()).unwrap_or(1);
        Servers {
            current: usize::try_from(random.below(count)).unwrap_or(0),
            given,
            learned: Vec::new(),
            failures: 0,
        }
    }

    fn len(&self) -> usize {
        self.given.len() + self.learned.len()
    }

    /// The server of this attempt.
    pub(crate) fn current(&self) -> &Address {
        let all = self.given.iter().chain(&self.learned);
        let mut all = all.skip(self.current % self.len());
        all.next().unwrap_or(&self.given[0])
    }

    /// Takes the servers that the current one has named in place of those named before.
    pub(crate) fn learn(&mut self, urls: &[String]) {
        let current = self.current().clone();
        let named = urls.iter().filter_map(|url| url.parse::<Address>().ok());
        let new = named.filter(|address| !self.given.iter().any(|given| given.is_at(address)));
        let new = new.map(|address| address.named_by(&current));
        self.learned = new.take(LEARNED_MAX).collect();
        let all = self.given.iter().chain(&self.learned);
        let at = all.enumerate().find(|(_, address)| **address == current);
        self.current = at.map_or(0, |(index, _)| index);
    }

    /// The connection has lasted: the next failure counts as the first.
    pub(crate) fn lasted(&mut self) {
        self.failures = 0;
    }

    /// All servers, for a person, after the attempt on the last one of them has failed.
    pub(crate) fn all_tried(&self) -> Option<String> {
        let is_first_round = self.failures + 1 == self.len() && self.len() > 1;
        let all = self.given.iter().chain(&self.learned);
        let all: Vec<String> = all.map(Address::to_string).collect();
        is_first_round.then(|| all.join(", "))
    }

    /// Goes on to the next server. Returns the pause before its attempt.
    ///
    /// | the connection | counts as |
    /// |---|---|
    /// | was not made, or the handshake failed | a failure |
    /// | was ready for less than [`LASTS_MIN`] | a failure |
    /// | has lasted so long | the end of the failures before it, and then one |
    ///
    /// | failures | pause |
    /// |---|---|
    /// | up to as many as there are servers | up to 50 ms |
    /// | n times as many | up to 100 ms, 200 ms, … 2 s, and half of that at least |
    ///
    /// The handshake alone proves little: a server that closes each connection behind it
    /// would be asked for the next one 30 times a second.
    pub(crate) fn failed(&mut self, random: &mut Random) -> Duration {
        self.failures += 1;
        self.current = (self.current + 1) % self.len();
        let rounds = (self.failures - 1) / self.len();
        let (least, most) = match rounds {
            0 => (Duration::ZERO, FIRST_PAUSE_MAX),
            _ => {
                let doublings = u32::try_from(rounds - 1).unwrap_or(u32::MAX).min(10);
                let most = PAUSE_MAX.min(PAUSE_MIN * 2_u32.pow(doublings));
                (most / 2, most)
            }
        };
        least + (most - least).mul_f64(random.fraction())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(urls: &[&str]) -> (Servers, Random) {
        let mut random = Random::new(7);
        let given = urls.iter().map(|url| url.parse().unwrap()).collect();
        (Servers::new(given, &mut random), random)
    }

    #[test]
    fn every_server_is_tried_before_a_pause_grows() {
        let (mut servers, mut random) = servers(&["a", "b", "c"]);
        for _ in 0..2 {
            let mut tried = Vec::new();
            for _ in 0..3 {
                tried.push(servers.current().host.clone());
                assert!(servers.failed(&mut random) <= FIRST_PAUSE_MAX);
            }
            tried.sort();
            assert_eq!(tried, ["a", "b", "c"]);
            let mut most = PAUSE_MIN;
            for attempt in 0..30 {
                let pause = servers.failed(&mut random);
                assert!(pause <= most && pause >= most / 2, "{attempt}: {pause:?}");
                if attempt % 3 == 2 {
                    most = (most * 2).min(PAUSE_MAX);
                }
            }
            servers.lasted();
        }
    }

    #[test]
    fn named_servers_are_tried_too_and_bounded() {
        let (mut servers, mut random) = servers(&["a"]);
        let mut urls: Vec<String> = (0..100).map(|n| format!("10.0.0.{n}:4222")).collect();
        urls.extend(["a:4222".to_owned(), "no url:".to_owned()]);
        servers.learn(&urls);
        assert_eq!(servers.len(), 1 + LEARNED_MAX);
        assert_eq!(servers.current().host, "a");
        servers.failed(&mut random);
        assert_eq!(servers.current().host, "10.0.0.0");
        servers.learn(&[]);
        assert_eq!(servers.current().host, "a", "the current one is forgotten");
    }
}
