//! Objects of components that are not installed: nobody acts on them.

use std::collections::BTreeMap;

use airtight_manifest::Diagnostic;
use airtight_manifest::stack::{Component, Stack};

use super::intake::{Item, group};

/// Takes out what nobody reads; one finding for each component.
pub(super) fn leave_out(items: &mut Vec<Item>, stack: &Stack) -> Vec<Diagnostic> {
    let mut idle: BTreeMap<Component, Vec<Item>> = BTreeMap::new();
    for item in std::mem::take(items) {
        match Component::of_group(group(&item.document)).filter(|component| stack.lacks(*component)) {
            Some(component) => idle.entry(component).or_default().push(item),
            None => items.push(item),
        }
    }
    idle.iter().filter_map(|(component, items)| finding(*component, items)).collect()
}

fn finding(component: Component, items: &[Item]) -> Option<Diagnostic> {
    let first = items.first()?;
    let object = first.resource.object();
    let what = match items.len() {
        1 => format!("{object} has no effect"),
        many => format!("{many} objects of its kinds have no effect, {object} the first of them"),
    };
    let finding = Diagnostic::warning("not-installed", format!("{component} is not installed: {what}"));
    let at = first.document.location(first.document.root.at);
    Some(finding.at(at).hint("the stack says so; name another with --stack if that is wrong"))
}
