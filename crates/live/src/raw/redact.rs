//! Secrets out of what is kept.

use std::sync::LazyLock;

use airtight_matrix::run::{REDACTED, is_named_secret};
use regex::Regex;
use serde_json::{Value, json};

/// Secrets in the middle of a text: a bearer's token, a JSON Web Token (RFC 7515: `{"` begins with `eyJ`), a private
/// key, and headers and members with a name that says so.
static IN_TEXT: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"(?i)\b(bearer)\s+[a-z0-9._~+/=-]+", "${1} [redacted]"),
        (r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*)?", REDACTED),
        (r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", REDACTED),
        (
            r#"(?i)((?:proxy-)?authorization|set-cookie|cookie|x-api-key|api[-_]key|(?:access|id|refresh)_token|client_secret|password)(\\*["']?\s*[:=,]\s*\\*["']?)[^"'\\\r\n,}\]]+"#,
            "${1}${2}[redacted]",
        ),
    ]
    .into_iter()
    .filter_map(|(pattern, with)| Some((Regex::new(pattern).ok()?, with)))
    .collect()
});

/// Takes secrets out of a value: of members and headers (pairs of name and value) that are named as secret, of Secrets'
/// data, of bytes that are no text, and of the middle of any text.
pub fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let is_secret = fields.get("kind").is_some_and(|kind| kind == "Secret");
            for (name, value) in fields.iter_mut() {
                let whole = is_named_secret(name) || (is_secret && matches!(name.as_str(), "data" | "stringData"));
                match value {
                    Value::Null | Value::Bool(_) => {}
                    Value::String(digits) if name == "hex" => *digits = format!("{} bytes, not kept", digits.len() / 2),
                    Value::Object(_) if whole && !is_secret => redact(value),
                    value if whole => *value = json!(REDACTED),
                    value => redact(value),
                }
            }
        }
        Value::Array(items) => match items.as_mut_slice() {
            [Value::String(name), value @ Value::String(_)] if is_named_secret(name) => *value = json!(REDACTED),
            items => items.iter_mut().for_each(redact),
        },
        Value::String(text) => *text = redact_text(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Takes secrets out of a text, which may be JSON.
#[must_use]
pub fn redact_text(text: &str) -> String {
    if text.starts_with('{')
        && let Ok(mut value) = serde_json::from_str::<Value>(text)
    {
        redact(&mut value);
        return value.to_string();
    }
    let mut text = text.to_owned();
    for (pattern, with) in IN_TEXT.iter() {
        if let std::borrow::Cow::Owned(changed) = pattern.replace_all(&text, *with) {
            text = changed;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";

    #[test]
    fn no_pattern_is_lost() {
        assert_eq!(IN_TEXT.len(), 4);
    }

    #[test]
    fn secrets_do_not_stay() {
        let body = format!(
            "HTTP/1.1 200 OK\r\nset-cookie: sid=s3cret; Path=/\r\n\r\n{{\"headers\":[[\"Authorization\",\"Bearer {TOKEN}\"],[\"x-api-key\",\"s3cret\"]]}}"
        );
        let mut value = json!({
            "attempt": {"http": {"request": {"headers": [["Authorization", format!("Bearer {TOKEN}")], ["Cookie", "s3cret"]]}}},
            "arrived": {"headers": [["authorization", "Basic s3cret"], ["X-Api-Key", "s3cret"], ["accept", "*/*"]]},
            "reply": {"body": {"text": body}},
            "raw": {"hex": "7333637265"},
            "answer": {"access_token": "s3cret", "token": "s3cret", "clientSecret": "s3cret"},
            "object": {"kind": "Secret", "data": {"a": "s3cret"}, "stringData": {"a": "s3cret"}},
            "line": format!("{{\"path\":\"/x\",\"authorization\":\"Bearer {TOKEN}\",\"password\":\"s3cret\"}}"),
            "log": format!("authorization=\"Basic s3cret\" token {TOKEN} -----BEGIN EC PRIVATE KEY-----\ns3cret\n-----END EC PRIVATE KEY-----"),
        });
        redact(&mut value);
        let text = value.to_string();
        assert!(!text.contains("s3cret") && !text.contains("eyJ") && !text.contains("7333637265"), "{text}");
        assert!(text.contains(r#"["accept","*/*"]"#) && text.contains("/x"), "{text}");
    }

    #[test]
    fn what_is_no_secret_stays() {
        let mut value = json!({"id": "3", "outcome": {"http": 200}, "timing": {"totalUs": 12},
            "says": "denied by policy: no bearer, and the token is missing", "token": null});
        let before = value.clone();
        redact(&mut value);
        // Of a sentence about bearers one word may be lost; of an answer, nothing.
        assert_eq!(value["outcome"], before["outcome"]);
        assert_eq!((&value["token"], &value["timing"]), (&before["token"], &before["timing"]));
    }
}
