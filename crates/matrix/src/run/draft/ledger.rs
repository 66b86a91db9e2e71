//! The rules that the flows of a survey met, and which flows met each.

use std::collections::HashMap;
use std::sync::Arc;

use airtight_manifest::{ObjectRef, RuleRef};

use super::allow_rule::covers;

/// Index of a rule in its ledger.
pub(super) type RuleId = usize;

/// Index of a flow in its survey.
pub(super) type TriedId = usize;

/// Rules in the order in which they were met.
#[derive(Default)]
pub(super) struct Ledger {
    rules: Vec<RuleRef>,
    ids: HashMap<(Arc<ObjectRef>, Option<Arc<str>>), RuleId>,
    /// The rules of each object.
    of_object: HashMap<Arc<ObjectRef>, Vec<RuleId>>,
    /// For each rule, the flows in whose traces it is, ascending.
    met: Vec<Vec<TriedId>>,
    /// For each rule, the flows that it let on somewhere, ascending, and whether it did so alone.
    let_on: Vec<Vec<(TriedId, bool)>>,
}

impl Ledger {
    pub(super) fn id(&mut self, rule: &RuleRef) -> RuleId {
        let key = (Arc::clone(&rule.object), rule.rule.clone());
        *self.ids.entry(key).or_insert_with(|| {
            let id = self.rules.len();
            self.of_object.entry(Arc::clone(&rule.object)).or_default().push(id);
            self.rules.push(rule.clone());
            self.met.push(Vec::new());
            self.let_on.push(Vec::new());
            id
        })
    }

    pub(super) fn rule(&self, id: RuleId) -> &RuleRef {
        &self.rules[id]
    }

    /// Writes down that a flow, which is none before the last, met a rule.
    pub(super) fn meet(&mut self, flow: TriedId, rule: RuleId) {
        if self.met[rule].last() != Some(&flow) {
            self.met[rule].push(flow);
        }
    }

    /// Writes down that a rule let a flow, which is none before the last, on.
    pub(super) fn let_on(&mut self, flow: TriedId, rule: RuleId, alone: bool) {
        match self.let_on[rule].last_mut() {
            Some((last, before)) if *last == flow => *before |= alone,
            _ => self.let_on[rule].push((flow, alone)),
        }
    }

    /// Whether a rule of the object decided anywhere on the way of a flow.
    pub(super) fn meets(&self, flow: TriedId, object: &ObjectRef) -> bool {
        self.of(object).iter().any(|rule| self.met[*rule].binary_search(&flow).is_ok())
    }

    /// The flows on whose way a rule of the object decided, ascending.
    pub(super) fn met_by(&self, object: &ObjectRef) -> Vec<TriedId> {
        let mut flows: Vec<TriedId> = self.of(object).iter().flat_map(|rule| self.met[*rule].iter().copied()).collect();
        flows.sort_unstable();
        flows.dedup();
        flows
    }

    /// The flows that a rule, or part of it, let on somewhere, ascending, and whether none of them did so alone.
    pub(super) fn through(&self, wanted: &RuleRef) -> Vec<(TriedId, bool)> {
        let covered = self.of(&wanted.object).iter().filter(|rule| covers(wanted, &self.rules[**rule]));
        let mut flows: Vec<(TriedId, bool)> =
            covered.flat_map(|rule| self.let_on[*rule].iter().map(|(flow, alone)| (*flow, !alone))).collect();
        flows.sort_unstable();
        flows.dedup_by_key(|(flow, _)| *flow);
        flows
    }

    /// Whether a rule, or part of it, let a flow on somewhere.
    pub(super) fn lets(&self, wanted: &RuleRef, flow: TriedId) -> bool {
        let mut covered = self.of(&wanted.object).iter().filter(|rule| covers(wanted, &self.rules[**rule]));
        covered.any(|rule| self.let_on[*rule].binary_search_by_key(&flow, |(flow, _)| *flow).is_ok())
    }

    fn of(&self, object: &ObjectRef) -> &[RuleId] {
        self.of_object.get(object).map_or(&[], Vec::as_slice)
    }
}
