//! The verdict on one case.

use super::allowed::allowed;
use super::denied::denied;
use super::observation::Observation;
use super::usable::unusable;
use super::verdict::{Judgement, Verdict};
use crate::scenario::{Case, Expectation, Waiver};

/// A case that was judged in the same round: what a denied case knows of its twin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged<'a> {
    /// The case.
    pub case: &'a Case,
    /// What it came to.
    pub judgement: &'a Judgement,
}

/// What an observation says about an expectation, waivers aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// It holds, and evidence says so.
    Holds(String),
    /// It does not hold.
    Broken(String),
    /// Nobody can tell.
    Unclear(String),
}

/// Judges one case by what was seen of it.
///
/// The rules, in the order in which they are applied:
///
/// 1. What cannot be used decides nothing: a probe error, no outcome, no attempt, or evidence that contradicts
///    itself or tells of another flow is `inconclusive`.
/// 2. A denied flow that got through is a `fail`, whatever its twin did.
/// 3. A denied case is `inconclusive` unless its twin, tried in the same round, is a `pass`.
/// 4. A denial that would have happened without any policy (nothing listens there) is `inconclusive`, unless the case
///    names the reason for which the CNI or ztunnel must end it and this is the reason that was seen; so is one for a
///    host that no listener or route takes, unless the case names that reason.
/// 5. A denial is `inconclusive` if no observer names the layer, and a `fail` if it is another than expected.
/// 6. The outcome must be one that the case accepts, and as many layers must deny as it demands.
/// 7. An allowed flow must pass the layers, be answered by the workload and show the backend the headers that the
///    case names; what no observer tells is `inconclusive`.
///
/// A waiver turns a `fail` into `waived` up to and on its last day; it never touches another verdict.
/// `today` is the day of the run in UTC; `twin` the judged twin of the same round, for a denied case.
#[must_use]
pub fn judge(case: &Case, observation: &Observation, twin: Option<&Judged<'_>>, today: jiff::civil::Date) -> Judgement {
    let finding = match (unusable(case, observation), &observation.outcome, &case.expect) {
        (Some(why), _, _) => Finding::Unclear(why),
        (None, None, _) => Finding::Unclear("nobody saw how the flow ended".to_owned()),
        (None, Some(outcome), Expectation::Allow(expect)) => allowed(case, expect, outcome, &observation.evidence),
        (None, Some(outcome), Expectation::Deny(expect)) => denied(case, expect, outcome, &observation.evidence, twin),
    };
    let (verdict, why) = waive(finding, case.waiver.as_ref(), today);
    let flaky = verdict == Verdict::Pass && observation.attempts > 1;
    Judgement { verdict, why, flaky }
}

fn waive(finding: Finding, waiver: Option<&Waiver>, today: jiff::civil::Date) -> (Verdict, String) {
    match (finding, waiver) {
        (Finding::Unclear(why), _) => (Verdict::Inconclusive, why),
        (Finding::Holds(why), None) => (Verdict::Pass, why),
        (Finding::Holds(why), Some(waiver)) => {
            (Verdict::Pass, format!("{why}; waiver unused: remove it (it would hold until {})", waiver.until))
        }
        (Finding::Broken(why), None) => (Verdict::Fail, why),
        (Finding::Broken(why), Some(waiver)) => match waiver.last_day() {
            Some(last) if today <= last => {
                (Verdict::Waived { until: waiver.until.clone(), why: waiver.why.clone() }, why)
            }
            Some(last) => (Verdict::Fail, format!("{why}; the waiver ran out on {last}")),
            None => (Verdict::Fail, format!("{why}; the waiver names no day: `{}`", waiver.until)),
        },
    }
}
