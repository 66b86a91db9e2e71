//! Waiting until what was applied to a cluster is in force, by the state that its controllers tell.
//!
//! [`Revisions::now`] is asked before policies change; [`Awaited::revisions`] and [`Awaited::of_object`] then say what
//! to [`wait`] for.

mod awaited;
mod cilium;
mod in_force;
mod object;
mod state;
mod until;

pub use awaited::Awaited;
pub use cilium::Revisions;
pub use in_force::{NotInForce, Outstanding, wait};
pub use object::Sign;
pub use state::State;
pub use until::{GaveUp, Look, Patience, until};
