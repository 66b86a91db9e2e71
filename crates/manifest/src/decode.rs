//! Node → typed object, as strictly as `kubectl --validate=strict`, with the place of every complaint.
//!
//! serde tells a deserializer which fields a struct has. This one uses that to report all unknown
//! fields of an object at once, each with the field that was probably meant, and works with any
//! serde type: k8s-openapi's as well as ours.

use std::cell::RefCell;
use std::fmt::{self, Write as _};

use serde::de::value::{StrDeserializer, U32Deserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::diagnostic::closest;
use super::located::{LOCATED, UNMODELLED};
use super::node::{Key, Node, NodeValue};
use super::source::Position;

/// A typed object and what was found while decoding it.
#[derive(Debug, Clone)]
pub struct Decoded<T> {
    /// The object.
    pub value: T,
    /// Fields that the type does not have.
    pub unknown: Vec<UnknownField>,
    /// Fields that the type has and the engine does not model.
    pub unmodelled: Vec<UnmodelledField>,
}

/// A field that the API does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownField {
    /// Its path, such as `spec.podSelector`.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub at: Position,
    /// The field that was probably meant.
    pub meant: Option<&'static str>,
    /// The fields that would have been accepted.
    pub accepted: &'static [&'static str],
}

/// A field that the API has and the engine does not model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmodelledField {
    /// Its path, such as `spec.ingress[0].authentication`.
    pub path: String,
    /// Where its value begins.
    pub at: Position,
}

/// Why a node is not an object of the wanted type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub at: Option<Position>,
    /// The path of the value at fault.
    pub path: String,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { write!(f, "{}", self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

impl std::error::Error for DecodeError {}

impl serde::de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), at: None, path: String::new() }
    }
}

/// Decodes `node` as a `T`.
///
/// # Errors
/// The first value whose type or content `T` refuses, with its place and path.
pub fn decode<T: DeserializeOwned>(node: &Node) -> Result<Decoded<T>, DecodeError> {
    let findings = RefCell::new(Findings::default());
    let value = T::deserialize(NodeDeserializer { node, findings: &findings });
    let Findings { unknown, unmodelled, .. } = findings.into_inner();
    match value {
        Ok(value) => Ok(Decoded { value, unknown, unmodelled }),
        Err(error) => Err(misspelt(error, &unknown)),
    }
}

/// A field that is missing because its name is misspelt is found where it stands.
fn misspelt(error: DecodeError, unknown: &[UnknownField]) -> DecodeError {
    let missing = error.message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    match unknown.iter().rfind(|field| missing.is_some() && field.meant == missing) {
        Some(field) => DecodeError {
            message: format!("{}; `{}` is no field: did you mean the other?", error.message, field.name),
            at: Some(field.at),
            path: error.path,
        },
        None => error,
    }
}

#[derive(Default)]
struct Findings {
    path: Vec<Segment>,
    unknown: Vec<UnknownField>,
    unmodelled: Vec<UnmodelledField>,
}

enum Segment {
    Key(String),
    Index(usize),
}

impl Findings {
    fn path(&self) -> String {
        let mut text = String::new();
        for segment in &self.path {
            match segment {
                Segment::Key(key) if text.is_empty() => text.push_str(key),
                Segment::Key(key) => {
                    text.push('.');
                    text.push_str(key);
                }
                Segment::Index(index) => {
                    let _ = write!(text, "[{index}]");
                }
            }
        }
        text
    }

    fn note_unknown(&mut self, key: &Key, accepted: &'static [&'static str]) {
        self.path.push(Segment::Key(key.name.clone()));
        let path = self.path();
        self.path.pop();
        let meant = closest(&key.name, accepted.iter().copied());
        self.unknown.push(UnknownField { path, name: key.name.clone(), at: key.at, meant, accepted });
    }
}

#[derive(Clone, Copy)]
struct NodeDeserializer<'a> {
    node: &'a Node,
    findings: &'a RefCell<Findings>,
}

impl<'a> NodeDeserializer<'a> {
    fn child(self, node: &'a Node) -> Self {
        Self { node, findings: self.findings }
    }

