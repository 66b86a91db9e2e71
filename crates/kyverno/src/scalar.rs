//! Scalar patterns: `|`, `&`, comparisons, ranges and wildcards (Kyverno `pkg/engine/pattern/pattern.go`).

use std::sync::LazyLock;

use airtight_manifest::re2;
use regex::Regex;
use serde_json::Value;

use super::{quantity, wildcard};

const END: &str = r"([-|\+]?\d+(?:\.\d+)?[A-Za-z]*)";
static IN_RANGE: LazyLock<Option<Regex>> = LazyLock::new(|| re2::search(&format!("^{END}-{END}$")).ok());
static NOT_IN_RANGE: LazyLock<Option<Regex>> = LazyLock::new(|| re2::search(&format!("^{END}!-{END}$")).ok());

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    More,
    Less,
    MoreEqual,
    LessEqual,
}

/// Whether `value` satisfies a pattern that is no list.
pub(super) fn matches(value: &Value, pattern: &Value) -> bool {
    match pattern {
        Value::Null => is_zero(value),
        Value::Bool(expected) => value.as_bool() == Some(*expected),
        Value::Number(expected) => number_matches(value, expected),
        Value::String(expected) => text_matches(value, expected),
        Value::Object(_) => value.is_object(),
        Value::Array(_) => false,
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(_) | Value::Object(_) => false,
    }
}

fn number_matches(value: &Value, expected: &serde_json::Number) -> bool {
    match value {
        Value::Number(actual) => actual == expected || actual.as_f64() == expected.as_f64(),
        Value::String(text) => match expected.as_i64() {
            Some(expected) => text.parse::<i64>() == Ok(expected),
            None => text.parse::<f64>().ok() == expected.as_f64(),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

fn text_matches(value: &Value, pattern: &str) -> bool {
    value.as_str() == Some(pattern)
        || pattern.split('|').any(|alternative| {
            alternative.trim_matches(' ').split('&').all(|part| part_matches(value, part.trim_matches(' ')))
        })
}

fn part_matches(value: &Value, pattern: &str) -> bool {
    let (operator, operand) = operator(pattern);
    if operator == Operator::Equal {
        if let Some((low, high)) = range(pattern, &NOT_IN_RANGE) {
            return compares(value, low, Operator::Less) || compares(value, high, Operator::More);
        }
        if let Some((low, high)) = range(pattern, &IN_RANGE) {
            return compares(value, low, Operator::MoreEqual) && compares(value, high, Operator::LessEqual);
        }
    }
    compares(value, operand, operator)
}

fn operator(pattern: &str) -> (Operator, &str) {
    if pattern.len() < 2 {
        return (Operator::Equal, pattern);
    }
    for (prefix, operator) in [
        (">=", Operator::MoreEqual),
        ("<=", Operator::LessEqual),
        (">", Operator::More),
        ("<", Operator::Less),
        ("!", Operator::NotEqual),
    ] {
        if let Some(rest) = pattern.strip_prefix(prefix) {
            return (operator, rest.trim());
        }
    }
    (Operator::Equal, pattern.trim())
}

fn range<'p>(pattern: &'p str, form: &LazyLock<Option<Regex>>) -> Option<(&'p str, &'p str)> {
    let captures = form.as_ref()?.captures(pattern)?;
    Some((captures.get(1)?.as_str(), captures.get(2)?.as_str()))
}

/// Whether a pattern is a range such as `1-10`, and `value` lies in it; none if it is no range.
pub(super) fn in_range(value: &Value, pattern: &str) -> Option<bool> {
    if operator(pattern).0 != Operator::Equal || range(pattern, &NOT_IN_RANGE).is_some() {
        return None;
    }
    range(pattern, &IN_RANGE).map(|_| part_matches(value, pattern))
}

/// Whether `value` lies outside of the range `pattern`.
pub(super) fn outside_range(value: &Value, pattern: &str) -> bool {
    text_matches(value, &pattern.replacen('-', "!-", 1))
}

fn compares(value: &Value, operand: &str, operator: Operator) -> bool {
    let measured = |measure: fn(&str) -> Option<i128>| {
        Some((measure(&number_text(value)?)?, measure(operand)?)).map(|(actual, expected)| actual.cmp(&expected))
    };
    match measured(quantity::duration).or_else(|| measured(quantity::quantity)) {
        Some(order) => match operator {
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            Operator::More => order.is_gt(),
            Operator::Less => order.is_lt(),
            Operator::MoreEqual => order.is_ge(),
            Operator::LessEqual => order.is_le(),
        },
        None => match operator {
            Operator::Equal => scalar_text(value).is_some_and(|text| wildcard::matches(operand, &text)),
            Operator::NotEqual => scalar_text(value).is_some_and(|text| !wildcard::matches(operand, &text)),
            Operator::More | Operator::Less | Operator::MoreEqual | Operator::LessEqual => false,
        },
    }
}

/// A value as a number is written; null counts as 0.
fn number_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("0".to_owned()),
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(
            number.as_i64().map_or_else(|| format!("{:.6}", number.as_f64().unwrap_or(f64::NAN)), |n| n.to_string()),
        ),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(b) => Some(b.to_string()),
        // Go writes floats as `1.5E+00` here; nobody matches that with a wildcard.
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operators_ranges_and_wildcards() {
        for (value, pattern, expected) in [
            (json!("nginx:1.0"), json!("nginx:*"), true),
            (json!("nginx:latest"), json!("!*:latest"), false),
            (json!("nginx:1"), json!("!*:latest & *:*"), true),
            (json!("b"), json!("a | b"), true),
            (json!("c"), json!("a | b"), false),
            (json!(15), json!(">10 & <20"), true),
            (json!(25), json!(">10 & <20"), false),
            (json!(8080), json!("8000-9000"), true),
            (json!(9001), json!("8000-9000"), false),
            (json!(9001), json!("8000!-9000"), true),
            (json!("512Mi"), json!("<=1Gi"), true),
            (json!("2Gi"), json!("<=1Gi"), false),
            (json!("30s"), json!("<1m"), true),
            (json!(null), json!("?*"), false),
            (json!("x"), json!("?*"), true),
            (json!(""), json!("?*"), false),
            (json!("10"), json!(10), true),
            (json!(10.0), json!(10), true),
            (json!(false), json!(null), true),
            (json!("text"), json!(null), false),
            (json!(true), json!("true"), true),
            (json!({"a": 1}), json!({}), true),
            (json!("abc"), json!(">b"), false),
        ] {
            assert_eq!(matches(&value, &pattern), expected, "{value} ~ {pattern}");
        }
    }
}
