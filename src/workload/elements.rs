//! The elements of a set that only grows: which of them are stable, stale or lost.
//!
//! ```text
//!            attempted ──> known: acknowledged, or read
//!                            │
//!       the last read without it began after that,
//!       and after the last read with it ──────────> lost
//!       the last read with it began after the last
//!       read without it ──────────────────────────> stable; stale if that took time
//!       neither ──────────────────────────────────> never read
//! ```
//!
//! These are the definitions of Jepsen's checker `set-full`, which Maelstrom uses. Stale
//! reads are allowed while the load lasts. The final reads are another matter: they begin
//! after the cluster had time to recover, so each of them must have all known elements.

use super::anomalies::Anomalies;
use super::history::{History, Operation, Phase};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The elements of a set, as the reads of a run show them.
///
/// ```
/// # use eddyline::workload::{Elements, GSet, History};
/// fn tell(history: &History) {
///     let Elements { lost, stable, .. } = GSet::elements(history);
///     println!("{} lost, {} stable", lost.len(), stable);
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Elements {
    /// How many elements clients tried to add.
    pub attempted: usize,
    /// How many elements are known to exist: they were acknowledged, or read.
    pub known: usize,
    /// How many elements the last read of each shows.
    pub stable: usize,
    /// How many of the stable ones were missed by a read a millisecond or more after they
    /// were known.
    pub stale: usize,
    /// How many elements no read decides: none that could have had them, or none began
    /// after they were known.
    pub never_read: usize,
    /// The elements that were known, and that are gone.
    pub lost: Vec<u64>,
    /// How many elements some read has twice.
    pub duplicated: usize,
    /// The time from when each stable element was known to the last read without it, in
    /// whole milliseconds, sorted.
    pub stable_latencies: Vec<Duration>,
}

impl Elements {
    /// A quantile (0 to 1) of the stable latencies, as Maelstrom takes it: the one at
    /// index floor(n × `fraction`), or the last. Zero if there are none.
    ///
    /// ```
    /// use eddyline::workload::Elements;
    /// use std::time::Duration;
    ///
    /// let stable_latencies = [1, 2, 3, 4].map(Duration::from_millis).to_vec();
    /// let elements = Elements { stable_latencies, ..Elements::default() };
    /// assert_eq!(elements.stable_latency(0.5), Duration::from_millis(3));
    /// assert_eq!(elements.stable_latency(1.0), Duration::from_millis(4));
    /// ```
    pub fn stable_latency(&self, fraction: f64) -> Duration {
        let count = self.stable_latencies.len();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index between 0 and the length"
        )]
        let index = (count as f64 * fraction.clamp(0.0, 1.0)).floor() as usize;
        let at = index.min(count.saturating_sub(1));
        self.stable_latencies.get(at).copied().unwrap_or_default()
    }
}

/// The words and fields of one of the workloads over sets.
pub(super) struct Dialect {
    /// The type of the request that adds an element.
    pub(super) write: &'static str,
    /// The element of such a request.
    pub(super) element: fn(&Operation) -> Option<u64>,
    /// The elements in the reply to a `read`.
    pub(super) elements: fn(&Operation) -> Option<Vec<u64>>,
    /// An element, in sentences.
    pub(super) noun: &'static str,
    /// The past participle of the write, in sentences.
    pub(super) done: &'static str,
}

/// An element that a client tried to add.
struct Element {
    number: u64,
    can_exist: bool,
    known_since: Option<Duration>,
    /// The position in the history of the last read that has it, and of the last that does not.
    last_present: Option<usize>,
    last_absent: Option<usize>,
}

/// The values of one read, sorted.
struct Values {
    sorted: Vec<u64>,
    /// Those that are there twice.
    twice: Vec<u64>,
}

/// A final read, and the elements that it does not have, as indices.
struct FinalRead {
    node: usize,
    missed: Vec<usize>,
}

/// Checks a history, and measures it.
///
/// Reads are as long as the set, so all of them together grow with the square of the run. They
/// are taken one at a time, each beside the sorted elements, and only its outcome for each element
/// is kept.
pub(super) fn check(history: &History, dialect: &Dialect, anomalies: &mut Anomalies) -> Elements {
    let noun = dialect.noun;
    let mut attempted = attempted(history, dialect);
    let (mut doubled, mut finals) = (BTreeSet::new(), Vec::new());
    for (position, read) in history.operations().iter().enumerate() {
        if read.kind() != "read" || !read.is_ok() {
            continue;
        }
        let Some(values) = (dialect.elements)(read).map(Values::of) else {
            anomalies.add(format_args!(
                "a read of n{} by {} was no list of {noun}s",
                read.node, read.client
            ));
            continue;
        };
        if let Some(first) = values.twice.first() {
            let article = if noun.starts_with('e') { "an" } else { "a" };
            anomalies.add(format_args!(
                "a read of n{} by {} has {article} {noun} twice: {first}",
                read.node, read.client
            ));
        }
        let (mut strange, mut count) = (None, 0_usize);
        let missed = take(read, position, &values.sorted, &mut attempted, |number| {
            strange.get_or_insert(number);
            count += 1;
        });
        if let Some(number) = strange {
            let more = match count {
                1 => String::new(),
                _ => format!(", with {} more in that read", count - 1),
            };
            anomalies.add(format_args!(
                "n{} has {noun} {number}, which was never {}{more}",
                read.node, dialect.done
            ));
        }
        doubled.extend(values.twice);
        if read.phase == Phase::Final {
            let node = read.node;
            finals.push(FinalRead { node, missed });
        }
    }
    let mut elements = Elements {
        attempted: attempted.len(),
        duplicated: doubled.len(),
        ..Elements::default()
    };
    for element in &attempted {
        elements.known += usize::from(element.known_since.is_some());
        elements.judge(element, history);
    }
    elements.stable_latencies.sort_unstable();
    let missed = missed_at_the_end(&attempted, &finals, noun, anomalies);
    tell_lost(&elements.lost, &missed, noun, anomalies);
    elements
}

