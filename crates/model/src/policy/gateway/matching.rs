//! Whether a request satisfies a match (`apis/v1/httproute_types.go`).

use std::collections::BTreeSet;

use airtight_manifest::gateway_api::{
    GrpcMethodMatch, GrpcRouteMatch, HttpPathMatch, HttpRouteMatch, MatchType, PathMatchType, ValueMatch,
};
use airtight_manifest::re2;

use crate::policy::Request;

/// What a request must look like; all parts must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The path.
    pub path: PathCondition,
    /// The method; every one if absent.
    pub method: Option<String>,
    /// Headers, each name once.
    pub headers: Vec<ValueMatch>,
    /// Query parameters, each name once.
    pub query: Vec<ValueMatch>,
}

/// What the path must look like.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathCondition {
    /// Byte for byte.
    Exact(String),
    /// Path element by path element; without a slash at its end.
    Prefix(String),
    /// The whole path, as a regular expression.
    Regex(String),
}

/// A construct whose meaning is the proxy's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the regular expression is not one that the model reads as the proxy does")]
pub struct Undecidable;

impl Match {
    /// The match of a rule without `matches`.
    #[must_use]
    pub fn everything() -> Self {
        Self { path: PathCondition::Prefix(String::new()), method: None, headers: Vec::new(), query: Vec::new() }
    }

    /// The match of an HTTPRoute.
    #[must_use]
    pub fn http(written: &HttpRouteMatch) -> Self {
        Self {
            path: written.path.as_ref().map_or(PathCondition::Prefix(String::new()), PathCondition::new),
            method: written.method.map(|method| method.as_str().to_owned()),
            headers: first_of_each(&written.headers, str::to_ascii_lowercase),
            query: first_of_each(&written.query_params, str::to_owned),
        }
    }

    /// The match of a GRPCRoute: service and method stand in the path.
    #[must_use]
    pub fn grpc(written: &GrpcRouteMatch) -> Self {
        Self {
            path: written.method.as_ref().map_or(PathCondition::Prefix(String::new()), grpc_path),
            method: None,
            headers: first_of_each(&written.headers, str::to_ascii_lowercase),
            query: Vec::new(),
        }
    }

    /// Whether `request` satisfies it.
    ///
    /// # Errors
    /// If a regular expression cannot be read.
    pub fn holds(&self, request: &Request) -> Result<bool, Undecidable> {
        if self.method.as_ref().is_some_and(|method| *method != request.method)
            || !self.path.holds(request.path_only())?
        {
            return Ok(false);
        }
        for header in &self.headers {
            let values: Vec<&str> = request.header(&header.name).collect();
            // A proxy reads a header that comes several times as one value with commas.
            if values.is_empty() || !value_holds(header, &values.join(","))? {
                return Ok(false);
            }
        }
        for parameter in &self.query {
            match query_value(&request.path, &parameter.name) {
                Some(value) if value_holds(parameter, &value)? => {}
                Some(_) | None => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Of entries with equal names only the first counts.
fn first_of_each(entries: &[ValueMatch], key: impl Fn(&str) -> String) -> Vec<ValueMatch> {
    let mut seen = BTreeSet::new();
    entries.iter().filter(|entry| seen.insert(key(&entry.name))).cloned().collect()
}

fn grpc_path(written: &GrpcMethodMatch) -> PathCondition {
    let any = "[^/]+".to_owned();
    let part = |text: &Option<String>| text.as_ref().filter(|text| !text.is_empty()).cloned();
    let (service, method) = (part(&written.service), part(&written.method));
    match (written.kind.unwrap_or_default(), service, method) {
        (_, None, None) => PathCondition::Prefix(String::new()),
        (MatchType::Exact, Some(service), Some(method)) => PathCondition::Exact(format!("/{service}/{method}")),
        (MatchType::Exact, Some(service), None) => PathCondition::Prefix(format!("/{service}")),
        (MatchType::Exact, None, Some(method)) => PathCondition::Regex(format!("/{any}/{}", regex::escape(&method))),
        (MatchType::RegularExpression, service, method) => PathCondition::Regex(format!(
            "/{}/{}",
            service.unwrap_or_else(|| any.clone()),
            method.unwrap_or_else(|| any.clone())
        )),
    }
}

impl PathCondition {
    /// The condition of an HTTPRoute's `path`.
    #[must_use]
    pub fn new(written: &HttpPathMatch) -> Self {
        let value = written.value();
        match written.kind() {
            PathMatchType::Exact => Self::Exact(value.to_owned()),
            PathMatchType::PathPrefix => Self::Prefix(value.trim_end_matches('/').to_owned()),
            PathMatchType::RegularExpression => Self::Regex(value.to_owned()),
        }
    }

    /// Whether `path`, which has no query, satisfies it.
    ///
    /// # Errors
    /// If a regular expression cannot be read.
    pub fn holds(&self, path: &str) -> Result<bool, Undecidable> {
        match self {
            Self::Exact(own) => Ok(own == path),
            Self::Prefix(prefix) => {
                Ok(path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
            }
            Self::Regex(expression) => whole(expression, path),
        }
    }

    /// What `ReplacePrefixMatch` replaces.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        match self {
            Self::Prefix(prefix) => Some(prefix),
            Self::Exact(_) | Self::Regex(_) => None,
        }
    }
}

fn value_holds(condition: &ValueMatch, value: &str) -> Result<bool, Undecidable> {
    match condition.kind.unwrap_or_default() {
        MatchType::Exact => Ok(condition.value == value),
        MatchType::RegularExpression => whole(&condition.value, value),
    }
}

/// Both Envoy's RE2 and agentgateway match the whole value.
fn whole(expression: &str, value: &str) -> Result<bool, Undecidable> {
    re2::full_match(expression).map(|regex| regex.is_match(value)).map_err(|_| Undecidable)
}

/// The first value of a query parameter, unescaped.
fn query_value(path: &str, name: &str) -> Option<String> {
    let (_, query) = path.split_once('?')?;
    query.split('#').next()?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (unescape(key) == name).then(|| unescape(value))
    })
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(byte) = escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%') {
            bytes.push(byte);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix(value: &str) -> PathCondition {
        PathCondition::new(&HttpPathMatch { kind: None, value: Some(value.to_owned()) })
    }

    fn path() -> impl Strategy<Value = String> {
        prop::collection::vec("[ab]{1,2}", 0..4).prop_map(|parts| format!("/{}", parts.join("/")))
    }

    proptest! {
        #[test]
        fn a_prefix_holds_for_exactly_the_paths_that_begin_with_its_elements(own in path(), path in path()) {
            let elements = |text: &str| -> Vec<String> {
                text.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
            };
            prop_assert_eq!(prefix(&own).holds(&path), Ok(elements(&path).starts_with(&elements(&own))));
        }

        #[test]
        fn a_slash_at_the_end_of_a_prefix_changes_nothing(own in path(), path in path()) {
            prop_assert_eq!(prefix(&own).holds(&path), prefix(&format!("{own}/")).holds(&path));
        }
    }

    #[test]
    fn query_parameters_are_unescaped() {
        assert_eq!(query_value("/x?a=1&b=%2Fc", "b").as_deref(), Some("/c"));
        assert_eq!(query_value("/x?a", "a").as_deref(), Some(""));
        assert_eq!(query_value("/x", "a"), None);
    }
}
