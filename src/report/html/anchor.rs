//! Fragments: where links in the page lead.

use std::fmt::Write as _;

use crate::manifest::ObjectRef;

/// A link to a case.
pub(super) struct CaseLink {
    /// Fragment, without `#`.
    pub(super) anchor: String,
    /// The case's id.
    pub(super) id: String,
}

impl CaseLink {
    pub(super) fn to(id: &str) -> Self {
        Self { anchor: case(id), id: super::super::text::one_line(id) }
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
