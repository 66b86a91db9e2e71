//! Assessment Results.

use airtight_model::path::Trace;
use std::collections::BTreeMap;

use airtight_matrix::judge::Verdict;
use airtight_matrix::run::{CaseRecord, RunRecord};
use airtight_matrix::scenario::{Expectation, Strength};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::control::{Controls, statement_id};
use super::parts::{PLAN, back_reference, files, harness, metadata, prop, run_props, run_resource, text};
use crate::control::{Bearing, ControlStanding};
use crate::document::{json, lean};
use crate::error::ReportError;
use crate::failure::FailureKind;
use crate::identity;
use crate::moment::Moments;
use crate::options::OscalVersion;
use crate::standing::Standing;
use crate::trouble::untold;
use crate::wording::{counts, expectation, headline, observed, severity_word, status_word, trace};

const FORMAT: &str = "OSCAL Assessment Results";

/// How long an observation says something about the present.
const VALID: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The run as Assessment Results.
///
/// # Errors
/// [`ReportError::Render`] if the record's start is no time.
pub fn render(record: &RunRecord, version: OscalVersion) -> Result<String, ReportError> {
    let moments = Moments::of(record, FORMAT)?;
    let controls = Controls::of(record)?;
    let named = controls.standings.iter().map(|standing| standing.control);
    let mut resources = vec![run_resource(record)];
    resources.extend(controls.resources(named));
    resources.extend(files(record));
    let title = text(&format!("Zero-trust network flows, {} testbed, stack {}", record.testbed, record.stack.name));
    let document = json!({"assessment-results": lean(json!({
        "uuid": identity::of_run(record, "assessment-results", ""),
        "metadata": metadata(record, &title, moments, version),
        "import-ap": {"href": PLAN},
        "results": [result(record, moments, &controls)],
        "back-matter": {"resources": resources},
    }))});
    json(&document, FORMAT)
}

fn result(record: &RunRecord, moments: Moments, controls: &Controls<'_>) -> Value {
    let scope = "Evidence from flows supports or contradicts a control; it never settles one alone.";
    let troubles: Vec<String> = untold(record).iter().map(|trouble| trouble.message.clone()).collect();
    let description = format!("{}. {}. {scope} {}", headline(record), counts(record), troubles.join("; "));
    let reached = controls.standings.iter().filter(|standing| is_reached(record, standing));
    let none = "No control was reached by evidence of this run.";
    json!({
        "uuid": identity::of_run(record, "result", ""),
        "title": text(&format!("Run {}", record.id)),
        "description": text(&description),
        "start": moments.start.to_string(),
        "end": moments.end.to_string(),
        "props": props(record),
        "local-definitions": local_definitions(record),
        "reviewed-controls": controls.reviewed(reached.map(|standing| standing.control), none),
        "observations": record.cases.iter().map(|case| observation(record, case, moments)).collect::<Vec<_>>(),
        "risks": record.cases.iter().filter_map(|case| risk(record, case, moments)).collect::<Vec<_>>(),
        "findings": controls.standings.iter().filter_map(|control| finding(record, control, controls)).collect::<Vec<_>>(),
    })
}

fn props(record: &RunRecord) -> Vec<Value> {
    let summary = &record.summary;
    let mut props = run_props(record);
    props.extend([
        prop("status", status_word(summary.status)),
        prop("exit-code", &summary.status.code().to_string()),
        prop("enforces", &record.canary.enforces.to_string()),
        prop("cases-total", &summary.total.to_string()),
        prop("cases-passed", &summary.passed.to_string()),
        prop("cases-failed", &summary.failed.to_string()),
        prop("cases-inconclusive", &summary.inconclusive.to_string()),
        prop("cases-waived", &summary.waived.to_string()),
        prop("cases-skipped", &summary.skipped.to_string()),
    ]);
    props
}

/// The ends of the flows, which observations are about, and what tried them.
fn local_definitions(record: &RunRecord) -> Value {
    let mut ends: BTreeMap<String, String> = BTreeMap::new();
    for case in &record.cases {
        for end in [case.case.flow.from.to_string(), case.case.flow.to.to_string()] {
            ends.insert(identity::lasting("end", &end), end);
        }
    }
    // What a model computed, nobody saw in operation.
    let state = match record.testbed.as_str() {
        "kind" | "cluster" => "operational",
        _ => "other",
    };
    let components = ends.iter().map(|(uuid, end)| {
        json!({
            "uuid": uuid, "type": "service", "title": text(end), "description": "An end of flows that were tried.",
            "status": {"state": state},
        })
    });
    json!({
        "components": components.collect::<Vec<_>>(),
        "assessment-assets": {
            "components": [harness(record)],
            "assessment-platforms": [{
                "uuid": identity::lasting("platform", &record.testbed),
                "title": text(&format!("The {} testbed", record.testbed)),
                "uses-components": [{"component-uuid": identity::lasting("component", "airtight")}],
            }],
        },
    })
}

