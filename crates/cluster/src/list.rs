//! Objects of one kind, however many pages they fill.

use airtight_manifest::Failure;
use serde_json::Value;

use crate::read::escaped;
use crate::{ApiCall, Cluster, Verb};

/// How many objects a page has at most.
const PAGE: usize = 500;

/// More pages than a cluster of any size has; an API server that goes on for ever is none.
const MOST_PAGES: usize = 1000;

/// A page that was not had: its path, and why.
pub struct NoPage {
    /// The path.
    pub path: String,
    /// Why.
    pub why: Why,
}

/// Why a page was not had.
pub enum Why {
    /// No answer came.
    Silent(Failure),
    /// The API server refused, or said what is no list: the status, and its words.
    Refused(u16, String),
}

/// All objects under a path such as `/api/v1/pods`, which may have a query.
///
/// # Errors
/// When a page is not had. An answer without items is none: nothing may be taken for absent because of it.
pub fn pages(cluster: &dyn Cluster, path: &str) -> Result<Vec<Value>, NoPage> {
    let glue = if path.contains('?') { '&' } else { '?' };
    let mut objects = Vec::new();
    let mut next = String::new();
    for _ in 0..MOST_PAGES {
        let page = format!("{path}{glue}limit={PAGE}{next}");
        let missing = |why: Why| NoPage { path: page.clone(), why };
        let call = ApiCall { verb: Verb::Get, path: &page, body: None, user: None };
        let answer = cluster.send(&call).map_err(|error| missing(Why::Silent(error)))?;
        if !answer.accepted() {
            return Err(missing(Why::Refused(answer.status, answer.message().to_owned())));
        }
        let Some(items) = answer.body.get("items").and_then(Value::as_array) else {
            return Err(missing(Why::Refused(answer.status, "the answer is no list".to_owned())));
        };
        objects.extend(items.iter().cloned());
        match answer.body.pointer("/metadata/continue").and_then(Value::as_str) {
            Some(token) if !token.is_empty() => next = format!("&continue={}", escaped(token)),
            Some(_) | None => return Ok(objects),
        }
    }
    Err(NoPage { path: path.to_owned(), why: Why::Refused(200, "the list does not end".to_owned()) })
}

/// The same, with what to do where it fails.
///
/// # Errors
/// As [`pages`]; `forbidden` if the permission `list` is missing.
pub fn list(cluster: &dyn Cluster, path: &str) -> Result<Vec<Value>, Failure> {
    pages(cluster, path).map_err(|missing| match missing.why {
        Why::Silent(error) => error,
        Why::Refused(status, message) => refused(path, status, &message),
    })
}

fn refused(path: &str, status: u16, message: &str) -> Failure {
    let resource = path.rsplit('/').next().unwrap_or(path);
    let (code, hint) = match status {
        401 => ("unauthenticated", "the credentials have expired, or are another cluster's".to_owned()),
        403 => ("forbidden", format!("grant `list` on `{resource}` in all namespaces")),
        404 => ("no-such-resource", format!("the cluster has no `{resource}`; is its component installed?")),
        _ => ("api-failing", "the API server's log says why".to_owned()),
    };
    Failure { code, message: format!("{path} cannot be listed ({status}): {message}"), hint: Some(hint) }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::read;
    use crate::{ApiAnswer, Container, Execution};

    /// Answers one after the other, and the paths that were asked for.
    struct Pages(Mutex<(Vec<Value>, Vec<String>)>);

    impl Cluster for Pages {
        fn send(&self, request: &ApiCall<'_>) -> Result<ApiAnswer, Failure> {
            let mut inner = self.0.lock().unwrap();
            let (bodies, paths) = &mut *inner;
            paths.push(request.path.to_owned());
            Ok(ApiAnswer { status: 200, body: bodies.remove(0) })
        }

        fn exec(&self, _: &Container, _: &[&str], _: &[u8], _: Duration) -> Result<Execution, Failure> {
            unreachable!("nothing is run")
        }

        fn logs(&self, _: &Container, _: jiff::Timestamp) -> Result<String, Failure> {
            unreachable!("nothing is read")
        }
    }

    fn answering(bodies: &[Value]) -> Pages {
        Pages(Mutex::new((bodies.to_vec(), Vec::new())))
    }

    #[test]
    fn an_answer_that_is_no_list_is_not_taken_for_an_empty_one() {
        for body in [json!({}), json!({"items": null}), json!([])] {
            let unread = read::list_if_served(&answering(std::slice::from_ref(&body)), "/api/v1/pods").unwrap_err();
            assert_eq!(unread.to_string(), "cannot read /api/v1/pods?limit=500: 200 the answer is no list");
            assert!(list(&answering(&[body]), "/api/v1/pods").is_err());
        }
    }

    #[test]
    fn pages_follow_each_other_by_their_tokens() {
        let first = json!({"items": [1], "metadata": {"continue": "a+b="}});
        let cluster = answering(&[first, json!({"items": [2]})]);
        assert_eq!(list(&cluster, "/api/v1/pods?labelSelector=x").unwrap(), [json!(1), json!(2)]);
        let paths = cluster.0.lock().unwrap().1.clone();
        assert_eq!(paths[1], "/api/v1/pods?labelSelector=x&limit=500&continue=a%2Bb%3D");
    }
}
