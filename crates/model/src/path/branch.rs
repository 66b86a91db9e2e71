//! Branches: the ways that one flow can take, and how each ends.

use std::collections::BTreeSet;

use super::flow::Flow;
use super::trace::{Answer, Check, End, Hop, Trace};
use crate::policy::{Effect, Layer, Outcome, Reason};

/// One way that a flow can take: which backend a balancer picks makes the difference.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    /// The legs, in order.
    pub(super) hops: Vec<Hop>,
    /// What the client sees if no checkpoint denies.
    pub(super) success: Outcome,
    /// Who answers if no checkpoint denies.
    pub(super) answer: Option<Answer>,
}

impl Branch {
    /// A branch on which nothing is sent any further.
    pub(super) fn ending(hops: Vec<Hop>, success: Outcome) -> Self {
        Self { hops, success, answer: None }
    }

    /// Puts `hops` before its own.
    pub(super) fn begin_with(&mut self, hops: impl IntoIterator<Item = Hop>) {
        self.hops.splice(0..0, hops);
    }

    fn checks(&self) -> impl Iterator<Item = &Check> {
        self.hops.iter().flat_map(|hop| &hop.checkpoints)
    }

    /// The first checkpoint that does not let the flow on decides.
    fn end(&self) -> End {
        let Some(check) = self.checks().find(|check| check.decision.effect != Effect::Allow) else {
            return End::Outcome(self.success.clone());
        };
        match (&check.decision.effect, &check.decision.symptom) {
            (Effect::Deny, Some(symptom)) => End::Outcome(symptom.clone()),
            (Effect::Deny, None) => {
                End::Unknown(format!("{} denies, and how the client sees it is not known", check.checkpoint))
            }
            (Effect::Unknown | Effect::Allow, _) => End::Unknown(check.decision.detail.clone()),
        }
    }

    fn trace(self, flow: &Flow) -> Trace {
        let end = self.end();
        let through = self.checks().all(|check| check.decision.effect == Effect::Allow);
        let answer = self.answer.filter(|_| through);
        Trace { flow: flow.clone(), hops: self.hops, end, answer }
    }
}

/// The ways that lead to somebody else than the sender, if there are such: what a backend of a Service sends there and gets
/// back itself stays inside of its network namespace, where no policy is asked (Cilium `bpf/bpf_lxc.c`, the hairpin of a
/// loopback Service; ztunnel `src/proxy/outbound.rs`), and says nothing of the flow that was meant.
pub(super) fn to_others(mut branches: Vec<Branch>) -> (Vec<Branch>, bool) {
    let is_own = |branch: &Branch| branch.checks().any(|check| check.decision.reason == Reason::Loopback);
    let own = branches.iter().filter(|branch| is_own(branch)).count();
    let mixed = own > 0 && own < branches.len();
    if mixed {
        branches.retain(|branch| !is_own(branch));
    }
    (branches, mixed)
}

/// The trace of a flow with these branches: one, if they all end alike; unknown, if they do not.
pub(super) fn combine(flow: &Flow, branches: Vec<Branch>) -> Trace {
    let (branches, may_meet_itself) = to_others(branches);
    let mut trace = common(flow, branches);
    if may_meet_itself && let Some(check) = trace.hops.last_mut().and_then(|hop| hop.checkpoints.last_mut()) {
        check.decision.detail.push_str(ITSELF);
    }
    trace
}

/// What is said where the sender is one of those among whom a balancer chooses.
const ITSELF: &str = "; the sender is a backend too, and what it sends to itself no policy is asked about";

fn common(flow: &Flow, branches: Vec<Branch>) -> Trace {
    let mut traces: Vec<Trace> = branches.into_iter().map(|branch| branch.trace(flow)).collect();
    if traces.is_empty() {
        let end = End::Unknown("the flow leads nowhere".to_owned());
        return Trace { flow: flow.clone(), hops: Vec::new(), end, answer: None };
    }
    let alike = traces.iter().all(|trace| ends_like(trace, &traces[0]));
    let answer = common_answer(&traces);
    let disagreement = disagreement(&traces);
    let told = traces.swap_remove(least_telling(&traces));
    // What is claimed of the flow must hold whichever way it takes.
    let claims = |trace: &Trace| layers_passed(&told).is_subset(&layers_passed(trace));
    if alike && (told.denial().is_some() || traces.iter().all(claims)) {
        Trace { answer, ..told }
    } else {
        Trace { end: End::Unknown(disagreement), answer: None, ..told }
    }
}

/// The trace that proves the least: the fewest layers deny, and the fewest lie on the way.
fn least_telling(traces: &[Trace]) -> usize {
    let weight = |trace: &Trace| (trace.denying_layers().len(), layers_passed(trace).len());
    (0..traces.len()).min_by_key(|index| weight(&traces[*index])).unwrap_or_default()
}

/// Layers that let the flow on, up to where it ended.
fn layers_passed(trace: &Trace) -> BTreeSet<Layer> {
    let passed = trace.checks().take_while(|check| check.decision.effect == Effect::Allow);
    passed.map(|check| check.checkpoint.layer()).collect()
}

/// Who answers whichever way the flow takes, and what reaches it if that is the same.
fn common_answer(traces: &[Trace]) -> Option<Answer> {
    let answers: Option<Vec<&Answer>> = traces.iter().map(|trace| trace.answer.as_ref()).collect();
    let answers = answers?;
    let first = *answers.first()?;
    if answers.iter().any(|answer| answer.by != first.by) {
        return None;
    }
    let same = answers.iter().all(|answer| answer.request == first.request);
    let request = first.request.clone().filter(|_| same);
    Some(Answer { by: first.by.clone(), request, admitted: first.admitted.clone() })
}

fn ends_like(a: &Trace, b: &Trace) -> bool {
    a.end == b.end
        && a.denial().map(|check| check.checkpoint.layer()) == b.denial().map(|check| check.checkpoint.layer())
}

fn disagreement(traces: &[Trace]) -> String {
    let mut ways: Vec<String> = traces.iter().map(describe).collect();
    ways.dedup();
    format!("it depends on which backend is chosen: {}", ways.join("; "))
}

fn describe(trace: &Trace) -> String {
    let to = trace.hops.last().map_or("nowhere", |hop| hop.to.as_str());
    match &trace.end {
        End::Outcome(outcome) => format!("{to} gives {outcome}"),
        End::Unknown(why) => format!("{to} is unknown ({why})"),
    }
}
