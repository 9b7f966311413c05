//! Panics of an author's code: caught, with their message and place.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Whether [`catch`] would catch a panic on this thread now.
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    /// The place of the panic that is being caught.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A panic that was caught.
///
/// ```
/// use eddyline::task::catch;
///
/// let panic = catch(|| panic!("ouch")).map(|(): ()| ()).unwrap_err();
/// assert!(panic.to_string().starts_with("panicked: ouch"));
/// ```
#[derive(Debug)]
pub struct Panic {
    /// The message of the panic.
    pub message: String,
    /// File, line and column, if [`capture_panic_places`] was called.
    pub place: Option<String>,
}

impl Panic {
    fn new(cause: Box<dyn Any + Send>) -> Box<Panic> {
        let message = cause
            .downcast_ref::<&str>()
            .map(|message| (*message).to_owned())
            .or_else(|| cause.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".to_owned());
        let place = PLACE.with_borrow_mut(Option::take);
        // The value that was thrown is the author's, and may panic when it is dropped.
        // That second panic is ignored.
        if let Err(thrown) = catch_unwind(AssertUnwindSafe(|| drop(cause))) {
            std::mem::forget(thrown);
            PLACE.set(None);
        }
        Box::new(Panic { message, place })
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.message.escape_debug())?;
        match &self.place {
            Some(place) => write!(f, " ({place})"),
            None => Ok(()),
        }
    }
}

/// Runs an author's code, and catches its panic.
///
/// Data that the code was changing may be left half changed. The executor drops the
/// future and never polls it again. The author's own state is the author's
/// responsibility, as under any executor.
///
/// ```
/// use eddyline::task::catch;
///
/// assert_eq!(catch(|| 7).unwrap(), 7);
/// let panic = catch(|| [1, 2][std::hint::black_box(2)]).unwrap_err();
/// assert!(panic.message.contains("out of bounds"));
/// ```
///
/// # Errors
/// The panic. It is boxed to keep the result small when there is none.
pub fn catch<T>(code: impl FnOnce() -> T) -> Result<T, Box<Panic>> {
    let outer = CATCHING.replace(true);
    // `Panic::new` drops the thrown value, which may panic, so it is inside too.
    let result = catch_unwind(AssertUnwindSafe(code)).map_err(Panic::new);
    CATCHING.set(outer);
    result
}

/// Makes caught panics keep their place and print nothing. Other panics of the process
/// are reported as before.
///
/// ```
/// use eddyline::task::{capture_panic_places, catch};
///
/// capture_panic_places();
/// let panic = catch(|| panic!("ouch")).map(|(): ()| ()).unwrap_err();
/// assert!(panic.place.is_some());
/// ```
pub fn capture_panic_places() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !CATCHING.get() {
                return previous(info);
            }
            let place = info.location().map(ToString::to_string);
            PLACE.with_borrow_mut(|last| *last = place);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caught_panic_knows_its_message_and_its_place() {
        capture_panic_places();
        let panic = catch(|| panic!("five\n{}", 5)).unwrap_err();
        assert_eq!(panic.message, "five\n5");
        let shown = panic.to_string();
        assert!(
            shown.starts_with("panicked: five\\n5 (src/task/panic.rs:"),
            "{shown}"
        );
    }
}
