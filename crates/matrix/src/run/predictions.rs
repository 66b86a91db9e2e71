//! The model's predictions beside what a live testbed saw.

use std::collections::BTreeMap;

use airtight_manifest::Diagnostic;

use super::record::CaseRecord;
use crate::judge::{Agreement, Observation, Prediction, Wrong, agree};
use crate::scenario::CaseId;

/// What the model says of every case of a plan.
#[derive(Debug, Default)]
pub struct Predictions(BTreeMap<CaseId, CaseRecord>);

impl Predictions {
    /// From the cases as the model judged them.
    #[must_use]
    pub fn of(records: Vec<CaseRecord>) -> Self {
        Self(records.into_iter().map(|record| (record.case.id.clone(), record)).collect())
    }

    /// Lends an observation what only the model can tell, and only where both agree on what is known: which layers
    /// would each have denied alone. No client can see a layer behind the one that denied.
    pub(super) fn complete(&self, id: &CaseId, seen: &mut Observation) {
        let Some(predicted) = self.0.get(id).and_then(|record| record.observation.as_ref()) else { return };
        if seen.evidence.denying_layers.is_none() && seen.evidence.denied_by.is_some() && agree(seen, predicted) {
            seen.evidence.foreseen_layers.clone_from(&predicted.evidence.denying_layers);
        }
    }

    /// The prediction for a judged case.
    pub(super) fn beside(&self, record: &CaseRecord) -> Option<Prediction> {
        let predicted = self.0.get(&record.case.id)?;
        Some(Prediction::compare(
            (record.observation.as_ref()?, &record.judgement.verdict),
            (predicted.observation.as_ref()?, &predicted.judgement.verdict),
        ))
    }
}

/// One finding for each case in which the model and the testbed do not agree.
pub(super) fn disagreements(cases: &[CaseRecord]) -> Vec<Diagnostic> {
    cases.iter().filter_map(disagreement).collect()
}

fn disagreement(record: &CaseRecord) -> Option<Diagnostic> {
    match &record.prediction.as_ref()?.agreement {
        Agreement::Agree | Agreement::Open => None,
        Agreement::Differ { what, wrong } => Some(
            Diagnostic::warning("disagreement", format!("{}: {what}", record.case.id))
                .at(record.case.at.clone())
                .hint(hint(*wrong)),
        ),
    }
}

fn hint(wrong: Wrong) -> &'static str {
    match wrong {
        Wrong::Model => {
            "the cluster does what the case expects: the model is wrong, or the manifests are not those of the cluster"
        }
        Wrong::Cluster => {
            "by its manifests the cluster should do what the case expects: look for what is not in force, or not in the manifests"
        }
        Wrong::Either => "compare the trace of the model with the logs of the case",
    }
}
