//! Admission that is not modelled: webhooks, admission policies, and policies that delete. Of each object that one of
//! them matches nobody knows whether it is there as it is written.

use airtight_manifest::{Document, Labels, ObjectRef, Resource, RuleRef, Scope, Touches, kind_info, touches};
use serde_json::Value;

use super::intake::Item;
use super::touched::satisfied;
use super::unread;

/// Webhooks whose work is modelled: istiod's validation, Kyverno's own, and those of the Gateway API.
const MODELLED_WEBHOOKS: &[&str] =
    &["validation.istio.io", ".kyverno.svc", ".kyverno.svc-fail", ".kyverno.svc-ignore", ".gateway.networking.k8s.io"];

/// What brings an object about, or makes it another one.
const CHANGES: &[&str] = &["CREATE", "UPDATE"];

/// What else may be asked of an object.
const REQUESTS: &[&str] = &["CREATE", "UPDATE", "DELETE"];

/// One rule by which such a policy chooses objects.
#[derive(Debug, Clone)]
struct Choice {
    kinds: Kinds,
    /// `namespaceSelector`, `objectSelector` and the like, each on the labels of the namespace or the object.
    namespaces: Vec<Value>,
    objects: Vec<Value>,
    /// The namespace that the policy lives in, for a namespaced one.
    home: Option<String>,
}

#[derive(Debug, Clone)]
enum Kinds {
    /// `rules` of webhooks and `resourceRules` of policies: groups and resources.
    Resources(Vec<Value>),
    /// `kinds` of Kyverno's `match`.
    Named(Vec<String>),
}

/// An object that could refuse, change or delete others, unknown how.
#[derive(Debug, Clone)]
pub(super) struct Unseen {
    rule: RuleRef,
    choices: Vec<Choice>,
}

/// What is admitted: an object with its labels, and those of its namespace.
pub(super) struct Candidate<'a> {
    object: &'a ObjectRef,
    group: &'a str,
    labels: Labels,
    namespace_labels: &'a Labels,
}

impl<'a> Candidate<'a> {
    pub(super) fn of(document: &'a Document, object: &'a ObjectRef, namespace_labels: &'a Labels) -> Self {
        let text = document.root.get("apiVersion").and_then(airtight_manifest::Node::as_str).unwrap_or_default();
        let written = document.root.get("metadata").and_then(|metadata| metadata.get("labels"));
        let labels = written.map(airtight_manifest::Node::to_json);
        let labels = labels.and_then(|labels| serde_json::from_value(labels).ok()).unwrap_or_default();
        let group = text.rsplit_once('/').map_or("", |(group, _)| group);
        Self { object, group, labels, namespace_labels }
    }
}

impl Unseen {
    /// Those among `items` that choose anything.
    pub(super) fn among(items: &[Item]) -> Vec<Self> {
        items.iter().filter_map(|item| Self::of(item, items)).filter(|unseen| !unseen.choices.is_empty()).collect()
    }

    fn of(item: &Item, items: &[Item]) -> Option<Self> {
        let Resource::Unmodelled(rule) = &item.resource else { return None };
        let by = touches(&item.document)?;
        if by == Touches::Unread && unread::admits(&item.json["spec"]) {
            return Some(Self { rule: rule.clone(), choices: vec![constrained(&[], &rule.object)] });
        }
        if by != Touches::MatchedObjects {
            return None;
        }
        Some(Self { rule: rule.clone(), choices: choices(&item.json, &rule.object, items) })
    }

    /// Those that could act on an object, by reference.
    pub(super) fn about(unseen: &[Self], candidate: &Candidate<'_>) -> Vec<RuleRef> {
        let acting = unseen.iter().filter(|unseen| unseen.choices.iter().any(|choice| choice.matches(candidate)));
        acting.map(|unseen| unseen.rule.clone()).collect()
    }

    /// The first that could act on some object of a kind, whatever its labels are.
    pub(super) fn about_kind<'u>(unseen: &'u [Self], object: &ObjectRef) -> Option<&'u RuleRef> {
        let group = kind_info(&object.kind).map(|info| info.group);
        let acts =
            |one: &&Self| one.choices.iter().any(|choice| choice.kinds.match_kind(&object.kind, group, REQUESTS));
        unseen.iter().find(acts).map(|one| &one.rule)
    }
}

impl Choice {
    fn matches(&self, candidate: &Candidate<'_>) -> bool {
        let own = self.home.as_deref().is_none_or(|home| candidate.object.namespace.as_deref() == Some(home));
        // Selectors for namespaces do not hold back objects that live in none, but for Namespaces themselves.
        let placed = candidate.object.namespace.is_some();
        let is_namespace = &*candidate.object.kind == "Namespace";
        let home = if is_namespace { &candidate.labels } else { candidate.namespace_labels };
        own && self.kinds.match_kind(&candidate.object.kind, Some(candidate.group), CHANGES)
            && self.objects.iter().all(|selector| satisfied(selector, &candidate.labels))
            && (!placed && !is_namespace || self.namespaces.iter().all(|selector| satisfied(selector, home)))
    }
}

impl Kinds {
    fn match_kind(&self, kind: &str, group: Option<&str>, operations: &[&str]) -> bool {
        match self {
            Self::Resources(rules) => rules.iter().any(|rule| rule_matches(rule, kind, group, operations)),
            Self::Named(kinds) => kinds.iter().any(|named| {
                let last = named.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
                let is_subresource = named.contains('.') && !named.contains('/');
                let word = if is_subresource { named.split('.').next().unwrap_or_default() } else { last };
                word == kind || word.contains('*')
            }),
        }
    }
}

