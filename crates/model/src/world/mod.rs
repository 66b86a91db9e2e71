//! The world: what exists once admission has acted on the manifests.

mod ablated;
mod addresses;
mod admission;
mod admit;
mod api_request;
mod api_server;
mod assumed_hosts;
mod assumed_namespaces;
mod assumed_workloads;
mod build;
mod endpoint;
pub mod enrolment;
mod environment;
mod expose;
mod gateway_class;
mod intake;
mod kubernetes_service;
mod listening;
mod mentioned;
mod objects;
mod ownership;
mod place;
mod platform;
mod pod;
mod protocol;
mod proxy;
mod proxy_labels;
mod proxy_parameters;
mod pruned;
mod service;
mod state;
mod succession;
mod touched;
mod unseen;
mod workload;

pub use admission::AdmissionEvent;
pub use api_request::{Act, ApiRequest, ApiUser, Change};
pub use api_server::{ApiAnswer, ApiServer, Objection};
pub use build::{Built, build};
pub use endpoint::{Endpoint, Host, HostId, Node, NodeId, StandsFor};
pub use environment::{Environment, environment_schema};
pub use gateway_class::{Class, INBOUND_BINDING, Implementation, gateway_classes};
pub use listening::NamedPort;
pub use objects::Objects;
pub(crate) use objects::WITHOUT_EFFECT;
pub use pod::{ContainerPort, Enrolment, GatewayKey, Pod, PodId, Probe, ProbeKind, Role};
pub use protocol::Protocol;
pub use proxy::{EnrolmentHint, Proxies, Proxy, ServiceType, proxies};
pub use proxy_labels::{GATEWAY_CLASS_NAME, GATEWAY_NAME};
pub use service::{
    API_SERVER_HOST, ExternalTraffic, Service, ServicePort, TargetPort, is_service_host, service_host, service_of_host,
};
pub use state::{Namespace, World};
pub use succession::Unmet;
pub use touched::{Reach, Touched};
