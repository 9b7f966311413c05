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
        todo!("the value, or the end of the promise, or Pending")
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
        todo!("poll both, whatever the first one says")
    }
}

impl<F: Future> Part<F> {
    /// Polls the future, unless it has ended.
    fn is_ready(&mut self, cx: &mut Context<'_>) -> bool {
        todo!("poll it, unless it has ended")
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
        todo!("a slot, a name, and a first poll")
    }

    /// Polls a task. Returns whether it is there and goes on.
    pub fn poll(&mut self, id: TaskId) -> bool {
        todo!("poll it, and drop it if it has ended")
    }

    /// Polls each task once, and starts those that were spawned meanwhile.
    pub fn poll_all(&mut self) {
        todo!("each task once, then those that were spawned")
    }

    /// Drops a task where it stands. Returns whether it was there.
    pub fn cancel(&mut self, id: TaskId) -> bool {
        todo!("only the task of this name")
    }

    /// How many tasks have not ended.
    pub fn tasks(&self) -> usize {
        self.slots.len()
    }

    fn find(&mut self, id: TaskId) -> Option<&mut Slot> {
        todo!("slot and generation")
    }
}
