//! Bounds of what policies may make of little: a few lines that double what they have grow beyond any memory.
//!
//! An object of the API server is no larger than 1.5 MiB (etcd `--max-request-bytes`), and what an admission request may
//! bring no larger than 3 MiB (Kubernetes `staging/src/k8s.io/apiserver/pkg/server/config.go`, `MaxRequestBodyBytes`). What
//! would be larger has no known value here.

use std::cell::Cell;

use serde_json::Value;

use super::fault::Fault;

/// The longest text that variables may make, and the most that the context entries of a rule may hold together.
const LARGEST: usize = 3 * 1024 * 1024;

/// The most values that one expression may make on its way, texts by their length in words.
const MOST_VALUES: usize = 500_000;

/// The most objects that one rule may make of one.
pub(super) const MOST_OBJECTS: usize = 1000;

/// The most turns of one loop.
pub(super) const MOST_TURNS: usize = 10_000;

/// Whether a text, or all that is held, is larger than anything that a cluster would take.
pub(super) fn is_too_large(bytes: usize) -> bool {
    bytes > LARGEST
}

/// Why what is too large has no value.
pub(super) fn too_large() -> Fault {
    Fault::unknown("variables make a text of more than 3 MiB, which no cluster takes")
}

/// Why what loops too long has no value.
pub(super) fn too_many(what: &str, most: usize) -> Fault {
    Fault::unknown(format!("the rule makes more than {most} {what}"))
}

/// What an expression may still make.
pub(super) struct Allowance(Cell<usize>);

impl Allowance {
    pub(super) fn new() -> Self {
        Self(Cell::new(MOST_VALUES))
    }

    /// Takes off what `value` is large.
    pub(super) fn spend(&self, value: &Value) -> Result<(), Fault> {
        let left = self.0.get().checked_sub(size(value) / 8 + 1);
        let left = left.ok_or_else(|| Fault::unknown("the expression makes more values than can be evaluated"))?;
        self.0.set(left);
        Ok(())
    }
}

/// About how many bytes a value holds.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => 8 + text.len(),
        Value::Array(items) => 8 + items.iter().map(size).sum::<usize>(),
        Value::Object(map) => 8 + map.iter().map(|(key, value)| key.len() + size(value)).sum::<usize>(),
    }
}
