//! The way of a flow through hops and checkpoints.

mod attempt;
mod branch;
mod checks;
mod connection;
mod destination;
mod dial;
mod doubt;
mod engine;
mod flow;
mod lookup;
mod lookups;
mod names;
mod peer;
mod policies;
pub mod reach;
mod sender;
mod service_entry;
mod step;
mod target;
mod trace;
mod walk;

pub use engine::Engine;
pub use flow::{Destination, Flow, FlowError, ServerName, Source};
pub use names::{is_cluster_name, leads_inside};
pub use trace::{Admitted, Answer, Check, End, Hop, Trace, Wire};
