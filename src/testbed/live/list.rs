//! Objects of one kind, however many pages they fill.

use serde_json::Value;

use super::cluster::{ApiCall, CallError, Cluster, Verb};

/// How many objects a page has at most.
const PAGE: usize = 500;

/// More pages than a cluster of any size has; an API server that goes on for ever is none.
const MOST_PAGES: usize = 1000;

/// All objects under a path such as `/api/v1/pods`.
///
/// # Errors
/// When the API server does not answer, or not with a list; `forbidden` if the permission `list` is missing.
pub(super) fn list(cluster: &dyn Cluster, path: &str) -> Result<Vec<Value>, CallError> {
    let mut objects = Vec::new();
    let mut next = String::new();
    for _ in 0..MOST_PAGES {
        let page = format!("{path}?limit={PAGE}{next}");
        let answer = cluster.send(&ApiCall { verb: Verb::Get, path: &page, body: None, user: None })?;
        if !answer.accepted() {
            return Err(refused(path, answer.status, answer.message()));
        }
        let Some(items) = answer.body.get("items").and_then(Value::as_array) else {
            return Err(refused(path, answer.status, "the answer is no list"));
        };
        objects.extend(items.iter().cloned());
        match answer.body.pointer("/metadata/continue").and_then(Value::as_str) {
            Some(token) if !token.is_empty() => next = format!("&continue={token}"),
            Some(_) | None => return Ok(objects),
        }
    }
    Err(refused(path, 200, "the list does not end"))
}

fn refused(path: &str, status: u16, message: &str) -> CallError {
    let resource = path.rsplit('/').next().unwrap_or(path);
    let (code, hint) = match status {
        401 => ("unauthenticated", "the credentials have expired, or are another cluster's".to_owned()),
        403 => ("forbidden", format!("grant `list` on `{resource}` in all namespaces")),
        404 => ("no-such-resource", format!("the cluster has no `{resource}`; is its component installed?")),
        _ => ("api-failing", "the API server's log says why".to_owned()),
    };
    CallError { code, message: format!("{path} cannot be listed ({status}): {message}"), hint: Some(hint) }
}
