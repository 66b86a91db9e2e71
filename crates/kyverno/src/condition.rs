//! Conditions: preconditions and `deny` (Kyverno `pkg/engine/variables/evaluate.go`, `pkg/engine/variables/operator`).

use std::cmp::Ordering;

use airtight_manifest::kyverno;
use semver::Version;
use serde_json::Value;

use super::context::Context;
use super::fault::Fault;
use super::function::to_string;
use super::jmespath::equal;
use super::{quantity, scalar, wildcard};

/// Conditions as a rule writes them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Conditions {
    /// `any` and `all`; an `any` that is written and empty never holds.
    AnyAll { any: Option<Vec<Condition>>, all: Vec<Condition> },
    /// The older form: a list in which every condition must hold.
    List(Vec<Condition>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    key: Value,
    operator: String,
    value: Value,
    message: String,
}

impl Conditions {
    /// None at all: they hold.
    pub(super) fn none() -> Self {
        Self::AnyAll { any: None, all: Vec::new() }
    }

    /// Reads free-form conditions.
    ///
    /// # Errors
    /// When they are neither a list nor `any` and `all`.
    pub(super) fn read(value: &Value) -> Result<Self, Fault> {
        let list = |value: &Value| value.as_array().map(|items| items.iter().map(Condition::read).collect::<Vec<_>>());
        match value {
            Value::Null => Ok(Self::none()),
            Value::Array(_) => Ok(Self::List(list(value).unwrap_or_default())),
            Value::Object(map) => Ok(Self::AnyAll {
                any: map.get("any").and_then(list),
                all: map.get("all").and_then(list).unwrap_or_default(),
            }),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(Fault::error("invalid preconditions")),
        }
    }

    /// Whether they hold for what the variables say.
    ///
    /// # Errors
    /// The first condition that cannot be evaluated before the outcome is decided.
    pub(super) fn hold(&self, context: &Context, strict_numbers: bool) -> Result<(bool, String), Fault> {
        match self {
            Self::List(conditions) => all_hold(conditions, context, strict_numbers),
            Self::AnyAll { any, all } => {
                let (any, any_message) = match any {
                    Some(conditions) => any_holds(conditions, context, strict_numbers)?,
                    None => (true, String::new()),
                };
                let (all, all_message) = all_hold(all, context, strict_numbers)?;
                let said = [(any, any_message), (all, all_message)];
                let result = any && all;
                let messages: Vec<String> = said
                    .into_iter()
                    .filter(|(held, text)| *held == result && !text.is_empty())
                    .map(|(_, text)| text)
                    .collect();
                Ok((result, messages.join("; ")))
            }
        }
    }
}

impl From<&kyverno::AnyAll> for Conditions {
    fn from(written: &kyverno::AnyAll) -> Self {
        let read = |list: &Vec<kyverno::Condition>| list.iter().map(Condition::from).collect::<Vec<_>>();
        Self::AnyAll { any: written.any.as_ref().map(read), all: written.all.as_ref().map(read).unwrap_or_default() }
    }
}

impl From<&kyverno::Condition> for Condition {
    fn from(written: &kyverno::Condition) -> Self {
        Self {
            key: written.key.as_ref().map(|key| key.value.clone()).unwrap_or_default(),
            operator: written.operator.clone().unwrap_or_default(),
            value: written.value.as_ref().map(|value| value.value.clone()).unwrap_or_default(),
            message: written.message.clone().unwrap_or_default(),
        }
    }
}

fn any_holds(conditions: &[Condition], context: &Context, strict: bool) -> Result<(bool, String), Fault> {
    let mut messages = Vec::new();
    for condition in conditions {
        if condition.holds(context, strict)? {
            return Ok((true, condition.message.clone()));
        }
        messages.push(condition.message.as_str());
    }
    Ok((false, joined(&messages)))
}

fn all_hold(conditions: &[Condition], context: &Context, strict: bool) -> Result<(bool, String), Fault> {
    let mut messages = Vec::new();
    for condition in conditions {
        if !condition.holds(context, strict)? {
            return Ok((false, condition.message.clone()));
        }
        messages.push(condition.message.as_str());
    }
    Ok((true, joined(&messages)))
}

fn joined(messages: &[&str]) -> String {
    messages.iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>().join("; ")
}

