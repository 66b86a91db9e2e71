//! Endpoints → EndpointSlices, as the mirroring controller makes them of what people write for Services without selector
//! (Kubernetes `pkg/controller/endpointslicemirroring`).

use std::net::IpAddr;
use std::sync::Arc;

use airtight_manifest::Object;
use airtight_manifest::kubernetes::{EndpointSlice, Endpoints, Service};
use k8s_openapi::api::core::v1::EndpointSubset;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort};

/// The label by which an object says that it is not to be mirrored.
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";

/// The label by which a slice names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The slices of all `endpoints` that a Service without selector has the name of.
pub(super) fn slices(endpoints: &[Object<Endpoints>], services: &[Object<Service>]) -> Vec<Object<EndpointSlice>> {
    endpoints.iter().filter(|object| is_mirrored(object, services)).flat_map(of_one).collect()
}

/// The controller of EndpointSlices itself serves a Service that has a selector.
fn is_mirrored(endpoints: &Object<Endpoints>, services: &[Object<Service>]) -> bool {
    let skipped = endpoints.meta.labels.get(SKIP).is_some_and(|skip| skip == "true");
    let own = services.iter().find(|service| {
        service.meta.namespace() == endpoints.meta.namespace() && service.meta.name() == endpoints.meta.name()
    });
    !skipped
        && own
            .is_some_and(|service| service.body.spec.selector.as_ref().is_none_or(std::collections::BTreeMap::is_empty))
}

/// One slice for each subset and address family.
fn of_one(object: &Object<Endpoints>) -> Vec<Object<EndpointSlice>> {
    let families = [("IPv4", IpAddr::is_ipv4 as fn(&IpAddr) -> bool), ("IPv6", IpAddr::is_ipv6)];
    let subsets = object.body.subsets.iter().flatten();
    subsets.flat_map(|subset| families.map(|(family, is_of)| slice(object, subset, family, is_of))).flatten().collect()
}

fn slice(
    object: &Object<Endpoints>,
    subset: &EndpointSubset,
    family: &str,
    is_of: fn(&IpAddr) -> bool,
) -> Option<Object<EndpointSlice>> {
    let addresses = subset.addresses.iter().flatten().map(|address| address.ip.clone());
    let own = addresses.filter(|text| text.parse().is_ok_and(|address| is_of(&address)));
    let endpoints: Vec<Endpoint> =
        own.map(|address| Endpoint { addresses: vec![address], ..Endpoint::default() }).collect();
    if endpoints.is_empty() {
        return None;
    }
    let ports = subset.ports.iter().flatten().map(|port| EndpointPort {
        name: port.name.clone(),
        port: Some(port.port),
        protocol: port.protocol.clone(),
        app_protocol: port.app_protocol.clone(),
    });
    let body = EndpointSlice { address_type: family.to_owned(), endpoints, ports: Some(ports.collect()) };
    let mut meta = (*object.meta).clone();
    meta.labels.insert(SERVICE_NAME.to_owned(), object.meta.name().to_owned());
    Some(Object { meta: Arc::new(meta), body: Arc::new(body) })
}
