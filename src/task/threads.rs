//! The place for work that blocks: a runner of closures, which the owner of the session provides.
//!
//! A session asks the operating system for nothing, so it has no threads of its own. The runtime
//! hands in a pool. On virtual time [`Inline`] runs each closure at once, so a run replays exactly.

/// A closure to run. It never panics: its author's panic is caught inside.
pub type Work = Box<dyn FnOnce() + Send>;

/// Runs closures that may block.
///
/// ```
/// use eddyline::task::{Threads, Work};
///
/// /// A thread for each closure.
/// struct ManyThreads;
///
/// impl Threads for ManyThreads {
///     fn run(&self, work: Work) -> Result<(), String> {
///         std::thread::spawn(work);
///         Ok(())
///     }
/// }
/// ```
pub trait Threads {
    /// Runs a closure once, now or later, on any thread.
    ///
    /// # Errors
    /// The reason for which it cannot be run, for an error text. The closure is dropped.
    fn run(&self, work: Work) -> Result<(), String>;
}

/// Runs each closure at once, on the thread that asks.
///
/// ```
/// use eddyline::task::{Inline, Threads};
///
/// let (sender, receiver) = std::sync::mpsc::channel();
/// Inline.run(Box::new(move || sender.send(7).unwrap())).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(7));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Inline;

impl Threads for Inline {
    fn run(&self, work: Work) -> Result<(), String> {
        work();
        Ok(())
    }
}
