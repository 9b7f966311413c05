//! The executor: tasks in slots, polled in place, whose memory is used again.
//!
//! async-executor and tokio allocate each task and share it between threads. Here
//! there is one thread and one type of future. So a slot is a pinned box, and
//! `Pin::set` moves the next future into it without allocation and without unsafe
//! code.
//!
//! ```text
//!   slot    place: Option<Pin<Box<Option<F>>>>    payload
//!   cold    None                                  None      no memory
//!   warm    Some(None)                            None      memory for the next task
//!   busy    Some(Some(future))                    Some      a task
//! ```

use super::panic::{Panic, catch};
use super::ready_queue::{ReadyQueue, SlotWaker};
use std::cell::Cell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// How many free slots keep the memory of their last future. The memory of larger
/// bursts of waiting tasks is given back.
const WARM_SLOTS_MAX: usize = 1024;

/// A task that has ended: its payload and its result.
///
/// ```
/// use eddyline::task::{Executor, Finished};
///
/// let mut executor = Executor::new();
/// if let Some(Finished { payload, outcome }) = executor.start("a request", async { 7 }) {
///     assert_eq!((payload, outcome.unwrap()), ("a request", 7));
/// }
/// ```
pub struct Finished<P, T> {
    /// The payload with which the task was started.
    pub payload: P,
    /// The output of the future, or its panic.
    pub outcome: Result<T, Box<Panic>>,
}

/// The result of [`Executor::run_one`].
pub enum Polled<P, T> {
    /// No task was woken, so none was polled.
    Nothing,
    /// A task was polled and has not ended. Or the waker of a task that had ended was used.
    Pending,
    /// A task was polled and has ended.
    Finished(Finished<P, T>),
}

/// The slot of a task that was taken out of the queue.
pub(crate) struct Woken(u32);

/// Runs futures of one type `F`, each with a payload `P` that comes back when
/// it ends.
///
/// ```
/// use eddyline::task::Executor;
///
/// let mut executor = Executor::new();
/// let finished = executor.start("sum", async { 1 + 1 });
/// assert!(matches!(finished, Some(done) if matches!(done.outcome, Ok(2))));
/// assert_eq!(executor.len(), 0);
/// ```
pub struct Executor<F: Future, P> {
    slots: Vec<Slot<F, P>>,
    /// Slots without a task: cold ones in front, warm ones at the back. The slot that
    /// was freed last is used first.
    free: VecDeque<u32>,
    /// How many slots in `free` are warm.
    warm: usize,
    ready: Arc<ReadyQueue>,
    /// The slot whose task is being polled, or was polled last. Others may look at it.
    polled: Rc<Cell<u32>>,
}

/// A task that has not ended.
pub(crate) struct Suspended<'a, P> {
    pub(crate) slot: u32,
    pub(crate) payload: &'a P,
    /// Whether a waker of the slot exists elsewhere. Without one the task is never polled
    /// again, unless it is in the ready queue.
    pub(crate) may_be_woken: bool,
}

struct Slot<F, P> {
    /// See the table above.
    place: Option<Pin<Box<Option<F>>>>,
    payload: Option<P>,
    signal: Arc<SlotWaker>,
    waker: Waker,
}

impl<F: Future, P> Default for Executor<F, P> {
    fn default() -> Self {
        Executor::new()
    }
}

impl<F: Future, P> Executor<F, P> {
    /// An executor without tasks. The first task fixes its types.
    pub fn new() -> Executor<F, P> {
        Executor::with_polled(Rc::default())
    }

    /// As [`new`](Executor::new). It sets `polled` to the slot of each task that it polls.
    pub(crate) fn with_polled(polled: Rc<Cell<u32>>) -> Executor<F, P> {
        Executor {
            slots: Vec::new(),
            free: VecDeque::new(),
            warm: 0,
            ready: Arc::new(ReadyQueue::default()),
            polled,
        }
    }

