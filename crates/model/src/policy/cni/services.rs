//! `toServices` → the endpoints behind the Services (Cilium `pkg/policy/k8s/service.go`).

use std::net::IpAddr;

use airtight_manifest::cilium::{Section, ServicePeer};
use airtight_manifest::{Labels, Located, Meta, selects};
use ipnet::IpNet;

use super::cilium::within;
use super::compilation::Compilation;
use super::entry::PeerMatch;
use super::selector::{CLUSTER, Key, NAMESPACE, Selector, Test};
use crate::world::Service;

/// What Services led to.
#[derive(Debug, Default)]
pub(super) struct Followed {
    pub(super) peers: Vec<PeerMatch>,
    /// Why it is not certain.
    pub(super) doubt: Option<String>,
}

/// Peers behind the Services of a section.
pub(super) fn follow(compilation: &mut Compilation<'_>, meta: &Meta, section: &Section<'_>) -> Followed {
    let mut followed = Followed::default();
    for wanted in section.services {
        let world = compilation.world;
        if let Some(why) = doubtful(compilation, wanted) {
            followed.doubt = Some(why);
        }
        let found: Vec<&Service> = world.services.iter().filter(|service| names(wanted, service)).collect();
        if found.is_empty() {
            compilation.warn(
                "service-not-found",
                meta,
                wanted.at,
                "toServices names no Service of this world",
                "correct name and namespace, or select the pods with toEndpoints",
            );
        }
        for service in found {
            followed.peers.extend(behind(compilation, meta, wanted, service));
        }
    }
    followed
}

fn names(wanted: &ServicePeer, service: &Service) -> bool {
    let home =
        |namespace: Option<&str>| namespace.unwrap_or_default().is_empty() || namespace == Some(&*service.namespace);
    if let Some(selector) = &wanted.k8s_service_selector {
        return home(selector.namespace.as_deref()) && selects(&selector.selector, &service.labels);
    }
    wanted
        .k8s_service
        .as_ref()
        .is_some_and(|name| home(name.namespace.as_deref()) && name.service_name.as_deref() == Some(&*service.name))
}

/// A `k8sServiceSelector` with a dotted key may find nothing (cilium/cilium#46732).
fn doubtful(compilation: &Compilation<'_>, wanted: &ServicePeer) -> Option<String> {
    let selector = &wanted.k8s_service_selector.as_ref()?.selector;
    let keys = selector.match_labels.iter().flat_map(|labels| labels.keys());
    let dotted = keys.chain(selector.match_expressions.iter().flatten().map(|r| &r.key)).any(|key| key.contains('.'));
    (dotted && compilation.dialect.dotted_service_labels_doubtful()).then(|| {
        format!("Cilium {} may not find Services by a label with a dot in its key", compilation.dialect.version)
    })
}

fn behind(
    compilation: &mut Compilation<'_>,
    meta: &Meta,
    wanted: &Located<ServicePeer>,
    service: &Service,
) -> Option<PeerMatch> {
    let Some(labels) = &service.selector else {
        let addresses = service.external_endpoints.iter().copied().chain(backend_addresses(compilation, service));
        let nets: Vec<IpNet> = addresses.map(IpNet::from).collect();
        return (!nets.is_empty()).then(|| within(nets, Vec::new()));
    };
    if !compilation.dialect.services_by_selector() {
        compilation.warn(
            "service-with-selector",
            meta,
            wanted.at,
            format!("toServices does not follow {}/{}, which has a selector", service.namespace, service.name),
            "before Cilium 1.17 only Services without selector count: select the pods with toEndpoints",
        );
        return Some(nobody());
    }
    if labels.keys().any(|key| key.contains('.')) && compilation.dialect.dotted_selectors_broken() {
        compilation.warn(
            "dotted-service-selector",
            meta,
            wanted.at,
            format!(
                "toServices does not find the pods of {}/{}, whose selector has a dot in a key",
                service.namespace, service.name
            ),
            "select the pods with toEndpoints, or upgrade Cilium (cilium/cilium#41151)",
        );
        return Some(nobody());
    }
    let selector = confined(labels, service, compilation.dialect.local_cluster());
    Some(PeerMatch::Labels(compilation.selectors.intern(selector)))
}

/// Prefixes that contain nothing: the rule has peers, and none of them exists.
fn nobody() -> PeerMatch {
    within(Vec::new(), Vec::new())
}

/// Endpoints of a Service without selector are addresses, which match pods only by option.
fn backend_addresses(compilation: &Compilation<'_>, service: &Service) -> Vec<IpAddr> {
    service.backends.iter().flat_map(|id| compilation.world.pod(*id).addresses.clone()).collect()
}

fn confined(labels: &Labels, service: &Service, cluster: Option<&str>) -> Selector {
    let mut selector = Selector::default().and(Key::k8s(NAMESPACE), Test::Is(service.namespace.to_string()));
    for (key, value) in labels {
        selector = selector.and(Key::k8s(key), Test::Is(value.clone()));
    }
    match cluster {
        Some(cluster) => selector.and(Key::k8s(CLUSTER), Test::Is(cluster.to_owned())),
        None => selector,
    }
}
