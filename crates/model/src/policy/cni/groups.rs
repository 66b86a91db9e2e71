//! Addresses by the labels of the CiliumCIDRGroups that they are in.

use std::net::IpAddr;

use airtight_manifest::cilium::CiliumCidrGroup;
use airtight_manifest::{Labels, Object};
use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::dialect::Dialect;
use super::selector::{Label, Selector, Source, Test};

/// A `cidrGroupSelector`: it is no choice among groups, but a selector of peers by the labels that they have from
/// groups (Cilium `pkg/policy/api/cidr.go`, `GetAsEndpointSelectors`; `pkg/ipcache/metadata.go`, `mergeParentLabels`).
#[derive(Debug, Clone)]
pub(super) struct GroupPeers {
    selector: Selector,
    except: Vec<IpNet>,
    /// Every prefix of every group, the longest first, with the group's labels.
    networks: Vec<IpNet>,
    labels: Vec<Labels>,
    /// Whether a key that two groups around an address have counts with the value of the longer prefix alone.
    collide: bool,
}

impl GroupPeers {
    pub(super) fn of<'a>(
        selector: &LabelSelector,
        except: Vec<IpNet>,
        groups: impl Iterator<Item = &'a Object<CiliumCidrGroup>>,
        dialect: &Dialect,
    ) -> Self {
        let prefixes = groups.flat_map(|group| {
            let parsed = group.body.spec.external_cidrs.iter().filter_map(|text| text.parse::<IpNet>().ok());
            parsed.map(|net| (net, group.meta.labels.clone()))
        });
        let mut known: Vec<(IpNet, Labels)> = prefixes.collect();
        known.sort_by_key(|(net, _)| std::cmp::Reverse(net.prefix_len()));
        let (networks, labels) = known.into_iter().unzip();
        Self {
            selector: Selector::read(selector, Some(&Source::CidrGroup), str::to_owned),
            except,
            networks,
            labels,
            collide: dialect.labels_of_groups_collide(),
        }
    }

    pub(super) fn networks(&self) -> &[IpNet] {
        &self.networks
    }

    pub(super) fn except(&self) -> &[IpNet] {
        &self.except
    }

    /// Whether it takes an address.
    pub(super) fn contain(&self, address: IpAddr) -> bool {
        !self.except.iter().any(|net| net.contains(&address)) && self.take(&self.labels_of(address))
    }

    /// Whether it takes what is in no group.
    pub(super) fn take_unlabelled(&self) -> bool {
        self.take(&[])
    }

    fn labels_of(&self, address: IpAddr) -> Vec<Label> {
        let mut labels: Vec<Label> = Vec::new();
        let around = self.networks.iter().zip(&self.labels).filter(|(net, _)| net.contains(&address));
        for (key, value) in around.flat_map(|(_, labels)| labels) {
            if !self.collide || labels.iter().all(|label| label.key != *key) {
                labels.push(Label { key: key.clone(), source: Source::CidrGroup, value: value.clone() });
            }
        }
        labels
    }

    /// Whether every demand is met by some of the labels: without collisions there may be several of one key.
    fn take(&self, labels: &[Label]) -> bool {
        self.selector.demands().iter().all(|(key, test)| {
            let mut values = labels.iter().filter(|label| key.names(label)).map(|label| &label.value);
            match test {
                Test::Is(wanted) => values.any(|value| value == wanted),
                Test::In(wanted) => values.any(|value| wanted.contains(value)),
                Test::NotIn(wanted) => !values.any(|value| wanted.contains(value)),
                Test::Exists => values.next().is_some(),
                Test::DoesNotExist => values.next().is_none(),
                Test::Never => false,
            }
        })
    }
}
