//! Which waypoint stands before a Service, ServiceEntry or pod
//! (Istio `pilot/pkg/serviceregistry/ambient/waypoints.go`).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use airtight_manifest::stack::at_least;
use airtight_manifest::{Labels, RuleRef, selects};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::world::{GatewayKey, Pod, PodId, Role, World};

const USE_WAYPOINT: &str = "istio.io/use-waypoint";
const USE_WAYPOINT_NAMESPACE: &str = "istio.io/use-waypoint-namespace";
const USE_WAYPOINT_CANARY: &str = "istio.io/use-waypoint-canary";
const MANAGED: &str = "gateway.istio.io/managed";
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// What binding and evaluation need of a Gateway; of whatever class, it counts as a waypoint once it has an address.
#[derive(Debug, Clone, PartialEq)]
pub struct WaypointGateway {
    /// Namespace and name.
    pub key: GatewayKey,
    /// Its GatewayClass.
    pub class: Arc<str>,
    /// `istio.io/waypoint-for` of the Gateway, else of its class, else `service`.
    pub waypoint_for: WaypointFor,
    /// `allowedRoutes` of the bound listener, else of the listener HBONE on 15008, else [`AllowedNamespaces::Same`].
    pub allowed_from: AllowedNamespaces,
    /// Whether it has an address.
    pub ready: bool,
    /// The Gateway.
    pub origin: RuleRef,
}

/// `istio.io/waypoint-for`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum WaypointFor {
    /// Traffic to Services and ServiceEntries.
    #[default]
    Service,
    /// Traffic to pod addresses.
    Workload,
    /// Both.
    All,
    /// Neither (also any value that Istio does not know).
    None,
}

impl WaypointFor {
    /// The value of the label.
    #[must_use]
    pub fn of_label(value: &str) -> Self {
        match value {
            "service" => Self::Service,
            "workload" => Self::Workload,
            "all" => Self::All,
            _ => Self::None,
        }
    }

    fn takes(self, traffic: Self) -> bool {
        self == Self::All || self == traffic
    }
}

/// Namespaces whose objects may use a waypoint.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum AllowedNamespaces {
    /// Its own.
    #[default]
    Same,
    /// All.
    All,
    /// Those with these labels.
    Selector(LabelSelector),
}

/// What came of the labels of an object and its namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Binding {
    /// No waypoint is wanted.
    #[default]
    None,
    /// Traffic goes through this waypoint.
    Bound {
        /// The waypoint.
        gateway: GatewayKey,
        /// The object with the label, if it has one itself, and the Gateway.
        rules: Vec<RuleRef>,
    },
    /// A waypoint is wanted and not used: traffic goes straight to the destination.
    Unset {
        /// Why.
        problem: BindingProblem,
        /// The waypoint that is named.
        gateway: GatewayKey,
        /// The object with the label and the Gateway, as far as they exist.
        rules: Vec<RuleRef>,
    },
    /// The labels are ones that the engine does not model.
    Unknown {
        /// The objects.
        rules: Vec<RuleRef>,
        /// What is not modelled.
        detail: String,
    },
}

/// Why a waypoint is not used (Istio `pilot/pkg/serviceregistry/ambient/status.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BindingProblem {
    /// It does not exist, or has no address.
    WaypointIsNotReady,
    /// Its listener does not allow the namespace.
    AttachmentDenied,
    /// It is for another type of traffic.
    UnsupportedTrafficType,
}

impl fmt::Display for BindingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WaypointIsNotReady => "does not exist or is not ready (WaypointIsNotReady)",
            Self::AttachmentDenied => "does not allow this namespace (AttachmentDenied)",
            Self::UnsupportedTrafficType => "is not for this type of traffic (UnsupportedTrafficType)",
        })
    }
}

type ByName = BTreeMap<Arc<str>, BTreeMap<Arc<str>, Binding>>;

/// The waypoints of everything that can have one.
#[derive(Debug, Clone, Default)]
pub struct Bindings {
    services: ByName,
    service_entries: ByName,
    pods: Vec<Binding>,
}

impl Bindings {
    /// Binds every Service, ServiceEntry and pod of a world.
    #[must_use]
    pub fn compile(world: &World, gateways: &[WaypointGateway]) -> Self {
        let binder = Binder { world, gateways };
        let mut bindings = Self::default();
        for service in world.services.iter() {
            let subject = Subject::new(&service.namespace, &service.labels, &service.origin);
            let binding = binder.service(&subject);
            let names = bindings.services.entry(Arc::clone(&service.namespace)).or_default();
            names.insert(Arc::clone(&service.name), binding);
        }
        for entry in &world.objects.service_entries {
            let origin = entry.meta.whole();
            let binding = binder.service(&Subject::new(entry.meta.namespace(), &entry.meta.labels, &origin));
            let names = bindings.service_entries.entry(entry.meta.namespace().into()).or_default();
            names.insert(entry.meta.name().into(), binding);
        }
        bindings.pods = world.pods.iter().map(|pod| binder.pod(pod)).collect();
        bindings
    }

