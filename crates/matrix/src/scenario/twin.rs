//! Twins: the allowed case that differs from a denied one in exactly one thing.
//!
//! Without it a denial proves nothing: a dead server, a misspelt name or a broken probe would look the same.

use std::collections::BTreeMap;
use std::net::IpAddr;

use airtight_manifest::{Diagnostic, Located, closest};
use airtight_model::path::{Destination, Flow};
use airtight_model::world::World;

use super::case::Expectation;
use super::change::{before_distance, change_distance};
use super::expand::CaseDraft;
use super::target::leads_to;

/// Cases by the id that was written for them.
pub(super) type Groups = BTreeMap<String, Vec<usize>>;

/// Sets the twin of every denied case, or reports why it has none.
///
/// `unread` holds the ids of cases that could not be read: naming one of them as twin is no error of its own.
pub(super) fn resolve_twins(
    drafts: &mut [CaseDraft],
    world: &World,
    unread: &[String],
    findings: &mut Vec<Diagnostic>,
) {
    let groups = group(drafts);
    let mut twins = Vec::new();
    for (index, draft) in drafts.iter().enumerate() {
        match find(drafts, &groups, draft, unread) {
            Ok(None) => {}
            Ok(Some(twin)) => match check(drafts, draft, &drafts[twin], draft.world.as_deref().unwrap_or(world)) {
                None => twins.push((index, drafts[twin].case.id.clone())),
                Some(finding) => note(findings, finding),
            },
            Err(finding) => note(findings, finding),
        }
    }
    for (index, twin) in twins {
        drafts[index].case.twin = Some(twin);
    }
}

fn group(drafts: &[CaseDraft]) -> Groups {
    let mut groups = Groups::new();
    for (index, draft) in drafts.iter().enumerate() {
        groups.entry(draft.base.clone()).or_default().push(index);
    }
    groups
}

/// An expanded case reports one thing once.
fn note(findings: &mut Vec<Diagnostic>, finding: Diagnostic) {
    let same = |other: &Diagnostic| other.code == finding.code && other.location == finding.location;
    if !findings.iter().any(same) {
        findings.push(finding);
    }
}

fn find(
    drafts: &[CaseDraft],
    groups: &Groups,
    draft: &CaseDraft,
    unread: &[String],
) -> Result<Option<usize>, Diagnostic> {
    let id = &draft.case.id;
    match (&draft.case.expect, &draft.twin) {
        (Expectation::Allow(_), None) => Ok(None),
        (Expectation::Allow(_), Some(twin)) => {
            Err(at(draft, twin, "twin-of-allowed", format!("`{id}` is allowed, and has a twin"))
                .hint("only a denied case has a twin; leave it out"))
        }
        (Expectation::Deny(_), None) => {
            Err(Diagnostic::error("missing-twin", format!("the denied case `{id}` has no twin"))
                .at(draft.case.at.clone())
                .hint("name the allowed case that differs in exactly one thing: `twin: ID`"))
        }
        (Expectation::Deny(_), Some(twin)) if unread.contains(&twin.value) => Ok(None),
        (Expectation::Deny(_), Some(twin)) => named(drafts, groups, draft, twin).map(Some),
    }
}

fn at(draft: &CaseDraft, place: &Located<String>, code: &str, message: String) -> Diagnostic {
    let mut location = draft.case.at.clone();
    location.position = place.at;
    Diagnostic::error(code, message).at(location)
}

/// One case by its own id, or its counterpart among the cases that an id expands to.
fn named(
    drafts: &[CaseDraft],
    groups: &Groups,
    draft: &CaseDraft,
    twin: &Located<String>,
) -> Result<usize, Diagnostic> {
    if let Some(index) = drafts.iter().position(|other| other.case.id == **twin) {
        return Ok(index);
    }
    let Some(members) = groups.get(twin.as_str()) else { return Err(unknown(drafts, groups, draft, twin)) };
    let own = groups.get(&draft.base).map_or(1, Vec::len);
    match members.get(draft.index) {
        Some(index) if members.len() == own => Ok(*index),
        Some(_) | None => Err(at(
            draft,
            twin,
            "unknown-twin",
            format!("`{}` stands for {} cases, and `{}` for {own}", **twin, members.len(), draft.base),
        )
        .hint(format!("name one of them, such as `{}.1`, or let both expand the same way", **twin))),
    }
}

