//! One document → the form of a scenario, with every finding of every case.

use airtight_manifest::decode::{DecodeError, UnknownField, decode};
use airtight_manifest::{Diagnostic, Document, Located, Node, Position, closest, decode_object};

use super::form::{API_VERSION, CaseForm, HeadForm, KIND};
use super::one_or_many::{EmptyList, empty_lists, in_list_form};

/// A scenario as written.
pub(super) struct ScenarioText<'d> {
    pub(super) document: &'d Document,
    pub(super) name: String,
    pub(super) head: HeadForm,
    pub(super) cases: Vec<Located<CaseForm>>,
    /// Ids of cases that could not be read; others may name them as twins.
    pub(super) unread: Vec<String>,
}

/// Reads one document; a scenario whose head is broken is not returned, a broken case is left out.
pub(super) fn parse<'d>(document: &'d Document, findings: &mut Vec<Diagnostic>) -> Option<ScenarioText<'d>> {
    if let Some(finding) = wrong_kind(document) {
        findings.push(finding);
        return None;
    }
    let (cases, unread) = parse_cases(document, findings);
    let head = decode_object::<HeadForm>(document).map_err(|found| findings.extend(found)).ok()?;
    let name = head.meta.name().to_owned();
    findings.extend(name_problem(document, &name));
    if cases.is_empty() && unread.is_empty() {
        findings.push(
            Diagnostic::error("empty-scenario", format!("scenario `{name}` has no cases"))
                .at(document.location(cases_place(document)))
                .hint("write at least one case under `spec.cases`, or remove the file"),
        );
    }
    Some(ScenarioText { document, name, head: head.into_body(), cases, unread })
}

fn wrong_kind(document: &Document) -> Option<Diagnostic> {
    let text = |key: &str| document.root.get(key).and_then(Node::as_str);
    let place = |key: &str| document.location(document.root.get(key).map_or(document.root.at, |node| node.at));
    if text("kind") != Some(KIND) {
        let found = text("kind").unwrap_or("nothing");
        let finding =
            Diagnostic::error("not-a-scenario", format!("expected a document of kind `{KIND}`, found `{found}`"));
        return Some(finding.at(place("kind")).hint("keep manifests and scenarios in separate folders"));
    }
    if text("apiVersion") != Some(API_VERSION) {
        let found = text("apiVersion").unwrap_or("nothing");
        let finding = Diagnostic::error("unknown-version", format!("a Scenario has no apiVersion `{found}`"));
        return Some(finding.at(place("apiVersion")).hint(format!("write `apiVersion: {API_VERSION}`")));
    }
    None
}

fn name_problem(document: &Document, name: &str) -> Option<Diagnostic> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let valid = name.bytes().all(|b| plain(b) || b == b'-')
        && name.bytes().next().is_some_and(plain)
        && name.bytes().next_back().is_some_and(plain);
    let metadata = document.root.get("metadata");
    let at = metadata.and_then(|node| node.get("name")).or(metadata).map_or(document.root.at, |node| node.at);
    (!valid).then(|| {
        Diagnostic::error("scenario-name", format!("`{name}` is not a scenario name"))
            .at(document.location(at))
            .hint("write `metadata.name` in lower-case letters, digits and hyphens, such as `mcp-cross-namespace`")
    })
}

fn cases_place(document: &Document) -> Position {
    let spec = document.root.get("spec");
    spec.and_then(|spec| spec.get("cases")).or(spec).map_or(document.root.at, |node| node.at)
}

fn parse_cases(document: &Document, findings: &mut Vec<Diagnostic>) -> (Vec<Located<CaseForm>>, Vec<String>) {
    let Some(cases) = document.root.get("spec").and_then(|spec| spec.get("cases")) else {
        return (Vec::new(), Vec::new());
    };
    let Some(items) = cases.as_list() else {
        if !cases.is_null() {
            findings.push(
                Diagnostic::error("invalid-value", "spec.cases is not a list")
                    .at(document.location(cases.at))
                    .hint("write each case as an item that begins with `- id:`"),
            );
        }
        return (Vec::new(), Vec::new());
    };
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        match parse_case(document, index, item, findings) {
            Some(case) => read.push(Located { value: case, at: item.at }),
            None => unread.push(item.get("id").and_then(Node::as_str).unwrap_or_default().to_owned()),
        }
    }
    (read, unread)
}

fn parse_case(document: &Document, index: usize, item: &Node, findings: &mut Vec<Diagnostic>) -> Option<CaseForm> {
    let before = findings.len();
    let case = match decode::<CaseForm>(&in_list_form(item)) {
        Ok(decoded) => {
            findings.extend(decoded.unknown.iter().map(|field| unknown_field(document, index, field)));
            Some(decoded.value)
        }
        Err(error) => {
            findings.push(invalid_value(document, index, item, &error));
            None
        }
    };
    findings.extend(empty_lists(item).into_iter().map(|list| empty_list(document, &list)));
    case.filter(|_| findings.len() == before)
}

fn unknown_field(document: &Document, index: usize, field: &UnknownField) -> Diagnostic {
    let finding =
        Diagnostic::error("unknown-field", format!("Scenario has no field `spec.cases[{index}].{}`", field.path))
            .at(document.location(field.at));
    if field.path == "expect.via" {
        return finding.hint("`via` says how an allowed flow got through: write `expect: {allow: {via: […]}}`");
    }
    match field.meant.or_else(|| closest(&field.name, field.accepted.iter().copied())) {
        Some(meant) => finding.hint(format!("did you mean `{meant}`?")),
        None => finding.hint(format!("the fields here are: {}", field.accepted.join(", "))),
    }
}

fn invalid_value(document: &Document, index: usize, item: &Node, error: &DecodeError) -> Diagnostic {
    let path = if error.path.is_empty() { String::new() } else { format!(".{}", error.path) };
    Diagnostic::error("invalid-value", format!("spec.cases[{index}]{path}: {}", error.message))
        .at(document.location(error.at.unwrap_or(item.at)))
        .hint(value_hint(&error.message))
}

/// What to do about a value that serde refused; its text names the word and the accepted ones in backticks.
fn value_hint(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown variant")
        && let Some(word) = quoted.next()
        && let Some(meant) = closest(word, quoted)
    {
        return format!("did you mean `{meant}`?");
    }
    if message.contains("expected a string") {
        return "quote the value: YAML reads it as another type".to_owned();
    }
    "see `airtight schema scenario` for the format".to_owned()
}

fn empty_list(document: &Document, list: &EmptyList) -> Diagnostic {
    Diagnostic::error(
        "empty-list",
        format!("`{}` is an empty list, which would say nothing without saying so", list.key),
    )
    .at(document.location(list.at))
    .hint(format!("write at least one value for `{0}`, or leave `{0}` out", list.key))
}
