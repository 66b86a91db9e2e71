//! Domain names and patterns of names (Cilium `pkg/fqdn/matchpattern`).

use std::collections::HashSet;

use airtight_manifest::cilium::DnsRule;

use super::dialect::{Dialect, ServerNameWildcards};

/// A name, or a pattern of names; never with a final dot, always in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum NamePattern {
    /// Every name.
    All,
    /// Label by label; `*` inside a label stands for any characters of a name but the dot.
    Labels(Vec<String>),
    /// One or more labels, then these.
    Below(Vec<String>),
}

/// Distinct patterns of names.
#[derive(Debug, Clone, Default)]
pub struct NamePatterns(Vec<NamePattern>);

impl NamePatterns {
    pub(super) fn of<'a>(patterns: impl Iterator<Item = &'a NamePattern>) -> Self {
        let mut seen = HashSet::new();
        Self(patterns.filter(|pattern| seen.insert(*pattern)).cloned().collect())
    }

    /// Which of them a name matches: DNS rules treat names with equal answers alike.
    #[must_use]
    pub fn signature(&self, name: &str) -> Vec<bool> {
        self.0.iter().map(|pattern| pattern.matches(name)).collect()
    }
}

impl NamePattern {
    pub(super) fn of_rule(rule: &DnsRule, dialect: &Dialect) -> Self {
        match (&rule.match_name, &rule.match_pattern) {
            (Some(name), _) => Self::literal(name),
            (None, Some(pattern)) => Self::pattern(pattern, dialect.deep_wildcards()),
            // An empty selector compiles to an empty expression, which every name matches.
            (None, None) => Self::All,
        }
    }

    /// A name as written, case aside.
    pub(super) fn literal(name: &str) -> Self {
        Self::Labels(labels(name))
    }

    /// A pattern; `deep` is whether `**.` in front stands for one or more labels.
    pub(super) fn pattern(pattern: &str, deep: bool) -> Self {
        let pattern = pattern.trim();
        let stars = pattern.strip_suffix('.').unwrap_or(pattern);
        if pattern == "*" || (deep && !stars.is_empty() && stars.chars().all(|c| c == '*')) {
            return Self::All;
        }
        match deep_suffix(pattern) {
            Some(rest) if deep => Self::Below(labels(rest)),
            Some(_) | None => Self::Labels(labels(pattern)),
        }
    }

    /// A TLS server name; none for a wildcard that this version takes literally, which no client sends.
    pub(super) fn server_name(text: &str, wildcards: ServerNameWildcards) -> Option<Self> {
        match wildcards {
            ServerNameWildcards::Literal => (!text.contains('*')).then(|| Self::literal(text)),
            ServerNameWildcards::Prefix | ServerNameWildcards::Anywhere => Some(Self::pattern(text, true)),
        }
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        let name = labels(name);
        match self {
            Self::All => true,
            Self::Labels(pattern) => all_match(pattern, &name),
            Self::Below(pattern) => {
                let Some(depth) = name.len().checked_sub(pattern.len()).filter(|depth| *depth > 0) else {
                    return false;
                };
                name[..depth].iter().all(|label| !label.is_empty()) && all_match(pattern, &name[depth..])
            }
        }
    }
}

/// What follows two or more stars and a dot.
fn deep_suffix(pattern: &str) -> Option<&str> {
    let rest = pattern.trim_start_matches('*');
    if pattern.len() - rest.len() < 2 { None } else { rest.strip_prefix('.') }
}

fn labels(name: &str) -> Vec<String> {
    let name = name.trim().to_ascii_lowercase();
    name.strip_suffix('.').unwrap_or(&name).split('.').map(str::to_owned).collect()
}

fn all_match(pattern: &[String], name: &[String]) -> bool {
    pattern.len() == name.len()
        && pattern.iter().zip(name).all(|(pattern, label)| glob(pattern.as_bytes(), label.as_bytes()))
}

/// `*` stands for any number of `[-a-zA-Z0-9_]`. On a mismatch the last star takes one more character:
/// what it cannot take, no earlier star could.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, taken)) = star.filter(|(_, taken)| is_name_character(text[*taken])) {
            star = Some((at, taken + 1));
            p = at + 1;
            t = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

fn is_name_character(c: u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_')
}
