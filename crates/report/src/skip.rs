//! Skipped cases, by the reason for which they were not tried.

use airtight_matrix::judge::Verdict;
use airtight_matrix::run::CaseRecord;

/// Cases that were not tried for one reason, and those that hang on one of them.
pub(crate) struct Skips<'r> {
    /// Why, and what would bring them back.
    pub(crate) reason: &'r str,
    /// The cases that cannot be tried.
    pub(crate) cases: Vec<&'r CaseRecord>,
    /// Cases whose twin is one of them.
    pub(crate) followers: Vec<&'r CaseRecord>,
}

impl Skips<'_> {
    /// How many cases there are in all.
    pub(crate) fn count(&self) -> usize {
        self.cases.len() + self.followers.len()
    }
}

/// The skipped cases of a run by reason, the most frequent first.
pub(crate) fn skips(cases: &[CaseRecord]) -> Vec<Skips<'_>> {
    let mut all: Vec<Skips<'_>> = Vec::new();
    for record in cases {
        let Verdict::Skipped { reason } = &record.judgement.verdict else { continue };
        let (own, follows) = root(reason);
        let at = all.iter().position(|skips| skips.reason == own).unwrap_or_else(|| {
            all.push(Skips { reason: own, cases: Vec::new(), followers: Vec::new() });
            all.len() - 1
        });
        let side = if follows { &mut all[at].followers } else { &mut all[at].cases };
        side.push(record);
    }
    all.sort_by_key(|skips| std::cmp::Reverse(skips.count()));
    all
}

/// The reason itself, and whether it is the twin's: `its twin X is skipped: WHY` (`airtight_matrix::run`).
fn root(reason: &str) -> (&str, bool) {
    let twins = reason.strip_prefix("its twin ").and_then(|rest| rest.split_once(" is skipped: "));
    let (reason, follows) = twins.map_or((reason, false), |(_, why)| (why, true));
    (reason.strip_prefix("refused: ").unwrap_or(reason), follows)
}
