//! Every rule of a policy set that lets something through.

use airtight_manifest::cilium::{CiliumNetworkPolicy, ClusterAction, PortItem, Section};
use airtight_manifest::istio::Action;
use airtight_manifest::{Meta, Object, RuleRef};
use airtight_model::world::World;

/// The allow rules of all policies in force, in the order of files and lines: the innermost ones, that is an HTTP
/// rule or a DNS rule instead of the rule around it.
pub(super) fn allow_rules(world: &World) -> Vec<RuleRef> {
    let objects = &world.objects;
    let mut rules = Vec::new();
    for object in &objects.network_policies {
        let (ingress, egress) = (object.body.spec.ingress.iter().flatten(), object.body.spec.egress.iter().flatten());
        let places = |name: &'static str| move |index: usize| format!("spec.{name}[{index}]");
        rules.extend(ingress.enumerate().map(|(index, rule)| object.meta.rule(places("ingress")(index), rule.at)));
        rules.extend(egress.enumerate().map(|(index, rule)| object.meta.rule(places("egress")(index), rule.at)));
    }
    for object in objects.cilium_policies.iter().chain(&objects.cilium_clusterwide_policies) {
        rules.extend(cilium(object));
    }
    for object in &objects.cluster_network_policies {
        let spec = &object.body.spec;
        let ingress =
            spec.ingress.iter().flatten().enumerate().map(|(index, rule)| ("ingress", index, rule.action, rule.at));
        let egress =
            spec.egress.iter().flatten().enumerate().map(|(index, rule)| ("egress", index, rule.action, rule.at));
        let accepting = ingress.chain(egress).filter(|(_, _, action, _)| *action == ClusterAction::Accept);
        rules.extend(accepting.map(|(name, index, _, at)| object.meta.rule(format!("spec.{name}[{index}]"), at)));
    }
    for object in objects.authorization_policies.iter().filter(|object| object.body.spec.action() == Action::Allow) {
        let written = object.body.spec.rules().iter().enumerate();
        rules.extend(written.map(|(index, rule)| object.meta.rule(format!("spec.rules[{index}]"), rule.at)));
    }
    for object in &objects.http_routes {
        let written = object.body.spec.rules.iter().flatten().enumerate();
        rules.extend(written.map(|(index, rule)| object.meta.rule(format!("spec.rules[{index}]"), rule.at)));
    }
    rules.sort_by(|a, b| (&a.at, a).cmp(&(&b.at, b)));
    rules.dedup();
    rules
}

fn cilium(object: &Object<CiliumNetworkPolicy>) -> Vec<RuleRef> {
    let mut rules = Vec::new();
    for (path, rule) in object.body.rules() {
        for section in rule.sections().iter().filter(|section| !section.deny && !is_empty(section)) {
            let place = format!("{path}.{}", section.path);
            let inner: Vec<RuleRef> = section
                .ports
                .iter()
                .enumerate()
                .flat_map(|(index, item)| layer7(&object.meta, item, &format!("{place}.toPorts[{index}].rules")))
                .collect();
            // A section whose every item speaks of requests or names lets nothing else through.
            let bare = section.ports.iter().any(|item| layer7(&object.meta, item, "").is_empty());
            if bare || inner.is_empty() {
                rules.push(object.meta.rule(place, section.at));
            }
            rules.extend(inner);
        }
    }
    rules
}

/// A section without peers and ports isolates, and lets nothing through.
fn is_empty(section: &Section<'_>) -> bool {
    let peers = section.endpoints.is_some()
        || section.nodes.is_some()
        || section.entities.is_some()
        || section.cidr.is_some()
        || section.cidr_set.is_some();
    let others = !section.fqdns.is_empty() || !section.services.is_empty() || section.groups;
    !peers && !others && section.ports.is_empty() && section.icmps.is_empty()
}

fn layer7(meta: &Meta, item: &PortItem<'_>, place: &str) -> Vec<RuleRef> {
    let Some(rules) = item.rules else { return Vec::new() };
    let http = rules.http.iter().flatten().enumerate();
    let dns = rules.dns.iter().flatten().enumerate();
    http.map(|(index, rule)| meta.rule(format!("{place}.http[{index}]"), rule.at))
        .chain(dns.map(|(index, rule)| meta.rule(format!("{place}.dns[{index}]"), rule.at)))
        .collect()
}

/// Whether a rule that decided is `wanted`, or part of it.
pub(super) fn covers(wanted: &RuleRef, decided: &RuleRef) -> bool {
    if wanted.object != decided.object {
        return false;
    }
    match (wanted.rule.as_deref(), decided.rule.as_deref()) {
        (Some(wanted), Some(decided)) => {
            decided.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        }
        (None, _) => true,
        (Some(_), None) => false,
    }
}
