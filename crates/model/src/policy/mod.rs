//! Policy: one module per layer, each compiling its objects to decisions with provenance.

pub mod cni;
mod decision;
pub mod gateway;
mod hbone;
mod istio;
pub(crate) mod near;
mod outcome;
mod request;
mod sendable;
mod spiffe;
pub mod waypoint;
pub mod ztunnel;

pub use decision::{Checkpoint, Decision, Effect, Layer, NearMiss, Reason};
pub use hbone::HBONE;
pub(crate) use istio::is_foreign_to_ztunnel;
pub use outcome::{Outcome, Rcode};
pub use request::{Claim, Request, Token, TokenState};
pub use spiffe::{MeshSource, SpiffeId};