fn observation(run: &RunRecord, record: &CaseRecord, moments: Moments) -> Value {
    let case = &record.case;
    let standing = Standing::of(record);
    let tried = standing != Standing::Skipped;
    let subject = |end: &str| json!({"subject-uuid": identity::lasting("end", end), "type": "component"});
    let (from, to) = (case.flow.from.to_string(), case.flow.to.to_string());
    let subjects = if from == to { vec![subject(&to)] } else { vec![subject(&to), subject(&from)] };
    let expires = moments.end.checked_add(VALID).ok().filter(|_| tried).map(|time: Timestamp| time.to_string());
    let evidence = tried.then(|| {
        json!([{
            "href": back_reference("run", &run.id),
            "description": text(&format!("Case {} in the record: {}", case.id, decided(record))),
        }])
    });
    json!({
        "uuid": observation_uuid(run, record),
        "title": text(&format!("{} {}", case.id, case.title)),
        "description": text(&description(record)),
        "props": observation_props(record),
        // What was not tried was not tested: it stands here so that nobody takes it for forgotten.
        "methods": [if tried { "TEST" } else { "UNKNOWN" }],
        "types": [if standing == Standing::Failed || standing == Standing::Waived { "finding" } else { "control-objective" }],
        "origins": [{"actors": [{"type": "tool", "actor-uuid": identity::lasting("component", "airtight")}]}],
        "subjects": subjects,
        "relevant-evidence": evidence,
        "collected": moments.end.to_string(),
        "expires": expires,
    })
}

fn observation_uuid(run: &RunRecord, record: &CaseRecord) -> String {
    identity::of_run(run, "observation", &record.case.id)
}

fn description(record: &CaseRecord) -> String {
    let flow = record.case.flow.to_string();
    let expected = expectation(&record.case);
    match &record.judgement.verdict {
        Verdict::Skipped { reason } => format!("{flow} was not tried: {reason}. Expected: {expected}."),
        Verdict::Pass | Verdict::Fail | Verdict::Inconclusive | Verdict::Waived { .. } => {
            format!("{flow}. Expected: {expected}. Observed: {}. {}", observed(record), record.judgement.why)
        }
    }
}

fn observation_props(record: &CaseRecord) -> Vec<Value> {
    let case = &record.case;
    let seen = record.observation.as_ref();
    let expected = match case.expect {
        Expectation::Allow(_) => "allow",
        Expectation::Deny(_) => "deny",
    };
    let mut props = vec![
        prop("case-id", &case.id),
        prop("verdict", Standing::of(record).verdict()),
        prop("scenario", &case.scenario),
        prop("severity", severity_word(case.severity)),
        prop("expected", expected),
        prop("observed", &observed(record)),
        prop("attempts", &seen.map_or(0, |seen| seen.attempts).to_string()),
        prop("flaky", &record.judgement.flaky.to_string()),
    ];
    props.extend(seen.and_then(|seen| seen.evidence.denied_by).map(|layer| prop("enforced-by", &layer.to_string())));
    props.extend(case.twin.iter().map(|twin| prop("twin", twin)));
    props
}

/// The rules that decided, with their places.
fn decided(record: &CaseRecord) -> String {
    let rules = trace(record).into_iter().flat_map(Trace::checks).flat_map(|check| &check.decision.rules);
    let mut rules: Vec<String> = rules.map(ToString::to_string).collect();
    rules.dedup();
    if rules.is_empty() { "no rule decided".to_owned() } else { format!("decided by {}", rules.join(", ")) }
}