    fn within<T>(self, segment: Segment, visit: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
        self.findings.borrow_mut().path.push(segment);
        let result = visit();
        // The path must still be whole when an error asks for it, so it is read before the pop.
        let result = result.map_err(|error| self.placed(error));
        self.findings.borrow_mut().path.pop();
        result
    }

    fn placed(self, mut error: DecodeError) -> DecodeError {
        if error.at.is_none() {
            error.at = Some(self.node.at);
            error.path = self.findings.borrow().path();
        }
        error
    }

    fn unexpected(self, expected: &dyn serde::de::Expected) -> DecodeError {
        let unexpected = match &self.node.value {
            NodeValue::Null => Unexpected::Unit,
            NodeValue::Bool(b) => Unexpected::Bool(*b),
            NodeValue::Integer(i) => Unexpected::Signed(*i),
            NodeValue::Float(x) => Unexpected::Float(*x),
            NodeValue::String(s) => Unexpected::Str(s),
            NodeValue::List(_) => Unexpected::Seq,
            NodeValue::Map(_) => Unexpected::Map,
        };
        self.placed(DecodeError::invalid_type(unexpected, expected))
    }

    fn visit<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            NodeValue::Null => visitor.visit_unit(),
            NodeValue::Bool(b) => visitor.visit_bool(*b),
            NodeValue::Integer(i) => visitor.visit_i64(*i),
            NodeValue::Float(x) => visitor.visit_f64(*x),
            NodeValue::String(s) => visitor.visit_str(s),
            NodeValue::List(items) => visitor.visit_seq(Items { parent: self, items: items.iter().enumerate() }),
            NodeValue::Map(entries) => visitor.visit_map(Entries::new(self, entries)),
        }
    }
}

impl<'de> Deserializer<'de> for NodeDeserializer<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.visit(visitor).map_err(|error| self.placed(error))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name == UNMODELLED {
            let mut findings = self.findings.borrow_mut();
            let path = findings.path();
            findings.unmodelled.push(UnmodelledField { path, at: self.node.at });
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name == LOCATED {
            return visitor.visit_map(Place { inner: self, next: 0 });
        }
        let NodeValue::Map(entries) = &self.node.value else {
            return Err(self.unexpected(&visitor));
        };
        for (key, _) in entries {
            if !fields.contains(&key.name.as_str()) {
                self.findings.borrow_mut().note_unknown(key, fields);
            }
        }
        visitor.visit_map(Entries::new(self, entries)).map_err(|error| self.placed(error))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let result = match &self.node.value {
            NodeValue::String(name) => visitor.visit_enum(name.as_str().into_deserializer()),
            NodeValue::Map(entries) if entries.len() == 1 => {
                let (key, value) = &entries[0];
                visitor.visit_enum(Tagged { key, value: self.child(value) })
            }
            NodeValue::Map(_)
            | NodeValue::Null
            | NodeValue::Bool(_)
            | NodeValue::Integer(_)
            | NodeValue::Float(_)
            | NodeValue::List(_) => Err(self.unexpected(&visitor)),
        };
        result.map_err(|error| self.placed(error))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'a> {
    parent: NodeDeserializer<'a>,
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let Some((index, item)) = self.items.next() else { return Ok(None) };
        let child = self.parent.child(item);
        child.within(Segment::Index(index), || seed.deserialize(child)).map(Some)
    }
}

struct Entries<'a> {
    parent: NodeDeserializer<'a>,
    entries: std::slice::Iter<'a, (Key, Node)>,
    pending: Option<&'a (Key, Node)>,
}

