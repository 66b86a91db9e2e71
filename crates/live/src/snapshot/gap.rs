//! What could not be read: a document each, by which the model leaves open what it could bear on.

use serde_json::{Value, json};

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Gap {
    /// What, as a resource with its group, or in words joined by hyphens.
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) group: String,
    /// The only namespace in which it is missing.
    pub(super) namespace: Option<String>,
    pub(super) why: String,
}

impl Gap {
    /// Settings of a component.
    pub(super) fn settings(component: &str, why: impl Into<String>) -> Self {
        Self {
            name: format!("settings-of-{component}"),
            kind: "Settings".to_owned(),
            group: String::new(),
            namespace: None,
            why: why.into(),
        }
    }

    /// The document that says so.
    pub(super) fn document(&self) -> Value {
        let mut metadata = json!({"name": self.name});
        if let Some(namespace) = &self.namespace {
            metadata["namespace"] = json!(namespace);
        }
        json!({
            "apiVersion": "airtight.dev/v1alpha1",
            "kind": "Unread",
            "metadata": metadata,
            "spec": {"kind": self.kind, "group": self.group, "why": self.why},
        })
    }
}