fn unknown(drafts: &[CaseDraft], groups: &Groups, draft: &CaseDraft, twin: &Located<String>) -> Diagnostic {
    let finding = at(draft, twin, "unknown-twin", format!("there is no case `{}`", **twin));
    let ids = groups.keys().map(String::as_str).chain(drafts.iter().map(|draft| draft.case.id.as_str()));
    match closest(twin, ids.filter(|id| *id != draft.base)) {
        Some(id) => finding.hint(format!("did you mean `{id}`?")),
        None => finding.hint("a twin is the id of an allowed case in any scenario"),
    }
}

fn check(drafts: &[CaseDraft], draft: &CaseDraft, twin: &CaseDraft, world: &World) -> Option<Diagnostic> {
    let place = draft.twin.as_ref()?;
    let (id, other) = (&draft.case.id, &twin.case.id);
    if matches!(twin.case.expect, Expectation::Deny(_)) {
        return Some(if is_cycle(drafts, draft) {
            at(draft, place, "cyclic-twin", format!("`{id}` is its own twin, by way of `{other}`"))
                .hint("a twin is an allowed case, and has none itself")
        } else {
            at(draft, place, "denied-twin", format!("the twin `{other}` of `{id}` is itself denied"))
                .hint("a twin shows that the target answers: it must be an allowed case")
        });
    }
    let differences = differences(draft, twin, world);
    let [difference] = differences.as_slice() else {
        return Some(wrong_distance(draft, place, other, &differences));
    };
    if matches!(difference, Difference::Objects | Difference::MoreBefore) {
        return Some(wrong_distance(draft, place, other, &differences));
    }
    (*difference == Difference::Target && !comparable(&draft.case.flow, &twin.case.flow, world)).then(|| {
        let (to, there) = (&draft.case.flow.to, &twin.case.flow.to);
        at(draft, place, "twin-elsewhere", format!("the twin `{other}` of `{id}` aims at {there}, not at {to}"))
            .hint("a twin must reach the same target: vary the source, the port or the request instead")
    })
}

/// Follows written twins from `draft` until they end or come back to it.
fn is_cycle(drafts: &[CaseDraft], draft: &CaseDraft) -> bool {
    let mut current = draft;
    for _ in 0..drafts.len() {
        let Some(twin) = &current.twin else { return false };
        let Some(next) = drafts.iter().find(|other| other.case.id == **twin || other.base == **twin) else {
            return false;
        };
        if next.base == draft.base {
            return true;
        }
        current = next;
    }
    false
}

fn wrong_distance(draft: &CaseDraft, place: &Located<String>, other: &str, differences: &[Difference]) -> Diagnostic {
    let id = &draft.case.id;
    if differences.is_empty() {
        return at(draft, place, "same-twin", format!("the twin `{other}` of `{id}` attempts the same flow"))
            .hint("a twin differs from the denied case in exactly one thing, such as its source or its path");
    }
    let names: Vec<_> = differences.iter().map(|difference| difference.name()).collect();
    at(draft, place, "distant-twin", format!("the twin `{other}` of `{id}` differs in {}", names.join(" and ")))
        .hint("a twin differs in exactly one thing, so that only this thing can explain the denial")
}

/// One thing in which two flows can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    Source,
    Target,
    Port,
    Method,
    Path,
    Host,
    Headers,
    Token,
    Request,
    Tls,
    Object,
    Objects,
    Before,
    MoreBefore,
}

impl Difference {
    fn name(self) -> &'static str {
        match self {
            Self::Source => "the source",
            Self::Target => "the target",
            Self::Port => "the port or protocol",
            Self::Method => "the method",
            Self::Path => "the path",
            Self::Host => "the host",
            Self::Headers => "the headers",
            Self::Token => "the token",
            Self::Request => "the request",
            Self::Tls => "TLS",
            Self::Object => "the object",
            Self::Objects => "several places of the object",
            Self::Before => "what comes before",
            Self::MoreBefore => "several places of what comes before",
        }
    }
}

