//! What every Kubernetes object has: kind, name, labels, place and digest.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::decode::{DecodeError, Decoded, UnmodelledField, decode};
use super::diagnostic::Diagnostic;
use super::node::{Node, NodeValue};
use super::source::{Location, Position};
use super::yaml::Document;

/// Labels or annotations.
pub type Labels = BTreeMap<String, String>;

/// Which object: kind, namespace (none for cluster-scoped kinds) and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ObjectRef {
    /// Kind, such as `CiliumNetworkPolicy`.
    pub kind: Arc<str>,
    /// Namespace; none for a cluster-scoped object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Arc<str>>,
    /// Name.
    pub name: Arc<str>,
}

impl ObjectRef {
    /// A reference from its parts.
    ///
    /// ```
    /// use airtight_manifest::ObjectRef;
    /// let policy = ObjectRef::new("CiliumNetworkPolicy", Some("mcp-teamalpha"), "only-waypoint");
    /// assert_eq!(policy.to_string(), "CiliumNetworkPolicy mcp-teamalpha/only-waypoint");
    /// ```
    #[must_use]
    pub fn new(kind: &str, namespace: Option<&str>, name: &str) -> Self {
        Self { kind: Arc::from(kind), namespace: namespace.map(Arc::from), name: Arc::from(name) }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// One rule of one object: what a decision points at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RuleRef {
    /// The object.
    pub object: Arc<ObjectRef>,
    /// Path of the rule in the object, such as `spec.ingress[0]`; none for the object as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Arc<str>>,
    /// Where the rule (or the object) begins.
    pub at: Location,
}

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.object)?;
        if let Some(rule) = &self.rule {
            write!(f, " {rule}")?;
        }
        write!(f, " ({})", self.at)
    }
}

/// Metadata of an object, and what the decoder noticed about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Meta {
    /// Kind, namespace and name.
    pub object: Arc<ObjectRef>,
    /// `apiVersion` as written.
    pub api_version: String,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `metadata.annotations`.
    pub annotations: Labels,
    /// `metadata.creationTimestamp` in RFC 3339, if written; sorts as text.
    pub created: Option<String>,
    /// Where the document begins.
    pub at: Location,
    /// SHA-256 of the object's canonical JSON (keys sorted), in lower-case hex.
    pub digest: String,
    /// Constructs of this object that the engine does not model.
    pub unmodelled: Vec<UnmodelledField>,
}

/// What a doubt about admission begins with, in the place of a field's path.
const ADMISSION: &str = "admission by ";

impl Meta {
    /// Name of the object.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.object.name
    }

    /// Namespace of the object; empty for a cluster-scoped one.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.object.namespace.as_deref().unwrap_or_default()
    }

    /// Writes down that admission by `policy` might have refused or changed the object, without being certain.
    pub fn doubt_admission(&mut self, policy: &ObjectRef, at: Position) {
        self.unmodelled.push(UnmodelledField { path: format!("{ADMISSION}{policy}"), at });
    }

    /// Whether it is open if the object exists as it is written.
    #[must_use]
    pub fn admission_in_doubt(&self) -> bool {
        self.unmodelled.iter().any(|field| field.path.starts_with(ADMISSION))
    }

    /// A reference to one of its rules, by path and place.
    #[must_use]
    pub fn rule(&self, path: impl Into<Arc<str>>, at: Position) -> RuleRef {
        RuleRef { object: Arc::clone(&self.object), rule: Some(path.into()), at: Location::new(&self.at.file, at) }
    }

    /// A reference to the object as a whole.
    #[must_use]
    pub fn whole(&self) -> RuleRef {
        RuleRef { object: Arc::clone(&self.object), rule: None, at: self.at.clone() }
    }
}

/// An object of kind `T`, cheap to clone; `T` holds every top-level field but `apiVersion`, `kind`, `metadata` and `status`.
#[derive(Debug, Clone, PartialEq)]
pub struct Object<T> {
    /// Kind, name, labels, place.
    pub meta: Arc<Meta>,
    /// The rest.
    pub body: Arc<T>,
}

impl<T: Clone> Object<T> {
    /// The body alone, without a copy if nobody else holds it.
    #[must_use]
    pub fn into_body(self) -> T {
        Arc::unwrap_or_clone(self.body)
    }
}

