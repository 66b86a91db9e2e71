//! What a run puts on somebody else's cluster, and removes again.
//!
//! Everything that is made carries the label [`RUN_LABEL`] with the run's name, and belongs to a namespace of that name
//! (Kubernetes "Owners and dependents": an owner may be cluster-wide), so that what is not deleted one by one goes with
//! it. Objects are created, never applied: a creation is the one call that cannot overwrite what somebody else made.

mod created;
mod creation;
mod ephemeral;
mod leftover;
mod listener;
mod readiness;
mod resources;
mod service;
mod stand_in;
mod survey;

pub use created::{RUN_LABEL, reference};
pub use ephemeral::{Entered, NAME as EPHEMERAL, enter};
pub use leftover::{Leftover, leftovers};
pub use resources::TemporaryResources;
pub use service::{account, service};
pub use stand_in::{LeftOut, StandIn, stand_in};
pub use survey::{Survey, Workload, lacking};
