//! Who decided about a flow on a live cluster: what independent observers wrote, and whose flow it is.
//!
//! A round is attributed in three steps: [`Observers::find`] once a run, [`Observers::read`] after a round, and
//! [`attribute`] over all flows of the round. [`examine`] does the last two, and [`examine_until`] gives observers the
//! time to write: a proxy may hold its access log back for seconds.

mod agentgateway;
mod assign;
mod attempt;
mod attribute;
mod collect;
mod envoy;
mod examine;
mod fields;
mod fit;
pub mod hubble;
pub mod proxy;
mod record;
mod ways;
mod witness;
pub mod ztunnel;

pub use attempt::Attempt;
pub use attribute::{Attribution, Gap, attribute};
pub use collect::{Collected, Observers};
pub use examine::{Examined, examine, examine_until};
pub use proxy::ProxyPod;
pub use record::{Client, HBONE, Line, Record, Says, SeenRequest, Span};
pub use ways::Ways;
pub(crate) use ways::endpoints;
pub use witness::ClusterWitness;
