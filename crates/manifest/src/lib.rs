//! Manifests: YAML with source positions → typed objects. Pure but for [`load()`], which reads files.

pub mod cilium;
mod confusion;
pub mod decode;
mod diagnostic;
mod failure;
pub mod gateway_api;
pub mod istio;
pub mod kgateway;
pub mod kubernetes;
mod kustomize;
pub mod kyverno;
pub mod load;
pub mod located;
pub mod network;
mod node;
mod object;
mod resource;
mod selector;
mod source;
pub mod stack;
mod validation;
pub mod yaml;

pub use diagnostic::{Diagnostic, Severity, closest};
pub use failure::Failure;
pub use load::{File, Loaded, load, load_files};
pub use located::{Located, Unmodelled};
pub use node::{Key, Node, NodeValue};
pub use object::{Labels, Meta, Object, ObjectRef, RuleRef, decode_object, digest};
pub use resource::{Enforcer, KindInfo, Resource, Scope, decode_resource, kind_info};
pub use selector::selects;
pub use source::{Location, Position, Sources};
pub use validation::{is_service_name, label_selector as label_selector_errors};
pub use yaml::Document;
