//! Anomalies: the findings of a checker.
//!
//! A checker goes through the history and [adds](Anomalies::add) a sentence for each
//! thing that must not be. The first hundred are kept, at most fifty of a kind, and all are
//! counted.
//!
//! Read next: [`Workload::check`](super::Workload::check), which fills one.

use super::history::{History, Outcome};
use crate::protocol::beginning;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// How many operations of a kind must have been tried before "none was done" is an
/// anomaly. Fewer compare-and-sets may all miss by chance.
const KIND_TRIES: usize = 100;

/// How many anomalies of a run are kept. Further ones are only counted: a node that is
/// wrong in every reply must not fill the memory.
const ANOMALIES_MAX: usize = 100;

/// How many anomalies of one kind are kept, so that no kind hides the others. The kind is
/// the text before the first comma or colon.
const SAME_KIND_MAX: usize = 50;

/// How much of an anomaly's text is kept: 64 KiB. It can quote a value of 16 MiB.
const TEXT_BYTES_MAX: usize = 64 << 10;

fn kind(text: &str) -> &str {
    text.split([',', ':']).next().unwrap_or(text)
}

/// The beginning of a text that is being made: up to its bound, or to the end of its kind.
struct Text {
    text: String,
    is_kind: bool,
}

impl Text {
    fn of(what: &impl fmt::Display, is_kind: bool) -> Text {
        let text = String::new();
        let mut made = Text { text, is_kind };
        // The error of a text that is long enough: the rest is not made.
        let _ = write!(made, "{what}");
        made
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        // One byte more than the bound shows that the text goes beyond it.
        let room = (TEXT_BYTES_MAX + 1).saturating_sub(self.text.len());
        let mut end = room.min(piece.len());
        while !piece.is_char_boundary(end) {
            end += 1;
        }
        self.text.push_str(&piece[..end]);
        let is_whole = self.is_kind && piece.contains([',', ':']);
        if is_whole || end < piece.len() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

/// The findings of a checker.
///
/// ```
/// use eddyline::workload::Anomalies;
///
/// let mut anomalies = Anomalies::default();
/// assert_eq!(anomalies.clone().or("fine"), Ok("fine"));
/// anomalies.add("value 7 is lost");
/// assert_eq!(anomalies.or("fine").unwrap_err().found(), ["value 7 is lost"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Anomalies {
    found: Vec<String>,
    total: usize,
}

impl Anomalies {
    /// Adds one, as a sentence: what happened, and to what.
    pub fn add(&mut self, what: impl fmt::Display) {
        self.total += 1;
        if self.found.len() >= ANOMALIES_MAX {
            return;
        }
        // One that is only counted costs no more than the text of its kind.
        let begin = Text::of(&what, true).text;
        let same = self
            .found
            .iter()
            .filter(|found| kind(found) == kind(&begin));
        if same.count() >= SAME_KIND_MAX {
            return;
        }
        let mut text = Text::of(&what, false).text;
        if text.len() > TEXT_BYTES_MAX {
            text = format!("{} …", beginning(&text, TEXT_BYTES_MAX));
        }
        self.found.push(text);
    }

    /// Returns `summary` if there are no anomalies.
    ///
    /// # Errors
    /// The anomalies if there are any.
    pub fn or<S>(self, summary: S) -> Result<S, Anomalies> {
        if self.total == 0 {
            Ok(summary)
        } else {
            Err(self)
        }
    }

    /// Adds every operation of the load that was not done, for workloads whose
    /// requests must always be answered.
    pub fn check_availability(&mut self, history: &History) {
        for operation in history.load() {
            let (Outcome::Fail(error) | Outcome::Info(error)) = &operation.outcome else {
                continue;
            };
            self.add(format_args!(
                "not available: n{} did not do {} of {} at {:?}: {error}",
                operation.node,
                operation.kind(),
                operation.client,
                operation.invoked,
            ));
        }
    }

