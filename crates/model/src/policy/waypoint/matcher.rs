//! Values of policy fields as Envoy matchers
//! (Istio `pilot/pkg/security/authz/matcher`, `pilot/pkg/security/authz/model/generator.go`).

use airtight_manifest::re2;
use ipnet::IpNet;
use regex::Regex;
use semver::Version;

use super::trust_domain::TrustDomains;
use crate::policy::istio::parse_range;

/// A value of a field.
#[derive(Debug, Clone)]
pub(super) enum Matcher {
    /// Text.
    Text(Text),
    /// A regular expression that the whole text must match.
    Regex(Regex),
    /// An address range.
    Range(IpNet),
    /// A port.
    Port(u16),
    /// Issuer and subject of a token.
    RequestPrincipal {
        /// `iss`.
        issuer: Text,
        /// `sub`.
        subject: Text,
    },
}

/// A text to compare with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    kind: TextKind,
    ignore_case: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TextKind {
    Exact(String),
    Prefix(String),
    Suffix(String),
    NotEmpty,
    Any,
}

impl Text {
    /// `*` (not empty), `*suffix`, `prefix*` or an exact value (`StringMatcher`).
    pub(super) fn parse(text: &str) -> Self {
        Self { kind: TextKind::parse(text, TextKind::NotEmpty), ignore_case: false }
    }

    /// The same for a header, of which `*` means presence (`HeaderMatcher`).
    pub(super) fn header(text: &str) -> Self {
        Self { kind: TextKind::parse(text, TextKind::Any), ignore_case: false }
    }

    /// The same for `:authority`, which compares without case (`HostMatcher`).
    pub(super) fn host(text: &str) -> Self {
        Self { kind: TextKind::parse(&text.to_ascii_lowercase(), TextKind::Any), ignore_case: true }
    }

    fn exact(text: &str) -> Self {
        Self { kind: TextKind::Exact(text.to_owned()), ignore_case: false }
    }

    fn prefix(text: &str) -> Self {
        Self { kind: TextKind::Prefix(text.to_owned()), ignore_case: false }
    }

    fn suffix(text: &str) -> Self {
        Self { kind: TextKind::Suffix(text.to_owned()), ignore_case: false }
    }

    fn not_empty() -> Self {
        Self { kind: TextKind::NotEmpty, ignore_case: false }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let lower;
        let text = if self.ignore_case {
            lower = text.to_ascii_lowercase();
            lower.as_str()
        } else {
            text
        };
        match &self.kind {
            TextKind::Exact(exact) => text == exact,
            TextKind::Prefix(prefix) => text.starts_with(prefix.as_str()),
            TextKind::Suffix(suffix) => text.ends_with(suffix.as_str()),
            TextKind::NotEmpty => !text.is_empty(),
            TextKind::Any => true,
        }
    }
}

impl TextKind {
    fn parse(text: &str, star: Self) -> Self {
        if text == "*" {
            return star;
        }
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (Some(suffix), _) => Self::Suffix(suffix.to_owned()),
            (None, Some(prefix)) => Self::Prefix(prefix.to_owned()),
            (None, None) => Self::Exact(text.to_owned()),
        }
    }
}

/// What differs between the versions and implementations that generate matchers.
#[derive(Debug, Clone)]
pub(super) struct Dialect {
    /// Characters of namespaces and of the suffixes of principals stand for themselves
    /// (Istio `releasenotes/notes/59992.yaml`).
    pub(super) literal_namespaces: bool,
    /// Characters of service accounts stand for themselves (Istio `releasenotes/notes/59700.yaml`).
    pub(super) literal_accounts: bool,
    /// `trustDomains` is read.
    pub(super) trust_domain_fields: bool,
    /// Trust domains of the mesh.
    pub(super) domains: TrustDomains,
}

impl Dialect {
    /// istiod of a version.
    pub(super) fn istio(version: &Version, domains: TrustDomains) -> Self {
        let patched = |fixes: &[(u64, u64)]| {
            version.minor >= 30
                || version.major > 1
                || fixes.iter().any(|(minor, patch)| version.minor == *minor && version.patch >= *patch)
        };
        Self {
            literal_namespaces: patched(&[(28, 7), (29, 3)]),
            literal_accounts: patched(&[(27, 9), (28, 6), (29, 2)]),
            trust_domain_fields: (version.major, version.minor, version.patch) >= (1, 30, 2),
            domains,
        }
    }

    /// kgateway, which takes `cluster.local` for the trust domain.
    pub(super) fn kgateway() -> Self {
        Self {
            literal_namespaces: false,
            literal_accounts: false,
            trust_domain_fields: false,
            domains: TrustDomains::cluster_local(),
        }
    }

    /// `principals`.
    pub(super) fn principal(&self, value: &str) -> Result<Vec<Matcher>, re2::Error> {
        self.domains.expand_principal(value).iter().map(|value| self.one_principal(value)).collect()
    }