/// Decodes a document whose kind is known to be `T`'s.
///
/// # Errors
/// All findings at once: unknown fields (each with the field that was meant), or the first value of a wrong type.
pub fn decode_object<T: DeserializeOwned>(document: &Document) -> Result<Object<T>, Vec<Diagnostic>> {
    let mut findings = Vec::new();
    let meta = decode_part::<Metadata>(document, &metadata_only(&document.root), &mut findings);
    let body = decode_part::<T>(document, &body_only(&document.root), &mut findings);
    match (meta, body) {
        (Some(meta), Some(body)) if findings.is_empty() => {
            Ok(Object { meta: Arc::new(metadata(document, meta.value, body.unmodelled)), body: Arc::new(body.value) })
        }
        _ => Err(findings),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: ObjectMeta,
}

fn decode_part<T: DeserializeOwned>(
    document: &Document,
    node: &Node,
    findings: &mut Vec<Diagnostic>,
) -> Option<Decoded<T>> {
    match decode::<T>(node) {
        Ok(decoded) => {
            findings.extend(decoded.unknown.iter().map(|field| unknown_field(document, field)));
            Some(decoded)
        }
        Err(error) => {
            findings.push(wrong_value(document, &error));
            None
        }
    }
}

/// The finding for a value that is not of the type that its field has.
pub(super) fn wrong_value(document: &Document, error: &DecodeError) -> Diagnostic {
    let finding = Diagnostic::error("invalid-value", error.to_string());
    let finding = match error.at {
        Some(at) => finding.at(document.location(at)),
        None => finding.at(document.location(document.root.at)),
    };
    if error.message.contains("expected a string") {
        finding.hint("quote the value: YAML reads it as another type, and the API server refuses it")
    } else {
        finding
    }
}

fn unknown_field(document: &Document, field: &super::decode::UnknownField) -> Diagnostic {
    let kind = document.root.get("kind").and_then(Node::as_str).unwrap_or("object");
    let finding = Diagnostic::error("unknown-field", format!("{kind} has no field `{}`", field.path))
        .at(document.location(field.at));
    let meant = super::confusion::meant(kind, &field.path)
        .map(str::to_owned)
        .or_else(|| field.meant.map(|meant| format!("did you mean `{meant}`?")));
    finding.hint(meant.unwrap_or_else(|| format!("the fields here are: {}", field.accepted.join(", "))))
}

fn metadata_only(root: &Node) -> Node {
    filtered(root, |key| matches!(key, "apiVersion" | "kind" | "metadata"))
}

fn body_only(root: &Node) -> Node {
    filtered(root, |key| !matches!(key, "apiVersion" | "kind" | "metadata" | "status"))
}

fn filtered(root: &Node, keep: impl Fn(&str) -> bool) -> Node {
    let entries = match &root.value {
        NodeValue::Map(entries) => entries.iter().filter(|(key, _)| keep(&key.name)).cloned().collect(),
        NodeValue::Null
        | NodeValue::Bool(_)
        | NodeValue::Integer(_)
        | NodeValue::Float(_)
        | NodeValue::String(_)
        | NodeValue::List(_) => Vec::new(),
    };
    Node { value: NodeValue::Map(entries), at: root.at }
}

fn metadata(document: &Document, head: Metadata, unmodelled: Vec<UnmodelledField>) -> Meta {
    let name = head.metadata.name.filter(|name| !name.is_empty());
    let name = name.or_else(|| Some(generated_name(document, head.metadata.generate_name.as_deref()?)));
    let name = name.unwrap_or_default();
    Meta {
        object: Arc::new(ObjectRef::new(&head.kind, head.metadata.namespace.as_deref(), &name)),
        api_version: head.api_version,
        labels: head.metadata.labels.unwrap_or_default(),
        annotations: head.metadata.annotations.unwrap_or_default(),
        created: head.metadata.creation_timestamp.map(|time| time.0.to_string()),
        at: document.location(document.root.at),
        digest: digest(&document.root.to_json()),
        unmodelled,
    }
}

/// The name of an object that leaves it to the API server: five characters follow what is written. Here they come of its
/// place, so that two such objects are two, and one is always called the same.
pub(super) fn generated_name(document: &Document, prefix: &str) -> String {
    let place = document.location(document.root.at).to_string();
    format!("{prefix}{}", &hex(&Sha256::digest(place.as_bytes()))[..5])
}

/// SHA-256 of a JSON value with sorted keys, in lower-case hex.
#[must_use]
pub fn digest(value: &serde_json::Value) -> String {
    let mut canonical = value.clone();
    canonical.sort_all_objects();
    hex(&Sha256::digest(serde_json::to_vec(&canonical).unwrap_or_default()))
}

/// Bytes in lower-case hex.
///
/// ```
/// assert_eq!(airtight_manifest::hex(&[0, 171]), "00ab");
/// ```
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
