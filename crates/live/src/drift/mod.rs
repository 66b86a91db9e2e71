//! What stands on the cluster otherwise than in the manifests, field by field: a policy that somebody loosened by hand
//! may leave every case green.

mod compare;
mod defaulted;
mod expected;
mod schema;

use std::collections::{BTreeMap, BTreeSet};

use airtight_cluster::Cluster;
use airtight_cluster::discovery::{Kinds, Served};
use airtight_cluster::read::{self, text};
use airtight_manifest::{Diagnostic, Document, Failure, Location, Node, ObjectRef};
use serde_json::Value;

use self::compare::{Extent, Field, Part, differences};
use self::expected::Compared;
use self::schema::Stored;
use crate::temporary::{RUN_LABEL, reference};

/// How many fields of an object are named.
const NAMED: usize = 5;

/// How an object differs.
enum Difference {
    Missing,
    Fields(Vec<Field>),
}

/// Policies that bear on any pod of their namespace, or on all: one that no manifest has may open what all others close.
const ADDABLE: [(&str, &str); 5] = [
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("cilium.io/v2", "CiliumNetworkPolicy"),
    ("cilium.io/v2", "CiliumClusterwideNetworkPolicy"),
    ("security.istio.io/v1", "AuthorizationPolicy"),
    ("security.istio.io/v1", "PeerAuthentication"),
];

/// API group and kind.
type Kind = (String, String);

/// Namespace and name.
type Key = (String, String);

/// An object of the manifests.
struct Ours<'d> {
    document: &'d Document,
    object: Value,
    compared: Compared,
}

