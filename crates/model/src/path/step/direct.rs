//! Without ztunnel: the kernel's (or the proxy's own) load balancing, and straight to the destination.

use super::leg::Step;
use super::{delivery, external, node, published, service};
use crate::path::dial::Dial;
use crate::path::names;
use crate::path::target::DialTarget;

/// What becomes of a dial that no ztunnel takes up.
pub(super) fn steps<'w>(dial: Dial<'_, 'w>, to: &DialTarget<'w>, speaks_hbone: bool) -> Vec<Step<'w>> {
    match to {
        DialTarget::Service(service, port) => service::steps(dial, service, *port, speaks_hbone),
        DialTarget::Pod(pod, port) => delivery::steps(dial, pod, *port, speaks_hbone && pod.enrolment.accepts_hbone()),
        DialTarget::Published(service, given, port) => published::steps(dial, service, *given, *port),
        DialTarget::Node(node, port) => node::steps(dial, *node, *port),
        DialTarget::External { address, host, name, port } => {
            let to = external::peer(dial.world(), *address, *host, name.as_deref());
            vec![Step::Ends(external::branch(dial, &to, *host, *port))]
        }
        // Without ztunnel nobody knows the address that the mesh made up.
        DialTarget::ServiceEntry { host, port, .. } => {
            steps(dial, &names::external(dial.world(), host, Some(*port)), speaks_hbone)
        }
    }
}