/// Adds one anomaly for each lost element.
///
/// | the last reads show that it is gone | final reads without it | |
/// |---|---|---|
/// | yes | none | it is lost |
/// | yes | of n0, n2 | it is lost, and the final reads of n0, n2 are among those without it |
/// | no | of n0, n2 | it is lost at n0, n2 |
fn tell_lost(
    lost: &[u64],
    missed: &BTreeMap<u64, BTreeSet<usize>>,
    noun: &str,
    anomalies: &mut Anomalies,
) {
    let nowhere = BTreeSet::new();
    let gone = lost.iter().map(|number| (number, &nowhere));
    let all: BTreeMap<&u64, &BTreeSet<usize>> = gone.chain(missed).collect();
    for (number, nodes) in all {
        let is_gone = lost.binary_search(number).is_ok();
        let nodes: Vec<String> = nodes.iter().map(|node| format!("n{node}")).collect();
        let nodes = nodes.join(", ");
        let first = format!("{noun} {number} is lost");
        let why = "it was known, and";
        anomalies.add(match (is_gone, nodes.is_empty()) {
            (true, true) => format!("{first}: {why} later reads do not have it"),
            (true, false) => {
                format!(
                    "{first}: {why} later reads do not have it, among them the final reads of {nodes}"
                )
            }
            (false, _) => {
                format!("{first} at {nodes}: {why} final reads of {nodes} do not have it")
            }
        });
    }
}

/// The elements that clients tried to add, by number.
fn attempted(history: &History, dialect: &Dialect) -> Vec<Element> {
    let mut attempted: BTreeMap<u64, Element> = BTreeMap::new();
    for write in history.of_kind(dialect.write) {
        let Some(number) = (dialect.element)(write) else {
            continue;
        };
        let element = attempted.entry(number).or_insert(Element {
            number,
            can_exist: false,
            known_since: None,
            last_present: None,
            last_absent: None,
        });
        element.can_exist |= !write.is_fail();
        if write.is_ok() {
            element.known_by(write.completed);
        }
    }
    attempted.into_values().collect()
}

/// Takes what a read says of each element. Returns the elements that it does not have, if it is a
/// final one. `strange` is told each value that cannot be there.
fn take(
    read: &Operation,
    position: usize,
    sorted: &[u64],
    attempted: &mut [Element],
    mut strange: impl FnMut(u64),
) -> Vec<usize> {
    let mut missed = Vec::new();
    let mut values = sorted.iter().copied().peekable();
    for (index, element) in attempted.iter_mut().enumerate() {
        while let Some(number) = values.next_if(|&number| number < element.number) {
            strange(number);
        }
        if values.next_if_eq(&element.number).is_none() {
            element.last_absent = Some(position);
            if read.phase == Phase::Final {
                missed.push(index);
            }
            continue;
        }
        element.last_present = Some(position);
        if element.can_exist {
            element.known_by(read.completed);
        } else {
            strange(element.number);
        }
    }
    values.for_each(strange);
    missed
}

/// The known elements that final reads do not have, each with the nodes of these reads.
fn missed_at_the_end(
    attempted: &[Element],
    finals: &[FinalRead],
    noun: &str,
    anomalies: &mut Anomalies,
) -> BTreeMap<u64, BTreeSet<usize>> {
    let mut nodes_of: BTreeMap<u64, BTreeSet<usize>> = BTreeMap::new();
    for FinalRead { node, missed } in finals {
        let missed = missed.iter().map(|&index| &attempted[index]);
        for element in missed.filter(|element| element.known_since.is_some()) {
            nodes_of.entry(element.number).or_default().insert(*node);
        }
    }
    if finals.is_empty() {
        anomalies.add(format_args!(
            "no final read was answered: the final {noun}s are unknown"
        ));
    }
    nodes_of
}

impl Values {
    fn of(mut values: Vec<u64>) -> Values {
        values.sort_unstable();
        let pairs = values.windows(2).filter(|pair| pair[0] == pair[1]);
        let mut twice: Vec<u64> = pairs.map(|pair| pair[0]).collect();
        twice.dedup();
        values.dedup();
        Values {
            sorted: values,
            twice,
        }
    }
}