fn differences(denied: &CaseDraft, twin: &CaseDraft, world: &World) -> Vec<Difference> {
    let (a, b) = (&denied.attempt.flow, &twin.attempt.flow);
    let mut found = Vec::new();
    if a.from != b.from {
        found.push(Difference::Source);
    }
    match (&a.to, &b.to) {
        (Destination::Object(mine), Destination::Object(other)) => match change_distance(mine, other) {
            0 => {}
            1 => found.push(Difference::Object),
            _ => found.push(Difference::Objects),
        },
        (mine, other) if mine != other => found.push(Difference::Target),
        _ => {}
    }
    match before_distance(&a.after, &b.after) {
        0 => {}
        1 => found.push(Difference::Before),
        _ => found.push(Difference::MoreBefore),
    }
    // A Service's port and the port behind it are one port, written at two places of the way.
    let one_port = leads_to(world, a, b) || leads_to(world, b, a);
    if (a.port, a.protocol) != (b.port, b.protocol) && !one_port {
        found.push(Difference::Port);
    }
    found.extend(request_differences(denied, twin));
    found
}

/// A bare attempt is the beginning of any request to the same target: a twin with a request shows all
/// that a twin without one would, so that only the other way round it counts as a difference.
fn request_differences(denied: &CaseDraft, twin: &CaseDraft) -> Vec<Difference> {
    let (a, b) = (&denied.attempt.flow, &twin.attempt.flow);
    let bare = a.request.is_none() && a.tls.is_none();
    if bare && b.request.is_some() {
        return Vec::new();
    }
    let mut found = Vec::new();
    match (&a.request, &b.request) {
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => found.push(Difference::Request),
        (Some(mine), Some(other)) => {
            let same_host = (denied.attempt.default_host && twin.attempt.default_host) || mine.host == other.host;
            let things = [
                (mine.method != other.method, Difference::Method),
                (mine.path != other.path, Difference::Path),
                (!same_host, Difference::Host),
                (mine.headers != other.headers, Difference::Headers),
                (mine.token != other.token, Difference::Token),
            ];
            found.extend(things.into_iter().filter(|(differs, _)| *differs).map(|(_, thing)| thing));
        }
    }
    if tls_differs(denied, twin) {
        found.push(Difference::Tls);
    }
    found
}

fn tls_differs(denied: &CaseDraft, twin: &CaseDraft) -> bool {
    match (&denied.attempt.flow.tls, &twin.attempt.flow.tls) {
        (None, None) => false,
        (Some(_), None) | (None, Some(_)) => true,
        // A server name that follows from the host differs with it, and is not a second thing.
        (Some(a), Some(b)) => a != b && !(denied.attempt.default_server_name && twin.attempt.default_server_name),
    }
}

/// Whether two different targets are the same endpoint in another form, or two destinations of the same kind
/// outside the cluster, of which a policy admits one.
fn comparable(denied: &Flow, twin: &Flow, world: &World) -> bool {
    match (&denied.to, &twin.to) {
        (Destination::Service(..), Destination::Pod(..)) => leads_to(world, denied, twin),
        (Destination::Pod(..), Destination::Service(..)) => leads_to(world, twin, denied),
        (Destination::Host(_) | Destination::Address(_), Destination::Host(_) | Destination::Address(_))
        | (Destination::Name(_), Destination::Name(_)) => true,
        (to @ (Destination::Pod(..) | Destination::Service(..)), Destination::Address(address))
        | (Destination::Address(address), to @ (Destination::Pod(..) | Destination::Service(..))) => {
            has_address(world, to, *address)
        }
        (
            Destination::Service(..)
            | Destination::Pod(..)
            | Destination::Host(_)
            | Destination::Address(_)
            | Destination::Gateway(..)
            | Destination::Node(_)
            | Destination::Name(_)
            | Destination::Object(_),
            _,
        ) => false,
    }
}

fn has_address(world: &World, destination: &Destination, address: IpAddr) -> bool {
    match destination {
        Destination::Pod(namespace, name) => {
            world.workload(namespace, name).any(|pod| pod.addresses.contains(&address))
        }
        Destination::Service(namespace, name) => {
            world.service(namespace, name).is_some_and(|service| service.cluster_ips.contains(&address))
        }
        Destination::Host(_)
        | Destination::Address(_)
        | Destination::Gateway(..)
        | Destination::Node(_)
        | Destination::Name(_)
        | Destination::Object(_) => false,
    }
}
