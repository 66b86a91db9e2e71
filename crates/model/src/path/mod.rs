//! The way of a flow through hops and checkpoints.

mod attempt;
mod branch;
mod connection;
mod doubt;
mod engine;
mod flow;
mod hop;
mod journey;
mod lookup;
mod outward;
mod peer;
mod proxies;
pub mod reach;
mod target;
mod trace;

pub use engine::{Engine, FlowError};
pub use flow::{Destination, Flow, ServerName, Source};
pub use trace::{Admitted, Answer, Check, End, Hop, Trace, Wire};
