//! Changes to objects as written → requests to the API server.

use airtight_manifest::{
    Diagnostic, Document, Located, Node, ObjectRef, Position, Scope, closest, decode_resource, kind_info,
};
use airtight_model::world::{Act, ApiRequest, ApiUser, Change};
use serde_json::Value;

use super::form::{ObjectForm, SourceForm, StepForm};
use super::target::{Complaint, source_user};

/// The fields of a target or step that name a change.
pub(super) struct ChangeForm<'f> {
    pub(super) apply: Option<&'f Located<Value>>,
    pub(super) update: Option<&'f Located<Value>>,
    pub(super) delete: Option<&'f Located<ObjectForm>>,
}

impl ChangeForm<'_> {
    /// How many of them are written.
    pub(super) fn written(&self) -> usize {
        usize::from(self.apply.is_some()) + usize::from(self.update.is_some()) + usize::from(self.delete.is_some())
    }

    /// The change, if one is written.
    pub(super) fn read(&self, document: &Document) -> Option<Result<Change, Complaint>> {
        let whole = |act, manifest: &Located<Value>| change(document, act, manifest);
        let applied = self.apply.map(|manifest| whole(Act::Apply, manifest));
        let updated = self.update.map(|manifest| whole(Act::Update, manifest));
        applied.or(updated).or_else(|| self.delete.map(deletion))
    }
}

/// Findings for which an object cannot even be sent to an API server, or airtight cannot follow it there.
const UNREADABLE: &[&str] = &["not-an-object", "unknown-kind", "unknown-version", "missing-name"];

fn change(document: &Document, act: Act, manifest: &Located<Value>) -> Result<Change, Complaint> {
    let placed = |finding| (finding, manifest.at);
    let read = Document { file: document.file.clone(), root: Node::from_json(&manifest.value, manifest.at).into() };
    if let Err(findings) = decode_resource(&read)
        && let Some(finding) = findings.into_iter().find(|finding| UNREADABLE.contains(&finding.code.as_str()))
    {
        return Err(placed(finding));
    }
    let text = |keys: &[&str]| keys.iter().try_fold(&manifest.value, |value, key| value.get(key))?.as_str();
    let (Some(kind), Some(name)) = (text(&["kind"]), text(&["metadata", "name"])) else {
        return Err(placed(
            Diagnostic::error("missing-name", "this object has no `kind` or no `metadata.name`")
                .hint("an attempt names its object, so that reports can"),
        ));
    };
    let target = target(kind, text(&["metadata", "namespace"]), name);
    let mut canonical = manifest.value.clone();
    canonical.sort_all_objects();
    Ok(Change { act, target, object: Some(canonical.to_string()) })
}

fn deletion(form: &Located<ObjectForm>) -> Result<Change, Complaint> {
    let target = object(form)?;
    Ok(Change { act: Act::Delete, target, object: None })
}

/// The object that a scenario names.
pub(super) fn object(form: &Located<ObjectForm>) -> Result<ObjectRef, Complaint> {
    if kind_info(&form.kind).is_none() {
        let known = ["NetworkPolicy", "CiliumNetworkPolicy", "AuthorizationPolicy", "PeerAuthentication", "Namespace"];
        let finding = Diagnostic::error("unknown-kind", format!("airtight does not model kind `{}`", *form.kind));
        let finding = match closest(&form.kind, known) {
            Some(kind) => finding.hint(format!("did you mean `{kind}`?")),
            None => finding.hint("name the kind as its manifests do, such as `NetworkPolicy`"),
        };
        return Err((finding, form.kind.at));
    }
    Ok(target(&form.kind, form.namespace.as_deref(), &form.name))
}

/// A namespaced object without namespace is in `default`, as for kubectl.
fn target(kind: &str, namespace: Option<&str>, name: &str) -> ObjectRef {
    let namespaced = kind_info(kind).is_some_and(|info| info.scope == Scope::Namespaced);
    ObjectRef::new(kind, namespace.or(namespaced.then_some("default")), name)
}

