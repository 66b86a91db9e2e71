//! Wrappers that a typed object uses to keep places, and to admit what the engine cannot judge.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, EnumAccess, IgnoredAny, VariantAccess as _, Visitor};

use super::source::Position;

pub(super) const LOCATED: &str = "$airtight::Located";
pub(super) const UNMODELLED: &str = "$airtight::Unmodelled";

/// A value of a typed object together with the place it was written at.
///
/// Only the decoder of this module fills in the place; any other `Deserializer` refuses the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it begins.
    pub at: Position,
}

impl<T> Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum(LOCATED, &[], LocatedVisitor(PhantomData))
    }
}

struct LocatedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for LocatedVisitor<T> {
    type Value = Located<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value with its place")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, place: A) -> Result<Self::Value, A::Error> {
        let (packed, value) = place.variant::<u64>()?;
        Ok(Located { value: value.newtype_variant()?, at: Position::unpacked(packed) })
    }
}

/// A field that the API has and the engine does not model.
///
/// Decoding one records its path and place; every case that the object could touch is then inconclusive.
/// A field without any bearing on traffic is an ordinary field instead, and is simply not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unmodelled;

impl<'de> Deserialize<'de> for Unmodelled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(UNMODELLED, UnmodelledVisitor)
    }
}

struct UnmodelledVisitor;

impl<'de> Visitor<'de> for UnmodelledVisitor {
    type Value = Unmodelled;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Unmodelled, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Unmodelled)
    }
}
