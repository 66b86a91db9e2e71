//! Traces: the ordered hops and checkpoints of a flow with their decisions.

use std::collections::BTreeSet;
use std::fmt;

use airtight_manifest::{Labels, ObjectRef};
use serde::{Deserialize, Serialize};

use super::flow::Flow;
use crate::policy::{Checkpoint, Decision, Effect, HBONE, Layer, Outcome, Request};
use crate::world::Protocol;

/// The way of one flow, and how it ends.
///
/// Checkpoints behind a denial are judged as if it had not bitten, so that the layers that would
/// each stop the flow alone can be counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Trace {
    /// What was attempted.
    pub flow: Flow,
    /// The legs of the way, in order.
    pub hops: Vec<Hop>,
    /// How it ends.
    pub end: End,
    /// Who answered, and what reached it; none for a flow that did not get through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// Who answered a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Answer {
    /// The workload (`namespace/name`), or the name or address of a host outside.
    pub by: String,
    /// The request as it arrived, after every proxy on the way; none for a bare connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// What came of an attempt to change an object; none for any other flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admitted: Option<Admitted>,
}

/// What came of a change that the API server accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Admitted {
    /// Labels of the object as it was stored; none for a deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
    /// Objects that rules make of it, some time after the answer; none if nobody can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<Vec<ObjectRef>>,
}

/// How a flow ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The client sees this.
    Outcome(Outcome),
    /// The engine cannot tell, for this reason.
    Unknown(String),
}

/// One leg of the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Hop {
    /// Where it begins, such as `app-travelexample/travel-api`.
    pub from: String,
    /// Where it ends.
    pub to: String,
    /// How it looks to the CNI.
    pub wire: Wire,
    /// The checkpoints on it, in order.
    pub checkpoints: Vec<Check>,
}

/// How a hop looks to the CNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Wire {
    /// As the application sends it.
    Plain {
        /// Transport protocol.
        protocol: Protocol,
        /// Destination port behind any Service; none for ICMP.
        port: Option<u16>,
    },
    /// Mutual TLS in HTTP/2 CONNECT on TCP [`HBONE`].
    Hbone {
        /// The application port inside the tunnel.
        inner: u16,
    },
}

/// One checkpoint of a hop and what it decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Check {
    /// Which checkpoint.
    pub checkpoint: Checkpoint,
    /// What it decided.
    pub decision: Decision,
}

impl Trace {
    /// All checkpoints in order.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        self.hops.iter().flat_map(|hop| &hop.checkpoints)
    }

    /// The checkpoint that ended the flow.
    #[must_use]
    pub fn denial(&self) -> Option<&Check> {
        self.checks().find(|check| check.decision.effect == Effect::Deny)
    }

    /// The layers of which each alone would have ended the flow.
    #[must_use]
    pub fn denying_layers(&self) -> BTreeSet<Layer> {
        self.checks()
            .filter(|check| check.decision.effect == Effect::Deny)
            .map(|check| check.checkpoint.layer())
            .collect()
    }

    /// The outcome, if the engine can tell.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.end {
            End::Outcome(outcome) => Some(outcome),
            End::Unknown(_) => None,
        }
    }
}

impl Wire {
    /// Protocol and destination port as the CNI sees them.
    pub(super) fn seen_by_cni(self) -> (Protocol, Option<u16>) {
        match self {
            Self::Plain { protocol, port } => (protocol, port),
            Self::Hbone { .. } => (Protocol::Tcp, Some(HBONE)),
        }
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain { protocol, port: Some(port) } => write!(f, "plain {protocol} {port}"),
            Self::Plain { protocol, port: None } => write!(f, "plain {protocol}"),
            Self::Hbone { inner } => write!(f, "HBONE TCP {HBONE} (inside: TCP {inner})"),
        }
    }
}
