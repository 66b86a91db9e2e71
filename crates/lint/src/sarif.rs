//! SARIF 2.1.0 (OASIS, `sarif-schema-2.1.0.json`), as code scanning reads it: rules, results with a place each, and what has
//! no place as notifications. What is allowed is left out, since code scanning does not look at suppressions.

use airtight_manifest::{Diagnostic, Severity, Sources, digest};
use serde_json::{Value, json};

use crate::catalogue::{Catalogue, Rule};
use crate::report::Report;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The report as a SARIF log.
#[must_use]
pub fn sarif(report: &Report, sources: &Sources) -> Value {
    let (placed, unplaced): (Vec<&Diagnostic>, Vec<&Diagnostic>) =
        report.findings.iter().map(|found| &found.diagnostic).partition(|finding| has_place(finding, sources));
    let results: Vec<Value> = placed.into_iter().map(|finding| result(finding, sources)).collect();
    let notifications: Vec<Value> = unplaced.into_iter().map(notification).collect();
    let rules: Vec<Value> = Catalogue::embedded().rules().iter().map(descriptor).collect();
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "airtight-lint",
                "version": version,
                "semanticVersion": version,
                "rules": rules,
            }},
            "automationDetails": {"id": "airtight-lint/"},
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notifications,
            }],
            "columnKind": "unicodeCodePoints",
            "properties": {"stack": report.stack},
            "results": results,
        }],
    })
}

/// Whether it speaks of a file that somebody has: not of one that the program brought along, nor of a rendered one.
fn has_place(finding: &Diagnostic, sources: &Sources) -> bool {
    finding.location.as_ref().is_some_and(|at| {
        let rendered = at.file.ends_with("(rendered)") || at.file.starts_with("built-in/");
        !rendered && (sources.text(&at.file).is_some() || finding.is_error())
    })
}

fn descriptor(rule: &Rule) -> Value {
    let mut properties = json!({
        "tags": ["security", rule.area.tag()],
        "precision": "high",
        "problem.severity": problem(rule.severity),
    });
    if let Some(severity) = rule.effect.security_severity() {
        properties["security-severity"] = json!(severity);
    }
    let help = format!("{}\n\nWrite: {}\n\nSource: {}", rule.happens.trim(), rule.write.trim(), rule.source.trim());
    json!({
        "id": rule.id,
        "name": pascal(&rule.id),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.happens.trim()},
        "help": {"text": help, "markdown": help},
        "defaultConfiguration": {"level": level(rule.severity)},
        "properties": properties,
    })
}

fn result(finding: &Diagnostic, sources: &Sources) -> Value {
    let mut result = json!({
        "ruleId": finding.code,
        "level": level(finding.severity),
        "message": {"text": message(finding)},
    });
    if let Some(index) = Catalogue::embedded().index(&finding.code) {
        result["ruleIndex"] = json!(index);
    }
    let Some(at) = &finding.location else { return result };
    let line = sources.text(&at.file).and_then(|text| text.lines().nth(at.position.line.saturating_sub(1) as usize));
    let mut region = json!({"startLine": at.position.line.max(1), "startColumn": at.position.column.max(1)});
    if let Some(line) = line {
        region["endColumn"] = json!(end_column(line, at.position.column.max(1)));
    }
    let mut location = json!({
        "physicalLocation": {"artifactLocation": {"uri": uri(&at.file)}, "region": region},
    });
    if !finding.about.is_empty() {
        let named = |object: &airtight_manifest::ObjectRef| {
            let name = [object.namespace.as_deref().unwrap_or_default(), &*object.kind, &*object.name].join("/");
            json!({"fullyQualifiedName": name.trim_start_matches('/'), "kind": "resource"})
        };
        location["logicalLocations"] = finding.about.iter().map(named).collect();
    }
    result["locations"] = json!([location]);
    let objects: Vec<String> = finding.about.iter().map(ToString::to_string).collect();
    result["partialFingerprints"] = json!({
        "primaryLocationLineHash": format!("{}:1", short(line.unwrap_or_default().trim())),
        "airtightRuleObject/v1": short(&format!("{} {} {}", finding.code, objects.join(","), finding.message)),
    });
    result
}

fn notification(finding: &Diagnostic) -> Value {
    json!({
        "descriptor": {"id": finding.code},
        "level": level(finding.severity),
        "message": {"text": message(finding)},
    })
}

fn message(finding: &Diagnostic) -> String {
    match &finding.hint {
        Some(hint) => format!("{} ({hint})", finding.message),
        None => finding.message.clone(),
    }
}

fn level(severity: Severity) -> &'static str {
    crate::page::severity(severity)
}

fn problem(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "recommendation",
    }
}

/// The column after the word at `column`, in characters.
fn end_column(line: &str, column: u32) -> u32 {
    let rest = line.chars().skip(column.saturating_sub(1) as usize);
    let word = rest.take_while(|letter| !matches!(letter, ' ' | ':' | ',' | ']' | '}')).count();
    column + u32::try_from(word.max(1)).unwrap_or(1)
}

fn short(text: &str) -> String {
    digest(&Value::from(text))[..16].to_owned()
}

fn pascal(id: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    };
    id.split('-').map(capital).collect()
}

/// A file's name as the reference of a URI: relative where it is, with what no URI may hold escaped (RFC 3986).
fn uri(file: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/@+".contains(&byte);
    let escaped =
        file.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    let path = escaped.collect::<String>();
    let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
    if path.starts_with('/') { format!("file://{path}") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_references_of_uris() {
        assert_eq!(uri("./a b/c.yaml"), "a%20b/c.yaml");
        assert_eq!(uri("/tmp/ä.yaml"), "file:///tmp/%C3%A4.yaml");
        assert_eq!(end_column("  to: [a, b]", 8), 9);
        assert_eq!(pascal("peers-are-alternatives"), "PeersAreAlternatives");
    }
}
