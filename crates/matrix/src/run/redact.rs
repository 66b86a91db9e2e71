//! Secrets out of a record: headers and query keys whose names say that their values are for nobody else. That one was
//! sent stays.

use std::collections::BTreeSet;

use airtight_model::path::{Flow, Trace};
use airtight_model::policy::Request;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::record::RunRecord;
use crate::scenario::{Case, Expectation};

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Names, in lower case and without separators, whose values are secret.
const SECRET: &[&str] = &[
    "authorization",
    "proxyauthorization",
    "cookie",
    "setcookie",
    "xapikey",
    "apikey",
    "xauthtoken",
    "xgoogapikey",
    "xamzsecuritytoken",
    "xcsrftoken",
    "token",
    "accesstoken",
    "idtoken",
    "refreshtoken",
    "clientsecret",
    "password",
    "passwd",
    "secret",
    "signature",
    "sig",
    "privatekey",
];

/// The shortest secret that is looked for within other texts: anything shorter is part of every other word.
const TELLING: usize = 5;

/// Whether a header, a query key or a member is named so that its value is secret.
#[must_use]
pub fn is_named_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    SECRET.contains(&plain.as_str())
}

/// The same of a query, where `key` is what some providers of models call it.
fn is_secret_in_query(name: &str) -> bool {
    name.eq_ignore_ascii_case("key") || is_named_secret(name)
}

/// The record without the secrets that its cases send or expect, wherever they turn up: in requests, in what arrived, in
/// reasons and logs.
pub(super) fn redacted(record: RunRecord) -> RunRecord {
    let secrets: BTreeSet<String> = record.cases.iter().flat_map(|case| of_case(&case.case)).collect();
    cleared(record, &secrets)
}

/// A trace without the secrets of its request.
#[must_use]
pub fn redacted_trace(trace: Trace) -> Trace {
    let secrets = of_flow(&trace.flow).collect();
    cleared(trace, &secrets)
}

/// The flow of a case in words, without the secrets of its request.
#[must_use]
pub fn shown_flow(case: &Case) -> String {
    without(&case.flow.to_string(), &of_case(case).collect())
}

fn cleared<T: Serialize + DeserializeOwned>(whole: T, secrets: &BTreeSet<String>) -> T {
    if secrets.is_empty() {
        return whole;
    }
    let Ok(mut value) = serde_json::to_value(&whole) else { return whole };
    clear(&mut value, secrets);
    serde_json::from_value(value).unwrap_or(whole)
}

fn of_case(case: &Case) -> impl Iterator<Item = String> {
    let expected = match &case.expect {
        Expectation::Allow(allow) => allow.backend_headers.as_slice(),
        Expectation::Deny(_) => &[],
    };
    let expected = expected.iter().filter(|(name, _)| is_named_secret(name));
    let expected: Vec<String> = expected.filter_map(|(_, value)| value.as_deref()).flat_map(parts).collect();
    of_flow(&case.flow).chain(expected)
}

fn of_flow(flow: &Flow) -> impl Iterator<Item = String> {
    flow.request.iter().flat_map(of_request)
}

fn of_request(request: &Request) -> impl Iterator<Item = String> {
    let headers = request.headers.iter().filter(|(name, _)| is_named_secret(name));
    let queries = request.path.split_once('?').into_iter().flat_map(|(_, query)| query.split(['&', ';']));
    let keys = queries.filter_map(|pair| pair.split_once('=')).filter(|(name, _)| is_secret_in_query(name));
    headers.flat_map(|(_, value)| parts(value)).chain(keys.map(|(_, value)| value.to_owned()))
}

/// A value, and what follows a scheme in it: `Bearer` and the like are no secret.
fn parts(value: &str) -> Vec<String> {
    let credentials = value.split_once(' ').map(|(_, credentials)| credentials.trim().to_owned());
    let pairs = value.split(';').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value.trim().to_owned());
    credentials.into_iter().chain([value.to_owned()]).chain(pairs).filter(|part| !part.is_empty()).collect()
}

/// Members that hold sentences, lines of logs and paths; what names things is left as it is, whatever it is called.
const TEXTS: &[&str] =
    &["path", "detail", "why", "log", "logs", "title", "message", "hint", "undecided", "unknown", "but"];

fn clear(value: &mut Value, secrets: &BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                match value {
                    value if TEXTS.contains(&name.as_str()) => clear_texts(value, secrets),
                    value => clear(value, secrets),
                }
            }
        }
        Value::Array(items) => match items.as_mut_slice() {
            // A header as a pair.
            [Value::String(name), Value::String(value)] if is_named_secret(name) => *value = hidden(value),
            items => items.iter_mut().for_each(|item| clear(item, secrets)),
        },
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn clear_texts(value: &mut Value, secrets: &BTreeSet<String>) {
    match value {
        Value::String(text) => *text = without(text, secrets),
        Value::Array(items) => items.iter_mut().for_each(|item| clear_texts(item, secrets)),
        Value::Object(_) => clear(value, secrets),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A header's value of which the scheme alone is left.
fn hidden(value: &str) -> String {
    match value.split_once(' ') {
        Some((scheme, _)) if scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-') => {
            format!("{scheme} {REDACTED}")
        }
        Some(_) | None => REDACTED.to_owned(),
    }
}

/// A text without secrets: the longest first, since one may be a part of another.
fn without(text: &str, secrets: &BTreeSet<String>) -> String {
    let mut found: Vec<&String> =
        secrets.iter().filter(|secret| secret.len() >= TELLING && text.contains(*secret)).collect();
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let text = found.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret, REDACTED));
    in_query(&text)
}

/// Short secrets of a query are found by their keys.
fn in_query(text: &str) -> String {
    let Some((path, query)) = text.split_once('?') else { return text.to_owned() };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) if is_secret_in_query(name) && !value.is_empty() => {
            let rest = value.find(|letter: char| letter.is_whitespace() || "\"'`,)".contains(letter));
            format!("{name}={REDACTED}{}", rest.map_or("", |end| &value[end..]))
        }
        Some(_) | None => pair.to_owned(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_goes_and_that_it_was_sent_stays() {
        let request = |path: &str, headers: &[(&str, &str)]| Request {
            method: "GET".to_owned(),
            path: path.to_owned(),
            host: "api.example".to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            token: None,
        };
        let sent = request(
            "/v1?api_key=s3cr3tkey&page=2&token=ab",
            &[("Authorization", "Bearer s3cr3tbearer"), ("cookie", "sid=s3cr3tsid; theme=dark"), ("x-page", "2")],
        );
        let secrets: BTreeSet<String> = of_request(&sent).collect();
        let mut value = serde_json::json!({
            "request": sent,
            "why": "the backend saw header `authorization: Bearer s3cr3tbearer`",
            "log": "GET /v1?api_key=s3cr3tkey&page=2&token=ab HTTP/1.1\" 200",
        });
        clear(&mut value, &secrets);
        let text = value.to_string();
        assert!(!text.contains("s3cr3t") && !text.contains("token=ab"), "{text}");
        for kept in ["\"Authorization\",\"Bearer [redacted]\"", "page=2", "\"x-page\",\"2\"", "HTTP/1.1\\\" 200"] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
    }
}
