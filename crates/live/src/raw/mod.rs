//! Raw observations of a run, kept as they came, for whoever doubts a verdict later.
//!
//! [`Recording`] stands before a cluster and keeps what its probes and its API server answered; [`Recounting`] stands
//! before a witness and keeps the lines by which it attributed flows. [`EvidenceFolder`] is what becomes of them. Nothing
//! secret is kept: see [`redact`].

mod folder;
mod objects;
mod recorder;
mod recording;
mod redact;

pub(crate) use folder::describe;
pub use folder::{EvidenceFolder, without_secrets};
pub use objects::{EvidenceObject, objects};
pub use recorder::Recorder;
pub use recording::{Recording, Recounting};
pub use redact::{redact, redact_text};
