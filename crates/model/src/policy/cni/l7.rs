//! What may be said on a port: HTTP requests, names, TLS server names.

use airtight_manifest::RuleRef;
use airtight_manifest::cilium::{HeaderMatch, HttpRule};
use airtight_manifest::re2;
use regex::Regex;

use super::name::NamePattern;
use crate::policy::Request;

/// What one item of `toPorts` demands above the ports.
#[derive(Debug, Clone)]
pub(super) enum Layer7 {
    /// Nothing.
    Open,
    /// One of these requests (Cilium `pkg/envoy/policy/envoy_l7_rules_translator.go`).
    Http(Vec<HttpMatch>),
    /// A lookup of one of these names.
    Dns(Vec<(NamePattern, RuleRef)>),
    /// A TLS connection for one of these server names.
    ServerNames(Vec<NamePattern>),
    /// Something that the engine does not model.
    Unmodelled(&'static str),
}

/// Whether a rule takes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    Yes,
    No,
    /// The rule depends on something that is not known, such as the value in a Secret.
    Unknown,
}

/// One HTTP rule, ready to match.
#[derive(Debug, Clone)]
pub(super) struct HttpMatch {
    method: Option<Expression>,
    path: Option<Expression>,
    host: Option<Expression>,
    headers: Vec<HeaderDemand>,
    pub(super) rule: RuleRef,
}

/// An RE2 expression over a whole text.
#[derive(Debug, Clone)]
enum Expression {
    Read(Box<Regex>),
    /// RE2 takes it and this engine does not.
    Unread,
}

#[derive(Debug, Clone)]
enum HeaderDemand {
    Present(String),
    Value(String, String),
    /// A value that stands in a Secret.
    Secret(String),
}

impl HttpMatch {
    pub(super) fn of(rule: &HttpRule, place: RuleRef) -> Self {
        let written = rule.headers.iter().flatten().map(|text| header(text));
        let matches = rule.header_matches.iter().flatten().filter_map(header_match);
        Self {
            method: expression(rule.method.as_deref()),
            path: expression(rule.path.as_deref()),
            host: expression(rule.host.as_deref()),
            headers: written.chain(matches).collect(),
            rule: place,
        }
    }

    /// Whether the rule takes `request`: every field that is present must match in full.
    pub(super) fn takes(&self, request: &Request) -> Match {
        let fields = [
            demand(self.method.as_ref(), &request.method),
            demand(self.path.as_ref(), &request.path),
            demand(self.host.as_ref(), &request.host),
        ];
        fields.into_iter().chain(self.headers.iter().map(|header| header.met(request))).fold(Match::Yes, Match::and)
    }
}

impl Match {
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }
}

impl HeaderDemand {
    fn met(&self, request: &Request) -> Match {
        let met = match self {
            Self::Present(name) => request.header(name).next().is_some(),
            Self::Value(name, value) => combined(request, name).as_ref() == Some(value),
            Self::Secret(name) if request.header(name).next().is_some() => return Match::Unknown,
            Self::Secret(_) => false,
        };
        if met { Match::Yes } else { Match::No }
    }
}

/// Envoy joins the values of a repeated header with commas before it compares.
fn combined(request: &Request, name: &str) -> Option<String> {
    let values: Vec<&str> = request.header(name).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// `Name: value` splits at the first space; without one the header must be present.
fn header(text: &str) -> HeaderDemand {
    match text.split_once(' ') {
        Some((name, value)) => HeaderDemand::Value(name.trim_end_matches(':').to_owned(), value.to_owned()),
        None => HeaderDemand::Present(text.trim_end_matches(':').to_owned()),
    }
}

/// With an action for the mismatch the rule matches either way.
fn header_match(header: &HeaderMatch) -> Option<HeaderDemand> {
    if header.mismatch.is_some() {
        return None;
    }
    Some(match (&header.secret, &header.value) {
        (Some(_), _) => HeaderDemand::Secret(header.name.clone()),
        (None, Some(value)) if !value.is_empty() => HeaderDemand::Value(header.name.clone(), value.clone()),
        (None, _) => HeaderDemand::Present(header.name.clone()),
    })
}

fn demand(expression: Option<&Expression>, text: &str) -> Match {
    match expression {
        None => Match::Yes,
        Some(Expression::Unread) => Match::Unknown,
        // Envoy may have encoded it, or hands over what is no UTF-8.
        Some(Expression::Read(_)) if !text.is_ascii() => Match::Unknown,
        Some(Expression::Read(regex)) if regex.is_match(text) => Match::Yes,
        Some(Expression::Read(_)) => Match::No,
    }
}

fn expression(text: Option<&str>) -> Option<Expression> {
    let text = text.filter(|text| !text.is_empty())?;
    Some(re2::full_match(text).map_or(Expression::Unread, |regex| Expression::Read(Box::new(regex))))
}

/// What is wrong with an expression in the eyes of Go's `regexp.Compile`, which the agent asks.
pub(super) fn expression_error(text: &str) -> Option<String> {
    re2::search(text).err().map(|error| error.to_string())
}