/// `rules` of a webhook (Kubernetes `staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules`).
fn rule_matches(rule: &Value, kind: &str, group: Option<&str>, operations: &[&str]) -> bool {
    let cluster = kind_info(kind).is_some_and(|info| info.scope == Scope::Cluster);
    let scoped = match rule.get("scope").and_then(Value::as_str) {
        Some("Cluster") => cluster,
        Some("Namespaced") => !cluster,
        Some(_) | None => true,
    };
    let any = |field: &str, holds: &dyn Fn(&str) -> bool| {
        rule.get(field)
            .and_then(Value::as_array)
            .is_none_or(|values| values.iter().filter_map(Value::as_str).any(holds))
    };
    let plural = plural(kind);
    scoped
        && any("apiGroups", &|wanted| wanted == "*" || group.is_none_or(|group| wanted == group))
        && any("operations", &|wanted| wanted == "*" || operations.contains(&wanted))
        && any("resources", &|wanted| matches!(wanted, "*" | "*/*") || wanted == plural)
}

/// The resource of a kind, as the API server calls it.
fn plural(kind: &str) -> String {
    let word = kind.to_lowercase();
    if let Some(stem) = word.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u'])) {
        return format!("{stem}ies");
    }
    if word == "endpoints" {
        word
    } else if word.ends_with(['s', 'x']) {
        format!("{word}es")
    } else {
        format!("{word}s")
    }
}

fn choices(json: &Value, object: &ObjectRef, items: &[Item]) -> Vec<Choice> {
    let spec = &json["spec"];
    match &*object.kind {
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => webhooks(json),
        // They do nothing until a binding names them.
        "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy" => Vec::new(),
        "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding" => binding(spec, object, items),
        "CleanupPolicy" | "ClusterCleanupPolicy" => cleanup(spec, object),
        // ImageValidatingPolicy and DeletingPolicy, in namespaces or in none.
        _ if acts(spec) => vec![constrained(&[&spec["matchConstraints"]], object)],
        _ => Vec::new(),
    }
}

/// Whether a policy does more than report.
fn acts(spec: &Value) -> bool {
    let actions = spec.get("validationActions").and_then(Value::as_array);
    actions.is_none_or(|actions| actions.is_empty() || actions.iter().any(|action| action == "Deny"))
}

fn webhooks(json: &Value) -> Vec<Choice> {
    let listed = json.get("webhooks").and_then(Value::as_array).into_iter().flatten();
    let others = listed.filter(|webhook| {
        let name = webhook.get("name").and_then(Value::as_str).unwrap_or_default();
        !MODELLED_WEBHOOKS.iter().any(|modelled| name.ends_with(modelled))
    });
    let choices = others.map(|webhook| Choice {
        kinds: Kinds::Resources(listed_in(webhook, "rules")),
        namespaces: webhook.get("namespaceSelector").cloned().into_iter().collect(),
        objects: webhook.get("objectSelector").cloned().into_iter().collect(),
        home: None,
    });
    choices.collect()
}

/// What a policy's and its binding's constraints choose together.
fn binding(spec: &Value, object: &ObjectRef, items: &[Item]) -> Vec<Choice> {
    if !acts(spec) {
        return Vec::new();
    }
    let kind = object.kind.trim_end_matches("Binding");
    let policy = items.iter().find(|item| {
        let known = item.resource.object();
        &*known.kind == kind && spec.get("policyName").and_then(Value::as_str) == Some(&*known.name)
    });
    let own = policy.map_or(&Value::Null, |policy| &policy.json["spec"]["matchConstraints"]);
    vec![constrained(&[own, &spec["matchResources"]], object)]
}

fn constrained(constraints: &[&Value], object: &ObjectRef) -> Choice {
    let selectors = |field: &str| constraints.iter().filter_map(|one| one.get(field)).cloned().collect();
    let rules = constraints.iter().map(|one| listed_in(one, "resourceRules")).find(|rules| !rules.is_empty());
    Choice {
        // Without a rule it is not known what is meant.
        kinds: Kinds::Resources(rules.unwrap_or_else(|| vec![Value::Object(serde_json::Map::new())])),
        namespaces: selectors("namespaceSelector"),
        objects: selectors("objectSelector"),
        home: object.namespace.as_deref().map(str::to_owned),
    }
}

/// Kyverno's `match` of any and all.
fn cleanup(spec: &Value, object: &ObjectRef) -> Vec<Choice> {
    let filters = ["any", "all"].iter().flat_map(|field| listed_in(&spec["match"], field));
    let choices = filters.map(|filter| {
        let resources = &filter["resources"];
        let kinds = listed_in(resources, "kinds");
        Choice {
            kinds: Kinds::Named(kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
            namespaces: resources.get("namespaceSelector").cloned().into_iter().collect(),
            objects: resources.get("selector").cloned().into_iter().collect(),
            home: object.namespace.as_deref().map(str::to_owned),
        }
    });
    choices.collect()
}

fn listed_in(value: &Value, field: &str) -> Vec<Value> {
    value.get(field).and_then(Value::as_array).cloned().unwrap_or_default()
}