impl Element {
    fn known_by(&mut self, at: Duration) {
        self.known_since = Some(self.known_since.map_or(at, |since| since.min(at)));
    }
}

impl Elements {
    fn judge(&mut self, element: &Element, history: &History) {
        let Some(since) = element.known_since else {
            self.never_read += 1;
            return;
        };
        let (present, absent) = (element.last_present, element.last_absent);
        let absent_began = absent.map(|position| history.operations()[position].invoked);
        if present.is_some() && absent < present {
            let stale_for = absent_began.map_or(Duration::ZERO, |at| at.saturating_sub(since));
            let stale_for = whole_milliseconds(stale_for);
            self.stable += 1;
            self.stale += usize::from(!stale_for.is_zero());
            self.stable_latencies.push(stale_for);
        } else if absent_began.is_some_and(|at| since < at) {
            self.lost.push(element.number);
        } else {
            self.never_read += 1;
        }
    }
}

fn whole_milliseconds(duration: Duration) -> Duration {
    let rest = duration.subsec_nanos() % 1_000_000;
    duration.saturating_sub(Duration::from_nanos(rest.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{GSet, HistoryReader, Observed, Workload};

    /// Lines of operations that follow each other: `add` of an element, or a read.
    fn history(operations: &[(&str, &str)]) -> History {
        let mut lines = String::new();
        for (number, (f, value)) in operations.iter().enumerate() {
            let is_final = *f == "final";
            let f = if is_final { "read" } else { f };
            for (kind, at) in [("invoke", 0), ("ok", 5)] {
                lines.push_str(&format!(
                    "{{\"time\":{},\"type\":\"{kind}\",\"process\":0,\"f\":\"{f}\",\
                     \"value\":{value},\"final?\":{is_final}}}\n",
                    (number * 10 + at) * 1_000_000
                ));
            }
        }
        HistoryReader::new("g-set").read(&lines).unwrap()
    }

    fn found(operations: &[(&str, &str)]) -> Vec<String> {
        let history = history(operations);
        let checked = GSet::new().check(&Observed::of(&history));
        checked.map_or_else(|anomalies| anomalies.found().to_vec(), |_| Vec::new())
    }

    #[test]
    fn stale_reads_are_measured_and_allowed() {
        let operations = [
            ("add", "1"),
            ("read", "[]"),
            ("read", "[1]"),
            ("final", "[1]"),
        ];
        let elements = GSet::elements(&history(&operations));
        assert_eq!((elements.stable, elements.stale), (1, 1));
        // It was known at 5 ms, and the last read without it began at 10 ms.
        assert_eq!(elements.stable_latency(1.0), Duration::from_millis(5));
        assert_eq!(found(&operations), [""; 0]);
    }

    #[test]
    fn an_element_that_is_gone_is_lost() {
        let found = found(&[("add", "1"), ("read", "[1]"), ("final", "[]")]);
        let once = "element 1 is lost: it was known, and later reads do not have it, among them \
                    the final reads of n0";
        assert_eq!(found, [once]);
    }

    #[test]
    fn all_strange_elements_of_a_read_are_one_anomaly() {
        let found = found(&[("add", "1"), ("final", "[1,5,6,7]")]);
        assert_eq!(
            found,
            ["n0 has element 5, which was never added, with 2 more in that read"]
        );
    }

    #[test]
    fn an_element_that_one_final_read_does_not_have_is_lost_there() {
        let found = found(&[("add", "1"), ("final", "[]"), ("final", "[1]")]);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("element 1 is lost at n0: "),
            "{found:?}"
        );
    }

    #[test]
    fn an_element_that_final_reads_of_several_nodes_do_not_have_is_one_anomaly() {
        let (lost, missed) = (
            [1, 4],
            BTreeMap::from([(1, [0, 2].into()), (3, [1, 2].into())]),
        );
        let mut anomalies = Anomalies::default();
        tell_lost(&lost, &missed, "value", &mut anomalies);
        let (first, gone) = ("it was known, and", "later reads do not have it");
        let expected = [
            format!("value 1 is lost: {first} {gone}, among them the final reads of n0, n2"),
            format!("value 3 is lost at n1, n2: {first} final reads of n1, n2 do not have it"),
            format!("value 4 is lost: {first} {gone}"),
        ];
        assert_eq!(anomalies.found(), expected);
    }

    #[test]
    fn elements_twice_and_elements_of_nothing_are_found() {
        let twice = found(&[("add", "1"), ("final", "[1,1]")]);
        assert!(twice[0].ends_with("has an element twice: 1"), "{twice:?}");
        let strange = found(&[("add", "1"), ("final", "[1,2]")]);
        assert!(strange[0].contains("element 2, which was never added"));
        let none = found(&[("add", "1"), ("read", "[1]")]);
        assert!(none[0].starts_with("no final read was answered"));
    }
}
