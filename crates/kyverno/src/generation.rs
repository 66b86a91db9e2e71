//! `generate` rules (Kyverno `pkg/background/generate`).

use airtight_manifest::Located;
use airtight_manifest::kyverno::{CloneFrom, CloneList, Generate, GenerateForEach};
use serde_json::{Map, Value, json};

use super::condition::Conditions;
use super::context::Context;
use super::existing::Existing;
use super::fault::Fault;
use super::function::to_string;
use super::policy::{CompiledRule, Policy};
use super::request::Subject;
use super::selection::labelled;
use super::version::Behaviour;
use super::{growth, kind, request};

/// What a `generate` rule sees.
pub(super) struct Generator<'a> {
    pub(super) policy: &'a Policy,
    pub(super) rule: &'a CompiledRule,
    pub(super) trigger: &'a Subject,
    pub(super) existing: &'a Existing,
    pub(super) behaviour: Behaviour,
}

/// One target: of the rule itself, or of a loop.
struct GeneratedTarget<'a> {
    api_version: Option<&'a Located<String>>,
    kind: Option<&'a Located<String>>,
    name: Option<&'a Located<String>>,
    namespace: Option<&'a Located<String>>,
    data: Option<&'a Value>,
    clone: Option<&'a CloneFrom>,
    clone_list: Option<&'a CloneList>,
}

