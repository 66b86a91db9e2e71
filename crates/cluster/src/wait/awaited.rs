//! What is waited for before flows are tried.

use std::fmt;

use serde_json::Value;

use super::cilium::{Revisions, realized};
use super::object::Sign;
use super::state::State;
use crate::read;
use crate::read::text;
use crate::{Cluster, Container};

/// One thing that must be in force.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaited {
    /// All endpoints of one of Cilium's agents enforce this revision of the policies.
    CiliumRevision {
        /// The agent.
        agent: Container,
        /// The revision.
        at_least: u64,
    },
    /// An object's controller says that it is in force.
    Object {
        /// Kind, namespace and name, for the reader.
        name: String,
        /// Its path.
        path: String,
        /// What tells.
        sign: Sign,
    },
}

/// Kinds with a status that tells: API group, kind, the resource's name, and the sign.
const KINDS: &[(&str, &str, &str, Sign)] = &[
    ("cilium.io", "CiliumNetworkPolicy", "ciliumnetworkpolicies", Sign::Valid),
    ("cilium.io", "CiliumClusterwideNetworkPolicy", "ciliumclusterwidenetworkpolicies", Sign::Valid),
    ("security.istio.io", "AuthorizationPolicy", "authorizationpolicies", Sign::ZtunnelAccepted),
    ("", "Service", "services", Sign::WaypointBound),
    ("networking.istio.io", "ServiceEntry", "serviceentries", Sign::WaypointBound),
    ("gateway.networking.k8s.io", "Gateway", "gateways", Sign::Programmed),
    ("gateway.networking.k8s.io", "HTTPRoute", "httproutes", Sign::RouteAccepted),
    ("gateway.networking.k8s.io", "GRPCRoute", "grpcroutes", Sign::RouteAccepted),
    ("gateway.networking.k8s.io", "TLSRoute", "tlsroutes", Sign::RouteAccepted),
    ("kyverno.io", "ClusterPolicy", "clusterpolicies", Sign::Ready),
    ("kyverno.io", "Policy", "policies", Sign::Ready),
    ("policies.kyverno.io", "ValidatingPolicy", "validatingpolicies", Sign::Ready),
    ("policies.kyverno.io", "MutatingPolicy", "mutatingpolicies", Sign::Ready),
    ("policies.kyverno.io", "GeneratingPolicy", "generatingpolicies", Sign::Ready),
];

impl Awaited {
    /// What to wait for of an object that was applied; none of a kind whose status tells nothing, and of a Service
    /// without a waypoint of its own.
    #[must_use]
    pub fn of_object(object: &Value) -> Option<Self> {
        let (group, version) = match text(object, "/apiVersion").split_once('/') {
            Some((group, version)) => (group, version),
            None => ("", text(object, "/apiVersion")),
        };
        let kind = text(object, "/kind");
        let (_, _, resource, usual) = KINDS.iter().find(|(of, name, _, _)| *of == group && *name == kind)?;
        let sign = sign(*usual, object)?;
        let (namespace, name) = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
        let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let path = match namespace {
            "" => format!("{root}/{resource}/{name}"),
            namespace => format!("{root}/namespaces/{namespace}/{resource}/{name}"),
        };
        let shown = if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") };
        Some(Self::Object { name: shown, path, sign })
    }

    /// Every agent's endpoints, once `changed` policies were created, changed or deleted since `before`.
    #[must_use]
    pub fn revisions(before: &Revisions, changed: u64) -> Vec<Self> {
        let each = before.of.iter();
        each.map(|(agent, revision)| Self::CiliumRevision { agent: agent.clone(), at_least: revision + changed })
            .collect()
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self, cluster: &dyn Cluster) -> State {
        match self {
            Self::CiliumRevision { agent, at_least } => realized(cluster, agent, *at_least),
            Self::Object { path, sign, .. } => match read::object(cluster, path) {
                Ok(Some(object)) => sign.state(&object),
                Ok(None) => State::Pending("it does not exist".to_owned()),
                Err(error) => State::Pending(error.to_string()),
            },
        }
    }
}

/// A policy with target references acts at waypoints, any other at ztunnel (Istio `pilot/pkg/serviceregistry/ambient`).
fn sign(usual: Sign, object: &Value) -> Option<Sign> {
    match usual {
        Sign::ZtunnelAccepted => {
            let targets = ["/spec/targetRefs", "/spec/targetRef"].iter().any(|path| object.pointer(path).is_some());
            Some(if targets { Sign::WaypointAccepted } else { Sign::ZtunnelAccepted })
        }
        Sign::WaypointBound => {
            let waypoint = text(object, "/metadata/labels/istio.io~1use-waypoint");
            (!waypoint.is_empty() && waypoint != "none").then_some(usual)
        }
        Sign::Valid | Sign::WaypointAccepted | Sign::Programmed | Sign::RouteAccepted | Sign::Ready => Some(usual),
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CiliumRevision { agent, at_least } => write!(f, "policy revision {at_least} in {agent}"),
            Self::Object { name, .. } => f.write_str(name),
        }
    }
}
