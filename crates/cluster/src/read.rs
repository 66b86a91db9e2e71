//! Reading objects, and lists of them however many pages they fill.
//!
//! By hand, and not with kube's typed `Api`: that holds a client of its own, so that neither our bounds on attempts,
//! nor [`Stopping`](crate::Stopping), nor the record of a run, nor a cluster of a test would stand before it; and kinds
//! of which this program has no type are most of those that it reads.

use std::fmt::Write as _;

use airtight_manifest::Failure;
use serde_json::Value;

use crate::refusal::unread;
use crate::{ApiCall, Cluster};

/// How many objects a page has at most.
const PAGE: usize = 500;

/// More pages than a cluster of any size has; an API server that goes on for ever is none.
const MOST_PAGES: usize = 1000;

/// An object; none if it does not exist, or its kind is not served.
///
/// # Errors
/// When no answer came, or one that is neither the object nor 404: `forbidden` if the permission `get` is missing.
pub fn object(cluster: &dyn Cluster, path: &str) -> Result<Option<Value>, Failure> {
    let answer = cluster.send(&ApiCall::get(path)).map_err(|error| silent(path, error))?;
    match answer.status {
        404 => Ok(None),
        _ if answer.accepted() => Ok(Some(answer.body)),
        _ => Err(unread(path, &answer, "get")),
    }
}

/// All objects under a path such as `/api/v1/pods`, which may have a query, page by page.
///
/// # Errors
/// When a page cannot be read (`forbidden` if the permission `list` is missing), and where the kind is not served. An
/// answer without items is none: nothing may be taken for absent because of it.
pub fn list(cluster: &dyn Cluster, path: &str) -> Result<Vec<Value>, Failure> {
    list_if_served(cluster, path)?.ok_or_else(|| {
        let resource = path.split('?').next().unwrap_or(path).rsplit('/').next().unwrap_or(path);
        Failure::new("no-such-resource", format!("cannot read {path}: 404 it is not served"))
            .hint(format!("the cluster has no `{resource}`; is its component installed?"))
    })
}

/// The same; none of a kind that is not served.
///
/// # Errors
/// When a page cannot be read.
pub fn list_if_served(cluster: &dyn Cluster, path: &str) -> Result<Option<Vec<Value>>, Failure> {
    let mut objects = Vec::new();
    let served = each(cluster, path, &mut |object| objects.push(object))?;
    Ok(served.then_some(objects))
}

/// Hands all objects under a path to `take`, one page after the other, so that never more than a page is held whole;
/// whether the kind is served.
///
/// # Errors
/// When a page cannot be read; what came before it was handed over.
pub fn each(cluster: &dyn Cluster, path: &str, take: &mut dyn FnMut(Value)) -> Result<bool, Failure> {
    let glue = if path.contains('?') { '&' } else { '?' };
    let mut next = String::new();
    for _ in 0..MOST_PAGES {
        let page = format!("{path}{glue}limit={PAGE}{next}");
        let Some(mut body) = page_of(cluster, &page)? else { return Ok(false) };
        let Some(Value::Array(items)) = body.get_mut("items").map(Value::take) else {
            return Err(no_list(&page, "the answer is no list"));
        };
        items.into_iter().for_each(&mut *take);
        match text(&body, "/metadata/continue") {
            "" => return Ok(true),
            token => next = format!("&continue={}", escaped(token)),
        }
    }
    Err(no_list(path, "the list does not end"))
}

fn page_of(cluster: &dyn Cluster, page: &str) -> Result<Option<Value>, Failure> {
    let answer = cluster.send(&ApiCall::get(page)).map_err(|error| silent(page, error))?;
    match answer.status {
        404 => Ok(None),
        _ if answer.accepted() => Ok(Some(answer.body)),
        _ => Err(unread(page, &answer, "list")),
    }
}

fn silent(path: &str, error: Failure) -> Failure {
    Failure { message: format!("cannot read {path}: {}", error.message), ..error }
}

fn no_list(path: &str, why: &str) -> Failure {
    Failure::new("api-answer", format!("cannot read {path}: 200 {why}"))
        .hint("is something else than an API server at this address?")
}

/// A text as a value in a query (RFC 3986, section 2.3).
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
#[must_use]
pub fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The text at a JSON pointer; empty if there is none.
#[must_use]
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scripted::Scripted;

    #[test]
    fn an_answer_that_is_no_list_is_not_taken_for_an_empty_one() {
        for body in [json!({}), json!({"items": null}), json!([]), json!(null)] {
            let cluster = Scripted::answering(&[(200, body)]);
            let failure = list_if_served(&cluster, "/api/v1/pods").unwrap_err();
            assert_eq!(failure.to_string(), "cannot read /api/v1/pods?limit=500: 200 the answer is no list");
            assert_eq!(list(&cluster, "/api/v1/pods").unwrap_err().code, "api-answer");
        }
    }

    #[test]
    fn a_refusal_is_no_empty_list_and_names_the_permission() {
        let cluster = Scripted::answering(&[(403, json!({"message": "no"}))]);
        let failure = list_if_served(&cluster, "/api/v1/namespaces").unwrap_err();
        assert_eq!((failure.code, failure.message.ends_with("403 no")), ("forbidden", true));
        assert_eq!(failure.hint.as_deref(), Some("grant `list` on `namespaces` in all namespaces"));
    }

    #[test]
    fn pages_follow_each_other_by_their_tokens() {
        let first = json!({"items": [1], "metadata": {"continue": "a+b="}});
        let cluster = Scripted::answering(&[(200, first), (200, json!({"items": [2]}))]);
        assert_eq!(list(&cluster, "/api/v1/pods?labelSelector=x").unwrap(), [json!(1), json!(2)]);
        assert_eq!(cluster.asked()[1], "/api/v1/pods?labelSelector=x&limit=500&continue=a%2Bb%3D");
    }

    #[test]
    fn a_list_without_an_end_is_left() {
        let cluster = Scripted::answering(&[(200, json!({"items": [], "metadata": {"continue": "more"}}))]);
        let failure = list(&cluster, "/api/v1/pods").unwrap_err();
        assert_eq!((failure.code, cluster.asked().len()), ("api-answer", MOST_PAGES));
    }

    #[test]
    fn words_of_a_query_stay_words() {
        assert_eq!(escaped("a b&c=ü/~"), "a%20b%26c%3D%C3%BC%2F~");
    }

    #[test]
    fn a_kind_that_is_not_served_is_told_from_an_empty_list() {
        let cluster = Scripted::answering(&[(404, json!({}))]);
        assert_eq!(list_if_served(&cluster, "/apis/x.io/v1/xs").unwrap(), None);
        assert_eq!(list(&cluster, "/apis/x.io/v1/xs").unwrap_err().code, "no-such-resource");
    }
}
