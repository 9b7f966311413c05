//! The ledger: the faults of a run that struck, each with its span.
//!
//! ```text
//!             begins                        ends
//!   nothing ──────────> open: from, nodes ────────> closed: from, nodes, to
//!                            │                      when its last node is mended
//!                            └── at the end of the run still open: `to` is None
//! ```
//!
//! The testbed writes it, because the testbed alone knows whether a fault changed anything: a
//! node that is down cannot be paused. It also knows what was asked for, so that a run in
//! which nothing struck does not pass for one that survived.

use super::fault::FaultKind;
use super::partition::Link;
use std::fmt;
use std::time::Duration;

/// How many spans a person is shown at once.
const SPANS_SHOWN: usize = 20;

/// A fault that struck, from its beginning to its end. Faults of one kind that strike
/// several nodes at one time are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultSpan {
    /// Its kind.
    pub kind: FaultKind,
    /// The nodes by index: those that stand still, are down, have a wrong clock or do not hear
    /// from some other.
    pub nodes: Vec<usize>,
    /// When it struck, since the start of the run.
    pub from: Duration,
    /// When the last of its nodes was mended; `None` if that never happened.
    pub to: Option<Duration>,
    /// The form of a partition, or the jump of a clock; else empty.
    pub detail: String,
    /// The links that a partition cuts, from the first node to the second, by index. Services
    /// stand behind the nodes.
    pub links: Vec<(usize, usize)>,
    /// How many of its nodes are not mended yet.
    open: usize,
}

/// The faults of a run, in the order in which they struck.
///
/// ```
/// # use eddyline::sim::{FaultKind, Report};
/// # fn test<S>(report: &Report<S>) {
/// assert!(report.faults.never_struck().is_empty(), "{}", report.faults);
/// let crashes = report.faults.spans().iter().filter(|span| span.kind == FaultKind::Crash);
/// for crash in crashes {
///     assert!(crash.to.is_some(), "n{:?} stayed down", crash.nodes);
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults {
    asked: Vec<FaultKind>,
    spans: Vec<FaultSpan>,
}

impl Faults {
    /// An empty ledger of a run that was asked for these kinds.
    pub(crate) fn new(mut asked: Vec<FaultKind>) -> Faults {
        asked.sort_unstable();
        asked.dedup();
        let spans = Vec::new();
        Faults { asked, spans }
    }

    /// Every fault that struck.
    pub fn spans(&self) -> &[FaultSpan] {
        &self.spans
    }

    /// The kinds that the run was asked for and that never struck. A run with such a kind shows
    /// nothing about it. The load may be too short, the faults too rare, or the nodes
    /// too few: with one or two nodes none can be spared.
    pub fn never_struck(&self) -> Vec<FaultKind> {
        let struck = |kind: &FaultKind| self.spans.iter().any(|span| span.kind == *kind);
        let asked = self.asked.iter().copied();
        asked.filter(|kind| !struck(kind)).collect()
    }

    /// A fault of a node begins.
    pub(crate) fn begin(&mut self, kind: FaultKind, node: usize, detail: &str, now: Duration) {
        let last = self.spans.last_mut();
        if let Some(span) = last.filter(|span| {
            span.kind == kind
                && span.from == now
                && span.to.is_none()
                && !span.nodes.contains(&node)
        }) {
            span.nodes.push(node);
            span.open += 1;
            if !detail.is_empty() {
                span.detail = format!("{}, {detail}", span.detail);
            }
            return;
        }
        self.spans.push(FaultSpan {
            kind,
            nodes: vec![node],
            from: now,
            to: None,
            detail: detail.to_owned(),
            links: Vec::new(),
            open: 1,
        });
    }

    /// A fault of a node ends.
    pub(crate) fn end(&mut self, kind: FaultKind, node: usize, now: Duration) {
        let open = self.spans.iter_mut().filter(|span| span.open > 0);
        for span in open.filter(|span| span.kind == kind && span.nodes.contains(&node)) {
            span.open -= 1;
            if span.open == 0 {
                span.to = Some(now);
            }
        }
    }

    /// A partition begins. Returns its number.
    pub(crate) fn cut(
        &mut self,
        detail: String,
        nodes: Vec<usize>,
        links: &[Link],
        now: Duration,
    ) -> usize {
        self.spans.push(FaultSpan {
            kind: FaultKind::Partition,
            nodes,
            from: now,
            to: None,
            detail,
            links: links.to_vec(),
            open: 1,
        });
        self.spans.len() - 1
    }