    /// The queue to which the wakers of this executor add.
    pub fn ready_queue(&self) -> &Arc<ReadyQueue> {
        &self.ready
    }

    /// How many tasks have started and not ended.
    ///
    /// ```
    /// # use eddyline::task::Executor;
    /// let mut executor = Executor::new();
    /// executor.start("waits for ever", std::future::pending::<()>());
    /// assert_eq!(executor.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether all tasks have ended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Starts a task and polls it at once. Returns it if it has ended.
    ///
    /// ```
    /// # use eddyline::task::Executor;
    /// let mut executor = Executor::new();
    /// let finished = executor.start("panics", async { panic!("ouch") });
    /// assert_eq!(finished.unwrap().outcome.map(|(): ()| ()).unwrap_err().message, "ouch");
    /// assert!(executor.is_empty());
    /// ```
    pub fn start(&mut self, payload: P, future: F) -> Option<Finished<P, F::Output>> {
        let index = self.free_slot();
        let slot = &mut self.slots[index as usize];
        slot.payload = Some(payload);
        match &mut slot.place {
            Some(place) => {
                self.warm -= 1;
                place.set(Some(future));
            }
            none => *none = Some(Box::pin(Some(future))),
        }
        self.poll(index)
    }

    /// Polls the task that was woken first.
    ///
    /// ```
    /// # use eddyline::task::{Executor, Polled};
    /// # use std::{future::poll_fn, task::Poll};
    /// let mut executor = Executor::new();
    /// let mut polls = 0;
    /// let twice = poll_fn(move |cx| {
    ///     polls += 1;
    ///     cx.waker().wake_by_ref();
    ///     if polls == 2 { Poll::Ready(polls) } else { Poll::Pending }
    /// });
    /// assert!(executor.start("counts", twice).is_none());
    /// let Polled::Finished(finished) = executor.run_one() else { panic!("it was woken") };
    /// assert_eq!((finished.payload, finished.outcome.unwrap()), ("counts", 2));
    /// ```
    pub fn run_one(&mut self) -> Polled<P, F::Output> {
        match self.next_woken() {
            Some(woken) => self.poll_woken(woken),
            None => Polled::Nothing,
        }
    }

    /// Takes the task that was woken first out of the queue. [`poll_woken`](Executor::poll_woken) must
    /// follow.
    pub(crate) fn next_woken(&mut self) -> Option<Woken> {
        self.ready.pop().map(Woken)
    }

    /// Polls a task that was taken out of the queue.
    pub(crate) fn poll_woken(&mut self, Woken(index): Woken) -> Polled<P, F::Output> {
        let slot = &self.slots[index as usize];
        slot.signal.taken_from_queue();
        if slot.payload.is_none() {
            // Woken after it ended.
            self.polled.set(index);
            return Polled::Pending;
        }
        match self.poll(index) {
            Some(finished) => Polled::Finished(finished),
            None => Polled::Pending,
        }
    }

    /// The slot of the task that was polled last.
    pub(crate) fn polled_slot(&self) -> u32 {
        self.polled.get()
    }