    /// Adds the kinds of operations of which none was done. A node that refuses
    /// everything breaks no promise, but such a run shows nothing.
    pub(super) fn check_progress(&mut self, history: &History) {
        let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for operation in history.load() {
            let (tried, done) = kinds.entry(operation.kind()).or_default();
            *tried += 1;
            *done += usize::from(operation.is_ok());
        }
        let all = kinds.values().map(|(tried, _)| tried).sum::<usize>();
        if all > 0 && kinds.values().all(|(_, done)| *done == 0) {
            return self.add(format_args!("none of {all} operations was done"));
        }
        for (kind, (tried, done)) in kinds {
            if tried >= KIND_TRIES && done == 0 {
                self.add(format_args!("none of {tried} operations {kind:?} was done"));
            }
        }
    }

    /// These anomalies, followed by the others.
    pub(crate) fn and(mut self, others: Anomalies) -> Anomalies {
        self.total += others.total;
        self.found.extend(others.found);
        self.found.truncate(ANOMALIES_MAX);
        self
    }

    /// The same anomalies, with the names that nodes really have in place of n0, n1 and so on.
    /// Workloads know nodes by their numbers only.
    pub(crate) fn renamed(mut self, names: &[String]) -> Anomalies {
        for text in &mut self.found {
            *text = renamed(text, names);
        }
        self
    }

    /// The anomalies that were kept: the first hundred, and at most fifty of a kind.
    pub fn found(&self) -> &[String] {
        &self.found
    }

    /// How many there are, with those that were not kept.
    pub fn total(&self) -> usize {
        self.total
    }
}

/// Replaces each word that is `n` and a number by the name of that node.
fn renamed(text: &str, names: &[String]) -> String {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '"');
    let mut result = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c: char| !is_part(c)) {
        let word = piece.trim_end_matches(|c: char| !is_part(c));
        let number = word.strip_prefix('n').and_then(|n| n.parse::<usize>().ok());
        match number.and_then(|number| names.get(number)) {
            Some(name) => result.extend([name, &piece[word.len()..]]),
            None => result.push_str(piece),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_have_their_real_names() {
        let names = ["n1".to_owned(), "paris".to_owned()];
        let text = "n0 and n1: n7, c1 of n0";
        assert_eq!(renamed(text, &names), "n1 and paris: n7, c1 of n1");
    }

    #[test]
    fn the_text_of_an_anomaly_has_a_bound() {
        let mut anomalies = Anomalies::default();
        anomalies.add("x".repeat(TEXT_BYTES_MAX + 1));
        assert_eq!(anomalies.found()[0].len(), TEXT_BYTES_MAX + " …".len());
    }

    /// A sentence that counts how much of it is made.
    struct Long<'a>(&'a std::cell::Cell<usize>);

    impl fmt::Display for Long<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("kind:")?;
            for _ in 0..1_000_000 {
                self.0.set(self.0.get() + 1);
                f.write_str(" 1234567")?;
            }
            Ok(())
        }
    }

    #[test]
    fn an_anomaly_that_is_only_counted_is_not_put_into_words() {
        let (made, mut anomalies) = (std::cell::Cell::new(0), Anomalies::default());
        for _ in 0..SAME_KIND_MAX {
            anomalies.add(Long(&made));
        }
        let kept = made.replace(0);
        assert!(kept <= SAME_KIND_MAX * (TEXT_BYTES_MAX / 8 + 1), "{kept}");
        (0..1_000).for_each(|_| anomalies.add(Long(&made)));
        assert_eq!((made.get(), anomalies.total()), (0, SAME_KIND_MAX + 1_000));
    }

    #[test]
    fn no_kind_of_anomaly_hides_the_others() {
        let mut anomalies = Anomalies::default();
        for number in 0..200 {
            anomalies.add(format_args!(
                "G1b, a read of an intermediate state: {number}"
            ));
        }
        anomalies.add("G1c, a cycle");
        assert_eq!((anomalies.found().len(), anomalies.total()), (51, 201));
        assert_eq!(anomalies.found()[50], "G1c, a cycle");
        (0..200).for_each(|number| anomalies.add(number));
        assert_eq!(anomalies.found().len(), ANOMALIES_MAX);
    }
}
