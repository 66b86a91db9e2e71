//! A trace as the steps of a diagram: nodes, the wires between them, checkpoints on the wires.

use airtight_manifest::RuleRef;
use airtight_model::path::{Check, End, Trace, Wire};
use airtight_model::policy::Effect;

use super::anchor::Targets;
use crate::text::{one_line, visible};
use crate::wording::{effect_words, list};

/// The diagram of a trace.
pub(super) struct TraceView {
    pub(super) steps: Vec<Step>,
    /// What the client sees; none if the engine cannot tell.
    pub(super) outcome: Option<String>,
    /// Why the engine cannot tell.
    pub(super) unknown: String,
    /// The layers of which each alone would deny, if more than one does.
    pub(super) layers: String,
}

/// One step of the diagram, from top to bottom.
pub(super) enum Step {
    /// A workload, proxy or host.
    Node { name: String, behind: bool },
    /// The leg to the next node.
    Leg { wire: String, hbone: bool, behind: bool },
    /// A checkpoint on the leg.
    Check(Box<CheckView>),
}

/// A checkpoint with its decision.
pub(super) struct CheckView {
    pub(super) checkpoint: String,
    /// `allow`, `deny` or `unknown`.
    pub(super) effect: &'static str,
    pub(super) words: &'static str,
    /// On a leg that is a tunnel.
    pub(super) hbone: bool,
    /// Behind the checkpoint that ended the flow.
    pub(super) behind: bool,
    pub(super) reason: String,
    pub(super) detail: String,
    pub(super) rules: Vec<RuleView>,
    pub(super) symptom: String,
    pub(super) log: String,
}

/// A rule that decided.
pub(super) struct RuleView {
    /// Fragment of the policy object; empty if it is none of the run.
    pub(super) anchor: String,
    pub(super) object: String,
    pub(super) path: String,
    pub(super) at: String,
    /// Where it can be read on the web; else empty.
    pub(super) link: String,
}

impl TraceView {
    pub(super) fn of(trace: &Trace, targets: &Targets<'_>) -> Self {
        let layers = trace.denying_layers();
        let (outcome, unknown) = match &trace.end {
            End::Outcome(outcome) => (Some(one_line(&outcome.to_string())), String::new()),
            End::Unknown(why) => (None, one_line(why)),
        };
        let layers = if layers.len() > 1 { list(layers) } else { String::new() };
        Self { steps: steps(trace, targets), outcome, unknown, layers }
    }
}

fn steps(trace: &Trace, targets: &Targets<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut behind = false;
    let mut last: Option<&str> = None;
    for hop in &trace.hops {
        if last != Some(hop.from.as_str()) {
            steps.push(Step::Node { name: one_line(&hop.from), behind });
        }
        let hbone = matches!(hop.wire, Wire::Hbone { .. });
        steps.push(Step::Leg { wire: hop.wire.to_string(), hbone, behind });
        for check in &hop.checkpoints {
            steps.push(Step::Check(Box::new(check_view(check, hbone, behind, targets))));
            behind |= check.decision.effect == Effect::Deny;
        }
        steps.push(Step::Node { name: one_line(&hop.to), behind });
        last = Some(&hop.to);
    }
    steps
}

fn check_view(check: &Check, hbone: bool, behind: bool, targets: &Targets<'_>) -> CheckView {
    let decision = &check.decision;
    CheckView {
        checkpoint: check.checkpoint.to_string(),
        effect: match decision.effect {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
            Effect::Unknown => "unknown",
        },
        words: effect_words(decision.effect, behind),
        hbone,
        behind,
        reason: decision.reason.to_string(),
        detail: one_line(&decision.detail),
        rules: decision.rules.iter().map(|rule| rule_view(rule, targets)).collect(),
        symptom: decision.symptom.as_ref().map(|outcome| one_line(&outcome.to_string())).unwrap_or_default(),
        log: decision.log.as_deref().map(|log| visible(log).into_owned()).unwrap_or_default(),
    }
}

fn rule_view(rule: &RuleRef, targets: &Targets<'_>) -> RuleView {
    RuleView {
        anchor: targets.policy(&rule.object),
        object: one_line(&rule.object.to_string()),
        path: rule.rule.as_deref().map(one_line).unwrap_or_default(),
        at: one_line(&rule.at.to_string()),
        link: targets.source(&rule.at),
    }
}
