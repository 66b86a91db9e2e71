//! What is told about a cluster before its cases are tried.

use airtight_manifest::Diagnostic;
use airtight_manifest::stack::Stack;

use super::drift::Distance;
use super::installed::Installed;

/// Components that are not those of the stack, with which the model computes; what could not be read; and what makes
/// verdicts worthless or different.
#[must_use]
pub fn findings(installed: &Installed, stack: &Stack) -> Vec<Diagnostic> {
    let unread =
        installed.unread.iter().map(|what| Diagnostic::warning("unread", format!("not known of the cluster: {what}")));
    let differ = installed.differences(&stack.versions).into_iter().filter(|each| each.distance != Distance::Patch);
    let differ = differ.map(|each| {
        let found = each
            .found
            .map_or_else(|| "no version of it is found".to_owned(), |found| format!("the cluster has {found}"));
        Diagnostic::warning(
            "other-version",
            format!("{}: the stack {} has {}, {found}", each.component, stack.name, each.pinned),
        )
        .hint("name a stack of the cluster's versions with --stack, or the model foresees another cluster")
    });
    let wrong = installed.findings().into_iter().map(|what| Diagnostic::warning("cluster", what));
    differ.chain(unread).chain(wrong).collect()
}
