//! `parentRefs` and `hostnames`, which all routes have.

use std::collections::BTreeMap;

use super::Checks;
use crate::Located;
use crate::gateway_api::ParentReference;

/// Several references to one parent need a `sectionName` each, all different.
pub(super) fn parents(checks: &mut Checks<'_>, parents: &[Located<ParentReference>]) {
    let top = checks.meta.at.position;
    checks.demand(parents.len() <= 32, top, "spec.parentRefs", "at most 32 parents are allowed");
    let mut sections: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for (index, parent) in parents.iter().enumerate() {
        let namespace = parent.namespace.as_deref().unwrap_or_default();
        let section = parent.section_name.as_deref().unwrap_or_default();
        let earlier = sections.entry((parent.group(), parent.kind(), namespace, parent.name.as_str())).or_default();
        let clash = earlier.contains(&section) || (!earlier.is_empty() && section.is_empty()) || earlier.contains(&"");
        earlier.push(section);
        let message = "sectionName must be set and unique when a parent is named more than once";
        checks.demand(!clash, parent.at, &format!("spec.parentRefs[{index}]"), message);
        checks.demand(parent.port != Some(0), parent.at, &format!("spec.parentRefs[{index}]"), "port must not be 0");
    }
}

pub(super) fn hostnames(checks: &mut Checks<'_>, hostnames: &[String], most: usize) {
    let top = checks.meta.at.position;
    checks.demand(hostnames.len() <= most, top, "spec.hostnames", &format!("at most {most} host names are allowed"));
    for host in hostnames {
        checks.host(host, top, "spec.hostnames", true);
    }
}