impl Condition {
    fn read(value: &Value) -> Self {
        Self {
            key: value["key"].clone(),
            operator: value["operator"].as_str().unwrap_or_default().to_owned(),
            value: value["value"].clone(),
            message: value["message"].as_str().unwrap_or_default().to_owned(),
        }
    }

    fn holds(&self, context: &Context, strict_numbers: bool) -> Result<bool, Fault> {
        let key = context.substitute(&self.key)?;
        let value = context.substitute(&self.value)?;
        evaluate(&key, &self.operator, &value, strict_numbers)
            .ok_or_else(|| Fault::error(format!("failed to create handler for condition operator `{}`", self.operator)))
    }
}

/// `key operator value`; none for an operator that does not exist.
///
/// `strict_numbers`: since 1.19, `NotEquals` holds for a number and something that is none.
fn evaluate(key: &Value, operator: &str, value: &Value, strict_numbers: bool) -> Option<bool> {
    let ordered = |wanted: fn(Ordering) -> bool| order(key, value).is_some_and(wanted);
    let timed = |wanted: fn(Ordering) -> bool| duration_order(key, value).is_some_and(wanted);
    Some(match operator.to_lowercase().as_str() {
        "equal" | "equals" => equals(key, value).unwrap_or(false),
        "notequal" | "notequals" => match equals(key, value) {
            Some(equal) => !equal,
            // A key without a type that compares is never unequal, nor equal.
            None if key.is_null() => false,
            None => strict_numbers || !number_against_text(key, value),
        },
        "in" => one_in(key, value, false, true),
        "notin" => not_in(key, value),
        "anyin" => one_in(key, value, false, false),
        "allin" => one_in(key, value, true, false),
        "anynotin" => one_not_in(key, value, true),
        "allnotin" => one_not_in(key, value, false),
        "greaterthan" => ordered(Ordering::is_gt),
        "greaterthanorequals" => ordered(Ordering::is_ge),
        "lessthan" => ordered(Ordering::is_lt),
        "lessthanorequals" => ordered(Ordering::is_le),
        "durationgreaterthan" => timed(Ordering::is_gt),
        "durationgreaterthanorequals" => timed(Ordering::is_ge),
        "durationlessthan" => timed(Ordering::is_lt),
        "durationlessthanorequals" => timed(Ordering::is_le),
        _ => return None,
    })
}

/// Whether two values are equal; none if their types cannot be compared.
fn equals(key: &Value, value: &Value) -> Option<bool> {
    match (key, value) {
        (Value::Bool(a), Value::Bool(b)) => Some(a == b),
        (Value::Object(_), Value::Object(_))
        | (Value::Array(_), Value::Array(_))
        | (Value::Number(_), Value::Number(_)) => Some(equal(key, value)),
        (Value::Number(a), Value::String(b)) => match a.as_i64() {
            Some(a) => b.parse::<i64>().ok().map(|b| a == b),
            None => b.parse::<f64>().ok().map(|b| a.as_f64() == Some(b)),
        },
        (Value::String(a), _) => text_equals(a, key, value),
        _ => None,
    }
}

fn text_equals(text: &str, key: &Value, value: &Value) -> Option<bool> {
    if let Some((a, b)) = durations(key, value) {
        return Some(a == b);
    }
    let expected = value.as_str()?;
    match (quantity::quantity(text), quantity::quantity(expected)) {
        (Some(a), Some(b)) => Some(a == b),
        (Some(_), None) if !expected.is_empty() => None,
        _ => Some(wildcard::matches(expected, text)),
    }
}

