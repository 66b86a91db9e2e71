//! `match` and `exclude` (Kyverno `pkg/engine/utils/match.go`).

use std::collections::BTreeMap;

use airtight_manifest::kyverno::{self, MatchBlock, ResourceDescription, ResourceFilter};
use airtight_manifest::{Labels, selects};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::kind::KindPattern;
use super::request::{AdmissionRequest, Operation, Subject, User, text_map};
use super::wildcard;

/// Whether something holds, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    No,
    Unknown,
    Yes,
}

impl Truth {
    /// Both; a certain no decides.
    fn and(self, other: Self) -> Self {
        self.min(other)
    }

    fn negated(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
            Self::Yes => Self::No,
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// The facts that a selection is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) operation: Operation,
    pub(super) user: &'a User,
    pub(super) subject: &'a Subject,
    pub(super) namespace_labels: &'a Labels,
}

impl<'a> Facts<'a> {
    pub(super) fn new(request: &AdmissionRequest<'a>, subject: &'a Subject) -> Self {
        Self { operation: request.operation, user: request.user, subject, namespace_labels: request.namespace_labels }
    }
}

/// Whether a rule acts on an object: `match` holds and `exclude` does not.
pub(super) fn selected(matches: &MatchBlock, exclude: Option<&MatchBlock>, facts: &Facts<'_>) -> Truth {
    let included = block(matches, facts);
    let excluded = exclude.map_or(Truth::No, |exclude| block(exclude, facts));
    included.and(excluded.negated())
}

/// Whether a block of an exception holds; one without `any` and `all` never does, and operations are not read.
pub(super) fn excepted(matches: &MatchBlock, facts: &Facts<'_>) -> Truth {
    let holds = |entry: &ResourceFilter| exception_filter(entry, facts);
    if let Some(any) = matches.any.as_ref().filter(|any| !any.is_empty()) {
        any.iter().map(|entry| holds(entry)).max().unwrap_or(Truth::No)
    } else if let Some(all) = matches.all.as_ref().filter(|all| !all.is_empty()) {
        all.iter().map(|entry| holds(entry)).min().unwrap_or(Truth::No)
    } else {
        Truth::No
    }
}

fn exception_filter(entry: &ResourceFilter, facts: &Facts<'_>) -> Truth {
    if is_empty(entry) {
        return Truth::No;
    }
    let described = entry.resources.as_ref().is_none_or(|resources| {
        let without_operations = ResourceDescription { operations: None, ..resources.clone() };
        describes(&without_operations, facts, true)
    });
    Truth::from(described).and(asked_by(entry, facts.user))
}

/// A block that is empty selects nothing, whether it matches or excludes.
fn block(written: &MatchBlock, facts: &Facts<'_>) -> Truth {
    if let Some(any) = written.any.as_ref().filter(|any| !any.is_empty()) {
        any.iter().map(|entry| filter(entry, facts)).max().unwrap_or(Truth::No)
    } else if let Some(all) = written.all.as_ref().filter(|all| !all.is_empty()) {
        all.iter().map(|entry| filter(entry, facts)).min().unwrap_or(Truth::No)
    } else {
        filter(&direct(written), facts)
    }
}

fn direct(written: &MatchBlock) -> ResourceFilter {
    ResourceFilter {
        resources: written.resources.clone(),
        roles: written.roles.clone(),
        cluster_roles: written.cluster_roles.clone(),
        subjects: written.subjects.clone(),
    }
}

fn is_empty(entry: &ResourceFilter) -> bool {
    entry.resources.as_ref().is_none_or(|resources| *resources == ResourceDescription::default())
        && entry.roles.as_ref().is_none_or(Vec::is_empty)
        && entry.cluster_roles.as_ref().is_none_or(Vec::is_empty)
        && entry.subjects.as_ref().is_none_or(Vec::is_empty)
}

/// One filter: attributes are ANDed.
fn filter(entry: &ResourceFilter, facts: &Facts<'_>) -> Truth {
    if is_empty(entry) {
        return Truth::No;
    }
    let described = entry.resources.as_ref().is_none_or(|resources| describes(resources, facts, false));
    Truth::from(described).and(asked_by(entry, facts.user))
}

fn asked_by(entry: &ResourceFilter, user: &User) -> Truth {
    let bound = |wanted: Option<&Vec<String>>, held: Option<&Vec<String>>| match (wanted, held) {
        (None, _) => Truth::Yes,
        (Some(wanted), _) if wanted.is_empty() => Truth::Yes,
        (Some(_), None) => Truth::Unknown,
        (Some(wanted), Some(held)) => wanted.iter().any(|role| held.contains(role)).into(),
    };
    let subjects = match &entry.subjects {
        Some(subjects) if !subjects.is_empty() => subjects.iter().any(|subject| is_subject(subject, user)).into(),
        Some(_) | None => Truth::Yes,
    };
    bound(entry.roles.as_ref(), user.roles.as_ref())
        .and(bound(entry.cluster_roles.as_ref(), user.cluster_roles.as_ref()))
        .and(subjects)
}

/// Whether a user is a subject, wildcards allowed (Kyverno `pkg/utils/match/subjects.go`).
fn is_subject(subject: &kyverno::Subject, user: &User) -> bool {
    match subject.kind.as_str() {
        "ServiceAccount" => {
            let namespace = subject.namespace.as_deref().unwrap_or_default();
            wildcard::matches(&format!("system:serviceaccount:{namespace}:{}", subject.name), &user.name)
        }
        "Group" => user.groups.iter().any(|group| wildcard::matches(&subject.name, group)),
        "User" => wildcard::matches(&subject.name, &user.name),
        _ => false,
    }
}

fn describes(resources: &ResourceDescription, facts: &Facts<'_>, exception: bool) -> bool {
    let subject = facts.subject;
    let listed = |wanted: &Option<Vec<String>>, holds: &dyn Fn(&str) -> bool| {
        wanted.as_ref().is_none_or(|wanted| wanted.is_empty() || wanted.iter().any(|item| holds(item)))
    };
    listed(&resources.operations, &|operation| operation == facts.operation.as_str())
        && listed(&resources.kinds, &|kind| {
            KindPattern::parse(kind).matches(&subject.group, &subject.version, &subject.kind)
        })
        && resources.name.as_ref().is_none_or(|name| name.is_empty() || wildcard::matches(name, &subject.name))
        && listed(&resources.names, &|name| wildcard::matches(name, &subject.name))
        && listed(&resources.namespaces, &|namespace| wildcard::matches(namespace, subject.namespace_or_own_name()))
        && has_annotations(resources.annotations.as_ref(), subject)
        && resources.selector.as_ref().is_none_or(|selector| labelled(selector, &text_map(subject.shown(), "labels")))
        && namespace_labelled(resources.namespace_selector.as_ref(), facts, exception)
}

fn has_annotations(wanted: Option<&BTreeMap<String, String>>, subject: &Subject) -> bool {
    let actual = text_map(subject.shown(), "annotations");
    wanted
        .into_iter()
        .flatten()
        .all(|(key, value)| actual.iter().any(|(k, v)| wildcard::matches(key, k) && wildcard::matches(value, v)))
}

/// A namespace selector never holds for a Namespace; in an exception it is not read there.
fn namespace_labelled(selector: Option<&LabelSelector>, facts: &Facts<'_>, exception: bool) -> bool {
    let Some(selector) = selector else { return true };
    if facts.subject.is_namespace() { exception } else { labelled(selector, facts.namespace_labels) }
}

/// A label selector in which `matchLabels` may have wildcards: each is replaced by a label that it matches, or by
/// one that no object has (Kyverno `pkg/engine/wildcards/wildcards.go`, `ReplaceInSelector`).
pub(super) fn labelled(selector: &LabelSelector, labels: &Labels) -> bool {
    let wildcards = selector.match_labels.iter().flatten().all(|(key, value)| {
        if wildcard::has_wildcard(key) || wildcard::has_wildcard(value) {
            labels.iter().any(|(k, v)| wildcard::matches(key, k) && wildcard::matches(value, v))
        } else {
            labels.get(key) == Some(value)
        }
    });
    let expressions = LabelSelector { match_labels: None, match_expressions: selector.match_expressions.clone() };
    wildcards && selects(&expressions, labels)
}
