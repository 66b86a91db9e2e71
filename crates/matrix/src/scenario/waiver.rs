//! Waivers in files of their own: known failures that someone answers for, until a day.
//!
//! ```yaml
//! apiVersion: airtight.dev/v1alpha1
//! kind: Waiver
//! metadata: {name: team-beta-moves}
//! spec:
//!   select: {ids: [MCP-07], objects: [CiliumNetworkPolicy mcp-teambeta/only-waypoint]}
//!   reason: the server moves to another namespace
//!   approver: security lead
//!   ticket: PLAT-1234
//!   until: 2026-03-31
//! ```
//!
//! What it selects is tried as ever. Names of one kind are alternatives; of several kinds each must fit. An id stands for
//! what it was expanded to as well, and an object for cases in which one of its rules decided.

use std::collections::BTreeMap;

use airtight_manifest::{Diagnostic, Document, Located, Location, Node, closest, decode_object};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Deserialize;

use super::case::{Approval, Case, Waiver};
use super::form::API_VERSION;

/// `kind` of files with waivers.
pub const WAIVER_KIND: &str = "Waiver";

/// The longest life of a waiver, in days.
pub(super) const MOST_DAYS: i32 = 365;

/// A waiver that stands in a file of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileWaiver {
    /// Its name.
    pub name: String,
    /// Ids of cases, as written or expanded.
    pub ids: Vec<String>,
    /// Names of scenarios.
    pub scenarios: Vec<String>,
    /// Ids of controls.
    pub controls: Vec<String>,
    /// Policy objects as reports show them, such as `CiliumNetworkPolicy mcp-teamalpha/only-waypoint`.
    pub objects: Vec<String>,
    /// What it says.
    pub waiver: Waiver,
    /// Where it was written.
    pub at: Location,
}

impl FileWaiver {
    /// Whether it is for a case, as far as that is known before it was tried: whatever objects decide.
    #[must_use]
    pub fn may_select(&self, case: &Case) -> bool {
        let is =
            |wanted: &[String], fits: &dyn Fn(&str) -> bool| wanted.is_empty() || wanted.iter().any(|one| fits(one));
        is(&self.ids, &|id| is_of(&case.id, id))
            && is(&self.scenarios, &|name| case.scenario == name)
            && is(&self.controls, &|control| case.controls.iter().any(|own| own == control))
    }
}

/// Whether an id is another one, or one of those that it was expanded to.
fn is_of(id: &str, written: &str) -> bool {
    id.strip_prefix(written).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// A file with a waiver.
#[derive(JsonSchema)]
#[schemars(rename = "Waiver", rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used; `HeadForm` is what is decoded")]
pub(super) struct WaiverFileForm {
    /// `airtight.dev/v1alpha1`.
    #[schemars(regex(pattern = r"^airtight\.dev/v1alpha1$"))]
    api_version: String,
    /// `Waiver`.
    #[schemars(regex(pattern = r"^Waiver$"))]
    kind: String,
    /// Its name.
    metadata: MetadataForm,
    /// What it is for, and who answers for it.
    spec: SpecForm,
}

/// Metadata of a waiver.
#[derive(JsonSchema)]
#[schemars(rename = "WaiverMetadata")]
#[expect(dead_code, reason = "only its schema is used")]
struct MetadataForm {
    /// Name of the waiver.
    name: String,
}

#[derive(Clone, Deserialize)]
struct HeadForm {
    spec: SpecForm,
}

/// What a waiver is for, and who answers for it.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WaiverSpec", deny_unknown_fields)]
struct SpecForm {
    /// The cases that it is for; at least one name.
    select: SelectForm,
    /// Why.
    #[schemars(with = "String")]
    reason: Located<String>,
    /// Who approved it.
    #[schemars(with = "String")]
    approver: Located<String>,
    /// Where it is followed up.
    #[schemars(with = "String")]
    ticket: Located<String>,
    /// The last day on which it holds, `YYYY-MM-DD`; at most 365 days ahead.
    #[schemars(with = "String")]
    until: Located<String>,
    /// What stands in for the control meanwhile.
    #[serde(default)]
    compensating: Option<String>,
}

/// The cases that a waiver is for.
#[derive(Clone, Deserialize, JsonSchema)]
#[schemars(rename = "WaiverSelector", deny_unknown_fields)]
struct SelectForm {
    /// Ids of cases.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    ids: Vec<Located<String>>,
    /// Names of scenarios.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    scenarios: Vec<Located<String>>,
    /// Controls, as `framework/ID`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    controls: Vec<Located<String>>,
    /// Policy objects in whose cases a rule of theirs decided, as `Kind namespace/name`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    objects: Vec<Located<String>>,
}

/// Whether a document is a waiver.
pub(super) fn is_waiver(document: &Document) -> bool {
    document.root.get("kind").and_then(Node::as_str) == Some(WAIVER_KIND)
}

/// The waivers of the documents; everything that is wrong with them goes to `findings`. `cases` are those of the whole
/// matrix: a name that none of them has is an error.
pub(super) fn read(
    documents: &[&Document],
    cases: &[&Case],
    today: Date,
    findings: &mut Vec<Diagnostic>,
) -> Vec<FileWaiver> {
    let mut names: BTreeMap<String, Location> = BTreeMap::new();
    let mut waivers = Vec::new();
    for document in documents {
        let before = findings.len();
        let Some((waiver, form)) = one(document, today, findings) else { continue };
        let here = waiver.at.clone();
        if let Some(first) = names.insert(waiver.name.clone(), here.clone()) {
            let message = format!("waiver `{}` is also written at {first}", waiver.name);
            findings
                .push(Diagnostic::error("repeated-waiver", message).at(here).hint("give one of the two another name"));
        }
        dangling(document, &waiver, &form.select, cases, findings);
        waivers.extend((findings.len() == before).then_some(waiver));
    }
    waivers
}

fn one(document: &Document, today: Date, findings: &mut Vec<Diagnostic>) -> Option<(FileWaiver, SpecForm)> {
    let version = document.root.get("apiVersion").and_then(Node::as_str).unwrap_or("nothing");
    if version != API_VERSION {
        let finding = Diagnostic::error("unknown-version", format!("a Waiver has no apiVersion `{version}`"));
        findings
            .push(finding.at(document.location(document.root.at)).hint(format!("write `apiVersion: {API_VERSION}`")));
        return None;
    }
    let object = decode_object::<HeadForm>(document).map_err(|found| findings.extend(found)).ok()?;
    let name = object.meta.name().to_owned();
    let form = object.into_body().spec;
    let before = findings.len();
    check(document, &form, today, findings);
    let plain = |items: &[Located<String>]| items.iter().map(|item| item.value.clone()).collect();
    let why = match form.compensating.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        Some(instead) => format!("{} (meanwhile: {instead})", form.reason.value),
        None => form.reason.value.clone(),
    };
    let approval =
        Approval { waiver: name.clone(), approver: form.approver.value.clone(), ticket: form.ticket.value.clone() };
    let waiver = FileWaiver {
        name,
        ids: plain(&form.select.ids),
        scenarios: plain(&form.select.scenarios),
        controls: plain(&form.select.controls),
        objects: plain(&form.select.objects),
        waiver: Waiver { until: form.until.value.clone(), why, approval: Some(approval) },
        at: document.location(document.root.at),
    };
    (findings.len() == before).then_some((waiver, form))
}

