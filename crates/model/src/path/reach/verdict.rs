//! How the flows of a cell end.

use serde::Serialize;

use crate::path::branch::Branch;
use crate::path::trace::{Check, Trace, Wire};
use crate::policy::{Checkpoint, Effect, Layer, Reason};

/// How the flows of a cell end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellVerdict {
    /// They get through.
    Allowed,
    /// Layer 4 is open, and rules about requests (or tokens, or server names) decide about each of them.
    ByRequest,
    /// This layer ends them, whatever is said.
    Denied(Layer),
    /// The engine cannot tell, or it depends on which backend is chosen.
    Unknown,
    /// There is no such pair of ends.
    Absent,
}

impl CellVerdict {
    /// Whether flows get through.
    #[must_use]
    pub fn is_allowed(self) -> bool {
        self == Self::Allowed
    }

    /// The verdict of a traced bare connection.
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        Self::of_checks(trace.hops.iter().flat_map(|hop| hop.checkpoints.iter().map(|check| (hop.wire, check))))
    }

    pub(super) fn of_branch(branch: &Branch) -> Self {
        Self::of_checks(branch.hops.iter().flat_map(|hop| hop.checkpoints.iter().map(|check| (hop.wire, check))))
    }

    fn of_checks<'a>(checks: impl Iterator<Item = (Wire, &'a Check)>) -> Self {
        Self::of_stamps(checks.map(|(wire, check)| Stamp::of(wire, check)))
    }

    /// The first checkpoint that does not let flows on decides; one that only some requests pass leaves the
    /// decision to a later one that none passes.
    pub(super) fn of_stamps(stamps: impl Iterator<Item = Stamp>) -> Self {
        let mut found = Self::Allowed;
        for stamp in stamps {
            match (stamp.effect, found) {
                (Effect::Allow, _) => {}
                // Some requests come to this point, and what becomes of them is not known.
                (Effect::Unknown, _) => return Self::Unknown,
                (Effect::Deny, _) if stamp.by_request => found = Self::ByRequest,
                (Effect::Deny, _) => return Self::Denied(stamp.layer),
            }
        }
        found
    }

    /// One verdict about flows that may go any of several ways.
    pub(super) fn whichever(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts
            .into_iter()
            .reduce(|one, other| match (one, other) {
                (one, other) if one == other => one,
                (Self::Denied(layer), Self::Denied(_)) => Self::Denied(layer),
                _ => Self::Unknown,
            })
            .unwrap_or(Self::Unknown)
    }
}

/// What a verdict needs to know of one decision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) effect: Effect,
    pub(super) layer: Layer,
    /// Whether another request (or token, or server name) could fare better.
    pub(super) by_request: bool,
}

impl Stamp {
    pub(super) fn of(wire: Wire, check: &Check) -> Self {
        Self {
            effect: check.decision.effect,
            layer: check.checkpoint.layer(),
            by_request: by_request(wire, check.checkpoint, check.decision.reason),
        }
    }
}

/// The CNI reads only plain wires; on HBONE its rules about requests stop everything alike.
fn by_request(wire: Wire, checkpoint: Checkpoint, reason: Reason) -> bool {
    let readable = match checkpoint {
        Checkpoint::CniEgress | Checkpoint::CniIngress => matches!(wire, Wire::Plain { .. }),
        Checkpoint::Waypoint | Checkpoint::Gateway => true,
        Checkpoint::Admission
        | Checkpoint::DnsProxy
        | Checkpoint::ZtunnelOutbound
        | Checkpoint::ZtunnelInbound
        | Checkpoint::Application => false,
    };
    readable
        && matches!(
            reason,
            Reason::L7Denied
                | Reason::L7Unparseable
                | Reason::SniDenied
                | Reason::DirectResponse
                | Reason::TokenMissing
                | Reason::TokenInvalid
                | Reason::NoRoute
        )
}
