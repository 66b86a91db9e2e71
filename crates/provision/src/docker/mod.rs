//! Docker's daemon, with bollard.

mod ask;
mod change;
mod daemon;
mod endpoint;
mod refusal;

pub use ask::{ContainerFound, NetworkFound};
pub use daemon::Docker;
