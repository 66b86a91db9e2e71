//! The model: what exists in a cluster, what each layer decides, and the way that a flow takes.
//!
//! In the picture it stands between manifests (and Kyverno, which acts before any flow) and the matrix. Three floors,
//! each of which imports only what stands before it: [`world`] (documents become namespaces, pods, Services and
//! policies in force), [`policy`] (one module per layer, each compiling its objects to decisions that name their
//! rules), [`path`] (the hops of a flow and the checkpoints on them). [`path::Engine::trace`] is the entry for one
//! flow, [`path::reach`] the one for all of them. Nothing here does I/O.
//!
//! ```
//! use airtight_manifest::stack::Stack;
//! use airtight_manifest::yaml;
//! use airtight_model::path::{Destination, Engine, Flow, Source};
//! use airtight_model::policy::{Layer, Outcome};
//! use airtight_model::world::{Environment, Protocol, build};
//!
//! let documents = yaml::parse(&"example.yaml".into(), "
//! apiVersion: airtight.dev/v1alpha1
//! kind: Stack
//! metadata: {name: example}
//! spec:
//!   versions: {kubernetes: 1.31.9, cilium: 1.17.5, istio: 1.26.2, gatewayApi: 1.2.1, kgateway: 2.0.3, kyverno: 1.14.4}
//! ---
//! apiVersion: airtight.dev/v1alpha1
//! kind: Environment
//! metadata: {name: example}
//! spec:
//!   nodes: [{name: worker, addresses: [192.0.2.11]}]
//!   hosts: []
//!   outside: 203.0.113.7
//!   podCidrs: [10.244.0.0/16]
//!   serviceCidrs: [10.96.0.0/12]
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: web, namespace: shop}
//! spec: {containers: [{name: web, image: web}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: api, namespace: shop}
//! spec: {containers: [{name: api, image: api, ports: [{containerPort: 8080}]}]}
//! ---
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: deny-all, namespace: shop}
//! spec: {podSelector: {}, policyTypes: [Ingress]}
//! ")?;
//! let stack = Stack::read(&documents[0]).map_err(|mut findings| findings.remove(0))?;
//! let environment = Environment::read(&documents[1]).map_err(|mut findings| findings.remove(0))?;
//! let world = build(&documents[2..], &environment, stack).map_err(|mut findings| findings.remove(0))?.world;
//! let flow = Flow {
//!     from: Source::Workload("shop".into(), "web".into()),
//!     to: Destination::Pod("shop".into(), "api".into()),
//!     protocol: Protocol::Tcp,
//!     port: Some(8080),
//!     request: None,
//!     tls: None,
//!     after: Vec::new(),
//! };
//! let trace = Engine::compile(&world).trace(&flow).unwrap();
//! assert_eq!(trace.outcome(), Some(&Outcome::Timeout));
//! let denial = trace.denial().unwrap();
//! assert_eq!(denial.checkpoint.layer(), Layer::Cni);
//! assert_eq!(denial.decision.rules[0].object.to_string(), "NetworkPolicy shop/deny-all");
//! # Ok::<(), airtight_manifest::Diagnostic>(())
//! ```

pub mod path;
pub mod policy;
pub mod world;
