//! Manifests: YAML with source positions → typed objects. Pure but for [`load()`] and [`load_manifests`], which read
//! files.
//!
//! This is the leftmost crate of the picture in CONTRIBUTING.md: every other one imports it, and it imports none of
//! them. A document is read as strictly as an API server reads it, every value keeps its place, and what is read
//! without being modelled is typed [`Unmodelled`]. The table in `resource.rs` knows all kinds, and who acts on each
//! ([`Enforcer`]).
//!
//! ```
//! use airtight_manifest::{Enforcer, decode_resource, yaml};
//!
//! let text = "
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: deny-all, namespace: shop}
//! spec: {podSelector: {}, policyTypes: [Ingress]}
//! ";
//! let documents = yaml::parse(&"policies.yaml".into(), text)?;
//! let resource = decode_resource(&documents[0]).map_err(|mut findings| findings.remove(0))?;
//! assert_eq!(resource.object().to_string(), "NetworkPolicy shop/deny-all");
//! assert_eq!(resource.enforcer(), Some(Enforcer::Cni));
//!
//! // A field that no API server knows is an error with its place and a suggestion.
//! let wrong = yaml::parse(&"policies.yaml".into(), &text.replace("podSelector", "podSelektor"))?;
//! let finding = decode_resource(&wrong[0]).unwrap_err().remove(0);
//! assert_eq!(finding.code, "unknown-field");
//! assert_eq!(finding.location.unwrap().to_string(), "policies.yaml:5:8");
//! # Ok::<(), airtight_manifest::Diagnostic>(())
//! ```

pub mod cilium;
mod confusion;
pub mod decode;
mod diagnostic;
mod failure;
pub mod gateway_api;
pub mod istio;
pub mod kgateway;
mod kinds;
pub mod kubernetes;
mod kustomize;
pub mod kyverno;
mod lists;
pub mod load;
pub mod located;
pub mod network;
mod node;
mod object;
mod placeholder;
pub mod re2;
mod read;
mod render;
mod resource;
mod selector;
mod sift;
mod source;
pub mod stack;
mod touches;
mod validation;
pub mod yaml;

pub use diagnostic::{Diagnostic, Severity, closest};
pub use failure::Failure;
pub use kinds::{Reads, is_policy_of_others, kinds_read, reads};
pub use load::{File, Loaded, Reading, load, load_files, load_manifests, manifests_of};
pub use located::{Located, Unmodelled};
pub use node::{Key, Node, NodeValue};
pub use object::{Labels, Meta, Object, ObjectRef, RuleRef, decode_object, digest, hex};
pub use read::printable;
pub use render::Renderer;
pub use resource::{Enforcer, KindInfo, Resource, Scope, decode_resource, kind_info, touches};
pub use selector::selects;
pub use source::{Location, Position, Sources};
pub use touches::Touches;
pub use validation::{api_server_findings, is_service_name, label_selector as label_selector_errors, plain_findings};
pub use yaml::Document;
