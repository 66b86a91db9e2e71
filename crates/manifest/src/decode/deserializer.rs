//! A node as serde's `Deserializer`.

use std::cell::RefCell;

use serde::de::{Deserializer, Error as _, Expected, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::access::{Entries, Items, Tagged};
use super::error::Fault;
use super::findings::{Findings, Segment, UnmodelledField};
use crate::located::{LOCATED, UNMODELLED};
use crate::node::{Key, Node, NodeValue};

/// A node, and where what is found in it is noted.
///
/// serde makes the code of a `Deserializer` anew for each type that is decoded, and Kubernetes has hundreds of them:
/// whatever does not depend on the type is a function of its own, which is there once.
#[derive(Clone, Copy)]
pub(super) struct NodeDeserializer<'n, 'f> {
    pub(super) node: &'n Node,
    pub(super) findings: &'f RefCell<Findings<'n>>,
}

impl<'n, 'f> NodeDeserializer<'n, 'f> {
    pub(super) fn child(self, node: &'n Node) -> Self {
        Self { node, findings: self.findings }
    }

    /// Goes down to a child; [`Self::left`] or [`Self::failed`] comes back up.
    #[inline(never)]
    pub(super) fn enter(self, segment: Segment<'n>, node: &'n Node) -> Self {
        self.findings.borrow_mut().path.push(segment);
        self.child(node)
    }

    #[inline(never)]
    pub(super) fn left(self) {
        self.findings.borrow_mut().path.pop();
    }

    /// The path must still be whole when an error asks for it, so it is read before the pop.
    #[inline(never)]
    pub(super) fn failed(self, error: Fault) -> Fault {
        let error = self.placed(error);
        self.left();
        error
    }

    #[inline(never)]
    pub(super) fn placed(self, error: Fault) -> Fault {
        if error.0.at.is_some() { error } else { error.at(self.node.at, self.findings.borrow().path()) }
    }

    /// The error of a key, which stands at the key.
    #[inline(never)]
    pub(super) fn misnamed(self, key: &Key, error: Fault) -> Fault {
        error.at(key.at, self.findings.borrow().path())
    }

    #[inline(never)]
    pub(super) fn unexpected(self, expected: &dyn Expected) -> Fault {
        let unexpected = match &self.node.value {
            NodeValue::Null => Unexpected::Unit,
            NodeValue::Bool(b) => Unexpected::Bool(*b),
            NodeValue::Integer(i) => Unexpected::Signed(*i),
            NodeValue::Float(x) => Unexpected::Float(*x),
            NodeValue::String(s) => Unexpected::Str(s),
            NodeValue::List(_) => Unexpected::Seq,
            NodeValue::Map(_) => Unexpected::Map,
        };
        self.placed(Fault::invalid_type(unexpected, expected))
    }

    #[inline(never)]
    pub(super) fn note_unmodelled(self) {
        let mut findings = self.findings.borrow_mut();
        let path = findings.path();
        findings.unmodelled.push(UnmodelledField { path, at: self.node.at });
    }

    fn items(self) -> Option<Items<'n, 'f>> {
        match &self.node.value {
            NodeValue::List(items) => Some(Items::new(self, items)),
            NodeValue::Null
            | NodeValue::Bool(_)
            | NodeValue::Integer(_)
            | NodeValue::Float(_)
            | NodeValue::String(_)
            | NodeValue::Map(_) => None,
        }
    }

    fn entries(self) -> Option<Entries<'n, 'f>> {
        match &self.node.value {
            NodeValue::Map(entries) => Some(Entries::new(self, entries)),
            NodeValue::Null
            | NodeValue::Bool(_)
            | NodeValue::Integer(_)
            | NodeValue::Float(_)
            | NodeValue::String(_)
            | NodeValue::List(_) => None,
        }
    }

    /// The entries of a mapping, once those are noted that are no fields.
    #[inline(never)]
    fn fields(self, fields: &'static [&'static str]) -> Option<Entries<'n, 'f>> {
        let entries = self.entries()?;
        for (key, _) in entries.left() {
            if !fields.contains(&key.name.as_str()) {
                self.findings.borrow_mut().note_unknown(key, fields);
            }
        }
        Some(entries)
    }

    /// What the enum of this name is written as: its variant, with a value if it has one.
    #[inline(never)]
    fn variant(self, of: &'static str) -> Option<Tagged<'n, 'f>> {
        match &self.node.value {
            _ if of == LOCATED => Some(Tagged::placed(self)),
            NodeValue::String(name) => Some(Tagged::bare(name)),
            NodeValue::Map(entries) => match entries.as_slice() {
                [(key, value)] => Some(Tagged::keyed(self, key, value)),
                [] | [_, _, ..] => None,
            },
            NodeValue::Null | NodeValue::Bool(_) | NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::List(_) => {
                None
            }
        }
    }
}

/// Calls the one method of the visitor that takes a value of this kind; any other kind is refused here, once.
macro_rules! deserialize_scalars {
    ($($method:ident $visit:ident $kind:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match &self.node.value {
                NodeValue::$kind(value) => visitor.$visit(*value).map_err(|error| self.placed(error)),
                _ => Err(self.unexpected(&visitor)),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for NodeDeserializer<'_, '_> {
    type Error = Fault;

    deserialize_scalars! {
        deserialize_bool visit_bool Bool;
        deserialize_i8 visit_i64 Integer;
        deserialize_i16 visit_i64 Integer;
        deserialize_i32 visit_i64 Integer;
        deserialize_i64 visit_i64 Integer;
        deserialize_u8 visit_i64 Integer;
        deserialize_u16 visit_i64 Integer;
        deserialize_u32 visit_i64 Integer;
        deserialize_u64 visit_i64 Integer;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let visited = match &self.node.value {
            NodeValue::Null => visitor.visit_unit(),
            NodeValue::Bool(b) => visitor.visit_bool(*b),
            NodeValue::Integer(i) => visitor.visit_i64(*i),
            NodeValue::Float(x) => visitor.visit_f64(*x),
            NodeValue::String(s) => visitor.visit_str(s),
            NodeValue::List(items) => visitor.visit_seq(Items::new(self, items)),
            NodeValue::Map(entries) => visitor.visit_map(Entries::new(self, entries)),
        };
        visited.map_err(|error| self.placed(error))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            NodeValue::String(text) => visitor.visit_str(text).map_err(|error| self.placed(error)),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.items() {
            Some(items) => visitor.visit_seq(items).map_err(|error| self.placed(error)),
            None => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.entries() {
            Some(entries) => visitor.visit_map(entries).map_err(|error| self.placed(error)),
            None => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        if name == UNMODELLED {
            self.note_unmodelled();
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.fields(fields) {
            Some(entries) => visitor.visit_map(entries).map_err(|error| self.placed(error)),
            None => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.variant(name) {
            Some(tagged) => visitor.visit_enum(tagged).map_err(|error| self.placed(error)),
            None => Err(self.unexpected(&visitor)),
        }
    }

    /// Nothing in it is looked at, and so nothing in it can be wrong.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}