    /// The tasks that have not ended.
    pub(crate) fn suspended(&self) -> impl Iterator<Item = Suspended<'_, P>> {
        self.slots.iter().zip(0..).filter_map(|(slot, index)| {
            Some(Suspended {
                slot: index,
                payload: slot.payload.as_ref()?,
                // The slot itself holds two: the signal, and the waker that tasks clone.
                may_be_woken: Arc::strong_count(&slot.signal) > 2,
            })
        })
    }

    /// The payload of the task that was polled last, unless it has ended.
    pub(crate) fn polled(&self) -> Option<&P> {
        self.slots.get(self.polled.get() as usize)?.payload.as_ref()
    }

    /// The slot of each task that has not ended, and its payload.
    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn tasks(&self) -> impl Iterator<Item = (u32, &P)> {
        let slots = (0..).zip(&self.slots);
        slots.filter_map(|(index, slot)| Some((index, slot.payload.as_ref()?)))
    }

    /// Drops the task that was polled last, unless it has ended, and returns its
    /// payload. A panic of its destructor is caught.
    pub(crate) fn drop_polled(&mut self) -> Option<P> {
        let index = self.polled.get();
        let slot = self.slots.get_mut(index as usize)?;
        let payload = slot.payload.take()?;
        if let Some(place) = &mut slot.place {
            let _panic_at_the_end = catch(|| place.set(None));
        }
        self.free(index);
        Some(payload)
    }

    fn free_slot(&mut self) -> u32 {
        self.free.pop_back().unwrap_or_else(|| {
            let index = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
            let signal = SlotWaker::new(index, self.ready.clone());
            self.slots.push(Slot {
                place: None,
                payload: None,
                waker: Waker::from(signal.clone()),
                signal,
            });
            index
        })
    }

    fn poll(&mut self, index: u32) -> Option<Finished<P, F::Output>> {
        self.polled.set(index);
        let slot = &mut self.slots[index as usize];
        let place = slot.place.as_mut()?;
        let mut context = Context::from_waker(&slot.waker);
        // A future that has ended is dropped inside `catch` too, since its destructor
        // may panic. `Pin::set` leaves the place empty all the same.
        let polled = catch(|| {
            let future = place.as_mut().as_pin_mut();
            let polled = future.map_or(Poll::Pending, |future| future.poll(&mut context));
            if polled.is_ready() {
                place.set(None);
            }
            polled
        });
        let outcome = match polled {
            Ok(Poll::Pending) => return None,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => {
                // The other destructors run too. A second panic is ignored.
                let _second_panic = catch(|| place.set(None));
                Err(panic)
            }
        };
        let payload = slot.payload.take()?;
        self.free(index);
        Some(Finished { payload, outcome })
    }

    fn free(&mut self, index: u32) {
        if self.warm < WARM_SLOTS_MAX {
            self.warm += 1;
            self.free.push_back(index);
        } else {
            self.slots[index as usize].place = None;
            self.free.push_front(index);
        }
    }
}

