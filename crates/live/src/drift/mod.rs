//! What stands on the cluster otherwise than in the manifests, field by field: a policy that somebody loosened by hand
//! may leave every case green.

mod compare;
mod defaulted;
mod expected;
mod schema;

use std::collections::BTreeMap;

use airtight_cluster::Cluster;
use airtight_cluster::discovery::{Kinds, Served};
use airtight_cluster::read::{self, text};
use airtight_manifest::{Diagnostic, Document, Failure, Location, Node};
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

/// An error for each object of the manifests that the cluster lacks or has otherwise, at the field's place in its file;
/// a warning for each kind that cannot be read. Documents are compared as they are after admission.
///
/// # Errors
/// When the API server does not answer.
pub(crate) fn drift(cluster: &dyn Cluster, documents: &[Document]) -> Result<Vec<Diagnostic>, Failure> {
    let mut by_kind = BTreeMap::<(String, String), Vec<(&Document, Value, Compared)>>::new();
    for document in documents {
        let object = document.root.to_json();
        if let Some(compared) = Compared::of(&object) {
            let kind = (text(&object, "/apiVersion").to_owned(), text(&object, "/kind").to_owned());
            by_kind.entry(kind).or_default().push((document, object, compared));
        }
    }
    let mut found = Vec::new();
    for ((version, kind), objects) in &by_kind {
        // What is not served is told elsewhere.
        let Some(served) = Kinds::new(cluster).find(version, kind).ok().flatten() else { continue };
        found.extend(of_kind(cluster, &served, objects)?);
    }
    Ok(found)
}

fn of_kind(
    cluster: &dyn Cluster,
    served: &Served,
    objects: &[(&Document, Value, Compared)],
) -> Result<Vec<Diagnostic>, Failure> {
    let there = match read::list(cluster, &served.collection(None)) {
        Ok(there) => there,
        Err(failure) if failure.code == "forbidden" => return Ok(vec![unread(served, &failure)]),
        Err(failure) => return Err(failure),
    };
    let key =
        |object: &Value| (text(object, "/metadata/namespace").to_owned(), text(object, "/metadata/name").to_owned());
    let there: BTreeMap<_, _> = there.iter().map(|object| (key(object), object)).collect();
    let stored = Stored::of(cluster, served);
    let compare = |(document, object, compared): &(&Document, Value, Compared)| {
        let difference = match there.get(&key(object)) {
            // Without its namespace or Service nothing can be tried, and that is told with each case.
            None if *compared != Compared::Policy => return None,
            None => Difference::Missing,
            // What a run made is as the run wants it.
            Some(there) if there.pointer("/metadata/labels").is_some_and(|labels| labels.get(RUN_LABEL).is_some()) => {
                return None;
            }
            Some(there) => Difference::Fields(fields(object, there, *compared, &stored)),
        };
        finding(document, object, &difference)
    };
    Ok(objects.iter().filter_map(compare).collect())
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

fn finding(document: &Document, object: &Value, difference: &Difference) -> Option<Diagnostic> {
    let name = reference(object);
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
    Some(Diagnostic::error("drift", message).at(location).hint(hint))
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

fn unread(served: &Served, failure: &Failure) -> Diagnostic {
    let message = format!("nobody can tell whether each {} is as the manifests say: {failure}", served.kind());
    let finding = Diagnostic::warning("drift-unread", message);
    match &failure.hint {
        Some(hint) => finding.hint(hint.clone()),
        None => finding,
    }
}