    /// Ends the partition of that number, if it lasts still.
    pub(crate) fn mend(&mut self, partition: usize, now: Duration) {
        if let Some(span) = self.spans.get_mut(partition).filter(|span| span.open > 0) {
            (span.open, span.to) = (0, Some(now));
        }
    }

    /// Ends all partitions.
    pub(crate) fn heal(&mut self, now: Duration) {
        let open = self.spans.iter_mut().filter(|span| span.open > 0);
        for span in open.filter(|span| span.kind == FaultKind::Partition) {
            (span.open, span.to) = (0, Some(now));
        }
    }
}

impl fmt::Display for FaultSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        let nodes = self.nodes.iter().map(|node| format!("n{node}"));
        let nodes = nodes.collect::<Vec<String>>().join(", ");
        write!(f, " of {nodes} from {:?} to ", self.from)?;
        match self.to {
            Some(to) => write!(f, "{to:?}"),
            None => f.write_str("the end"),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = self.never_struck();
        if !missing.is_empty() {
            let missing = missing.iter().map(FaultKind::to_string);
            let missing = missing.collect::<Vec<String>>().join(", ");
            let none = if self.spans.is_empty() {
                "NO FAULT STRUCK"
            } else {
                "NOT ALL FAULTS STRUCK"
            };
            writeln!(
                f,
                "{none}: this run was asked for faults that never came, and shows nothing about \
                 them: {missing}. Make the load longer, the faults more frequent or the nodes more"
            )?;
        }
        match self.spans.len() {
            0 => writeln!(f, "no faults of nodes, links or clocks"),
            1 => writeln!(f, "1 fault:"),
            count => writeln!(f, "{count} faults:"),
        }?;
        for span in self.spans.iter().take(SPANS_SHOWN) {
            writeln!(f, "  {span}")?;
        }
        if self.spans.len() > SPANS_SHOWN {
            writeln!(f, "  …")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn nodes_that_are_struck_together_are_one_fault_that_ends_with_the_last() {
        let mut faults = Faults::new(vec![FaultKind::Crash, FaultKind::Pause, FaultKind::Crash]);
        faults.begin(FaultKind::Crash, 0, "", SECOND);
        faults.begin(FaultKind::Crash, 3, "", SECOND);
        faults.end(FaultKind::Crash, 0, 2 * SECOND);
        assert_eq!(faults.spans()[0].to, None);
        faults.end(FaultKind::Crash, 3, 3 * SECOND);
        assert_eq!(faults.spans()[0].to, Some(3 * SECOND));
        faults.begin(FaultKind::Crash, 0, "", 4 * SECOND);
        faults.cut(
            "Halves".to_owned(),
            vec![1, 2],
            &[(1, 2), (2, 1)],
            5 * SECOND,
        );
        faults.heal(6 * SECOND);
        assert_eq!(
            faults.to_string(),
            "NOT ALL FAULTS STRUCK: this run was asked for faults that never came, and shows \
             nothing about them: pause. Make the load longer, the faults more frequent or the \
             nodes more\n3 faults:\n  crash of n0, n3 from 1s to 3s\n  crash of n0 from 4s to \
             the end\n  partition (Halves) of n1, n2 from 5s to 6s\n"
        );
    }

    #[test]
    fn a_run_without_a_fault_that_was_asked_for_says_so() {
        let faults = Faults::new(vec![FaultKind::ClockJump]);
        assert_eq!(faults.never_struck(), [FaultKind::ClockJump]);
        assert!(
            faults.to_string().starts_with("NO FAULT STRUCK"),
            "{faults}"
        );
        let faults = Faults::default();
        assert!(faults.never_struck().is_empty());
        assert_eq!(faults.to_string(), "no faults of nodes, links or clocks\n");
    }

    #[test]
    fn a_long_list_is_cut() {
        let mut faults = Faults::default();
        for second in 0..21 {
            faults.begin(FaultKind::Pause, 0, "", second * SECOND);
            faults.end(FaultKind::Pause, 0, second * SECOND);
        }
        let text = faults.to_string();
        assert_eq!(text.lines().count(), 1 + SPANS_SHOWN + 1, "{text}");
        assert!(text.ends_with("  …\n"));
    }
}