/// A number written as text against text that is no number, or a whole number against a type that is none.
fn number_against_text(key: &Value, value: &Value) -> bool {
    match key {
        Value::String(text) => value.is_string() && quantity::quantity(text).is_some(),
        Value::Number(number) => number.is_i64() && !value.is_string() && !value.is_number(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Two durations, of which one may be a number of seconds; none if neither is written as one.
fn durations(key: &Value, value: &Value) -> Option<(i128, i128)> {
    let written = |value: &Value| value.as_str().filter(|text| *text != "0").and_then(quantity::duration);
    match (written(key), written(value)) {
        (Some(a), Some(b)) => Some((a, b)),
        (Some(a), None) => Some((a, seconds(value)?)),
        (None, Some(b)) => Some((seconds(key)?, b)),
        (None, None) => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "Go truncates to whole seconds as well")]
fn seconds(value: &Value) -> Option<i128> {
    value.as_number()?;
    Some(value.as_i64().map_or_else(|| value.as_f64().unwrap_or_default() as i128, i128::from) * 1_000_000_000)
}

fn duration_order(key: &Value, value: &Value) -> Option<Ordering> {
    let measure = |value: &Value| value.as_str().map_or_else(|| seconds(value), quantity::duration);
    Some(measure(key)?.cmp(&measure(value)?))
}

fn order(key: &Value, value: &Value) -> Option<Ordering> {
    if let Some((a, b)) = durations(key, value) {
        return Some(a.cmp(&b));
    }
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    if let (Some(a), Some(b)) = (key.as_str(), value.as_str()) {
        if let (Some(a), Some(b)) = (quantity::quantity(a), quantity::quantity(b)) {
            return Some(a.cmp(&b));
        }
        if a.parse::<f64>().is_err() {
            return Some(Version::parse(a).ok()?.cmp_precedence(&Version::parse(b).ok()?));
        }
    }
    number(key)?.partial_cmp(&number(value)?)
}

/// The key's elements as text: a scalar is a list of one; none for a type that has no elements.
fn keys(key: &Value) -> Option<(Vec<String>, bool)> {
    match key {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Some((vec![to_string(key)], true)),
        Value::Array(items) => Some((items.iter().map(to_string).collect(), false)),
        Value::Null | Value::Object(_) => None,
    }
}

fn alike(a: &str, b: &str) -> bool {
    wildcard::matches(a, b) || wildcard::matches(b, a)
}

/// The elements of the right side: a list, a JSON list in a text, or the text itself.
fn candidates(value: &Value, only_json: bool) -> Option<Vec<String>> {
    match value {
        Value::Array(items) => Some(items.iter().map(to_string).collect()),
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(Value::Array(items)) if items.iter().all(Value::is_string) => {
                Some(items.iter().map(to_string).collect())
            }
            Ok(_) => None,
            Err(_) if only_json => None,
            Err(_) => Some(vec![text.clone()]),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// `AnyIn`, `AllIn` and the deprecated `In`, whose elements have no wildcards in lists.
fn one_in(key: &Value, value: &Value, every: bool, deprecated: bool) -> bool {
    let Some((keys, single)) = keys(key) else { return false };
    if let Value::String(text) = value {
        if keys.len() == 1 && (if single { wildcard::matches(text, &keys[0]) } else { keys[0] == *text }) {
            return true;
        }
        if !deprecated && scalar::in_range(&Value::Null, text).is_some() {
            let mut inside = keys.iter().map(|key| scalar::in_range(&Value::from(key.as_str()), text).unwrap_or(false));
            return if every { inside.all(|inside| inside) } else { inside.any(|inside| inside) };
        }
    }
    let candidates = match value {
        Value::Number(_) | Value::Bool(_) if !single && !every && !deprecated => vec![to_string(value)],
        _ => match candidates(value, deprecated) {
            Some(candidates) => candidates,
            None => return false,
        },
    };
    let exact = value.is_string() && single || deprecated && !single;
    let found = |key: &String| candidates.iter().any(|value| if exact { value == key } else { alike(value, key) });
    if every || deprecated { keys.iter().all(found) } else { keys.iter().any(found) }
}

/// `AnyNotIn` (`some`) and `AllNotIn`.
fn one_not_in(key: &Value, value: &Value, some: bool) -> bool {
    let Some((keys, single)) = keys(key) else { return false };
    if let Value::String(text) = value {
        if keys.len() == 1 && (if single { wildcard::matches(text, &keys[0]) } else { keys[0] == *text }) {
            return false;
        }
        if scalar::in_range(&Value::Null, text).is_some() {
            let value_of = |key: &String| Value::from(key.as_str());
            return if some && !single {
                keys.iter().any(|key| scalar::outside_range(&value_of(key), text))
            } else {
                !keys.iter().any(|key| scalar::in_range(&value_of(key), text).unwrap_or(false))
            };
        }
    }
    let candidates = match value {
        Value::Number(_) | Value::Bool(_) if !single && some => vec![to_string(value)],
        _ => match candidates(value, false) {
            Some(candidates) => candidates,
            None => return false,
        },
    };
    let exact = value.is_string() && single;
    let absent = |key: &String| !candidates.iter().any(|value| if exact { value == key } else { alike(value, key) });
    if some { keys.iter().any(absent) } else { keys.iter().all(absent) }
}

/// The deprecated `NotIn`.
fn not_in(key: &Value, value: &Value) -> bool {
    let Some((keys, single)) = keys(key) else { return false };
    if let Value::String(text) = value
        && keys.len() == 1
        && (if single { wildcard::matches(text, &keys[0]) } else { keys[0] == *text })
    {
        // Upstream reports the very element as found, which `NotIn` on a list of one then takes for its result.
        return !single;
    }
    let Some(candidates) = candidates(value, true) else { return false };
    if single {
        !candidates.iter().any(|value| {
            if value.contains(['*', '?']) || keys[0].contains(['*', '?']) {
                alike(value, &keys[0])
            } else {
                *value == keys[0]
            }
        })
    } else {
        keys.iter().any(|key| !candidates.contains(key))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operators() {
        for (key, operator, value, expected) in [
            (json!("a"), "Equals", json!("a"), true),
            (json!("abc"), "Equals", json!("a*"), true),
            (json!("a*"), "Equals", json!("abc"), false),
            (json!(1), "Equals", json!("1"), true),
            (json!("1Gi"), "Equals", json!("1024Mi"), true),
            (json!("60s"), "Equals", json!("1m"), true),
            (json!("60s"), "Equals", json!(60), true),
            (json!(null), "Equals", json!(""), false),
            (json!(null), "NotEquals", json!("x"), false),
            (json!(""), "NotEquals", json!("true"), true),
            (json!(true), "NotEquals", json!("true"), true),
            (json!({"a": 1}), "Equals", json!({"a": 1.0}), true),
            (json!("a"), "AnyIn", json!(["b", "a"]), true),
            (json!("ab"), "AnyIn", json!(["a*"]), true),
            (json!(["a", "c"]), "AnyIn", json!(["a", "b"]), true),
            (json!(["a", "c"]), "AllIn", json!(["a", "b"]), false),
            (json!(["a", "b"]), "AllIn", json!(["*"]), true),
            (json!(["a", "c"]), "AnyNotIn", json!(["a", "b"]), true),
            (json!(["a", "c"]), "AllNotIn", json!(["a", "b"]), false),
            (json!(["c"]), "AllNotIn", json!(["a", "b"]), true),
            (json!([]), "AnyIn", json!(["a"]), false),
            (json!([]), "AllIn", json!(["a"]), true),
            (json!([]), "AnyNotIn", json!(["a"]), false),
            (json!(null), "AnyNotIn", json!(["a"]), false),
            (json!(5), "AnyIn", json!("1-10"), true),
            (json!([5, 50]), "AllIn", json!("1-10"), false),
            (json!([5, 50]), "AnyNotIn", json!("1-10"), true),
            (json!("a"), "AnyIn", json!("[\"a\",\"b\"]"), true),
            (json!("x"), "In", json!(["x"]), true),
            (json!(["x"]), "NotIn", json!(["y"]), true),
            (json!(3), "GreaterThan", json!("2.5"), true),
            (json!("512Mi"), "LessThan", json!("1Gi"), true),
            (json!("1h"), "GreaterThanOrEquals", json!("30m"), true),
            (json!("1.10.0"), "GreaterThan", json!("1.9.0"), true),
            (json!("10"), "LessThan", json!(9), false),
            (json!(60), "DurationLessThanOrEquals", json!("1m"), true),
        ] {
            assert_eq!(evaluate(&key, operator, &value, true), Some(expected), "{key} {operator} {value}");
        }
        assert_eq!(evaluate(&json!(1), "Resembles", &json!(1), true), None);
    }

    #[test]
    fn a_number_is_not_unequal_to_text_before_1_19() {
        assert_eq!(evaluate(&json!("5"), "NotEquals", &json!("x"), false), Some(false));
        assert_eq!(evaluate(&json!("5"), "NotEquals", &json!("x"), true), Some(true));
    }
}