/// An error for each object of the manifests that the cluster lacks or has otherwise, at the field's place in its file;
/// a warning for policies that no manifest has, and for each kind that cannot be read. Documents are compared as they are
/// after admission.
///
/// # Errors
/// When the API server does not answer.
pub(crate) fn drift(cluster: &dyn Cluster, documents: &[Document]) -> Result<Vec<Diagnostic>, Failure> {
    let addable = ADDABLE.iter().map(|(version, kind)| (kind_of(version, kind), ((*version).to_owned(), Vec::new())));
    let mut by_kind: BTreeMap<Kind, (String, Vec<Ours<'_>>)> = BTreeMap::new();
    let mut homes = BTreeSet::new();
    for document in documents {
        let object = document.root.to_json();
        homes.insert(text(&object, "/metadata/namespace").to_owned());
        if let Some(compared) = Compared::of(&object) {
            let version = text(&object, "/apiVersion");
            let kind = kind_of(version, text(&object, "/kind"));
            let (_, ours) = by_kind.entry(kind).or_insert_with(|| (version.to_owned(), Vec::new()));
            ours.push(Ours { document, object, compared });
        }
    }
    for (kind, nobody) in addable {
        by_kind.entry(kind).or_insert(nobody);
    }
    // What reaches over all namespaces is in none.
    homes.insert(String::new());
    let mut found = Vec::new();
    for ((_, kind), (version, objects)) in &by_kind {
        match Kinds::new(cluster).find(version, kind) {
            Ok(Some(served)) => found.extend(of_kind(cluster, &served, objects, &homes)?),
            // What is not served is told elsewhere.
            Ok(None) => {}
            Err(failure) if failure.code == "forbidden" => found.push(unread(kind, &failure)),
            Err(failure) => return Err(failure),
        }
    }
    Ok(found)
}

/// Whether an object that is missing is told.
pub(crate) fn is_compared(object: &Value) -> bool {
    Compared::of(object).is_some()
}

/// In whichever version it is written, it is the same object.
fn kind_of(version: &str, kind: &str) -> Kind {
    (version.split_once('/').map_or("", |(group, _)| group).to_owned(), kind.to_owned())
}

fn of_kind(
    cluster: &dyn Cluster,
    served: &Served,
    objects: &[Ours<'_>],
    homes: &BTreeSet<String>,
) -> Result<Vec<Diagnostic>, Failure> {
    let there = match read::list(cluster, &served.collection(None)) {
        Ok(there) => there,
        Err(failure) if failure.code == "forbidden" => return Ok(vec![unread(served.kind(), &failure)]),
        Err(failure) => return Err(failure),
    };
    let mut there: BTreeMap<Key, &Value> = there.iter().map(|object| (key(object), object)).collect();
    let (stored, undefined) = match Stored::of(cluster, served) {
        Ok(stored) => (stored, None),
        Err(failure) => (Stored::Unknown, Some(unfilled(served.kind(), &failure))),
    };
    let compare = |ours: &Ours<'_>| finding(ours, &difference(ours, there.remove(&key(&ours.object)), &stored)?);
    let mut found: Vec<Diagnostic> = objects.iter().filter_map(compare).collect();
    found.extend(undefined);
    if ADDABLE.iter().any(|(_, kind)| *kind == served.kind()) {
        let more = there.into_iter().filter(|((home, _), object)| !is_of_a_run(object) && homes.contains(home));
        found.extend(added(served, &more.map(|(key, _)| key).collect::<Vec<_>>()));
    }
    Ok(found)
}

fn key(object: &Value) -> Key {
    (text(object, "/metadata/namespace").to_owned(), text(object, "/metadata/name").to_owned())
}

fn is_of_a_run(object: &Value) -> bool {
    object.pointer("/metadata/labels").is_some_and(|labels| labels.get(RUN_LABEL).is_some())
}

/// Without its namespace or Service nothing can be tried, and that is told with each case.
fn difference(ours: &Ours<'_>, there: Option<&Value>, stored: &Stored) -> Option<Difference> {
    match there {
        None => (ours.compared == Compared::Policy).then_some(Difference::Missing),
        // What a run made is as the run wants it.
        Some(there) if is_of_a_run(there) => None,
        Some(there) => Some(Difference::Fields(fields(&ours.object, there, ours.compared, stored))),
    }
}

fn added(served: &Served, more: &[Key]) -> Option<Diagnostic> {
    let named = more.iter().take(NAMED).map(|(home, name)| match home.as_str() {
        "" => name.clone(),
        home => format!("{home}/{name}"),
    });
    let named = named.collect::<Vec<_>>().join(", ");
    let rest = match more.len().saturating_sub(NAMED) {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let message =
        format!("no manifest has these {} of the cluster, which act all the same: {named}{rest}", served.kind());
    let hint = "add them to the manifests (`airtight snapshot` writes them), or delete them";
    (!more.is_empty()).then(|| Diagnostic::warning("not-in-manifests", message).hint(hint))
}

fn fields(object: &Value, there: &Value, compared: Compared, stored: &Stored) -> Vec<Field> {
    // What is stored has its defaults, unless it was stored before the schema had them.
    let ((ours, extent), (theirs, _)) = (stored.as_stored(object.clone()), stored.as_stored(there.clone()));
    let mut found = differences(&compared.whole(&ours), &compared.whole(&theirs), extent);
    for field in differences(&compared.written(object), &compared.written(there), Extent::Written) {
        if found.iter().all(|each| each.path != field.path) {
            found.push(field);
        }
    }
    found
}

fn finding(ours: &Ours<'_>, difference: &Difference) -> Option<Diagnostic> {
    let (document, name) = (ours.document, reference(&ours.object));
    let (message, at) = match difference {
        Difference::Missing => (format!("the cluster does not have {name} of the manifests"), document.root.at),
        Difference::Fields(fields) => {
            let first = fields.first()?;
            let named: Vec<String> = fields.iter().take(NAMED).map(Field::to_string).collect();
            let more = match fields.len().saturating_sub(NAMED) {
                0 => String::new(),
                count => format!("; and {count} more"),
            };
            (format!("{name} is not as the manifests say: {}{more}", named.join("; ")), place(&document.root, first))
        }
    };
    let location = Location::new(&document.file, at);
    let hint = "apply the manifests again, or write into them what is meant; --accept-drift tries the cluster as it is";
    let namespace = Some(text(&ours.object, "/metadata/namespace")).filter(|namespace| !namespace.is_empty());
    let about = ObjectRef::new(text(&ours.object, "/kind"), namespace, text(&ours.object, "/metadata/name"));
    Some(Diagnostic::error("drift", message).at(location).hint(hint).about(&about))
}

/// Where a field stands, or the innermost field around it that is written.
fn place(root: &Node, field: &Field) -> airtight_manifest::Position {
    let mut node = root;
    let mut at = root.at;
    for part in &field.path {
        let inner = match part {
            Part::Name(name) => node.entry(name).map(|(key, inner)| (key.at, inner)),
            Part::Index(index) => node.as_list().and_then(|items| items.get(*index)).map(|inner| (inner.at, inner)),
        };
        let Some((place, inner)) = inner else { break };
        (at, node) = (place, inner);
    }
    at
}

fn unread(kind: &str, failure: &Failure) -> Diagnostic {
    let message = format!("nobody can tell whether each {kind} is as the manifests say: {failure}");
    hinted(Diagnostic::warning("drift-unread", message), failure)
}

/// Without the defaults of its schema, what somebody added to an object cannot be told from what the API server did.
fn unfilled(kind: &str, failure: &Failure) -> Diagnostic {
    let message =
        format!("nobody can tell whether a {kind} has more fields on the cluster than are written: {failure}");
    hinted(Diagnostic::warning("drift-unread", message), failure)
}

fn hinted(finding: Diagnostic, failure: &Failure) -> Diagnostic {
    match &failure.hint {
        Some(hint) => finding.hint(hint.clone()),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use airtight_manifest::yaml;
    use serde_json::json;

    use super::*;
    use crate::scripted::Scripted;

    const POLICY: &str = "{apiVersion: security.istio.io/v1beta1, kind: AuthorizationPolicy, \
                          metadata: {name: web, namespace: shop}, spec: {action: DENY}}";

    fn said(refused: &str) -> Vec<String> {
        let documents = yaml::parse(&Arc::from("policy.yaml"), POLICY).unwrap();
        let there = json!({"metadata": {"namespace": "shop", "name": "web"}, "spec": {"action": "DENY", "more": 1}});
        let cluster = Scripted(|path: &str| {
            let kinds = json!([{"name": "authorizationpolicies", "kind": "AuthorizationPolicy", "namespaced": true}]);
            match path {
                _ if path.contains(refused) => (403, json!({"message": "no"})),
                "/apis/security.istio.io/v1" | "/apis/security.istio.io/v1beta1" => (200, json!({"resources": kinds})),
                _ if path.contains("/authorizationpolicies?") => (200, json!({"items": [there]})),
                _ => (404, json!({})),
            }
        });
        drift(&cluster, &documents).unwrap().iter().map(Diagnostic::to_string).collect()
    }

    #[test]
    fn another_version_of_an_object_is_no_other_object() {
        assert_eq!(said("nothing-is"), Vec::<String>::new());
    }

    #[test]
    fn what_may_not_be_read_is_never_taken_for_equal() {
        for refused in ["/apis/security.istio.io/v1beta1", "/authorizationpolicies", "/customresourcedefinitions/"] {
            let said = said(refused);
            assert!(said.len() == 1 && said[0].contains("warning[drift-unread]"), "{refused}: {said:?}");
        }
    }
}
