//! Lines of `key=value` pairs or of flat JSON, as ztunnel and agentgateway write them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

/// A structured log line.
///
/// Text is a time, a level, a scope and a message, separated by tabs or blanks, and `key=value` pairs, of which
/// values with blanks stand in double quotes with backslash escapes; JSON has the members `time`, `level`, `scope`
/// and `message` beside the pairs (ztunnel `src/telemetry.rs`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    /// When the line was written, in microseconds since 1970 (UTC).
    pub(super) written: i64,
    /// What stands before the pairs, words separated by single blanks; of JSON, scope and message.
    pub(super) head: String,
    values: BTreeMap<String, String>,
}

impl Fields {
    /// None if the line has no such form.
    pub(super) fn read(line: &str) -> Option<Self> {
        if line.trim_start().starts_with('{') { Self::json(line) } else { Self::text(line) }
    }

    /// A value; none if there is none, or an empty one.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn json(line: &str) -> Option<Self> {
        let Ok(Value::Object(members)) = serde_json::from_str(line) else { return None };
        let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
        let written = microseconds(text("time"))?;
        let head = format!("{} {}", text("scope"), text("message")).trim().to_owned();
        let values = members.iter().filter_map(|(key, value)| Some((key.clone(), scalar(value)?))).collect();
        Some(Self { written, head, values })
    }

    fn text(line: &str) -> Option<Self> {
        let (time, rest) = line.split_once(char::is_whitespace)?;
        let written = microseconds(time)?;
        let (head, values) = pairs(rest);
        Some(Self { written, head, values })
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A time of RFC 3339 in microseconds since 1970 (UTC).
pub(super) fn microseconds(time: &str) -> Option<i64> {
    time.parse::<Timestamp>().ok().map(Timestamp::as_microsecond)
}

/// A duration such as `17ms` or `1.2s` in microseconds.
pub(super) fn duration(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let nanoseconds: i64 = match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut total = whole.parse::<i64>().ok()?.checked_mul(nanoseconds)?;
    let mut unit = nanoseconds;
    for digit in fraction.chars() {
        unit /= 10;
        total = total.checked_add(i64::from(digit.to_digit(10)?).checked_mul(unit)?)?;
    }
    Some(total / 1_000)
}

fn pairs(text: &str) -> (String, BTreeMap<String, String>) {
    let mut head = Vec::new();
    let mut values = BTreeMap::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if let Some(value) = after.strip_prefix('=').filter(|_| is_key(word)) {
            let (value, left) = value_of(value);
            values.insert(word.to_owned(), value);
            rest = left.trim_start();
        } else {
            // A word of the message, with whatever it is glued to.
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (word, left) = rest.split_at(end);
            head.push(word);
            rest = left.trim_start();
        }
    }
    (head.join(" "), values)
}

fn is_key(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[index + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| unescaped(escaped))),
            other => value.push(other),
        }
    }
    (value, "")
}

fn unescaped(character: char) -> char {
    match character {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_in_microseconds() {
        for (text, expected) in [("0ms", 0), ("17ms", 17_000), ("1.25s", 1_250_000), ("10us", 10), ("2m", 120_000_000)]
        {
            assert_eq!(duration(text), Some(expected), "{text}");
        }
        assert_eq!(duration("ms"), None);
        assert_eq!(duration("12"), None);
        assert_eq!(duration("3parsecs"), None);
    }

    #[test]
    fn quotes_hold_blanks_and_escapes() {
        let line =
            "2026-10-09T11:55:01.094336Z\terror\taccess\tconnection complete\ta=1 error=\"say \\\"no\\\" to b=2\" c=3";
        let fields = Fields::read(line).unwrap();
        assert_eq!(fields.head, "error access connection complete");
        assert_eq!(fields.get("error"), Some("say \"no\" to b=2"));
        assert_eq!((fields.get("a"), fields.get("c"), fields.get("b")), (Some("1"), Some("3"), None));
    }
}
