//! Waivers of files, applied to what cases came to, and what became of the waivers themselves.

use airtight_manifest::Diagnostic;
use airtight_model::path::Trace;
use jiff::civil::Date;

use super::record::{CaseRecord, WaiverRecord, WaiverState};
use crate::judge::Verdict;
use crate::scenario::{FileWaiver, Plan};

/// Turns a failure into a waived case, if a waiver is for it that holds today. It never touches another verdict.
pub(super) fn excuse(waivers: &[FileWaiver], record: &mut CaseRecord, today: Date) {
    if record.judgement.verdict != Verdict::Fail || record.case.waiver.is_some() {
        return;
    }
    let holds = |waiver: &&FileWaiver| waiver.waiver.last_day().is_some_and(|last| today <= last);
    let mut fitting = waivers.iter().filter(|waiver| selects(waiver, record));
    if let Some(waiver) = fitting.clone().find(holds) {
        let (until, why) = (waiver.waiver.until.clone(), waiver.waiver.why.clone());
        record.judgement.verdict = Verdict::Waived { until, why };
        record.case.waiver = Some(waiver.waiver.clone());
    } else if let Some(waiver) = fitting.next() {
        let why = &mut record.judgement.why;
        *why = format!("{why}; the waiver {} ran out on {}", waiver.name, waiver.waiver.until);
        record.case.waiver = Some(waiver.waiver.clone());
    }
}

/// Whether a waiver is for a case, by what was seen of it.
fn selects(waiver: &FileWaiver, record: &CaseRecord) -> bool {
    waiver.may_select(&record.case)
        && (waiver.objects.is_empty() || decided(record).any(|own| waiver.objects.contains(&own)))
}

/// The way of a case's flow, by its own account or the one that the model foresaw.
fn trace(record: &CaseRecord) -> Option<&Trace> {
    let own = record.observation.as_ref().and_then(|seen| seen.evidence.trace.as_ref());
    own.or_else(|| record.prediction.as_ref()?.foreseen.evidence.trace.as_ref())
}

/// The objects whose rules decided in a case.
fn decided(record: &CaseRecord) -> impl Iterator<Item = String> {
    let rules = trace(record).into_iter().flat_map(Trace::checks).flat_map(|check| &check.decision.rules);
    rules.map(|rule| rule.object.to_string())
}

/// What became of every waiver of a plan, and a finding for each that is not in use. Of a part of the matrix nothing is
/// said about waivers for the rest of it.
pub(super) fn account(plan: &Plan, records: &[CaseRecord], today: Date) -> (Vec<WaiverRecord>, Vec<Diagnostic>) {
    let all = plan.waivers.iter().map(|waiver| of_one(waiver, records, today));
    let told: Vec<(WaiverRecord, &FileWaiver)> =
        all.zip(&plan.waivers).filter(|(record, _)| record.state != WaiverState::Dangling || !plan.partial).collect();
    let findings = told.iter().filter_map(|(record, waiver)| finding(record, waiver)).collect();
    (told.into_iter().map(|(record, _)| record).collect(), findings)
}

fn of_one(waiver: &FileWaiver, records: &[CaseRecord], today: Date) -> WaiverRecord {
    let selected: Vec<&CaseRecord> = records.iter().filter(|record| selects(waiver, record)).collect();
    let is_used = |record: &&&CaseRecord| {
        matches!(record.judgement.verdict, Verdict::Waived { .. })
            && record.case.waiver.as_ref().is_some_and(|own| *own == waiver.waiver)
    };
    let cases: Vec<String> = selected.iter().filter(is_used).map(|record| record.case.id.clone()).collect();
    let expired = waiver.waiver.last_day().is_none_or(|last| last < today);
    let passed = selected.iter().any(|record| record.judgement.verdict == Verdict::Pass);
    let failed = selected.iter().any(|record| record.judgement.verdict == Verdict::Fail);
    // What decides in a case without a trace nobody knows.
    let blind = records.iter().any(|record| waiver.may_select(&record.case) && trace(record).is_none());
    let state = match () {
        () if selected.is_empty() && blind => WaiverState::Open,
        () if selected.is_empty() => WaiverState::Dangling,
        () if expired => WaiverState::Expired,
        () if !cases.is_empty() => WaiverState::Used,
        () if passed && !failed => WaiverState::Unused,
        () => WaiverState::Open,
    };
    let approval = waiver.waiver.approval.clone();
    let (approver, ticket) = approval.map(|approval| (approval.approver, approval.ticket)).unwrap_or_default();
    WaiverRecord {
        name: waiver.name.clone(),
        state,
        until: waiver.waiver.until.clone(),
        reason: waiver.waiver.why.clone(),
        approver,
        ticket,
        cases,
        at: waiver.at.clone(),
    }
}

fn finding(record: &WaiverRecord, waiver: &FileWaiver) -> Option<Diagnostic> {
    let name = &record.name;
    let finding = match record.state {
        WaiverState::Used | WaiverState::Open => return None,
        WaiverState::Unused => {
            Diagnostic::warning("unused-waiver", format!("waiver `{name}` is not needed: nothing that it is for fails"))
                .hint("remove it, so that it cannot excuse the next failure")
        }
        WaiverState::Expired => {
            Diagnostic::warning("expired-waiver", format!("waiver `{name}` ran out on {}", record.until))
                .hint("what it was for counts as failed again; mend it, or have it approved anew")
        }
        WaiverState::Dangling => {
            let objects = waiver.objects.join(", ");
            let words =
                format!("waiver `{name}` is for nothing: in no case that it is for a rule of {objects} decided");
            Diagnostic::error("dangling-waiver", words)
                .hint("write the object as reports show it, or remove the waiver")
        }
    };
    Some(finding.at(waiver.at.clone()))
}
