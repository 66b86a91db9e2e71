//! Policy: one module per layer, each compiling its objects to decisions with provenance.

pub mod cni;
mod decision;
mod outcome;
mod request;

pub use decision::{Checkpoint, Decision, Effect, Layer, Reason};
pub use outcome::{Outcome, Rcode};
pub use request::{Request, Token, TokenState};
