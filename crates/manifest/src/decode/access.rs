//! What a node gives serde piece by piece: items, entries, places and variants.

use serde::de::value::{StrDeserializer, U64Deserializer};
use serde::de::{
    DeserializeSeed, Deserializer as _, EnumAccess, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};

use super::deserializer::NodeDeserializer;
use super::error::Fault;
use super::findings::Segment;
use crate::node::{Key, Node};
use crate::source::Position;

pub(super) struct Items<'n, 'f> {
    parent: NodeDeserializer<'n, 'f>,
    items: std::slice::Iter<'n, Node>,
    next: usize,
}

impl<'n, 'f> Items<'n, 'f> {
    pub(super) fn new(parent: NodeDeserializer<'n, 'f>, items: &'n [Node]) -> Self {
        Self { parent, items: items.iter(), next: 0 }
    }

    #[inline(never)]
    fn enter(&mut self) -> Option<NodeDeserializer<'n, 'f>> {
        let item = self.items.next()?;
        let index = self.next;
        self.next += 1;
        Some(self.parent.enter(Segment::Index(index), item))
    }
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(child) = self.enter() else { return Ok(None) };
        match seed.deserialize(child) {
            Ok(value) => {
                child.left();
                Ok(Some(value))
            }
            Err(error) => Err(child.failed(error)),
        }
    }
}

pub(super) struct Entries<'n, 'f> {
    parent: NodeDeserializer<'n, 'f>,
    entries: std::slice::Iter<'n, (Key, Node)>,
    pending: Option<&'n (Key, Node)>,
}

impl<'n, 'f> Entries<'n, 'f> {
    pub(super) fn new(parent: NodeDeserializer<'n, 'f>, entries: &'n [(Key, Node)]) -> Self {
        Self { parent, entries: entries.iter(), pending: None }
    }

    /// The entries that are still to come.
    pub(super) fn left(&self) -> &'n [(Key, Node)] {
        self.entries.as_slice()
    }

    #[inline(never)]
    fn key(&mut self) -> Option<&'n Key> {
        self.pending = self.entries.next();
        self.pending.map(|(key, _)| key)
    }

    #[inline(never)]
    fn enter(&mut self) -> Result<NodeDeserializer<'n, 'f>, Fault> {
        let Some((key, value)) = self.pending.take() else {
            return Err(Fault::of("a value was asked for before its key".to_owned()));
        };
        Ok(self.parent.enter(Segment::Key(&key.name), value))
    }
}

impl<'de> MapAccess<'de> for Entries<'_, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some(key) = self.key() else { return Ok(None) };
        let name: StrDeserializer<'_, Fault> = key.name.as_str().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|error| self.parent.misnamed(key, error))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let child = self.enter()?;
        match seed.deserialize(child) {
            Ok(value) => {
                child.left();
                Ok(value)
            }
            Err(error) => Err(child.failed(error)),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// What serde takes for an enum: one, which is written as its variant's name or as a mapping with the variant as the
/// only key, or a [`Located`](crate::Located), which asks in this way because it is the one in which place and value
/// have types of their own.
pub(super) struct Tagged<'n, 'f> {
    tag: Tag<'n>,
    value: Option<NodeDeserializer<'n, 'f>>,
}

enum Tag<'n> {
    /// A variant that stands where its enum does, as a value like any other.
    Bare(&'n str),
    /// A variant that is a key, and the path of its mapping.
    Key(&'n Key, String),
    /// The place of the value.
    Place(Position),
}

impl<'n, 'f> Tagged<'n, 'f> {
    pub(super) fn bare(name: &'n str) -> Self {
        Self { tag: Tag::Bare(name), value: None }
    }

    pub(super) fn keyed(parent: NodeDeserializer<'n, 'f>, key: &'n Key, value: &'n Node) -> Self {
        let path = parent.findings.borrow().path();
        Self { tag: Tag::Key(key, path), value: Some(parent.child(value)) }
    }

    pub(super) fn placed(value: NodeDeserializer<'n, 'f>) -> Self {
        Self { tag: Tag::Place(value.node.at), value: Some(value) }
    }

    #[inline(never)]
    fn misnamed(&self, error: Fault) -> Fault {
        match &self.tag {
            Tag::Key(key, path) => error.at(key.at, path.clone()),
            Tag::Bare(_) | Tag::Place(_) => error,
        }
    }

    /// The value of a variant that has one; [`Self::leave`] follows.
    #[inline(never)]
    fn enter(&self, expected: &dyn Expected) -> Result<NodeDeserializer<'n, 'f>, Fault> {
        match (&self.tag, self.value) {
            (Tag::Key(key, _), Some(value)) => Ok(value.enter(Segment::Key(&key.name), value.node)),
            (Tag::Place(_), Some(value)) => Ok(value),
            (Tag::Bare(_), _) | (_, None) => Err(Fault::invalid_type(Unexpected::UnitVariant, expected)),
        }
    }

    #[inline(never)]
    fn leave(&self, value: NodeDeserializer<'n, 'f>) {
        if matches!(self.tag, Tag::Key(..)) {
            value.left();
        }
    }
}

impl<'de> EnumAccess<'de> for Tagged<'_, '_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let named = |name: &str, seed: V| {
            let name: StrDeserializer<'_, Fault> = name.into_deserializer();
            seed.deserialize(name)
        };
        let variant = match &self.tag {
            Tag::Bare(name) => named(name, seed),
            Tag::Key(key, _) => named(&key.name, seed),
            Tag::Place(at) => {
                let packed: U64Deserializer<Fault> = at.packed().into_deserializer();
                seed.deserialize(packed)
            }
        };
        match variant {
            Ok(variant) => Ok((variant, self)),
            Err(error) => Err(self.misnamed(error)),
        }
    }
}

impl<'de> VariantAccess<'de> for Tagged<'_, '_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.value {
            Some(value) if !value.node.is_null() => Err(value.unexpected(&"nothing")),
            Some(_) | None => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        let value = self.enter(&"newtype variant")?;
        match seed.deserialize(value) {
            Ok(inner) => {
                self.leave(value);
                Ok(inner)
            }
            Err(error) => {
                let error = value.placed(error);
                self.leave(value);
                Err(error)
            }
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Fault> {
        let value = self.enter(&"tuple variant")?;
        let decoded = value.deserialize_any(visitor);
        self.leave(value);
        decoded
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        let value = self.enter(&"struct variant")?;
        let decoded = value.deserialize_struct("", fields, visitor);
        self.leave(value);
        decoded
    }
}
