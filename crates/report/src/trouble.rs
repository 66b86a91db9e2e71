//! What fails a run beside its cases: refused inputs, an idle testbed, a result that no case explains.

use airtight_manifest::Diagnostic;
use airtight_matrix::run::{ExitStatus, RunRecord};

use super::text::one_line;
use super::wording::headline;

/// One thing that fails a run and is no case. Formats that know only tests tell it as a test of its own, so that none of
/// their readers takes a refused input or an idle testbed for a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Whether something is wrong, as against that nobody can tell.
    pub(super) fails: bool,
    /// Unique among the troubles of a run.
    pub(super) name: String,
    /// The kind of trouble, such as `InputRefused`.
    pub(super) kind: &'static str,
    /// In one sentence.
    pub(super) message: String,
}

/// The troubles of a run; none of a run that passed.
fn troubles(record: &RunRecord) -> Vec<Trouble> {
    let refusals = record.findings.iter().filter(|finding| finding.is_error()).enumerate();
    let mut troubles: Vec<Trouble> = refusals.map(|(index, finding)| refusal(index + 1, finding)).collect();
    if !record.canary.enforces {
        troubles.push(open("canary", "NotEnforcing", &record.canary.detail));
    }
    if record.summary.status != ExitStatus::Passed && troubles.is_empty() {
        troubles.push(open("result", "Result", &headline(record)));
    }
    troubles
}

fn refusal(number: usize, finding: &Diagnostic) -> Trouble {
    Trouble {
        fails: true,
        name: format!("finding {number} {}", one_line(&finding.code)),
        kind: "InputRefused",
        message: one_line(&finding.to_string()),
    }
}

fn open(name: &str, kind: &'static str, message: &str) -> Trouble {
    Trouble { fails: false, name: name.to_owned(), kind, message: one_line(message) }
}

/// The troubles of a run of which no case tells: beside cases that did not pass they would be counted as such.
pub(super) fn untold(record: &RunRecord) -> Vec<Trouble> {
    if record.summary.failed + record.summary.inconclusive == 0 { troubles(record) } else { Vec::new() }
}