/// What happens before a flow: the given objects first, then the steps.
pub(super) fn before(
    document: &Document,
    given: &[Located<Value>],
    steps: &[Located<StepForm>],
) -> Result<Vec<ApiRequest>, Complaint> {
    let given = given.iter().map(|manifest| {
        let change = change(document, Act::Apply, manifest)?;
        Ok(ApiRequest { by: ApiUser::cluster_admin(), change })
    });
    given.chain(steps.iter().map(|form| step(document, form))).collect()
}

fn step(document: &Document, form: &Located<StepForm>) -> Result<ApiRequest, Complaint> {
    let change = ChangeForm { apply: form.apply.as_ref(), update: form.update.as_ref(), delete: form.delete.as_ref() };
    let one = (change.written() == 1).then(|| change.read(document)).flatten();
    let change = one.unwrap_or_else(|| {
        let finding = Diagnostic::error("step", "a step does not name one change");
        Err((finding.hint("write one of apply, update, delete"), form.at))
    })?;
    Ok(ApiRequest { by: by(form.from.as_ref(), form.at)?, change })
}

fn by(from: Option<&Located<SourceForm>>, at: Position) -> Result<ApiUser, Complaint> {
    let Some(from) = from else { return Ok(ApiUser::cluster_admin()) };
    source_user(from)?.ok_or_else(|| {
        let finding = Diagnostic::error("step", "only users of the API server change objects");
        (finding.hint("write `cluster-admin`, `{user: NAME}` or `{serviceAccount: namespace/name}`"), at)
    })
}

/// In how many places two values differ; an element of a list is compared with the one at its place.
pub(super) fn distance(a: &Value, b: &Value) -> usize {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let ours = a.iter().map(|(key, value)| b.get(key).map_or(1, |other| distance(value, other)));
            ours.sum::<usize>() + b.keys().filter(|key| !a.contains_key(*key)).count()
        }
        (Value::Array(a), Value::Array(b)) => {
            a.iter().zip(b).map(|(a, b)| distance(a, b)).sum::<usize>() + a.len().abs_diff(b.len())
        }
        (a, b) => usize::from(a != b),
    }
}

/// In how many places two changes differ.
pub(super) fn change_distance(a: &Change, b: &Change) -> usize {
    distance(&told(a), &told(b))
}

/// In how many places differ what happens before two flows.
pub(super) fn before_distance(a: &[ApiRequest], b: &[ApiRequest]) -> usize {
    let steps = |steps: &[ApiRequest]| {
        Value::Array(
            steps.iter().map(|step| serde_json::json!([step.by.name, step.by.groups, told(&step.change)])).collect(),
        )
    };
    distance(&steps(a), &steps(b))
}

/// A change by all that can differ in it: what names an object that is written out is part of it already.
fn told(change: &Change) -> Value {
    let object = change.value().unwrap_or_else(|| {
        let ObjectRef { kind, namespace, name } = &change.target;
        serde_json::json!({"kind": **kind, "metadata": {"namespace": namespace.as_deref(), "name": **name}})
    });
    serde_json::json!({"act": change.act, "object": object})
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_that_differ_are_counted_once_each() {
        for (a, b, places) in [
            (json!({"a": 1}), json!({"a": 1}), 0),
            (json!({"a": 1}), json!({"a": 2}), 1),
            (json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": 2, "c": 3}}), 2),
            (json!({"a": [{}]}), json!({"a": [{"from": [1]}]}), 1),
            (json!({"a": [1, 2]}), json!({"a": [1]}), 1),
            (json!({"a": {"x": 1, "y": 2}}), json!({}), 1),
            (json!([1]), json!({"a": 1}), 1),
        ] {
            assert_eq!(distance(&a, &b), places, "{a} {b}");
            assert_eq!(distance(&b, &a), places, "{b} {a}");
        }
    }
}
