//! What filters make of a request (`apis/v1/httproute_types.go`).

use std::collections::BTreeSet;

use airtight_manifest::gateway_api::{HeaderModifier, PathModifier, PathModifierType, UrlRewrite};

use crate::policy::Request;

/// Applies a header modifier: what `remove` names goes, `set` replaces every copy, `add` comes behind those there.
pub(super) fn modify_headers(request: &mut Request, modifier: &HeaderModifier) {
    let gone = |name: &str, wanted: &str| name.eq_ignore_ascii_case(wanted);
    for name in &modifier.remove {
        request.headers.retain(|(key, _)| !gone(key, name));
    }
    for header in &modifier.set {
        request.headers.retain(|(key, _)| !gone(key, &header.name));
        request.headers.push((header.name.clone(), header.value.clone()));
    }
    for header in &modifier.add {
        request.headers.push((header.name.clone(), header.value.clone()));
    }
}

/// Names that one modifier touches, in lower case.
pub(super) fn touched(modifier: &HeaderModifier) -> BTreeSet<String> {
    every_name(modifier).collect()
}

/// Whether the order in which a proxy works decides what a modifier does: it names a header in two of its lists,
/// or `Host`, which the proxies treat differently.
pub(super) fn is_ambiguous(modifier: &HeaderModifier) -> bool {
    let mut seen = BTreeSet::new();
    every_name(modifier).any(|name| name == "host" || name.starts_with(':') || !seen.insert(name))
}

fn every_name(modifier: &HeaderModifier) -> impl Iterator<Item = String> {
    let values = modifier.set.iter().chain(&modifier.add).map(|header| header.name.as_str());
    values.chain(modifier.remove.iter().map(String::as_str)).map(str::to_ascii_lowercase)
}

/// Applies a rewrite; `prefix` is what the rule matched.
pub(super) fn rewrite(request: &mut Request, rewrite: &UrlRewrite, prefix: Option<&str>) {
    if let Some(host) = &rewrite.hostname {
        request.host.clone_from(host);
    }
    if let Some(modifier) = &rewrite.path {
        let path = rewritten(request.path_only(), modifier, prefix);
        let query = request.path.find(['?', '#']).and_then(|start| request.path.get(start..)).unwrap_or_default();
        request.path = format!("{path}{query}");
    }
}

/// The new path. A prefix is replaced element by element: slashes at the end of the prefix and of its replacement
/// do not count, and nothing becomes `/`.
fn rewritten(path: &str, modifier: &PathModifier, prefix: Option<&str>) -> String {
    match modifier.kind {
        PathModifierType::ReplaceFullPath => {
            let full = modifier.replace_full_path.as_deref().unwrap_or_default();
            if full.starts_with('/') { full.to_owned() } else { format!("/{full}") }
        }
        PathModifierType::ReplacePrefixMatch => {
            let Some(rest) = prefix.and_then(|prefix| path.strip_prefix(prefix.trim_end_matches('/'))) else {
                return path.to_owned();
            };
            let head = modifier.replace_prefix_match.as_deref().unwrap_or_default().trim_end_matches('/');
            let whole = format!("{head}{rest}");
            if whole.is_empty() { "/".to_owned() } else { whole }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(path: &str, prefix: &str, replacement: &str) -> String {
        let modifier = PathModifier {
            kind: PathModifierType::ReplacePrefixMatch,
            replace_full_path: None,
            replace_prefix_match: Some(replacement.to_owned()),
        };
        rewritten(path, &modifier, Some(prefix))
    }

    #[test]
    fn the_table_of_the_api_for_replacing_prefixes_holds() {
        for (path, prefix, replacement, expected) in [
            ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
            ("/foo", "/foo", "/xyz", "/xyz"),
            ("/foo/", "/foo", "/xyz", "/xyz/"),
            ("/foo/bar", "/foo", "", "/bar"),
            ("/foo/", "/foo", "", "/"),
            ("/foo", "/foo", "", "/"),
            ("/foo/", "/foo", "/", "/"),
            ("/foo", "/foo", "/", "/"),
        ] {
            assert_eq!(replaced(path, prefix, replacement), expected, "{path} {prefix} {replacement}");
        }
    }
}