impl<F: Future, P> Drop for Executor<F, P> {
    /// Drops the tasks that still wait, each in a `catch` of its own. A destructor may
    /// panic, and a second panic during the first would abort the process.
    fn drop(&mut self) {
        for slot in &mut self.slots {
            let place = slot.place.take();
            let _panic_at_the_end = catch(|| drop(place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::future::poll_fn;

    type Boxed = Pin<Box<dyn Future<Output = u32>>>;

    fn boxed(future: impl Future<Output = u32> + 'static) -> Boxed {
        Box::pin(future)
    }

    /// A future that adds its waker to `wakers` and waits for one wake.
    fn waits(wakers: Rc<RefCell<Vec<Waker>>>) -> Boxed {
        let mut polled = false;
        boxed(poll_fn(move |cx| {
            if std::mem::replace(&mut polled, true) {
                return Poll::Ready(7);
            }
            wakers.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        }))
    }

    #[test]
    fn tasks_run_in_the_order_in_which_they_were_woken() {
        let mut executor = Executor::new();
        let wakers = Rc::new(RefCell::new(Vec::new()));
        for name in 0..3 {
            assert!(executor.start(name, waits(wakers.clone())).is_none());
        }
        for name in [2, 0, 1, 0] {
            wakers.borrow()[name].wake_by_ref();
        }
        let mut order = Vec::new();
        loop {
            match executor.run_one() {
                Polled::Nothing => break,
                Polled::Pending => {}
                Polled::Finished(finished) => order.push(finished.payload),
            }
        }
        assert_eq!(order, [2, 0, 1]);
        assert!(executor.is_empty());
    }

    #[test]
    fn a_wake_after_the_end_is_harmless_to_the_next_task_in_the_slot() {
        let mut executor = Executor::new();
        let wakers = Rc::new(RefCell::new(Vec::new()));
        executor.start("first", waits(wakers.clone()));
        let stale = wakers.borrow()[0].clone();
        stale.wake_by_ref();
        assert!(matches!(executor.run_one(), Polled::Finished(_)));
        stale.wake_by_ref();
        assert!(matches!(executor.run_one(), Polled::Pending));
        assert!(
            executor
                .start("second", boxed(std::future::pending()))
                .is_none()
        );
        stale.wake_by_ref();
        assert!(matches!(executor.run_one(), Polled::Pending));
        assert_eq!(executor.len(), 1);
    }

    #[test]
    fn a_task_that_wakes_itself_is_polled_again_and_not_for_ever_at_once() {
        let mut executor: Executor<Boxed, ()> = Executor::new();
        executor.start(
            (),
            boxed(poll_fn(|cx| {
                cx.waker().wake_by_ref();
                Poll::Pending
            })),
        );
        assert_eq!(executor.ready_queue().len(), 1);
        assert!(matches!(executor.run_one(), Polled::Pending));
        assert_eq!(executor.ready_queue().len(), 1);
    }

    #[test]
    fn panics_are_caught_in_polls_and_in_destructors() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("in drop");
            }
        }
        let mut executor: Executor<Boxed, &str> = Executor::new();
        let finished = executor.start("poll", boxed(async { panic!("at {}", 5) }));
        assert_eq!(finished.unwrap().outcome.unwrap_err().message, "at 5");
        let bomb = Bomb;
        let finished = executor.start(
            "drop",
            boxed(poll_fn(move |_| {
                let _kept_alive = &bomb;
                Poll::Ready(1)
            })),
        );
        assert_eq!(finished.unwrap().outcome.unwrap_err().message, "in drop");
        assert!(
            matches!(executor.start("next", boxed(async { 3 })), Some(done) if matches!(done.outcome, Ok(3)))
        );
        assert!(executor.is_empty());
    }

    #[test]
    fn a_task_without_a_waker_elsewhere_is_never_woken() {
        let mut executor: Executor<Boxed, &str> = Executor::new();
        let wakers = Rc::new(RefCell::new(Vec::new()));
        executor.start("waits", waits(wakers.clone()));
        executor.start("for ever", boxed(std::future::pending()));
        let may_be_woken = |executor: &Executor<Boxed, &'static str>| -> Vec<_> {
            let suspended = executor.suspended();
            suspended
                .map(|task| (*task.payload, task.may_be_woken))
                .collect()
        };
        assert_eq!(
            may_be_woken(&executor),
            [("waits", true), ("for ever", false)]
        );
        wakers.take();
        assert_eq!(
            may_be_woken(&executor),
            [("waits", false), ("for ever", false)]
        );
    }

    #[test]
    fn slots_are_used_again_and_a_burst_gives_its_memory_back() {
        let mut executor = Executor::new();
        let wakers = Rc::new(RefCell::new(Vec::new()));
        let burst = WARM_SLOTS_MAX + 10;
        for _ in 0..burst {
            executor.start((), waits(wakers.clone()));
        }
        wakers.borrow().iter().for_each(Waker::wake_by_ref);
        while !matches!(executor.run_one(), Polled::Nothing) {}
        assert!(executor.is_empty());
        let warm = executor
            .slots
            .iter()
            .filter(|slot| slot.place.is_some())
            .count();
        assert_eq!((warm, executor.warm), (WARM_SLOTS_MAX, WARM_SLOTS_MAX));
        executor.start((), boxed(async { 1 }));
        assert_eq!(executor.warm, WARM_SLOTS_MAX, "a warm slot was used");
        for _ in 0..burst {
            executor.start((), waits(wakers.clone()));
        }
        assert_eq!(executor.slots.len(), burst);
    }
}