fn check(document: &Document, form: &SpecForm, today: Date, findings: &mut Vec<Diagnostic>) {
    findings.extend(lasting(document, &form.until, today));
    for (what, text) in [("reason", &form.reason), ("approver", &form.approver), ("ticket", &form.ticket)] {
        if text.trim().is_empty() {
            let finding = Diagnostic::error("waiver", format!("the waiver's {what} is empty"));
            findings.push(
                finding.at(document.location(text.at)).hint("write why, who approved it, and where it is followed up"),
            );
        }
    }
    let SelectForm { ids, scenarios, controls, objects } = &form.select;
    if [ids, scenarios, controls, objects].into_iter().all(Vec::is_empty) {
        let finding = Diagnostic::error("waiver", "the waiver selects everything");
        findings.push(
            finding
                .at(document.location(document.root.get("spec").map_or(document.root.at, |spec| spec.at)))
                .hint("name what it is for under `select`: ids, scenarios, controls or objects"),
        );
    }
}

/// What is wrong with the last day of a waiver.
pub(super) fn lasting(document: &Document, until: &Located<String>, today: Date) -> Option<Diagnostic> {
    let waiver = Waiver { until: until.value.clone(), why: String::new(), approval: None };
    let (message, hint) = match waiver.last_day() {
        None => {
            (format!("`{}` is not a day", until.value), "write the last day on which the waiver holds as `YYYY-MM-DD`")
        }
        Some(last) if today.until(last).map_or(true, |span| span.get_days() > MOST_DAYS) => (
            format!("the waiver holds until {last}, more than {MOST_DAYS} days from {today}"),
            "a waiver is renewed at least once a year",
        ),
        Some(_) => return None,
    };
    Some(Diagnostic::error("waiver", message).at(document.location(until.at)).hint(hint))
}

/// Names that no case of the matrix has, and names that no case has together. Of objects a run alone can tell.
fn dangling(
    document: &Document,
    waiver: &FileWaiver,
    form: &SelectForm,
    cases: &[&Case],
    findings: &mut Vec<Diagnostic>,
) {
    let before = findings.len();
    let ids: Vec<&str> = cases.iter().map(|case| case.id.as_str()).collect();
    let scenarios: Vec<&str> = cases.iter().map(|case| case.scenario.as_str()).collect();
    let controls: Vec<&str> = cases.iter().flat_map(|case| &case.controls).map(String::as_str).collect();
    let kinds =
        [("case", &form.ids, ids), ("scenario", &form.scenarios, scenarios), ("control", &form.controls, controls)];
    for (what, wanted, known) in kinds {
        for name in wanted
            .iter()
            .filter(|name| !known.iter().any(|known| *known == name.value || what == "case" && is_of(known, name)))
        {
            let message =
                format!("waiver `{}` is for {what} `{}`, which the matrix does not have", waiver.name, name.value);
            let finding = Diagnostic::error("dangling-waiver", message).at(document.location(name.at));
            findings.push(match closest(&name.value, known.iter().copied()) {
                Some(meant) => finding.hint(format!("did you mean `{meant}`?")),
                None => finding.hint("remove the waiver, or name what it is for"),
            });
        }
    }
    if findings.len() == before && !cases.iter().any(|case| waiver.may_select(case)) {
        let message = format!("waiver `{}` is for nothing: no case has all that it names", waiver.name);
        let finding = Diagnostic::error("dangling-waiver", message).at(waiver.at.clone());
        findings.push(finding.hint("names of one kind are alternatives, and of several kinds each must fit"));
    }
}