    fn one_principal(&self, value: &str) -> Result<Matcher, re2::Error> {
        match value.strip_prefix('*') {
            Some("") => Ok(Matcher::Text(Text::not_empty())),
            Some(suffix) => whole(&format!("spiffe://.*{}", literal(suffix, self.literal_namespaces))),
            None => Ok(Matcher::Text(match value.strip_suffix('*') {
                Some(prefix) => Text::prefix(&format!("spiffe://{prefix}")),
                None => Text::exact(&format!("spiffe://{value}")),
            })),
        }
    }

    /// `namespaces`, with `*` anywhere.
    pub(super) fn namespace(&self, value: &str) -> Result<Vec<Matcher>, re2::Error> {
        let parts: Vec<String> = value.split('*').map(|part| literal(part, self.literal_namespaces)).collect();
        Ok(vec![whole(&format!(".*/ns/{}/.*", parts.join(".*")))?])
    }

    /// `serviceAccounts`, in the policy's namespace unless they name one.
    pub(super) fn service_account(&self, value: &str, own: &str) -> Result<Vec<Matcher>, re2::Error> {
        let (namespace, account) = value.split_once('/').unwrap_or((own, value));
        let quoted = |text| literal(text, self.literal_accounts);
        Ok(vec![whole(&format!("spiffe://.+/ns/{}/(.+/|)sa/{}(/.+)?", quoted(namespace), quoted(account)))?])
    }

    /// `trustDomains`.
    pub(super) fn trust_domain(&self, value: &str) -> Result<Vec<Matcher>, re2::Error> {
        self.domains.expand_domain(value).iter().map(|value| one_trust_domain(value)).collect()
    }
}

fn one_trust_domain(value: &str) -> Result<Matcher, re2::Error> {
    match value.split_once('*') {
        Some(("", "")) => Ok(Matcher::Text(Text::prefix("spiffe://"))),
        None => Ok(Matcher::Text(Text::prefix(&format!("spiffe://{value}/")))),
        Some((before, after)) => whole(&format!("spiffe://{}[^/]*{}/.*", regex::escape(before), regex::escape(after))),
    }
}

/// `requestPrincipals`: issuer and subject, split at the last slash.
pub(super) fn request_principal(value: &str) -> Matcher {
    let (issuer, subject) = match value.rsplit_once('/') {
        None if value == "*" => (Text::not_empty(), Text::not_empty()),
        None => match (value.strip_prefix('*'), value.strip_suffix('*')) {
            (Some(suffix), _) => (Text::not_empty(), Text::suffix(suffix)),
            (None, Some(prefix)) => (Text::prefix(prefix), Text::not_empty()),
            (None, None) => (Text::exact(value), Text::exact("")),
        },
        Some((issuer, subject)) if value.starts_with('*') => {
            (if issuer == "*" { Text::not_empty() } else { Text::suffix(&issuer[1..]) }, Text::exact(subject))
        }
        Some((issuer, "*")) => (Text::exact(issuer), Text::not_empty()),
        Some((issuer, subject)) => match subject.strip_suffix('*') {
            Some(prefix) => (Text::exact(issuer), Text::prefix(prefix)),
            None => (Text::exact(issuer), Text::exact(subject)),
        },
    };
    Matcher::RequestPrincipal { issuer, subject }
}

/// `paths`, of which a template matches segment by segment (Envoy `source/extensions/path/uri_template_lib`).
pub(super) fn path(value: &str) -> Result<Matcher, re2::Error> {
    const SEGMENT: &str = r"[a-zA-Z0-9\-._~%!$&'()*+,;:@=]+";
    const REST: &str = r"[a-zA-Z0-9\-._~%!$&'()*+,;:@=/]*";
    if !value.contains("{*}") && !value.contains("{**}") {
        return Ok(Matcher::Text(Text::parse(value)));
    }
    let parts: Vec<String> = value
        .split('/')
        .map(|part| match part {
            "{*}" => SEGMENT.to_owned(),
            "{**}" => REST.to_owned(),
            _ => regex::escape(part),
        })
        .collect();
    whole(&parts.join("/"))
}

/// An address or range; none for what is neither.
pub(super) fn range(value: &str) -> Option<Matcher> {
    parse_range(value).map(Matcher::Range)
}

/// A port; none for what is none.
pub(super) fn port(value: &str) -> Option<Matcher> {
    value.parse().ok().map(Matcher::Port)
}

fn literal(text: &str, literal: bool) -> String {
    if literal { regex::escape(text) } else { text.to_owned() }
}

/// Envoy's `safe_regex` matches the whole text.
fn whole(pattern: &str) -> Result<Matcher, re2::Error> {
    re2::full_match(pattern).map(Matcher::Regex)
}
