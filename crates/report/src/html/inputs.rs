//! What went in: findings, versions, hashes.

use airtight_manifest::Severity;
use airtight_matrix::run::RunRecord;

use crate::text::one_line;

/// A finding about an input.
pub(super) struct FindingView {
    pub(super) severity: &'static str,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) at: String,
    pub(super) hint: String,
}

/// What the run was made of.
pub(super) struct InputView {
    pub(super) run: String,
    pub(super) tool: String,
    pub(super) testbed: String,
    pub(super) stack: String,
    pub(super) started: String,
    pub(super) schema: String,
    pub(super) versions: Vec<(String, String)>,
    /// File and SHA-256.
    pub(super) files: Vec<(String, String)>,
}

/// Every finding; errors first.
pub(super) fn findings(record: &RunRecord) -> Vec<FindingView> {
    let mut findings: Vec<_> = record.findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
        .into_iter()
        .map(|finding| FindingView {
            severity: match finding.severity {
                Severity::Note => "note",
                Severity::Warning => "warning",
                Severity::Error => "error",
            },
            code: one_line(&finding.code),
            message: one_line(&finding.message),
            at: finding.location.as_ref().map(|location| one_line(&location.to_string())).unwrap_or_default(),
            hint: finding.hint.as_deref().map(one_line).unwrap_or_default(),
        })
        .collect()
}

impl InputView {
    pub(super) fn of(record: &RunRecord) -> Self {
        let lines = |pairs: Vec<(&String, &String)>| {
            pairs.into_iter().map(|(name, value)| (one_line(name), one_line(value))).collect()
        };
        Self {
            run: one_line(&record.id),
            tool: one_line(&format!("{} {}", record.tool.name, record.tool.version)),
            testbed: one_line(&record.testbed),
            stack: one_line(&record.stack.name),
            started: one_line(&record.started),
            schema: one_line(&record.schema),
            versions: lines(record.stack.versions.iter().map(|(name, version)| (name, version)).collect()),
            files: lines(record.inputs.iter().collect()),
        }
    }
}
