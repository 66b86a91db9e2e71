//! Controls as OSCAL names them.

use std::collections::BTreeMap;

use airtight_matrix::run::RunRecord;
use airtight_matrix::scenario::{Catalogue, Control, Framework, Strength};
use serde_json::{Value, json};

use super::parts::{back_reference, prop, resource, text, token};
use crate::control::{ControlStanding, controls};
use crate::error::ReportError;
use crate::identity;

/// The framework whose ids are NIST's own; those of others are told apart by their framework.
const NIST: &str = "nist-800-53";

/// The controls of a run, with what the catalogue says of them.
pub(super) struct Controls<'r> {
    catalogue: Catalogue,
    pub(super) standings: Vec<ControlStanding<'r>>,
}

impl<'r> Controls<'r> {
    pub(super) fn of(record: &'r RunRecord) -> Result<Self, ReportError> {
        let catalogue = Catalogue::embedded().map_err(|findings| ReportError::Render {
            format: "OSCAL",
            why: findings.first().map(ToString::to_string).unwrap_or_default(),
        })?;
        Ok(Self { catalogue, standings: controls(record) })
    }

    pub(super) fn known(&self, id: &str) -> Option<(&Framework, &Control)> {
        self.catalogue.control(id)
    }

    /// How much a passing case says about a control; of one that nobody knows, nothing but its surroundings.
    pub(super) fn strength(&self, id: &str) -> Strength {
        self.known(id).map_or(Strength::Supporting, |(_, control)| control.strength())
    }

    pub(super) fn title(&self, id: &str) -> String {
        self.known(id).map_or_else(|| text(id), |(_, control)| text(&format!("{id}: {}", control.title)))
    }

    /// What evidence from flows leaves open.
    pub(super) fn gaps(&self, id: &str) -> String {
        let gaps = self.known(id).map(|(framework, control)| {
            let own = control.gaps.iter().map(String::as_str);
            own.chain([framework.gaps.as_str()]).collect::<Vec<_>>().join(" ")
        });
        gaps.unwrap_or_default()
    }

    /// Ids by framework, in the order of the ids.
    pub(super) fn by_framework<'a>(ids: impl IntoIterator<Item = &'a str>) -> BTreeMap<&'a str, Vec<&'a str>> {
        let mut frameworks: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for id in ids {
            frameworks.entry(id.split_once('/').map_or("", |(framework, _)| framework)).or_default().push(id);
        }
        frameworks
    }

    /// `reviewed-controls`: a selection for each framework. At least one must stand there.
    pub(super) fn reviewed<'a>(&self, ids: impl IntoIterator<Item = &'a str>, none: &str) -> Value {
        let selections: Vec<Value> = Self::by_framework(ids)
            .into_iter()
            .map(|(framework, ids)| {
                let included: Vec<Value> = ids.iter().map(|id| json!({"control-id": control_id(id)})).collect();
                json!({
                    "description": self.framework_title(framework),
                    "links": [{"href": back_reference("framework", framework), "rel": "reference"}],
                    "include-controls": included,
                })
            })
            .collect();
        if selections.is_empty() {
            // 1.2 takes no selection without a control, and "all" would be the contrary.
            let nothing = json!([{"control-id": "_none"}]);
            let remarks = "`_none` stands for no control, where a selection without one is not allowed.";
            return json!({
                "control-selections": [{"description": none, "include-controls": nothing, "remarks": remarks}],
            });
        }
        json!({"control-selections": selections})
    }

    pub(super) fn framework_title(&self, name: &str) -> String {
        match self.catalogue.frameworks.iter().find(|framework| framework.name == name) {
            Some(framework) => text(&format!("{}, {}", framework.title, framework.version)),
            None => text(name),
        }
    }

    /// What says where each framework is from.
    pub(super) fn resources<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Vec<Value> {
        Self::by_framework(ids).into_keys().map(|name| self.framework_resource(name)).collect()
    }

    fn framework_resource(&self, name: &str) -> Value {
        let known = self.catalogue.frameworks.iter().find(|framework| framework.name == name);
        let source = known.map(|framework| framework.source.as_str()).unwrap_or_default();
        let links = if source.starts_with("https://") { json!([{"href": source}]) } else { Value::Null };
        let mut resource =
            resource("framework", name, &self.framework_title(name), &format!("Read from: {}", text(source)));
        resource["props"] = json!([
            prop("framework", name),
            prop("framework-version", known.map(|framework| framework.version.as_str()).unwrap_or_default()),
        ]);
        resource["rlinks"] = links;
        resource
    }
}

/// A control's id as OSCAL allows it: `nist-800-53/SC-7(5)` is `sc-7.5` in NIST's catalogue, `soc2/CC6.6` is `soc2_CC6.6`.
pub(super) fn control_id(id: &str) -> String {
    let plain = |id: &str| id.replace('(', ".").replace(')', "");
    match id.split_once('/') {
        Some((NIST, id)) => token(&plain(id).to_ascii_lowercase(), id),
        Some((framework, own)) => token(&format!("{framework}_{}", plain(own)), id),
        None => token(id, id),
    }
}

/// The statement of a control, which a finding is about; OSCAL allows no finding about the control itself.
pub(super) fn statement_id(id: &str) -> String {
    format!("{}_smt", control_id(id))
}

/// The id of a control within our documents.
pub(super) fn uuid(record: &RunRecord, what: &str, id: &str) -> String {
    identity::of_run(record, what, id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_tokens_and_stay_apart() {
        assert_eq!(control_id("nist-800-53/SC-7(5)"), "sc-7.5");
        assert_eq!(statement_id("nist-800-53/AC-4"), "ac-4_smt");
        assert_eq!(control_id("soc2/CC6.6"), "soc2_CC6.6");
        assert_eq!(control_id("gdpr/32(1)(a)"), "gdpr_32.1.a");
        assert_ne!(control_id("own/a b"), control_id("own/a_b"));
        assert!(control_id("7/x").starts_with('_'));
    }
}
