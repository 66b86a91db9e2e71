//! What a cluster is: what is installed on it and in which versions, how its denials look, and whether it looks like
//! one that people depend on.

mod access_log;
mod cni;
mod digests;
mod drift;
mod findings;
mod image;
mod installed;
mod production;
mod settings;

pub use access_log::AccessLogs;
pub use cni::{Cni, Denial, FoundCni, find_cni, outcomes};
pub use digests::{RunningImage, running_images};
pub use drift::{Difference, Distance};
pub use findings::findings;
pub use image::{version, version_of};
pub use installed::{Component, GatewayClass, Installed, Istio, NodeInfo};
pub use production::looks_like_production;
pub use settings::CiliumSettings;
