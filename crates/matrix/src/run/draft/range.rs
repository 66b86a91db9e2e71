//! The ranges of addresses that an egress rule names.

use airtight_manifest::RuleRef;
use airtight_manifest::cilium::Direction;
use airtight_model::world::World;
use ipnet::IpNet;

use super::allow_rule::covers;

/// A range, and what is taken out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) network: IpNet,
    pub(super) except: Vec<IpNet>,
}

/// The ranges that `rule` lets its subjects reach.
pub(super) fn ranges(world: &World, rule: &RuleRef) -> Vec<Range> {
    let mut found = Vec::new();
    for object in world.objects.network_policies.iter().filter(|object| object.meta.object == rule.object) {
        for (index, egress) in object.body.spec.egress.iter().flatten().enumerate() {
            if rule.rule.as_deref() == Some(&format!("spec.egress[{index}]")) {
                let blocks = egress.to.iter().flatten().filter_map(|peer| peer.ip_block.as_ref());
                found.extend(blocks.filter_map(|block| range(&block.cidr, block.except.iter().flatten())));
            }
        }
    }
    let objects = &world.objects;
    let cilium = objects.cilium_policies.iter().chain(&objects.cilium_clusterwide_policies);
    for object in cilium.filter(|object| object.meta.object == rule.object) {
        for (path, body) in object.body.rules() {
            let sections = body.sections();
            let is_it = |place: String| covers(&object.meta.rule(place, rule.at.position), rule);
            let egress = sections.iter().filter(|section| section.direction == Direction::Egress && !section.deny);
            for section in egress.filter(|section| is_it(format!("{path}.{}", section.path))) {
                let plain = section.cidr.iter().copied().flatten();
                found.extend(plain.filter_map(|cidr| range(cidr, std::iter::empty())));
                let sets = section.cidr_set.iter().copied().flatten();
                found.extend(sets.filter_map(|set| range(set.cidr.as_deref()?, set.except.iter().flatten())));
            }
        }
    }
    found
}

fn range<'a>(network: &str, except: impl Iterator<Item = &'a String>) -> Option<Range> {
    Some(Range { network: read(network)?, except: except.filter_map(|network| read(network)).collect() })
}

/// A bare address is a range of its own.
fn read(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address)))
}
