//! Scenarios: the matrix as files, expanded to cases.
//!
//! A case is a flow from a workload (or a user, a node, a kubelet) to whatever answers, or an attempt of a user to change
//! an object at the API server:
//!
//! ```yaml
//! - id: GOV-31
//!   title: a team cannot let everybody in
//!   from: {user: tenant-admin, groups: [newcomer-team]}   # or cluster-admin, or {serviceAccount: namespace/name}
//!   to:
//!     apply:                                              # or update, or delete: {kind, namespace, name}
//!       apiVersion: networking.k8s.io/v1
//!       kind: NetworkPolicy
//!       metadata: {name: own, namespace: newcomer}
//!       spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{}]}
//!   expect: {deny: {by: admission}}
//!   twin: GOV-30                                          # differs in the user, or in one place of the object
//! ```
//!
//! Whoever attempts it is presupposed to hold the role for it: authorization comes before admission, and is not what
//! such a case is about. A schema's refusal satisfies `deny` only with `reason: invalid-object`, since a slip of the
//! pen would look the same. An accepted attempt may be asked what it `generates` (exactly these objects; `[]`: none)
//! and which labels it `mutates`.
//!
//! Any case can be tried in a world of its own: `given` lists objects that the cluster administrator applies before,
//! `after` changes that somebody makes. All of them must be accepted; then everything that follows of them (pods, what
//! Kyverno generates, restores or deletes) has come to pass before the flow begins.

mod case;
mod catalogue;
mod change;
mod directory;
mod expand;
mod expectation;
mod filter;
mod form;
mod load;
mod named_ports;
mod one_or_many;
mod parse;
mod plan;
mod schema;
mod target;
mod twin;
mod waiver;

pub use case::{AllowExpectation, Approval, Case, CaseId, DenyExpectation, Expectation, Severity, Waiver};
pub use catalogue::{Catalogue, Control, Framework, Strength, Topic};
pub use expectation::{default_denials, got_through};
pub use filter::{Filter, FilterError};
pub use form::{API_VERSION, KIND};
pub use load::load;
pub use named_ports::named_ports;
pub use plan::{Plan, PlannedCase, ScenarioInfo, Selection};
pub use schema::{schema, waiver_schema};
pub use target::default_authority;
pub use waiver::{FileWaiver, WAIVER_KIND};
