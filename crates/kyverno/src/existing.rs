//! The objects of the cluster, as Kyverno and the API server look them up.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

/// Objects that exist, in the order in which they were written; one is found by its kind and name without a look at all
/// others.
///
/// ```
/// use airtight_kyverno::Existing;
///
/// let settings = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}});
/// let existing: Existing = [settings.into()].into_iter().collect();
/// assert_eq!(existing.named("ConfigMap", "default", "settings").count(), 1);
/// assert_eq!(existing.of_kind("Secret").count(), 0);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Existing {
    objects: Vec<Arc<Value>>,
    /// By kind, then by namespace and name.
    kinds: HashMap<String, BTreeMap<(String, String), Vec<usize>>>,
}

impl Existing {
    /// Objects of a kind, of whatever group, in the order of namespaces and names.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Arc<Value>> {
        let places = self.kinds.get(kind).into_iter().flat_map(BTreeMap::values).flatten();
        places.map(|place| &self.objects[*place])
    }

    /// Objects of a kind with a name, of whatever group; what has no namespace is in `default`.
    pub fn named(&self, kind: &str, namespace: &str, name: &str) -> impl Iterator<Item = &Arc<Value>> {
        let names = self.kinds.get(kind);
        let places = names.and_then(|names| names.get(&(namespace.to_owned(), name.to_owned())));
        places.into_iter().flatten().map(|place| &self.objects[*place])
    }
}

impl Deref for Existing {
    type Target = [Arc<Value>];

    fn deref(&self) -> &Self::Target {
        &self.objects
    }
}

impl FromIterator<Arc<Value>> for Existing {
    fn from_iter<I: IntoIterator<Item = Arc<Value>>>(objects: I) -> Self {
        let mut existing = Self::default();
        for object in objects {
            let metadata = &object["metadata"];
            let home = metadata["namespace"].as_str().unwrap_or("default").to_owned();
            let name = metadata["name"].as_str().unwrap_or_default().to_owned();
            let kind = object["kind"].as_str().unwrap_or_default();
            let names = existing.kinds.entry(kind.to_owned()).or_default();
            names.entry((home, name)).or_default().push(existing.objects.len());
            existing.objects.push(object);
        }
        existing
    }
}
