//! Which findings bear on what a command shows.

use std::collections::BTreeSet;

use airtight_manifest::stack::Stack;
use airtight_manifest::{Diagnostic, ObjectRef};
use airtight_model::path::Trace;

/// Namespaces that a trace leads through.
pub(super) fn namespaces(trace: &Trace) -> BTreeSet<String> {
    let ends = trace.hops.iter().flat_map(|hop| [&hop.from, &hop.to]);
    let homes = ends.filter_map(|end| end.split_once('/')).map(|(home, _)| home.to_owned());
    let to = trace.flow.to.to_string();
    let aimed =
        to.rsplit_once(' ').map_or(to.as_str(), |(_, name)| name).split_once('/').map(|(home, _)| home.to_owned());
    homes.chain(aimed).filter(|home| home != "node").collect()
}

/// The findings about objects of these namespaces, about those that are for all (of no namespace, or of the mesh's root),
/// and about no object.
pub(super) fn bearing(findings: Vec<Diagnostic>, namespaces: &BTreeSet<String>, stack: &Stack) -> Vec<Diagnostic> {
    let root = stack.istio.root_namespace.as_str();
    let bears =
        |object: &ObjectRef| object.namespace.as_deref().is_none_or(|home| home == root || namespaces.contains(home));
    let concerns = |finding: &Diagnostic| finding.about.is_empty() || finding.about.iter().any(bears);
    findings.into_iter().filter(|finding| finding.is_error() || concerns(finding)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_finding_is_about_decides_and_not_its_words() {
        let stack = crate::cli::input::stack("reference");
        assert!(stack.is_ok());
        let Ok(stack) = stack else { return };
        let about = |namespace: Option<&str>| {
            // Words that look like an object of another namespace.
            let finding = Diagnostic::warning("x", "NetworkPolicy shop/a: is odd");
            finding.about(&ObjectRef::new("NetworkPolicy", namespace, "a"))
        };
        let left = |finding: Diagnostic| bearing(vec![finding], &BTreeSet::from(["shop".to_owned()]), &stack).len();
        assert_eq!([Some("shop"), Some("web"), Some("istio-system"), None].map(|home| left(about(home))), [1, 0, 1, 1]);
        assert_eq!(left(Diagnostic::warning("x", "NetworkPolicy web/a: is odd")), 1);
    }
}
