//! The agent in airtight's probe pods.
//!
//! It has two roles. As **`dial`** it reads flows as JSON lines, tries each of them as an unprivileged client in the
//! pod would, and writes one answer a line: what the client saw, in which phase the flow ended, and who answered.
//! As **`serve`** it stands in for what a workload or a provider outside the cluster listens on, and tells whoever
//! asks who it is and what reached it.
//!
//! [`wire`] holds the types of these lines and needs no runtime; everything else stands behind the feature `agent`,
//! which is on by default.
//!
//! A flow whose answer never arrives has no outcome. A driver counts answers by their ids and treats a missing one as
//! a probe error: nothing that this crate fails to do may look like a denial.

pub mod wire;

#[cfg(feature = "agent")]
pub mod dial;
#[cfg(feature = "image")]
pub mod image;
#[cfg(feature = "agent")]
pub mod program;
#[cfg(feature = "agent")]
pub mod serve;
