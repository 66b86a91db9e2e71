//! What an API server's refusal is called, and what to do about it.

use airtight_manifest::Failure;

use crate::{ApiAnswer, retry};

/// The name of a refusal with this status.
pub(crate) fn code_of(status: u16) -> &'static str {
    match status {
        401 => "unauthenticated",
        403 => "forbidden",
        404 => "not-found",
        _ if retry::status(status) => "api-failing",
        _ => "api-refused",
    }
}

/// What was asked at `path` was refused; `verb` is the permission that it takes.
pub(crate) fn unread(path: &str, answer: &ApiAnswer, verb: &str) -> Failure {
    let hint = match answer.status {
        401 => "the credentials have expired, or are another cluster's".to_owned(),
        403 => format!("grant `{verb}` on {}", place(path, verb)),
        429 => "the API server is busy: try again in a while".to_owned(),
        _ => "the API server's log says why".to_owned(),
    };
    Failure::new(code_of(answer.status), format!("cannot read {path}: {}", answer.words())).hint(hint)
}

/// The resource of a path, and where.
fn place(path: &str, verb: &str) -> String {
    let path = path.split('?').next().unwrap_or(path);
    let collection = match verb {
        "list" => path,
        _ => path.rsplit_once('/').map_or(path, |(collection, _)| collection),
    };
    let resource = collection.rsplit('/').next().unwrap_or(collection);
    match collection.split_once("/namespaces/").and_then(|(_, rest)| rest.split_once('/')) {
        Some((namespace, _)) => format!("`{resource}` in namespace {namespace}"),
        None => format!("`{resource}` in all namespaces"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_permission_that_is_missing_is_named() {
        for (path, verb, expected) in [
            ("/api/v1/pods?labelSelector=a%2Fb&limit=500", "list", "`pods` in all namespaces"),
            ("/api/v1/namespaces?limit=500", "list", "`namespaces` in all namespaces"),
            ("/api/v1/namespaces/shop/configmaps", "list", "`configmaps` in namespace shop"),
            ("/api/v1/namespaces/shop/pods/web", "get", "`pods` in namespace shop"),
            ("/apis/kyverno.io/v1/clusterpolicies/a", "get", "`clusterpolicies` in all namespaces"),
        ] {
            assert_eq!(place(path, verb), expected, "{path}");
        }
    }
}
