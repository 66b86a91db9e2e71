//! The walk of a flow: from its sender, step by step, to whoever answers on each of its branches.

use super::branch::Branch;
use super::connection::{Connection, Relay};
use super::destination;
use super::flow::{Flow, FlowError};
use super::peer::Peer;
use super::policies::Policies;
use super::sender::senders;
use super::step::{Leg, Step, outbound};
use super::target::DialTarget;

/// Walks flows through the policies of a world: each step asks the checkpoints of one hop, and says where the flow
/// ends or who sends it on. Nothing else comes back to an earlier step.
#[derive(Debug)]
pub(super) struct Walk<'p, 'w> {
    policies: &'p Policies<'w>,
}

impl<'p, 'w> Walk<'p, 'w> {
    pub(super) fn through(policies: &'p Policies<'w>) -> Self {
        Self { policies }
    }

    /// Every branch that the flow can take.
    pub(super) fn branches(&self, flow: &Flow) -> Result<Vec<Branch>, FlowError> {
        let senders = senders(self.policies.world, flow)?;
        if flow.port.is_none() && flow.needs_port() {
            return Err(FlowError::NoPort);
        }
        let connection = Connection {
            protocol: flow.protocol,
            request: flow.request.clone(),
            tls: flow.tls.clone(),
            originated: None,
            resolved: None,
            relay: Relay::Client,
        };
        let mut branches = Vec::new();
        for from in senders {
            for step in destination::steps(self.policies, from, flow, &connection)? {
                self.follow(step, &mut branches);
            }
        }
        Ok(branches)
    }

    /// Every branch from here on.
    pub(super) fn from(&self, step: Step<'w>) -> Vec<Branch> {
        let mut branches = Vec::new();
        self.follow(step, &mut branches);
        branches
    }

    /// Every branch of what `from` sends to `to`.
    pub(super) fn dial(&self, from: &Peer<'w>, to: &DialTarget<'w>, connection: Connection) -> Vec<Branch> {
        let mut branches = Vec::new();
        self.send(from, to, connection, &mut branches);
        branches
    }

    fn follow(&self, step: Step<'w>, branches: &mut Vec<Branch>) {
        match step {
            Step::Ends(branch) => branches.push(branch),
            Step::Goes(leg) => {
                let Leg { hops, from, to, connection } = leg;
                let known = branches.len();
                self.send(&from, &to, connection, branches);
                // Most legs lead to one branch, which takes them as they are.
                if let Some((last, others)) = branches[known..].split_last_mut() {
                    for branch in others {
                        branch.begin_with(hops.iter().cloned());
                    }
                    last.begin_with(hops);
                }
            }
        }
    }

    fn send(&self, from: &Peer<'w>, to: &DialTarget<'w>, connection: Connection, branches: &mut Vec<Branch>) {
        for step in outbound::steps(self.policies, from, to, connection) {
            self.follow(step, branches);
        }
    }
}
