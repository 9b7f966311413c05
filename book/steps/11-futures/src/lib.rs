//! Futures by hand, and an executor that keeps them in slots and polls them all.

#![forbid(unsafe_code)]

use slab::Slab;
use std::cell::RefCell;
use std::mem::take;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A promise and the reply that it leads to.
pub fn promise<T>() -> (Promise<T>, Reply<T>) {
    let value = Rc::new(RefCell::new(None));
    (Promise(value.clone()), Reply(value))
}

/// It is kept, or it is dropped.
pub struct Promise<T>(Rc<RefCell<Option<T>>>);

/// A future: the value of a promise, or `None` if the promise was dropped.
pub struct Reply<T>(Rc<RefCell<Option<T>>>);

impl<T> Promise<T> {
    pub fn keep(self, value: T) {
        *self.0.borrow_mut() = Some(value);
    }
}

impl<T> Future for Reply<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<T>> {
        match self.0.take() {
            Some(value) => Poll::Ready(Some(value)),
            // The promise is the other owner.
            None if Rc::strong_count(&self.0) == 1 => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

/// A future: the values of two futures, when both have one.
pub struct Both<A: Future, B: Future> {
    first: Part<A>,
    second: Part<B>,
}

/// A future, and then its value.
enum Part<F: Future> {
    Waits(Pin<Box<F>>),
    Has(F::Output),
    Taken,
}

pub fn both<A: Future, B: Future>(first: A, second: B) -> Both<A, B> {
    Both {
        first: Part::Waits(Box::pin(first)),
        second: Part::Waits(Box::pin(second)),
    }
}

impl<A, B> Future for Both<A, B>
where
    A: Future<Output: Unpin>,
    B: Future<Output: Unpin>,
{
    type Output = (A::Output, B::Output);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Not `&&`: the second one is polled although the first one waits.
        if self.first.is_ready(cx) & self.second.is_ready(cx) {
            let taken = (self.first.take(), self.second.take());
            if let (Some(first), Some(second)) = taken {
                return Poll::Ready((first, second));
            }
        }
        Poll::Pending
    }
}

impl<F: Future> Part<F> {
    /// Polls the future, unless it has ended.
    fn is_ready(&mut self, cx: &mut Context<'_>) -> bool {
        if let Part::Waits(future) = self
            && let Poll::Ready(value) = future.as_mut().poll(cx)
        {
            *self = Part::Has(value);
        }
        matches!(self, Part::Has(_))
    }

    fn take(&mut self) -> Option<F::Output> {
        match std::mem::replace(self, Part::Taken) {
            Part::Has(value) => Some(value),
            _ => None,
        }
    }
}

/// The name of one task, and of no later task in the same slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskId {
    generation: u64,
    pub slot: usize,
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

struct Slot {
    generation: u64,
    task: Task,
}

#[derive(Default)]
pub struct Executor {
    slots: Slab<Slot>,
    /// Tasks that other tasks have spawned, and that have no slot yet.
    spawned: Rc<RefCell<Vec<Task>>>,
    generation: u64,
    /// How many polls there were.
    pub polls: usize,
}

/// A handle for tasks: the executor itself is busy while it polls them.
#[derive(Clone)]
pub struct Spawner(Rc<RefCell<Vec<Task>>>);

impl Spawner {
    /// The task begins at the end of the present `poll_all`.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.0.borrow_mut().push(Box::pin(future));
    }
}

impl Executor {
    pub fn spawner(&self) -> Spawner {
        Spawner(self.spawned.clone())
    }

    /// Takes a task in, and polls it once: most tasks end in their first poll.
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'static) -> TaskId {
        self.start(Box::pin(future))
    }

    fn start(&mut self, task: Task) -> TaskId {
        let generation = self.generation;
        self.generation += 1;
        let slot = self.slots.insert(Slot { generation, task });
        let id = TaskId { generation, slot };
        self.poll(id);
        id
    }

    /// Polls a task. Returns whether it is there and goes on.
    pub fn poll(&mut self, id: TaskId) -> bool {
        let Some(slot) = self.find(id) else {
            return false;
        };
        let poll = slot
            .task
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        self.polls += 1;
        if poll.is_ready() {
            self.slots.remove(id.slot);
        }
        poll.is_pending()
    }

    /// Polls each task once, and starts those that were spawned meanwhile.
    pub fn poll_all(&mut self) {
        let name = |(slot, task): (usize, &Slot)| TaskId {
            generation: task.generation,
            slot,
        };
        let ids: Vec<TaskId> = self.slots.iter().map(name).collect();
        for id in ids {
            self.poll(id);
        }
        // Taken first: what these spawn waits for the next call.
        let spawned = take(&mut *self.spawned.borrow_mut());
        for task in spawned {
            self.start(task);
        }
    }

    /// Drops a task where it stands. Returns whether it was there.
    pub fn cancel(&mut self, id: TaskId) -> bool {
        let is_there = self.find(id).is_some();
        if is_there {
            self.slots.remove(id.slot);
        }
        is_there
    }

    /// How many tasks have not ended.
    pub fn tasks(&self) -> usize {
        self.slots.len()
    }

    fn find(&mut self, id: TaskId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.slot)?;
        (slot.generation == id.generation).then_some(slot)
    }
}
