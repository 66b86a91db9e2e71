//! Courses: the ways that one flow can take, and how each ends.

use super::flow::Flow;
use super::trace::{Answer, Check, End, Hop, Trace};
use crate::policy::{Effect, Outcome};

/// One way that a flow can take: which backend a balancer picks makes the difference.
#[derive(Debug, Clone)]
pub(super) struct Course {
    /// The legs, in order.
    pub(super) hops: Vec<Hop>,
    /// What the client sees if no checkpoint denies.
    pub(super) success: Outcome,
    /// Who answers if no checkpoint denies.
    pub(super) answer: Option<Answer>,
}

impl Course {
    /// A course on which nothing is sent any further.
    pub(super) fn ending(hops: Vec<Hop>, success: Outcome) -> Self {
        Self { hops, success, answer: None }
    }

    /// The same course with `hops` before its own.
    pub(super) fn after(mut self, hops: &[Hop]) -> Self {
        self.hops.splice(0..0, hops.iter().cloned());
        self
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

/// The trace of a flow with these courses: one, if they all end alike; unknown, if they do not.
pub(super) fn combine(flow: &Flow, courses: Vec<Course>) -> Trace {
    let mut traces: Vec<Trace> = courses.into_iter().map(|course| course.trace(flow)).collect();
    if traces.is_empty() {
        let end = End::Unknown("the flow leads nowhere".to_owned());
        return Trace { flow: flow.clone(), hops: Vec::new(), end, answer: None };
    }
    let alike = traces.iter().all(|trace| ends_like(trace, &traces[0]));
    let same_answer = traces.iter().all(|trace| answered_by(trace) == answered_by(&traces[0]));
    let disagreement = disagreement(&traces);
    let mut first = traces.swap_remove(0);
    if !alike {
        first.end = End::Unknown(disagreement);
        first.answer = None;
    } else if !same_answer {
        first.answer = None;
    }
    first
}

fn ends_like(a: &Trace, b: &Trace) -> bool {
    a.end == b.end
        && a.denial().map(|check| check.checkpoint.layer()) == b.denial().map(|check| check.checkpoint.layer())
}

fn answered_by(trace: &Trace) -> Option<&str> {
    trace.answer.as_ref().map(|answer| answer.by.as_str())
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
