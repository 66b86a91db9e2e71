//! Node → typed object, as strictly as `kubectl --validate=strict`, with the place of every complaint.
//!
//! serde tells a deserializer which fields a struct has. This one uses that to report all unknown
//! fields of an object at once, each with the field that was probably meant, and works with any
//! serde type: k8s-openapi's as well as ours.

mod access;
mod deserializer;
mod error;
mod findings;

pub use error::DecodeError;
pub use findings::{UnknownField, UnmodelledField};

use std::cell::RefCell;

use deserializer::NodeDeserializer;
use findings::Findings;
use serde::de::DeserializeOwned;

use crate::node::Node;

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
        Err(error) => Err(misspelt(*error.0, &unknown)),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::api::networking::v1::NetworkPolicy;
    use serde::Deserialize;

    use super::*;
    use crate::located::{Located, Unmodelled};
    use crate::source::Position;
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
        assert_eq!(error.message, "expected a string, found the boolean `true`");
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
