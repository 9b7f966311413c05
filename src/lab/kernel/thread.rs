//! The kernel that a thread runs on.
//!
//! Each thread has at most one simulated kernel, found through a thread-local
//! variable. So no signature above the seam says anything of it. Tests run in
//! parallel, each on a thread and a kernel of its own.

use super::state::Kernel;
use crate::time::{Clock, Instant, VIRTUAL_UNIX_START};
use std::cell::RefCell;
use std::time::Duration;

thread_local! {
    /// `None` on the real kernel.
    static KERNEL: RefCell<Option<Kernel>> = const { RefCell::new(None) };
}

/// Puts this thread on `kernel`.
pub(crate) fn install(kernel: Kernel) {
    KERNEL.set(Some(kernel));
}

/// Puts this thread back on the real kernel, and returns the simulated one.
pub(crate) fn uninstall() -> Option<Kernel> {
    KERNEL.take()
}

pub(crate) fn is_installed() -> bool {
    KERNEL.with_borrow(Option::is_some)
}

/// Calls this thread's simulated kernel.
///
/// # Panics
/// When there is none: a simulated descriptor has outlived its kernel.
pub(crate) fn with<R>(call: impl FnOnce(&mut Kernel) -> R) -> R {
    KERNEL.with_borrow_mut(|kernel| match kernel {
        Some(kernel) => call(kernel),
        None => panic!("this thread runs on no simulated kernel"),
    })
}

/// As [`with`], for destructors. They run in a panic too, when the kernel may be
/// borrowed or gone, and a second panic would abort the process.
pub(crate) fn with_if_possible(call: impl FnOnce(&mut Kernel)) {
    KERNEL.with(|kernel| {
        if let Ok(mut kernel) = kernel.try_borrow_mut()
            && let Some(kernel) = &mut *kernel
        {
            call(kernel);
        }
    });
}

/// The clock of this thread's simulated kernel.
#[derive(Debug)]
pub(crate) struct KernelClock;

impl Clock for KernelClock {
    fn now(&self) -> Instant {
        with(Kernel::read_clock)
    }

    fn unix_time(&self) -> Duration {
        VIRTUAL_UNIX_START + self.now().since(Instant::ZERO)
    }
}
