//! The model: what exists in a cluster, what each layer decides, and the way that a flow takes.

pub mod path;
pub mod policy;
pub mod world;
