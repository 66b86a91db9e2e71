//! The way of a flow through hops and checkpoints.

mod flow;
mod trace;

pub use flow::{Destination, Flow, ServerName, Source};
pub use trace::{Answer, Check, End, Hop, Trace, Wire};
