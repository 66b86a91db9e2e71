//! Fragments: where links in the page lead.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use airtight_manifest::ObjectRef;
use airtight_matrix::run::RunRecord;

use crate::text::one_line;

/// A link to a case.
pub(super) struct CaseLink {
    /// Fragment, without `#`; empty if the case is not in the record.
    pub(super) anchor: String,
    /// The case's id.
    pub(super) id: String,
}

/// What there is to link to.
pub(super) struct Targets<'a> {
    cases: BTreeSet<&'a str>,
    policies: BTreeSet<&'a ObjectRef>,
}

impl<'a> Targets<'a> {
    pub(super) fn of(record: &'a RunRecord) -> Self {
        Self {
            cases: record.cases.iter().map(|case| case.case.id.as_str()).collect(),
            policies: record.policies.iter().map(|policy| &*policy.rule.object).collect(),
        }
    }

    /// A link to a case; no link if the record does not hold it.
    pub(super) fn case(&self, id: &str) -> CaseLink {
        let anchor = if self.cases.contains(id) { case(id) } else { String::new() };
        CaseLink { anchor, id: one_line(id) }
    }

    /// Links to cases.
    pub(super) fn cases<T: AsRef<str>>(&self, ids: &[T]) -> Vec<CaseLink> {
        ids.iter().map(|id| self.case(id.as_ref())).collect()
    }

    /// The fragment of a policy object; empty if the record does not hold it.
    pub(super) fn policy(&self, object: &ObjectRef) -> String {
        if self.policies.contains(object) { policy(object) } else { String::new() }
    }
}

/// The fragment of a case.
pub(super) fn case(id: &str) -> String {
    fragment("case", id)
}

/// The fragment of a policy object.
pub(super) fn policy(object: &ObjectRef) -> String {
    fragment("policy", &object.to_string())
}

/// Letters, digits, `.` and `-` stay; every other byte becomes `_` and two hex digits, so that two names never meet.
fn fragment(kind: &str, name: &str) -> String {
    let mut out = format!("{kind}-");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "_{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_safe_and_distinct() {
        assert_eq!(case("MCP-01"), "case-MCP-01");
        assert_eq!(case("a b\"<"), "case-a_20b_22_3c");
        assert_ne!(case("a_20"), case("a "));
    }
}