/// What a failure exposes; of a waived one, until when someone answers for it.
fn risk(run: &RunRecord, record: &CaseRecord, moments: Moments) -> Option<Value> {
    let case = &record.case;
    let approval = case.waiver.as_ref().and_then(|waiver| waiver.approval.as_ref());
    let approved = approval.into_iter().flat_map(|approval| {
        [prop("waiver-id", &approval.waiver), prop("approved-by", &approval.approver), prop("ticket", &approval.ticket)]
    });
    let props = [prop("severity", severity_word(case.severity)), prop("case-id", &case.id)].into_iter().chain(approved);
    let (status, deadline, log) = match &record.judgement.verdict {
        Verdict::Fail => ("open", None, Value::Null),
        Verdict::Waived { until, why } => ("deviation-approved", deadline(until), in_force(run, record, why, moments)),
        Verdict::Pass | Verdict::Inconclusive | Verdict::Skipped { .. } => return None,
    };
    Some(json!({
        "uuid": risk_uuid(run, record),
        "title": text(&format!("{}: {}", case.id, FailureKind::of(record).words())),
        "description": text(&case.title),
        "statement": text(&record.judgement.why),
        "props": props.collect::<Vec<_>>(),
        "status": status,
        "deadline": deadline,
        "risk-log": log,
        "related-observations": [{"observation-uuid": observation_uuid(run, record)}],
    }))
}

fn risk_uuid(run: &RunRecord, record: &CaseRecord) -> String {
    identity::of_run(run, "risk", &record.case.id)
}

/// The end of a waiver's last day.
fn deadline(until: &str) -> Option<String> {
    let day: Date = until.parse().ok()?;
    Some(day.tomorrow().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().to_string())
}

fn in_force(run: &RunRecord, record: &CaseRecord, why: &str, moments: Moments) -> Value {
    json!({"entries": [{
        "uuid": identity::of_run(run, "risk-log", &record.case.id),
        "title": "In force at the time of the run",
        "description": text(why),
        "start": moments.start.to_string(),
        "status-change": "deviation-approved",
    }]})
}

/// Whether a case gave evidence for a control, either way.
fn is_reached(record: &RunRecord, standing: &ControlStanding<'_>) -> bool {
    standing.cases.iter().any(|(index, _)| match Standing::of(&record.cases[*index]) {
        Standing::Skipped => false,
        Standing::Failed | Standing::Inconclusive | Standing::Waived | Standing::Denied | Standing::Allowed => true,
    })
}

/// The judgement on a control; none where no evidence reached it, or where evidence that supports it is not of the
/// behaviour itself.
fn finding(run: &RunRecord, standing: &ControlStanding<'_>, controls: &Controls<'_>) -> Option<Value> {
    let strength = controls.strength(standing.control);
    let enforces = run.canary.enforces;
    let (state, reason) = match standing.bearing {
        Bearing::Contradicts => ("not-satisfied", "fail"),
        Bearing::Supports if !enforces => ("not-satisfied", "other"),
        Bearing::Supports if strength == Strength::Direct => ("satisfied", "pass"),
        Bearing::Supports => return None,
        Bearing::DoesNotReach => ("not-satisfied", "other"),
    };
    if !is_reached(run, standing) {
        return None;
    }
    let cases = || standing.cases.iter().map(|(index, bearing)| (&run.cases[*index], *bearing));
    let number = |wanted| cases().filter(|(_, bearing)| *bearing == wanted).count();
    let description = format!(
        "{}: {} cases support it, {} contradict it, {} do not reach it.",
        if enforces { standing.bearing.words() } else { "the testbed does not enforce" },
        number(Bearing::Supports),
        number(Bearing::Contradicts),
        number(Bearing::DoesNotReach),
    );
    let observations = cases().map(|(case, _)| json!({"observation-uuid": observation_uuid(run, case)}));
    let risks = cases().filter(|(_, bearing)| *bearing == Bearing::Contradicts);
    Some(json!({
        "uuid": super::control::uuid(run, "finding", standing.control),
        "title": controls.title(standing.control),
        "description": text(&description),
        "props": [prop("control", standing.control), prop("strength", strength_word(strength))],
        "target": {
            "type": "statement-id",
            "target-id": statement_id(standing.control),
            "status": {"state": state, "reason": reason},
        },
        "related-observations": observations.collect::<Vec<_>>(),
        "related-risks": risks.map(|(case, _)| json!({"risk-uuid": risk_uuid(run, case)})).collect::<Vec<_>>(),
        "remarks": controls.gaps(standing.control),
    }))
}

fn strength_word(strength: Strength) -> &'static str {
    match strength {
        Strength::Supporting => "supporting",
        Strength::Partial => "partial",
        Strength::Direct => "direct",
    }
}
