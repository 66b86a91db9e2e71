//! One YAML document as a tree in which every value knows where it stands.

use serde_json::{Map, Number, Value};

use super::source::Position;

/// A value and the place it was written at.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: NodeValue,
    /// Where it begins.
    pub at: Position,
}

/// A YAML value as a Kubernetes API server reads it.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeValue {
    /// `null`, `~` or nothing at all.
    Null,
    /// `true` or `false` (also YAML 1.1's `yes`, `on`, … as kubectl reads them).
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    String(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order it was written.
    Map(Vec<(Key, Node)>),
}

/// A mapping's key and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub name: String,
    /// Where it begins.
    pub at: Position,
}

impl Node {
    /// The value under `key`, if this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|(_, node)| node)
    }

    /// Key and value under `key`, if this is a mapping that has it.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<(&Key, &Self)> {
        match &self.value {
            NodeValue::Map(entries) => entries.iter().find(|(k, _)| k.name == key).map(|(k, v)| (k, v)),
            NodeValue::Null
            | NodeValue::Bool(_)
            | NodeValue::Integer(_)
            | NodeValue::Float(_)
            | NodeValue::String(_)
            | NodeValue::List(_) => None,
        }
    }

    /// The text, if this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let NodeValue::String(text) = &self.value { Some(text) } else { None }
    }

    /// The elements, if this is a sequence.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        if let NodeValue::List(items) = &self.value { Some(items) } else { None }
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.value == NodeValue::Null
    }

    /// The same value as JSON, places forgotten.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.value {
            NodeValue::Null => Value::Null,
            NodeValue::Bool(b) => Value::Bool(*b),
            NodeValue::Integer(i) => Value::Number((*i).into()),
            NodeValue::Float(f) => Number::from_f64(*f).map_or(Value::Null, Value::Number),
            NodeValue::String(s) => Value::String(s.clone()),
            NodeValue::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            NodeValue::Map(entries) => {
                Value::Object(entries.iter().map(|(k, v)| (k.name.clone(), v.to_json())).collect::<Map<_, _>>())
            }
        }
    }

    /// A tree for JSON that was not written in a file: everything stands at `at`
    /// (for an object that admission generated, the place of the rule that made it).
    #[must_use]
    pub fn from_json(value: &Value, at: Position) -> Self {
        let value = match value {
            Value::Null => NodeValue::Null,
            Value::Bool(b) => NodeValue::Bool(*b),
            Value::Number(n) => {
                n.as_i64().map_or_else(|| NodeValue::Float(n.as_f64().unwrap_or(f64::NAN)), NodeValue::Integer)
            }
            Value::String(s) => NodeValue::String(s.clone()),
            Value::Array(items) => NodeValue::List(items.iter().map(|v| Self::from_json(v, at)).collect()),
            Value::Object(map) => {
                NodeValue::Map(map.iter().map(|(k, v)| (Key { name: k.clone(), at }, Self::from_json(v, at))).collect())
            }
        };
        Self { value, at }
    }
}
