//! What a trace comes to.

use airtight_model::path::{End, Trace};
use airtight_model::policy::{Layer, Outcome};

/// What a trace comes to, without words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing on the way stops it.
    Through(Outcome),
    /// This layer stops it, and the client sees this.
    Stopped(Layer, Outcome),
    /// The engine cannot tell.
    Unknown,
}

impl Standing {
    pub(super) fn of(trace: &Trace) -> Self {
        match (&trace.end, trace.denial()) {
            (End::Unknown(_), _) => Self::Unknown,
            (End::Outcome(outcome), Some(check)) => Self::Stopped(check.checkpoint.layer(), outcome.clone()),
            (End::Outcome(outcome), None) => Self::Through(outcome.clone()),
        }
    }

    pub(super) fn is_through(&self) -> bool {
        match self {
            Self::Through(_) => true,
            Self::Stopped(..) | Self::Unknown => false,
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        match self {
            Self::Stopped(..) => true,
            Self::Through(_) | Self::Unknown => false,
        }
    }
}

pub(super) fn standings(traces: &[Trace]) -> Vec<Standing> {
    traces.iter().map(Standing::of).collect()
}