impl<'a> Entries<'a> {
    fn new(parent: NodeDeserializer<'a>, entries: &'a [(Key, Node)]) -> Self {
        Self { parent, entries: entries.iter(), pending: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        self.pending = self.entries.next();
        let Some((key, _)) = self.pending else { return Ok(None) };
        let deserializer: StrDeserializer<'_, DecodeError> = key.name.as_str().into_deserializer();
        seed.deserialize(deserializer).map(Some).map_err(|error| DecodeError {
            at: Some(key.at),
            path: self.parent.findings.borrow().path(),
            ..error
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let Some((key, value)) = self.pending.take() else {
            return Err(DecodeError::custom("a value was asked for before its key"));
        };
        let child = self.parent.child(value);
        child.within(Segment::Key(key.name.clone()), || seed.deserialize(child))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// Serves line, column and value to a `Located`.
struct Place<'a> {
    inner: NodeDeserializer<'a>,
    next: u8,
}

impl<'de> MapAccess<'de> for Place<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let key: StrDeserializer<'_, DecodeError> = match self.next {
            0 => "line".into_deserializer(),
            1 => "column".into_deserializer(),
            2 => "value".into_deserializer(),
            _ => return Ok(None),
        };
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        self.next += 1;
        let number = |n: u32| -> U32Deserializer<DecodeError> { n.into_deserializer() };
        match self.next {
            1 => seed.deserialize(number(self.inner.node.at.line)),
            2 => seed.deserialize(number(self.inner.node.at.column)),
            _ => seed.deserialize(self.inner),
        }
    }
}

/// An enum written as a mapping with its variant as the only key.
struct Tagged<'a> {
    key: &'a Key,
    value: NodeDeserializer<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Tagged<'a> {
    type Error = DecodeError;
    type Variant = Variant<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Variant<'a>), DecodeError> {
        let name: StrDeserializer<'_, DecodeError> = self.key.name.as_str().into_deserializer();
        let variant = seed.deserialize(name).map_err(|error| DecodeError {
            at: Some(self.key.at),
            path: self.value.findings.borrow().path(),
            ..error
        })?;
        Ok((variant, Variant { key: self.key, value: self.value }))
    }
}

struct Variant<'a> {
    key: &'a Key,
    value: NodeDeserializer<'a>,
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        if self.value.node.is_null() { Ok(()) } else { Err(self.value.unexpected(&"nothing")) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DecodeError> {
        let Self { key, value } = self;
        value.within(Segment::Key(key.name.clone()), || seed.deserialize(value))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, DecodeError> {
        let Self { key, value } = self;
        value.within(Segment::Key(key.name.clone()), || value.deserialize_any(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Self { key, value } = self;
        value.within(Segment::Key(key.name.clone()), || value.deserialize_struct("", fields, visitor))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::api::networking::v1::NetworkPolicy;
    use serde::Deserialize;

    use super::*;
    use crate::located::{Located, Unmodelled};
    use crate::yaml::parse;

    fn root(text: &str) -> Node {
        Arc::unwrap_or_clone(parse(&Arc::from("t.yaml"), text).unwrap().remove(0).root)
    }

    #[test]
    fn unknown_fields_of_a_library_type_are_found_with_the_field_that_was_meant() {
        let node = root(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec:\n  podSelector: {}\n  ingres: []\n",
        );
        let decoded = decode::<NetworkPolicy>(&node).unwrap();
        let unknown = &decoded.unknown[0];
        assert_eq!((unknown.path.as_str(), unknown.meant), ("spec.ingres", Some("ingress")));
        assert_eq!((unknown.at.line, unknown.at.column), (6, 3));
    }

    #[test]
    fn a_wrong_type_is_refused_at_its_place() {
        let node = root("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: yes\n");
        let error = decode::<NetworkPolicy>(&node).unwrap_err();
        assert_eq!(error.path, "metadata.name");
        assert_eq!(error.message, "invalid type: boolean `true`, expected a string");
        assert_eq!(error.at, Some(Position { line: 4, column: 9 }));
    }

    #[derive(Debug, Deserialize)]
    struct Sample {
        rules: Vec<Located<u8>>,
        #[expect(dead_code, reason = "only its presence counts")]
        odd: Option<Unmodelled>,
    }

    #[test]
    fn places_and_unmodelled_fields_are_kept() {
        let node = root("rules:\n- 1\n- 2\nodd: {x: [1]}\n");
        let decoded = decode::<Sample>(&node).unwrap();
        assert_eq!(decoded.value.rules[1].at, Position { line: 3, column: 3 });
        assert_eq!(decoded.unmodelled[0].path, "odd");
        assert!(decoded.unknown.is_empty());
    }
}
