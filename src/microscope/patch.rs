//! Differences of states, as JSON merge patches (RFC 7396).
//!
//! In a patch, null removes a key, an object changes the keys that it has, and every
//! other value replaces the old one. So no state may have a null in it.

use serde_json::{Map, Value};

/// The patch that makes `new` of `old`; `None` if they are equal.
pub(super) fn difference(old: &Value, new: &Value) -> Option<Value> {
    if old == new {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return Some(new.clone());
    };
    let mut patch = Map::new();
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in new {
        let changed = match old.get(key) {
            Some(old) => difference(old, value),
            None => Some(value.clone()),
        };
        if let Some(changed) = changed {
            patch.insert(key.clone(), changed);
        }
    }
    Some(Value::Object(patch))
}

/// Applies a patch.
pub(super) fn apply(state: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *state = patch.clone();
        return;
    };
    if !state.is_object() {
        *state = Value::Object(Map::new());
    }
    if let Value::Object(state) = state {
        for (key, change) in patch {
            if change.is_null() {
                state.remove(key);
            } else {
                apply(state.entry(key.clone()).or_insert(Value::Null), change);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_makes_the_new_state_of_the_old_one() {
        let states = [
            json!({}),
            json!({"a": 1, "b": {"c": [1, 2]}}),
            json!({"a": 2, "b": {"c": [1], "d": true}}),
            json!({"b": {"d": true}, "e": {}}),
            json!({"b": 7}),
        ];
        for old in &states {
            for new in &states {
                let mut state = old.clone();
                if let Some(patch) = difference(old, new) {
                    apply(&mut state, &patch);
                }
                assert_eq!(&state, new);
            }
        }
    }
}
