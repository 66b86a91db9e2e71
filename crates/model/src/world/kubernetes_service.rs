//! `default/kubernetes`: the Service by which pods reach the API server, which every cluster has and keeps by itself
//! (Kubernetes `pkg/controlplane/controller/kubernetesservice/controller.go`).

use std::net::IpAddr;
use std::sync::Arc;

use airtight_manifest::{Object, decode_object, kubernetes, yaml};
use ipnet::IpNet;
use k8s_openapi::api::discovery::v1::Endpoint;

use super::environment::Environment;

/// Where it says that it was written.
const FILE: &str = "built-in/kubernetes.yaml";

const TEXT: &str = include_str!("kubernetes-service.yaml");
const NAMESPACE: &str = "default";
const SERVICE: &str = "kubernetes";

/// Adds what is missing of the Service and of the API servers behind it.
pub(super) fn add(
    services: &mut Vec<Object<kubernetes::Service>>,
    slices: &mut Vec<Object<kubernetes::EndpointSlice>>,
    environment: &Environment,
) {
    let control_plane = environment.nodes.iter().filter(|node| node.control_plane);
    let addresses: Vec<IpAddr> = control_plane.flat_map(|node| node.addresses.iter().copied()).collect();
    if addresses.is_empty() {
        return;
    }
    let documents = yaml::parse(&Arc::from(FILE), TEXT).unwrap_or_default();
    let [service, slice] = documents.as_slice() else { return };
    if !services.iter().any(|service| service.meta.namespace() == NAMESPACE && service.meta.name() == SERVICE)
        && let Ok(service) = decode_object::<kubernetes::Service>(service)
    {
        services.push(at_first_address(service, &environment.service_cidrs));
    }
    if !slices.iter().any(is_its_slice)
        && let Ok(mut slice) = decode_object::<kubernetes::EndpointSlice>(slice)
    {
        let endpoint =
            Endpoint { addresses: addresses.iter().map(ToString::to_string).collect(), ..Endpoint::default() };
        Arc::make_mut(&mut slice.body).endpoints = vec![endpoint];
        slices.push(slice);
    }
}

fn is_its_slice(slice: &Object<kubernetes::EndpointSlice>) -> bool {
    slice.meta.namespace() == NAMESPACE
        && slice.meta.labels.get("kubernetes.io/service-name").is_some_and(|name| name == SERVICE)
}

/// It has the first address of the range.
fn at_first_address(mut service: Object<kubernetes::Service>, ranges: &[IpNet]) -> Object<kubernetes::Service> {
    let addresses: Vec<String> =
        ranges.iter().filter_map(|range| range.hosts().next()).map(|ip| ip.to_string()).collect();
    Arc::make_mut(&mut service.body).spec.cluster_ips = Some(addresses);
    service
}
