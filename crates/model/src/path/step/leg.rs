//! What a step comes to: the flow ends, or somebody sends it on.

use crate::path::branch::Branch;
use crate::path::connection::Connection;
use crate::path::peer::Peer;
use crate::path::target::DialTarget;
use crate::path::trace::{Check, Hop};

/// What a step comes to.
#[derive(Debug)]
pub(in crate::path) enum Step<'w> {
    /// The flow ends on this branch.
    Ends(Branch),
    /// The flow goes on.
    Goes(Leg<'w>),
}

/// The hops up to whoever sends the flow on, and what is sent.
#[derive(Debug)]
pub(in crate::path) struct Leg<'w> {
    pub(in crate::path) hops: Vec<Hop>,
    pub(in crate::path) from: Peer<'w>,
    pub(in crate::path) to: DialTarget<'w>,
    pub(in crate::path) connection: Connection,
}

impl<'w> Leg<'w> {
    /// The step of a sender behind whom there is no hop.
    pub(in crate::path) fn first(from: Peer<'w>, to: DialTarget<'w>, connection: &Connection) -> Step<'w> {
        Step::Goes(Self { hops: Vec::new(), from, to, connection: connection.clone() })
    }
}

impl Step<'_> {
    /// The hops that were made.
    fn hops(&mut self) -> &mut Vec<Hop> {
        match self {
            Self::Ends(branch) => &mut branch.hops,
            Self::Goes(leg) => &mut leg.hops,
        }
    }

    /// The same step, `check` being the first of its first hop.
    pub(super) fn beginning_with(mut self, check: &Check) -> Self {
        if let Some(hop) = self.hops().first_mut() {
            hop.checkpoints.insert(0, check.clone());
        }
        self
    }

    /// The same step with `hop` before its own.
    pub(super) fn after(mut self, hop: &Hop) -> Self {
        self.hops().insert(0, hop.clone());
        self
    }
}
