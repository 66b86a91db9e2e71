//! The Component Definition: each enforcing layer with its policy objects, and the controls that it is there for.
//!
//! It says what the policies are meant to do. What came of it stands in the Assessment Results.

use std::collections::{BTreeMap, BTreeSet};

use airtight_matrix::run::{PolicyRecord, RunRecord};
use airtight_matrix::scenario::Expectation;
use serde_json::{Value, json};

use super::control::{Controls, control_id};
use super::parts::{back_reference, metadata, prop, run_props, text};
use crate::document::{json, lean};
use crate::error::ReportError;
use crate::identity;
use crate::moment::Moments;
use crate::options::OscalVersion;
use crate::place::Places;
use crate::text::count;

const FORMAT: &str = "OSCAL Component Definition";

/// The layers of a run as components.
///
/// # Errors
/// [`ReportError::Render`] if the record's start is no time.
pub fn render(record: &RunRecord, version: OscalVersion) -> Result<String, ReportError> {
    let moments = Moments::of(record, FORMAT)?;
    let controls = Controls::of(record)?;
    let layers = layers(record);
    let components: Vec<Value> = layers.iter().map(|(name, layer)| component(record, name, layer, &controls)).collect();
    let named = controls.standings.iter().map(|standing| standing.control);
    let document = json!({"component-definition": lean(json!({
        "uuid": identity::of_run(record, "component-definition", ""),
        "metadata": metadata(record, "Layers that enforce a zero-trust network", moments, version),
        "components": components,
        "back-matter": {"resources": controls.resources(named)},
    }))});
    json(&document, FORMAT)
}

/// What a layer is made of.
#[derive(Default)]
struct Layer<'r> {
    policies: Vec<&'r PolicyRecord>,
    /// Cases (by index in the record) that count on it.
    cases: BTreeSet<usize>,
}

/// Layers by name: those that have a policy, and those that a case counts on.
fn layers(record: &RunRecord) -> BTreeMap<String, Layer<'_>> {
    let mut layers: BTreeMap<String, Layer<'_>> = BTreeMap::new();
    let places: BTreeMap<&str, usize> =
        record.cases.iter().enumerate().map(|(index, case)| (case.case.id.as_str(), index)).collect();
    for policy in &record.policies {
        let layer = layers.entry(policy.layer.clone()).or_default();
        layer.policies.push(policy);
        let ids = policy.decides.iter().chain(&policy.noticed_by);
        layer.cases.extend(ids.filter_map(|id| places.get(id.as_str())));
    }
    for (index, case) in record.cases.iter().enumerate() {
        let named: Vec<_> = match &case.case.expect {
            Expectation::Allow(allow) => allow.via.iter().copied().collect(),
            Expectation::Deny(deny) => vec![deny.by],
        };
        for layer in named {
            layers.entry(layer.to_string()).or_default().cases.insert(index);
        }
    }
    layers
}

fn component(record: &RunRecord, name: &str, layer: &Layer<'_>, controls: &Controls<'_>) -> Value {
    let places = Places::of(record);
    let objects = layer.policies.iter().map(|policy| {
        let mut object = prop("policy-object", &policy.rule.object.to_string());
        let (file, digest) = (places.relative(&policy.rule.at.file), text(&policy.digest));
        object["remarks"] = json!(text(&format!("{file}:{}, SHA-256 {digest}", policy.rule.at.position.line)));
        object
    });
    json!({
        "uuid": identity::lasting("layer", name),
        "type": "service",
        "title": text(&format!("Layer {name}")),
        "description": text(&format!(
            "{} of stack {}, and what {} on it.",
            count(layer.policies.len(), "policy object", "policy objects"),
            record.stack.name,
            count(layer.cases.len(), "case counts", "cases count"),
        )),
        "props": run_props(record).into_iter().chain(objects).collect::<Vec<_>>(),
        "control-implementations": implementations(record, name, layer, controls),
    })
}

fn implementations(record: &RunRecord, name: &str, layer: &Layer<'_>, controls: &Controls<'_>) -> Vec<Value> {
    let mut cases: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for case in layer.cases.iter().map(|index| &record.cases[*index].case) {
        for control in &case.controls {
            cases.entry(control).or_default().push(&case.id);
        }
    }
    let frameworks = Controls::by_framework(cases.keys().copied());
    let implementation = |(framework, ids): (&str, Vec<&str>)| {
        json!({
            "uuid": identity::lasting("implementation", &format!("{name}\n{framework}")),
            "source": back_reference("framework", framework),
            "description": controls.framework_title(framework),
            "implemented-requirements": ids.iter().map(|id| requirement(name, id, &cases[id], controls)).collect::<Vec<_>>(),
        })
    };
    frameworks.into_iter().map(implementation).collect()
}

fn requirement(layer: &str, control: &str, cases: &[&str], controls: &Controls<'_>) -> Value {
    json!({
        "uuid": identity::lasting("requirement", &format!("{layer}\n{control}")),
        "control-id": control_id(control),
        "description": text(&format!("{}; tried by {}", controls.title(control), cases.join(", "))),
        "props": [prop("control", control)],
        "remarks": controls.gaps(control),
    })
}
