//! The rules: one list for the command, its page and every report.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use airtight_manifest::{Severity, yaml};
use serde::Deserialize;

/// All rules.
#[derive(Debug)]
pub struct Catalogue {
    rules: Vec<Rule>,
    by_id: BTreeMap<String, usize>,
}

/// One trap.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Stable, kebab-case name: the code of its findings.
    pub id: String,
    /// Whose manifests it is about.
    pub area: Area,
    /// How much its findings matter at most.
    pub severity: Severity,
    /// What comes of it.
    pub effect: Effect,
    /// What is wrong, in a few words.
    pub title: String,
    /// What really happens; where that depends on a version, from which to which.
    pub happens: String,
    /// The correct form.
    pub write: String,
    /// The file or document of the component that says so.
    pub source: String,
    /// Whether `--fix` mends it.
    #[serde(default)]
    pub fix: bool,
    /// Whether it depends on a component's version, so that it may be silent on one stack and speak on another.
    #[serde(default)]
    pub by_version: bool,
}

/// Whose manifests a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// Any file.
    Files,
    /// Objects of any kind.
    Objects,
    /// NetworkPolicy, and Cilium's policies.
    Network,
    /// Istio: ztunnel, waypoints, tokens.
    Mesh,
    /// Gateway API, Kgateway, agentgateway.
    Gateways,
    /// Kyverno.
    Admission,
    /// Suppressions themselves.
    Suppressions,
}

/// What comes of what a rule finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The object, or the file, is not there at all.
    Refused,
    /// What shall be stopped goes through.
    FailOpen,
    /// More is denied, or more is allowed, than is written.
    TooBroad,
    /// What shall go through is stopped.
    FailClosed,
    /// What is written does nothing.
    NoEffect,
    /// The model cannot tell.
    Unknown,
    /// It works, and should be known.
    Remark,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    rules: Vec<Rule>,
}

const TEXT: &str = include_str!("../rules.yaml");

impl Catalogue {
    /// The rules that the program knows.
    #[must_use]
    pub fn embedded() -> &'static Self {
        static KNOWN: OnceLock<Catalogue> = OnceLock::new();
        // A test reads it without this forgiveness.
        KNOWN.get_or_init(|| Self::read(TEXT).unwrap_or_else(|_| Self { rules: Vec::new(), by_id: BTreeMap::new() }))
    }

    /// # Errors
    /// In words, what is wrong with the text.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let documents = yaml::parse(&Arc::from("rules.yaml"), text).map_err(|finding| finding.to_string())?;
        let root = documents.first().ok_or("no rules")?.root.to_json();
        let page: Page = serde_json::from_value(root).map_err(|error| error.to_string())?;
        let by_id = page.rules.iter().enumerate().map(|(index, rule)| (rule.id.clone(), index)).collect();
        Ok(Self { rules: page.rules, by_id })
    }

    /// The rule of an id.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.index(id).map(|index| &self.rules[index])
    }

    /// Where a rule stands in [`Self::rules`].
    #[must_use]
    pub fn index(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// Every rule, area by area.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

impl Area {
    /// All areas, in the order of the page.
    pub const ALL: [Self; 7] =
        [Self::Network, Self::Mesh, Self::Gateways, Self::Admission, Self::Objects, Self::Files, Self::Suppressions];

    /// What a reader calls it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Files => "Files",
            Self::Objects => "Objects of any kind",
            Self::Network => "NetworkPolicy and Cilium",
            Self::Mesh => "Istio",
            Self::Gateways => "Gateways and routes",
            Self::Admission => "Kyverno",
            Self::Suppressions => "Suppressions",
        }
    }

    /// Its name in reports.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Objects => "objects",
            Self::Network => "network-policy",
            Self::Mesh => "service-mesh",
            Self::Gateways => "gateway-api",
            Self::Admission => "admission",
            Self::Suppressions => "suppressions",
        }
    }
}

impl Effect {
    /// What comes of it, for a reader.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::FailOpen => "open",
            Self::TooBroad => "too broad",
            Self::FailClosed => "closed",
            Self::NoEffect => "no effect",
            Self::Unknown => "unknown",
            Self::Remark => "remark",
        }
    }

    /// How grave it is for who defends a network, from 0.1 to 10 as code scanning counts; none where nothing opens.
    #[must_use]
    pub fn security_severity(self) -> Option<&'static str> {
        match self {
            Self::FailOpen => Some("8.0"),
            Self::Refused | Self::TooBroad => Some("6.5"),
            Self::NoEffect => Some("5.0"),
            Self::FailClosed | Self::Unknown | Self::Remark => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_list_reads_and_every_rule_is_there_once() {
        let read = Catalogue::read(TEXT);
        assert!(read.is_ok(), "{:?}", read.err());
        let rules = Catalogue::embedded().rules();
        assert!(rules.len() > 100, "{}", rules.len());
        let ids: BTreeSet<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(ids.len(), rules.len());
        for rule in rules {
            let texts = [&rule.title, &rule.happens, &rule.write, &rule.source];
            assert!(texts.iter().all(|text| !text.trim().is_empty()), "{}", rule.id);
            assert!(!rule.title.ends_with('.') && !rule.source.ends_with('.'), "{}", rule.id);
        }
    }
}
