//! Reading lists and objects through the API server.

use std::fmt::Write as _;

use serde_json::Value;

use crate::list::{NoPage, Why, pages};
use crate::{ApiCall, Cluster, Verb};

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
pub fn object(cluster: &dyn Cluster, path: &str) -> Result<Option<Value>, Unread> {
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
pub fn list(cluster: &dyn Cluster, path: &str) -> Result<Vec<Value>, Unread> {
    served(cluster, path)?.ok_or_else(|| Unread { what: path.to_owned(), why: "404 it is not served".to_owned() })
}

/// All objects of a list; none of a kind that is not served.
///
/// # Errors
/// When a page cannot be read.
pub fn list_if_served(cluster: &dyn Cluster, path: &str) -> Result<Vec<Value>, Unread> {
    Ok(served(cluster, path)?.unwrap_or_default())
}

fn served(cluster: &dyn Cluster, path: &str) -> Result<Option<Vec<Value>>, Unread> {
    let NoPage { path, why } = match pages(cluster, path) {
        Ok(objects) => return Ok(Some(objects)),
        Err(missing) => missing,
    };
    let why = match why {
        Why::Refused(404, _) => return Ok(None),
        Why::Refused(status, message) => format!("{status} {message}").trim_end().to_owned(),
        Why::Silent(error) => error.to_string(),
    };
    Err(Unread { what: path, why })
}

/// A text as a value in a query.
#[must_use]
pub fn escaped(text: &str) -> String {
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
pub fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The text at a JSON pointer; empty if there is none.
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
