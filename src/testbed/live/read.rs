//! Reading lists and objects through the API server.

use std::fmt::Write as _;

use serde_json::Value;

use super::{ApiCall, Cluster, Verb};

/// How many objects a page of a list holds.
const PAGE: usize = 500;

/// More pages than a cluster of any size has; an API server that goes on for ever is none.
const MOST_PAGES: usize = 1000;

/// What could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {what}: {why}")]
pub struct Unread {
    /// The path.
    pub what: String,
    /// What the API server said, or that nothing came back.
    pub why: String,
}

/// An object; none if it does not exist, or its kind is not served.
///
/// # Errors
/// When no answer came, or one that is neither the object nor 404.
pub(super) fn object(cluster: &dyn Cluster, path: &str) -> Result<Option<Value>, Unread> {
    let unread = |why: String| Unread { what: path.to_owned(), why };
    let call = ApiCall { verb: Verb::Get, path, body: None, user: None };
    let answer = cluster.send(&call).map_err(|error| unread(error.to_string()))?;
    if answer.status == 404 {
        return Ok(None);
    }
    if !answer.accepted() {
        return Err(unread(format!("{} {}", answer.status, answer.message()).trim_end().to_owned()));
    }
    Ok(Some(answer.body))
}

/// All objects of a list, page by page.
///
/// # Errors
/// When a page cannot be read, and where the kind is not served.
pub(super) fn list(cluster: &dyn Cluster, path: &str) -> Result<Vec<Value>, Unread> {
    pages(cluster, path)?.ok_or_else(|| Unread { what: path.to_owned(), why: "404 it is not served".to_owned() })
}

/// All objects of a list; none of a kind that is not served.
///
/// # Errors
/// When a page cannot be read.
pub(super) fn list_if_served(cluster: &dyn Cluster, path: &str) -> Result<Vec<Value>, Unread> {
    Ok(pages(cluster, path)?.unwrap_or_default())
}

fn pages(cluster: &dyn Cluster, path: &str) -> Result<Option<Vec<Value>>, Unread> {
    let mut all = Vec::new();
    let mut next = String::new();
    for _ in 0..MOST_PAGES {
        let glue = if path.contains('?') { '&' } else { '?' };
        let page = match next.as_str() {
            "" => format!("{path}{glue}limit={PAGE}"),
            token => format!("{path}{glue}limit={PAGE}&continue={}", escaped(token)),
        };
        let Some(body) = object(cluster, &page)? else { return Ok(None) };
        all.extend(items(&body, "/items").iter().cloned());
        let token = text(&body, "/metadata/continue").to_owned();
        if token.is_empty() {
            return Ok(Some(all));
        }
        next = token;
    }
    Err(Unread { what: path.to_owned(), why: "the list does not end".to_owned() })
}

/// A text as a value in a query.
#[must_use]
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// The elements of a list at a JSON pointer; none if there is no list.
pub(super) fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The text at a JSON pointer; empty if there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