    /// The waypoint of a Service.
    #[must_use]
    pub fn service(&self, namespace: &str, name: &str) -> &Binding {
        self.services.get(namespace).and_then(|names| names.get(name)).unwrap_or(&Binding::None)
    }

    /// The waypoint of a ServiceEntry.
    #[must_use]
    pub fn service_entry(&self, namespace: &str, name: &str) -> &Binding {
        self.service_entries.get(namespace).and_then(|names| names.get(name)).unwrap_or(&Binding::None)
    }

    /// The waypoint of a pod, for traffic to its own address.
    #[must_use]
    pub fn pod(&self, id: PodId) -> &Binding {
        self.pods.get(id.0 as usize).unwrap_or(&Binding::None)
    }

    /// Names of the bound Services and ServiceEntries of a waypoint, as `(namespace, name)`.
    pub fn bound_to<'a>(&'a self, gateway: &'a GatewayKey) -> impl Iterator<Item = (&'a str, &'a str)> {
        let all = self.services.iter().chain(&self.service_entries);
        all.flat_map(|(namespace, names)| names.iter().map(move |(name, binding)| (namespace, name, binding)))
            .filter(move |(_, _, binding)| matches!(binding, Binding::Bound { gateway: key, .. } if key == gateway))
            .map(|(namespace, name, _)| (&**namespace, &**name))
    }
}

/// An object that can have a waypoint.
struct Subject<'a> {
    namespace: &'a str,
    labels: &'a Labels,
    origin: &'a RuleRef,
}

impl<'a> Subject<'a> {
    fn new(namespace: &'a str, labels: &'a Labels, origin: &'a RuleRef) -> Self {
        Self { namespace, labels, origin }
    }
}

struct Binder<'a> {
    world: &'a World,
    gateways: &'a [WaypointGateway],
}

impl Binder<'_> {
    fn service(&self, subject: &Subject<'_>) -> Binding {
        let managed = subject.labels.get(MANAGED).map(String::as_str);
        if matches!(managed, Some("istio.io-mesh-controller" | "istio.io-eastwest-controller")) {
            return Binding::None;
        }
        self.bind(subject, WaypointFor::Service)
    }

    /// A pod of a waypoint has none itself; one that only its namespace gives is no error if it is for Services.
    fn pod(&self, pod: &Pod) -> Binding {
        let instance = pod.labels.get(GATEWAY_NAME).is_some_and(|name| self.ready(&pod.namespace, name).is_some());
        match pod.role {
            Role::Waypoint(_) => return Binding::None,
            Role::Workload | Role::Gateway(_) if instance => return Binding::None,
            Role::Workload | Role::Gateway(_) => {}
        }
        let own = pod.labels.contains_key(USE_WAYPOINT);
        match self.bind(&Subject::new(&pod.namespace, &pod.labels, &pod.origin), WaypointFor::Workload) {
            Binding::Unset { problem: BindingProblem::UnsupportedTrafficType, .. } if !own => Binding::None,
            binding => binding,
        }
    }

    /// The object's own label beats its namespace's, whatever it names.
    fn bind(&self, subject: &Subject<'_>, traffic: WaypointFor) -> Binding {
        let namespace_labels = self.world.namespace_labels(subject.namespace);
        let (labels, mut rules) = if subject.labels.contains_key(USE_WAYPOINT) {
            (subject.labels, vec![subject.origin.clone()])
        } else {
            (namespace_labels, Vec::new())
        };
        let Some(name) = labels.get(USE_WAYPOINT).filter(|name| *name != "none") else { return Binding::None };
        let namespace = labels.get(USE_WAYPOINT_NAMESPACE).map_or(subject.namespace, String::as_str);
        let gateway: GatewayKey = (Arc::from(namespace), Arc::from(name.as_str()));
        if labels.contains_key(USE_WAYPOINT_CANARY) && at_least(&self.world.stack.versions.istio, 1, 31) {
            rules.push(subject.origin.clone());
            return Binding::Unknown { rules, detail: format!("`{USE_WAYPOINT_CANARY}` is not modelled") };
        }
        let Some(waypoint) = self.ready(namespace, name) else {
            return Binding::Unset { problem: BindingProblem::WaypointIsNotReady, gateway, rules };
        };
        rules.push(waypoint.origin.clone());
        if !self.allows(waypoint, subject.namespace) {
            return Binding::Unset { problem: BindingProblem::AttachmentDenied, gateway, rules };
        }
        if !waypoint.waypoint_for.takes(traffic) {
            return Binding::Unset { problem: BindingProblem::UnsupportedTrafficType, gateway, rules };
        }
        Binding::Bound { gateway, rules }
    }

    fn ready(&self, namespace: &str, name: &str) -> Option<&WaypointGateway> {
        self.gateways.iter().find(|gateway| gateway.ready && &*gateway.key.0 == namespace && &*gateway.key.1 == name)
    }

    fn allows(&self, waypoint: &WaypointGateway, namespace: &str) -> bool {
        match &waypoint.allowed_from {
            AllowedNamespaces::All => true,
            AllowedNamespaces::Same => &*waypoint.key.0 == namespace,
            AllowedNamespaces::Selector(selector) => selects(selector, self.world.namespace_labels(namespace)),
        }
    }
}
