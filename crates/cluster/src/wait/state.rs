//! How far something is on its way to being in force.

use serde_json::Value;

use crate::read::items;

/// How far something is on its way to being in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is in force.
    InForce,
    /// Not yet: what is missing.
    Pending(String),
    /// Its controller refuses it: in the controller's words.
    Rejected(String),
}

impl State {
    /// The worse of two: a rejection outweighs what is pending.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Rejected(why), _) | (_, Self::Rejected(why)) => Self::Rejected(why),
            (Self::Pending(why), _) | (_, Self::Pending(why)) => Self::Pending(why),
            (Self::InForce, Self::InForce) => Self::InForce,
        }
    }
}

/// A condition of an object's status.
#[derive(Debug, Clone, Copy)]
pub(super) struct Condition<'a> {
    value: &'a Value,
}

impl<'a> Condition<'a> {
    /// The condition of a type in a list of conditions.
    pub(super) fn find(conditions: &'a [Value], kind: &str) -> Option<Self> {
        conditions.iter().map(|value| Self { value }).find(|condition| condition.text("type") == kind)
    }

    /// The condition of a type among an object's own.
    pub(super) fn of(object: &'a Value, kind: &str) -> Option<Self> {
        Self::find(items(object, "/status/conditions"), kind)
    }

    pub(super) fn is(self, status: &str) -> bool {
        self.text("status") == status
    }

    pub(super) fn reason(self) -> &'a str {
        self.text("reason")
    }

    /// Reason and message, as the controller wrote them.
    pub(super) fn words(self) -> String {
        let (kind, status) = (self.text("type"), self.text("status"));
        let words: Vec<&str> =
            [self.reason(), self.text("message")].into_iter().filter(|word| !word.is_empty()).collect();
        if words.is_empty() {
            format!("{kind} is {status}")
        } else {
            format!("{kind} is {status}: {}", words.join(": "))
        }
    }

    /// Whether it tells of an older version of the object than the newest. One without a generation cannot be told
    /// to be old. Istio writes the number as a text.
    pub(super) fn is_stale(self, object: &Value) -> bool {
        let number = |value: &Value| value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        let observed = self.value.get("observedGeneration").and_then(number).filter(|generation| *generation > 0);
        let newest = object.pointer("/metadata/generation").and_then(number);
        observed.zip(newest).is_some_and(|(observed, newest)| observed < newest)
    }

    fn text(self, member: &str) -> &'a str {
        self.value.get(member).and_then(Value::as_str).unwrap_or_default()
    }
}

/// The state of a condition that must be True. What is False for one of these reasons is on its way; for any other
/// reason it is refused.
pub(super) fn expect(object: &Value, found: Option<Condition<'_>>, kind: &str, on_its_way: &[&str]) -> State {
    match found {
        None => State::Pending(format!("it has no condition {kind} yet")),
        Some(condition) if condition.is_stale(object) => {
            State::Pending(format!("condition {kind} is about an older generation"))
        }
        Some(condition) if condition.is("True") => State::InForce,
        Some(condition) if condition.is("False") && !on_its_way.contains(&condition.reason()) => {
            State::Rejected(condition.words())
        }
        Some(condition) => State::Pending(condition.words()),
    }
}
