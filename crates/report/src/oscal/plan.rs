//! The Assessment Plan: what the matrix sets out to try, whatever came of it.

use airtight_matrix::run::{CaseRecord, RunRecord};
use serde_json::{Value, json};

use super::control::Controls;
use super::parts::{back_reference, files, harness, metadata, prop, resource, run_props, text};
use crate::document::{json, lean};
use crate::error::ReportError;
use crate::identity;
use crate::moment::Moments;
use crate::options::OscalVersion;
use crate::wording::{expectation, severity_word};

const FORMAT: &str = "OSCAL Assessment Plan";

/// The plan of a run.
///
/// # Errors
/// [`ReportError::Render`] if the record's start is no time.
pub fn render(record: &RunRecord, version: OscalVersion) -> Result<String, ReportError> {
    let moments = Moments::of(record, FORMAT)?;
    let controls = Controls::of(record)?;
    let named = || controls.standings.iter().map(|standing| standing.control);
    let ssp = resource(
        "ssp",
        "",
        "No system security plan was given",
        "The plan is made from the matrix of flows; name your own system security plan here.",
    );
    let mut resources = vec![ssp];
    resources.extend(controls.resources(named()));
    resources.extend(files(record));
    let activities: Vec<Value> = record.cases.iter().map(|case| activity(case, &controls)).collect();
    let document = json!({"assessment-plan": lean(json!({
        "uuid": identity::of_run(record, "assessment-plan", ""),
        "metadata": metadata(record, "Zero-trust network flows: what is tried", moments, version),
        "import-ssp": {"href": back_reference("ssp", "")},
        "local-definitions": {"activities": activities},
        "reviewed-controls": controls.reviewed(named(), "No case names a control."),
        "assessment-assets": {
            "components": [harness(record)],
            "assessment-platforms": [{
                "uuid": identity::lasting("platform", &record.testbed),
                "title": text(&format!("The {} testbed", record.testbed)),
                "props": run_props(record),
                "uses-components": [{"component-uuid": identity::lasting("component", "airtight")}],
            }],
        },
        "tasks": [task(record)],
        "back-matter": {"resources": resources},
    }))});
    json(&with_all_subjects(document), FORMAT)
}

fn activity(record: &CaseRecord, controls: &Controls<'_>) -> Value {
    let case = &record.case;
    let named = case.controls.iter().map(String::as_str);
    let related = (!case.controls.is_empty()).then(|| controls.reviewed(named, ""));
    let twin = case.twin.as_ref().map(|twin| {
        json!({
            "uuid": identity::lasting("step twin", &case.id),
            "title": text(&format!("Try the allowed twin {twin}")),
            "description": "It differs in exactly one thing; unless it gets through at the same moment, nobody can tell.",
        })
    });
    let own = json!({
        "uuid": identity::lasting("step", &case.id),
        "title": "Try the flow",
        "description": text(&format!("{}. Expected: {}.", case.flow, expectation(case))),
    });
    json!({
        "uuid": identity::lasting("activity", &case.id),
        "title": text(&format!("{} {}", case.id, case.title)),
        "description": text(&format!("{}. Expected: {}.", case.flow, expectation(case))),
        "props": [prop("case-id", &case.id), prop("scenario", &case.scenario), prop("severity", severity_word(case.severity)), prop("method", "TEST")],
        "steps": std::iter::once(own).chain(twin).collect::<Vec<_>>(),
        "related-controls": related,
    })
}

fn task(record: &RunRecord) -> Value {
    let activities = record.cases.iter().map(|case| {
        let end = identity::lasting("end", &case.case.flow.to.to_string());
        json!({
            "activity-uuid": identity::lasting("activity", &case.case.id),
            "subjects": [{
                "type": "component",
                "include-subjects": [{"subject-uuid": end, "type": "component"}],
            }],
        })
    });
    json!({
        "uuid": identity::of_run(record, "task", ""),
        "type": "action",
        "title": "Run the matrix",
        "description": "A canary first shows that the testbed enforces at all; then every case, a denied one beside its twin.",
        "associated-activities": activities.collect::<Vec<_>>(),
    })
}

/// `assessment-subjects` says "all" by an empty object, which is not left out.
fn with_all_subjects(mut document: Value) -> Value {
    document["assessment-plan"]["assessment-subjects"] = json!([{
        "type": "component",
        "description": "Every end of a flow of the matrix.",
        "include-all": {},
    }]);
    document
}
