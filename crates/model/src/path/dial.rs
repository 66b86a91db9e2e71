//! A dial: who opens which connection, and the policies that are asked about it.

use super::branch::Branch;
use super::connection::Connection;
use super::peer::Peer;
use super::policies::Policies;
use super::trace::{Answer, Check, Hop, Wire};
use crate::policy::Effect;
use crate::world::World;

/// Who opens which connection, and the policies that are asked about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dial<'d, 'w> {
    pub(super) policies: &'d Policies<'w>,
    pub(super) from: &'d Peer<'w>,
    pub(super) connection: &'d Connection,
}

impl<'d, 'w> Dial<'d, 'w> {
    pub(super) fn world(&self) -> &'w World {
        self.policies.world
    }

    /// The same dial as another end of it is seen.
    pub(super) fn seen_from(self, from: &'d Peer<'w>) -> Self {
        Self { from, ..self }
    }

    /// How it looks as the application sends it.
    pub(super) fn plain(&self, port: Option<u16>) -> Wire {
        Wire::Plain { protocol: self.connection.protocol, port }
    }

    /// A hop whose symptoms are told as the client sees them.
    pub(super) fn hop(&self, to: &str, wire: Wire, checks: Vec<Check>) -> Hop {
        let mut checkpoints = checks;
        for check in &mut checkpoints {
            if check.decision.effect == Effect::Deny {
                let symptom = check.decision.symptom.take();
                check.decision.symptom = symptom.map(|symptom| self.connection.relay.shows(symptom));
            }
        }
        Hop { from: self.from.label.clone(), to: to.to_owned(), wire, checkpoints }
    }

    /// The branch on which `to` answers, if every checkpoint lets the flow on.
    pub(super) fn answered(&self, to: &Peer<'_>, wire: Wire, checks: Vec<Check>) -> Branch {
        let hops = vec![self.hop(&to.label, wire, checks)];
        let answer = Answer { by: to.label.clone(), request: self.connection.request.clone(), admitted: None };
        Branch { hops, success: self.connection.success(), answer: Some(answer) }
    }

    /// The branch that ends before anyone could answer.
    pub(super) fn nowhere(&self, to: &str, port: Option<u16>, checks: Vec<Check>) -> Branch {
        Branch::ending(vec![self.hop(to, self.plain(port), checks)], self.connection.success())
    }
}
