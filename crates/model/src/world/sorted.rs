//! Admitted objects by what becomes of them: policies and routes, and the Services with all that says where they lead.

use std::collections::HashMap;
use std::sync::Arc;

use airtight_manifest::{Object, ObjectRef, Resource, kubernetes};

use super::addresses::Allocator;
use super::environment::Environment;
use super::intake::Item;
use super::objects::Objects;
use super::pod::Pod;
use super::proxy::Proxy;
use super::published::{PublishedAddress, published};
use super::service::Service;
use super::{expose, mirrored};

/// Admitted resources by what becomes of them.
pub(super) struct Sorted {
    pub(super) objects: Objects,
    pub(super) services: Vec<Object<kubernetes::Service>>,
    pub(super) slices: Vec<Object<kubernetes::EndpointSlice>>,
    /// Addresses by which Services are published.
    published: HashMap<Arc<ObjectRef>, Vec<PublishedAddress>>,
}

impl Sorted {
    pub(super) fn of(items: Vec<Item>) -> Self {
        let mut sorted =
            Self { objects: Objects::default(), services: Vec::new(), slices: Vec::new(), published: HashMap::new() };
        let mut endpoints = Vec::new();
        for item in items {
            match item.resource {
                Resource::Service(object) => {
                    let addresses = published(&object, item.json.get("status"));
                    sorted.published.insert(Arc::clone(&object.meta.object), addresses);
                    sorted.services.push(object);
                }
                Resource::EndpointSlice(object) => sorted.slices.push(object),
                Resource::Endpoints(object) => endpoints.push(object),
                other => sorted.objects.insert(other),
            }
        }
        sorted.slices.extend(mirrored::slices(&endpoints, &sorted.services));
        sorted
    }
}

/// Services that were written, and those that controllers make for Gateways.
pub(super) fn services(sorted: &Sorted, proxies: &[Proxy], pods: &[Pod], environment: &Environment) -> Vec<Service> {
    let mut addresses = Allocator::new(&environment.service_cidrs);
    for address in sorted.services.iter().flat_map(|object| expose::written_addresses(&object.body.spec)) {
        addresses.take(address);
    }
    let written = sorted.services.iter().map(|object| {
        let published = sorted.published.get(&object.meta.object).cloned().unwrap_or_default();
        expose::service(object, published, pods, &sorted.slices, &mut addresses)
    });
    let mut services: Vec<Service> = written.collect();
    // One that was read from a cluster is the controller's own.
    let is_there =
        |proxy: &&Proxy| services.iter().any(|service| service.namespace == proxy.key.0 && service.name == proxy.name);
    let missing: Vec<&Proxy> = proxies.iter().filter(|proxy| !is_there(proxy)).collect();
    services.extend(missing.into_iter().map(|proxy| expose::proxy_service(proxy, pods, &mut addresses)));
    services
}
