//! Which findings bear on what a command shows.

use std::collections::BTreeSet;

use airtight_manifest::Diagnostic;
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

/// The findings about policies of these namespaces, and about those of none.
pub(super) fn bearing(findings: Vec<Diagnostic>, namespaces: &BTreeSet<String>) -> Vec<Diagnostic> {
    findings.into_iter().filter(|finding| finding.is_error() || concerns(finding, namespaces)).collect()
}

/// A finding about a policy begins with its kind, namespace and name.
fn concerns(finding: &Diagnostic, namespaces: &BTreeSet<String>) -> bool {
    let object = finding.message.split_whitespace().nth(1);
    object.and_then(|object| object.split_once('/')).is_none_or(|(home, _)| namespaces.contains(home))
}