impl Generator<'_> {
    /// The objects that the rule makes; its preconditions are known to hold.
    ///
    /// # Errors
    /// When an object cannot be made, or not be known.
    pub(super) fn run(&self, generate: &Generate, context: &Context) -> Result<Vec<Value>, Fault> {
        match &generate.foreach {
            Some(loops) => self.foreach(loops, context),
            None => self.target(
                &GeneratedTarget {
                    api_version: generate.api_version.as_ref(),
                    kind: generate.kind.as_ref(),
                    name: generate.name.as_ref(),
                    namespace: generate.namespace.as_ref(),
                    data: generate.data.as_deref(),
                    clone: generate.clone.as_deref(),
                    clone_list: generate.clone_list.as_deref(),
                },
                context,
            ),
        }
    }

    fn foreach(&self, loops: &[Located<GenerateForEach>], context: &Context) -> Result<Vec<Value>, Fault> {
        let mut made = Vec::new();
        for each in loops {
            let elements = context.elements(each.list.as_deref().unwrap_or_default())?;
            for (index, element) in elements.iter().enumerate().filter(|(_, element)| !element.is_null()) {
                made.extend(self.element(each, element, index, context)?);
                if made.len() > growth::MOST_OBJECTS {
                    return Err(growth::too_many("objects of one", growth::MOST_OBJECTS));
                }
            }
        }
        Ok(made)
    }

    fn element(
        &self,
        each: &GenerateForEach,
        element: &Value,
        index: usize,
        context: &Context,
    ) -> Result<Vec<Value>, Fault> {
        let mut context = context.clone();
        context.set_element(element, index, 0);
        context.load(each.context.as_deref(), self.existing);
        let preconditions = each.preconditions.as_ref().map_or_else(Conditions::none, Conditions::from);
        if !preconditions.hold(&context, self.behaviour.strict_inequality)?.0 {
            return Ok(Vec::new());
        }
        self.target(
            &GeneratedTarget {
                api_version: each.api_version.as_ref(),
                kind: each.kind.as_ref(),
                name: each.name.as_ref(),
                namespace: each.namespace.as_ref(),
                data: each.data.as_deref(),
                clone: each.clone.as_deref(),
                clone_list: each.clone_list.as_deref(),
            },
            &context,
        )
    }

    fn target(&self, target: &GeneratedTarget<'_>, context: &Context) -> Result<Vec<Value>, Fault> {
        let text = |written: Option<&Located<String>>| match written {
            Some(written) => context.substitute_text(written).map(|value| to_string(&value)),
            None => Ok(String::new()),
        };
        let namespace = text(target.namespace)?;
        if let Some(list) = target.clone_list.filter(|list| list.kinds.as_ref().is_some_and(|kinds| !kinds.is_empty()))
        {
            return self.clone_list(list, &namespace, context);
        }
        let head = (text(target.api_version)?, text(target.kind)?, text(target.name)?);
        let body =
            match (target.clone.filter(|from| from.name.as_ref().is_some_and(|name| !name.is_empty())), target.data) {
                (Some(from), _) => self.source(from, &head.0, &head.1, context)?,
                (None, Some(data)) => context.substitute(data)?,
                (None, None) => return Ok(Vec::new()),
            };
        Ok(vec![self.object(&body, &head.0, &head.1, &head.2, &namespace)])
    }

    fn source(&self, from: &CloneFrom, api_version: &str, kind: &str, context: &Context) -> Result<Value, Fault> {
        let name = to_string(&context.substitute_text(from.name.as_deref().unwrap_or_default())?);
        let namespace = to_string(&context.substitute_text(from.namespace.as_deref().unwrap_or_default())?);
        let found = self.existing.iter().find(|object| {
            object["apiVersion"] == api_version
                && object["kind"] == kind
                && object["metadata"]["name"] == name.as_str()
                && object["metadata"]["namespace"].as_str().unwrap_or_default() == namespace
        });
        let source = found.ok_or_else(|| {
            Fault::unknown(format!("the source {kind} {namespace}/{name} of a clone is not among the manifests"))
        })?;
        Ok(without_identity(source))
    }

    fn clone_list(&self, list: &CloneList, namespace: &str, context: &Context) -> Result<Vec<Value>, Fault> {
        let from = to_string(&context.substitute_text(list.namespace.as_deref().unwrap_or_default())?);
        let mut made = Vec::new();
        for pattern in list.kinds.iter().flatten() {
            let pattern = kind::KindPattern::parse(pattern);
            for source in self.existing.iter() {
                let (api_version, kind) = (text_of(source, "apiVersion"), text_of(source, "kind"));
                let (group, version) = kind::group_version(api_version);
                let labels = request::text_map(source, "labels");
                if pattern.matches(group, version, kind)
                    && source["metadata"]["namespace"].as_str().unwrap_or_default() == from
                    && list.selector.as_ref().is_none_or(|selector| labelled(selector, &labels))
                {
                    let name = source["metadata"]["name"].as_str().unwrap_or_default();
                    made.push(self.object(&without_identity(source), api_version, kind, name, namespace));
                }
            }
        }
        Ok(made)
    }

    /// The object with its identity and the labels by which Kyverno finds it again
    /// (Kyverno `pkg/background/common/labels.go`).
    fn object(&self, content: &Value, api_version: &str, kind: &str, name: &str, namespace: &str) -> Value {
        let mut object = Map::new();
        object.insert("apiVersion".to_owned(), Value::from(api_version));
        object.insert("kind".to_owned(), Value::from(kind));
        let mut metadata = content["metadata"].as_object().cloned().unwrap_or_default();
        metadata.insert("name".to_owned(), Value::from(name));
        if !namespace.is_empty() {
            metadata.insert("namespace".to_owned(), Value::from(namespace));
        }
        let mut labels = metadata.get("labels").and_then(Value::as_object).cloned().unwrap_or_default();
        labels.extend(self.labels());
        metadata.insert("labels".to_owned(), Value::Object(labels));
        object.insert("metadata".to_owned(), Value::Object(metadata));
        let rest = content.as_object().cloned().unwrap_or_default();
        object.extend(rest.into_iter().filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind" | "metadata")));
        Value::Object(object)
    }

    fn labels(&self) -> Map<String, Value> {
        let labels = json!({
            "app.kubernetes.io/managed-by": "kyverno",
            "generate.kyverno.io/policy-name": self.policy.object.meta.name(),
            "generate.kyverno.io/policy-namespace": self.policy.object.meta.namespace(),
            "generate.kyverno.io/rule-name": self.rule.rule.name.value,
            "generate.kyverno.io/trigger-group": self.trigger.group,
            "generate.kyverno.io/trigger-version": self.trigger.version,
            "generate.kyverno.io/trigger-kind": self.trigger.kind,
            "generate.kyverno.io/trigger-namespace": self.trigger.namespace.as_deref().unwrap_or_default(),
        });
        labels.as_object().cloned().unwrap_or_default()
    }
}

fn text_of<'v>(object: &'v Value, key: &str) -> &'v str {
    object[key].as_str().unwrap_or_default()
}

/// A source without what ties it to its own place.
fn without_identity(source: &Value) -> Value {
    let mut copy = source.clone();
    if let Some(map) = copy.as_object_mut() {
        map.shift_remove("status");
    }
    if let Some(metadata) = copy["metadata"].as_object_mut() {
        metadata.retain(|key, _| matches!(key.as_str(), "labels" | "annotations"));
    }
    copy
}
