//! Two values, field by field.

use std::fmt;

use serde_json::{Map, Value};

/// How long a value is shown.
const SHOWN: usize = 100;

/// A field that differs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    /// Where, such as `spec.ingress[0].fromEntities`.
    pub(super) path: Vec<Part>,
    /// What the manifest says; none if it says nothing.
    pub(super) manifest: Option<Value>,
    /// What the cluster has.
    pub(super) cluster: Option<Value>,
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Name(String),
    Index(usize),
}

/// Whether a field of which the manifest says nothing is a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// It is: the manifest is written as the API server would store it.
    Whole,
    /// It is not: nobody knows what the API server adds by itself.
    Written,
}

/// The fields in which a cluster's value differs from a manifest's. Lists of different lengths
/// differ in the elements that one has more, or as a whole.
pub(super) fn differences(manifest: &Value, cluster: &Value, extent: Extent) -> Vec<Field> {
    let mut comparison = Comparison { extent, path: Vec::new(), found: Vec::new() };
    comparison.compare(Some(manifest), Some(cluster));
    comparison.found
}

struct Comparison {
    extent: Extent,
    path: Vec<Part>,
    found: Vec<Field>,
}

impl Comparison {
    fn compare(&mut self, manifest: Option<&Value>, cluster: Option<&Value>) {
        match (manifest.filter(|value| !value.is_null()), cluster.filter(|value| !value.is_null())) {
            (None, None) => {}
            (None, Some(_)) if self.extent == Extent::Written => {}
            (Some(Value::Object(ours)), Some(Value::Object(theirs))) => self.fields(ours, theirs),
            (Some(Value::Array(ours)), Some(Value::Array(theirs))) if ours.len() == theirs.len() => {
                for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                    self.at(Part::Index(index), Some(ours), Some(theirs));
                }
            }
            (Some(Value::Array(ours)), Some(Value::Array(theirs))) => self.lists(ours, theirs),
            (ours, theirs) if ours == theirs => {}
            (manifest, cluster) => self.note(manifest, cluster),
        }
    }

    /// Lists of different lengths: elements that one of them has more, if the others are the same in the same order.
    fn lists(&mut self, ours: &[Value], theirs: &[Value]) {
        let shorter = ours.len().min(theirs.len());
        let begin = ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
        let alike = ours.iter().rev().zip(theirs.iter().rev()).take_while(|(ours, theirs)| ours == theirs).count();
        if begin + alike.min(shorter - begin) < shorter {
            return self.note(Some(&Value::from(ours)), Some(&Value::from(theirs)));
        }
        let more = begin..begin + ours.len().abs_diff(theirs.len());
        for index in more {
            self.path.push(Part::Index(index));
            if ours.len() > theirs.len() {
                self.note(ours.get(index), None);
            } else {
                self.note(None, theirs.get(index));
            }
            self.path.pop();
        }
    }

    fn note(&mut self, manifest: Option<&Value>, cluster: Option<&Value>) {
        self.found.push(Field { path: self.path.clone(), manifest: manifest.cloned(), cluster: cluster.cloned() });
    }

    fn fields(&mut self, ours: &Map<String, Value>, theirs: &Map<String, Value>) {
        for (name, value) in ours {
            self.at(Part::Name(name.clone()), Some(value), theirs.get(name));
        }
        for (name, value) in theirs.iter().filter(|(name, _)| !ours.contains_key(*name)) {
            self.at(Part::Name(name.clone()), None, Some(value));
        }
    }

    fn at(&mut self, part: Part, manifest: Option<&Value>, cluster: Option<&Value>) {
        self.path.push(part);
        self.compare(manifest, cluster);
        self.path.pop();
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.path.iter().enumerate() {
            match part {
                Part::Name(name) if name.contains(['.', '/']) => write!(f, "[{name}]")?,
                Part::Name(name) if index > 0 => write!(f, ".{name}")?,
                Part::Name(name) => f.write_str(name)?,
                Part::Index(number) => write!(f, "[{number}]")?,
            }
        }
        match (&self.manifest, &self.cluster) {
            (Some(manifest), Some(cluster)) => {
                write!(f, " is {} in the manifest and {} on the cluster", shown(manifest), shown(cluster))
            }
            (Some(manifest), None) => write!(f, " is {} in the manifest and not on the cluster", shown(manifest)),
            (None, Some(cluster)) => write!(f, " is {} on the cluster and not in the manifest", shown(cluster)),
            (None, None) => Ok(()),
        }
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(manifest: &Value, cluster: &Value, extent: Extent) -> Vec<String> {
        differences(manifest, cluster, extent).iter().map(Field::to_string).collect()
    }

    #[test]
    fn each_field_is_named_with_both_values() {
        let manifest = json!({"spec": {"action": "DENY", "rules": [{"from": ["a"], "to": [1, 2]}], "gone": true}});
        let cluster = json!({"spec": {"action": "ALLOW", "rules": [{"from": ["a", "b"], "to": [1, 3]}], "more": {}}});
        let all = [
            r#"spec.action is "DENY" in the manifest and "ALLOW" on the cluster"#,
            r#"spec.rules[0].from[1] is "b" on the cluster and not in the manifest"#,
            "spec.rules[0].to[1] is 2 in the manifest and 3 on the cluster",
            "spec.gone is true in the manifest and not on the cluster",
            "spec.more is {} on the cluster and not in the manifest",
        ];
        let mut whole = told(&manifest, &cluster, Extent::Whole);
        whole.sort();
        let mut expected: Vec<&str> = all.to_vec();
        expected.sort_unstable();
        assert_eq!(whole, expected);
        assert_eq!(told(&manifest, &cluster, Extent::Written).len(), 4);
    }

    #[test]
    fn an_element_more_is_named_and_lists_of_other_elements_are_shown_whole() {
        let told = |ours: Value, theirs: Value| told(&json!({"a": ours}), &json!({"a": theirs}), Extent::Written);
        assert_eq!(told(json!([1, 2, 3]), json!([1, 3])), ["a[1] is 2 in the manifest and not on the cluster"]);
        assert_eq!(told(json!([1]), json!([0, 1])), ["a[0] is 0 on the cluster and not in the manifest"]);
        assert_eq!(told(json!([]), json!([1])), ["a[0] is 1 on the cluster and not in the manifest"]);
        assert_eq!(told(json!([1, 1]), json!([1])), ["a[1] is 1 in the manifest and not on the cluster"]);
        assert_eq!(told(json!([1, 2]), json!([3])), ["a is [1,2] in the manifest and [3] on the cluster"]);
    }

    #[test]
    fn null_is_nothing() {
        assert!(told(&json!({"a": null}), &json!({}), Extent::Whole).is_empty());
        assert!(told(&json!({}), &json!({"a": null}), Extent::Whole).is_empty());
    }

    #[test]
    fn labels_with_dots_stay_readable() {
        let told = told(&json!({"labels": {"istio.io/mode": "a"}}), &json!({"labels": {}}), Extent::Written);
        assert_eq!(told, [r#"labels[istio.io/mode] is "a" in the manifest and not on the cluster"#]);
    }
}
