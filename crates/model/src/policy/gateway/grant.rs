//! ReferenceGrants: who may refer to an object of another namespace (`apis/v1beta1/referencegrant_types.go`).
//!
//! A grant only tells controllers what they may configure. It opens no network path, and closes none.

use airtight_manifest::gateway_api::ReferenceGrant;
use airtight_manifest::{Object, RuleRef};

/// An object that refers to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Referrer<'a> {
    pub(super) group: &'a str,
    pub(super) kind: &'a str,
    pub(super) namespace: &'a str,
}

/// An object that is referred to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Referent<'a> {
    pub(super) group: &'a str,
    pub(super) kind: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

/// Whether a reference is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Grant {
    /// Both are in the same namespace.
    NotNeeded,
    /// By these entries of `to`.
    By(Vec<RuleRef>),
    /// Not allowed.
    Missing,
}

/// Whether `from` may refer to `to`.
pub(super) fn grant(grants: &[Object<ReferenceGrant>], from: Referrer<'_>, to: Referent<'_>) -> Grant {
    if from.namespace == to.namespace {
        return Grant::NotNeeded;
    }
    let rules: Vec<RuleRef> = grants
        .iter()
        .filter(|grant| grant.meta.namespace() == to.namespace && admits(grant, from))
        .flat_map(|grant| covering(grant, to))
        .collect();
    if rules.is_empty() { Grant::Missing } else { Grant::By(rules) }
}

fn admits(grant: &Object<ReferenceGrant>, from: Referrer<'_>) -> bool {
    grant
        .body
        .spec
        .from
        .iter()
        .any(|entry| entry.group == from.group && entry.kind == from.kind && entry.namespace == from.namespace)
}

fn covering<'a>(grant: &'a Object<ReferenceGrant>, to: Referent<'a>) -> impl Iterator<Item = RuleRef> + 'a {
    grant.body.spec.to.iter().enumerate().filter_map(move |(index, entry)| {
        let covers = entry.group == to.group
            && entry.kind == to.kind
            && entry.name.as_deref().filter(|name| !name.is_empty()).is_none_or(|name| name == to.name);
        covers.then(|| grant.meta.rule(format!("spec.to[{index}]"), entry.at))
    })
}
