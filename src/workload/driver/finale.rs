//! The final operations of a run.

use super::Driver;
use crate::workload::contract::Workload;
use crate::workload::testbed::Testbed;
use std::time::Duration;

/// How often a final operation that was not done is tried, and how long after each other.
const FINAL_TRIES: u32 = 5;
const FINAL_RETRY: Duration = Duration::from_secs(1);

/// How long the final operations at a node may take altogether.
const FINAL_LIMIT: Duration = Duration::from_secs(60);

/// The final operations of a client.
///
/// ```text
///   Ready ──────> Asked ──done, or not done for the last time──> its next one, or its end
///                 │   ^
///        not done │   │ after a second, as a new client
///                 v   │
///                 Rests
/// ```
struct Finale {
    worker: usize,
    node: usize,
    /// No operation begins after this time.
    limit: Duration,
    /// The last operation that was done.
    last: Option<usize>,
    /// How often the operation at hand was not done.
    tries: u32,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    Ready,
    Asked { index: usize, gives_up_at: Duration },
    Rests(Duration),
}

impl Finale {
    /// When it must go on at the latest.
    fn waits_until(&self) -> Duration {
        match self.stage {
            Stage::Ready => Duration::ZERO,
            Stage::Asked { gives_up_at, .. } => gives_up_at,
            Stage::Rests(until) => until,
        }
    }
}

impl<T: Testbed, W: Workload> Driver<'_, T, W> {
    /// Makes the final operations: those of a client for each node at least, and of as many
    /// clients as made the load. On real time all clients make them at once.
    pub(super) fn finish(&mut self) {
        let nodes = self.nodes.len();
        let mut finales = Vec::new();
        for client in 0..self.load.clients.unwrap_or(nodes).max(nodes) {
            let node = client % nodes;
            if !self.testbed.is_running(node) {
                continue;
            }
            finales.push(Finale {
                worker: self.add_worker(node),
                node,
                limit: self.testbed.now() + FINAL_LIMIT,
                last: None,
                tries: 0,
                stage: Stage::Ready,
            });
            if !self.load.is_on_real_time {
                self.play(&mut finales);
            }
        }
        self.play(&mut finales);
    }

    /// Plays finales to their end, and removes them.
    fn play(&mut self, finales: &mut Vec<Finale>) {
        finales.retain_mut(|finale| self.ask(finale));
        while !self.testbed.is_broken()
            && let Some(until) = finales.iter().map(Finale::waits_until).min()
        {
            let is_quiet = !self.step(until);
            finales.retain_mut(|finale| self.go_on(finale, is_quiet));
        }
        for finale in finales.drain(..) {
            self.retire(finale.worker);
        }
    }

    /// Makes the next operation of a finale. False at its end.
    fn ask(&mut self, finale: &mut Finale) -> bool {
        let last = finale.last.map(|last| &self.history.operations()[last]);
        if !self.testbed.is_broken()
            && self.testbed.now() < finale.limit
            && let Some(request) = self.workload.finale(finale.node, last)
        {
            let gives_up_at = self.testbed.now().saturating_add(self.timeout);
            let index = self.invoke(finale.worker, request);
            finale.stage = Stage::Asked { index, gives_up_at };
            return true;
        }
        self.retire(finale.worker);
        false
    }

    /// Lets a finale go on after a thing happened, or `is_quiet`: after its time has passed and
    /// all that happened in it. False at its end.
    fn go_on(&mut self, finale: &mut Finale, is_quiet: bool) -> bool {
        match finale.stage {
            Stage::Asked { index, gives_up_at } => {
                let is_late = is_quiet && self.testbed.now() >= gives_up_at;
                if self.workers[finale.worker].pending.is_some() && !is_late {
                    return true;
                }
                if self.history.operations()[index].is_ok() {
                    finale.last = Some(index);
                    finale.tries = 0;
                    return self.ask(finale);
                }
                self.retire(finale.worker);
                finale.tries += 1;
                if self.has_given_up(finale, index) {
                    return false;
                }
                finale.worker = self.add_worker(finale.node);
                finale.stage = Stage::Rests(self.testbed.now() + FINAL_RETRY);
                true
            }
            Stage::Rests(until) if !is_quiet || self.testbed.now() < until => true,
            Stage::Rests(_) | Stage::Ready => self.ask(finale),
        }
    }

    /// Whether a finale ends with that operation, which was not done.
    ///
    /// | on real time | tries | an anomaly |
    /// |---|---|---|
    /// | the run was interrupted | 1 | no: it had no time to recover |
    /// | all operations at the node have lasted until their timeouts, in the whole run | 1 | yes |
    /// | else | 5 | yes |
    ///
    /// On virtual time waiting costs nothing, so there are always five.
    fn has_given_up(&mut self, finale: &Finale, index: usize) -> bool {
        let Finale { node, tries, .. } = *finale;
        if self.testbed.is_interrupted() {
            return true;
        }
        let is_hopeless = self.load.is_on_real_time && !self.has_answered[node];
        if tries < FINAL_TRIES && !is_hopeless {
            return false;
        }
        let kind = self.history.operations()[index].kind();
        let tried = if tries == 1 { "try" } else { "tries" };
        self.undone.add(format_args!(
            "the final {kind} of n{node} was not done in {tries} {tried}, without any fault"
        ));
        true
    }
}
