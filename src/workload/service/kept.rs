//! The values that services keep, and their memory.

use serde_json::Value;
use std::cell::Cell;
use std::rc::Rc;

/// The memory of a value beside its content, about: its entries in maps and its counts.
const ENTRY_BYTES: usize = 128;

/// A value of a key. All states and replicas that have it share it, and its bytes are counted
/// until the last of them drops it.
pub(super) struct Kept {
    pub(super) value: Value,
    bytes: usize,
    total: Rc<Cell<usize>>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.total.set(self.total.get() - self.bytes);
    }
}

/// Counts the bytes of all values.
#[derive(Default)]
pub(super) struct Keeper {
    total: Rc<Cell<usize>>,
}

impl Keeper {
    pub(super) fn keep(&self, key: &str, value: Value) -> Rc<Kept> {
        let bytes = key.len() + memory_of(&value) + ENTRY_BYTES;
        let total = Rc::clone(&self.total);
        total.set(total.get() + bytes);
        Rc::new(Kept {
            value,
            bytes,
            total,
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.total.get()
    }
}

/// The memory that a value takes, about. Its depth is bounded: the parser refuses more than 128.
fn memory_of(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(memory_of).sum(),
            Value::Object(fields) => {
                let fields = fields.iter();
                let field = |(name, value): (&String, &Value)| {
                    size_of::<String>() + name.len() + memory_of(value)
                };
                fields.map(field).sum()
            }
        }
}
