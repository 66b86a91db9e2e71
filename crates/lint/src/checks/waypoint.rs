//! Waypoints: labels that name none, waypoints that nobody names, and ways past one.

use std::collections::{BTreeMap, BTreeSet};

use airtight_manifest::{Location, ObjectRef};
use airtight_model::path::reach::{CellVerdict, ClassId, GridTarget, Place, Reachability, Scope, View, Who};
use airtight_model::policy::Layer;
use airtight_model::policy::gateway::waypoint_gateways;
use airtight_model::policy::waypoint::Binding;
use airtight_model::world::{GatewayKey, PodId, Role, Service, TargetPort};

use super::Checks;

const USE_WAYPOINT: &str = "istio.io/use-waypoint";

impl Checks<'_, '_> {
    pub(super) fn waypoints(&mut self) {
        self.unusable_waypoints();
        self.unnamed_waypoints();
        self.passed_waypoints();
    }

    /// Labels that name a waypoint which is not there, or does not serve who names it: traffic goes straight on
    /// (Istio `pilot/pkg/serviceregistry/ambient/waypoints.go`, `fetchWaypointForTarget`).
    fn unusable_waypoints(&mut self) {
        let mut said: BTreeSet<(ObjectRef, GatewayKey)> = BTreeSet::new();
        let (world, engine) = (self.world, self.engine);
        let bindings = engine.bindings();
        let services = world.services.iter().map(|service| {
            let object = ObjectRef::new("Service", Some(&service.namespace), &service.name);
            let own = service.labels.contains_key(USE_WAYPOINT);
            (object, own, service.origin.at.clone(), bindings.service(&service.namespace, &service.name))
        });
        let entries = world.objects.service_entries.iter().map(|entry| {
            let binding = bindings.service_entry(entry.meta.namespace(), entry.meta.name());
            ((*entry.meta.object).clone(), entry.meta.labels.contains_key(USE_WAYPOINT), entry.meta.at.clone(), binding)
        });
        let bound: Vec<_> = services.chain(entries).collect();
        for (object, own, at, binding) in bound {
            let Binding::Unset { problem, gateway, .. } = binding else { continue };
            let home = object.namespace.as_deref().unwrap_or_default();
            let labelled = if own { object.clone() } else { ObjectRef::new("Namespace", None, home) };
            let (labelled, problem, gateway) = (labelled, *problem, gateway.clone());
            if said.insert((labelled.clone(), gateway.clone())) {
                let at = self.place(&labelled, &["metadata", "labels", USE_WAYPOINT]).unwrap_or(at);
                self.unusable(&labelled, at, &gateway, &format!("which {problem}"));
            }
        }
        for (name, namespace) in world.namespaces.iter() {
            let Some(waypoint) = namespace.labels.get(USE_WAYPOINT).filter(|name| *name != "none") else { continue };
            let home = namespace.labels.get("istio.io/use-waypoint-namespace").map_or(&**name, String::as_str);
            let key: GatewayKey = (home.into(), waypoint.as_str().into());
            let ready = engine.waypoint_gateways().iter().any(|gateway| gateway.key == key && gateway.ready);
            let object = ObjectRef::new("Namespace", None, name);
            if !ready && said.insert((object.clone(), key.clone())) {
                let at = self.place(&object, &["metadata", "labels", USE_WAYPOINT]);
                if let Some(at) = at {
                    self.unusable(&object, at, &key, "which does not exist or is not ready");
                }
            }
        }
    }

    fn unusable(&mut self, object: &ObjectRef, at: Location, gateway: &GatewayKey, why: &str) {
        let message = format!("`{USE_WAYPOINT}` names {}/{}, {why}", gateway.0, gateway.1);
        self.tell(
            "waypoint-not-usable",
            object,
            at,
            &message,
            "traffic goes past it: correct the name, or make the waypoint serve this namespace and type of traffic",
        );
    }

    /// A waypoint that nothing is bound to gets no traffic, and its policies guard nothing.
    fn unnamed_waypoints(&mut self) {
        let (world, engine) = (self.world, self.engine);
        let bindings = engine.bindings();
        let idle: Vec<_> = waypoint_gateways(world)
            .into_iter()
            .filter(|facts| facts.is_waypoint && facts.programmed)
            .filter(|facts| bindings.bound_to(&facts.key).next().is_none())
            .filter(|facts| {
                let by_pod =
                    |binding: &Binding| matches!(binding, Binding::Bound { gateway, .. } if *gateway == facts.key);
                !world.pods.iter().any(|pod| by_pod(bindings.pod(pod.id)))
            })
            .collect();
        for facts in idle {
            let origin = &facts.origin;
            self.tell(
                "waypoint-without-users",
                &origin.object,
                origin.at.clone(),
                "no Service, ServiceEntry or pod goes through this waypoint, so that its routes and policies guard nothing",
                "label a namespace or Service with `istio.io/use-waypoint`",
            );
        }
    }

    /// Pods that reach a backend by its address and whom the waypoint before its Service would restrict.
    fn passed_waypoints(&mut self) {
        let mut guarded: BTreeMap<GatewayKey, Vec<usize>> = BTreeMap::new();
        for (index, service) in self.world.services.iter().enumerate() {
            let binding = self.engine.bindings().service(&service.namespace, &service.name);
            // A proxy's own Service is no workload that it stands before.
            let is_proxy = service.backends.iter().any(|pod| self.world.pod(*pod).role != Role::Workload);
            if let (Binding::Bound { gateway, .. }, false) = (binding, is_proxy) {
                guarded.entry(gateway.clone()).or_default().push(index);
            }
        }
        for (gateway, services) in guarded {
            self.passed(&gateway, &services);
        }
    }

    fn passed(&mut self, gateway: &GatewayKey, services: &[usize]) {
        let homes: BTreeSet<String> =
            services.iter().map(|index| self.world.services[*index].namespace.to_string()).collect();
        let scope = |view| Scope { view, to: homes.iter().cloned().collect(), ..Scope::default() };
        let engine = self.engine;
        let by_name = Reachability::compute(engine, &scope(View::Service));
        let by_address = Reachability::compute(engine, &scope(View::Pod));
        for index in services {
            if let Some((source, target)) = self.way_past(gateway, *index, &by_name, &by_address) {
                let service = &self.world.services[*index];
                let object = ObjectRef::new("Service", Some(&service.namespace), &service.name);
                let message = format!(
                    "{source} reaches {target} by the pod's address, past waypoint {}/{}, which restricts it",
                    gateway.0, gateway.1
                );
                self.tell(
                    "waypoint-bypassed",
                    &object,
                    service.origin.at.clone(),
                    &message,
                    "admit only the waypoint to the pods: an AuthorizationPolicy with its principal, or its pods in the network policy",
                );
            }
        }
    }

    /// The first source that a waypoint restricts and that its backend's address lets in.
    fn way_past(
        &self,
        gateway: &GatewayKey,
        index: usize,
        by_name: &Reachability<'_, '_>,
        by_address: &Reachability<'_, '_>,
    ) -> Option<(String, String)> {
        let service = &self.world.services[index];
        let named = |target: &&(usize, &GridTarget)| target.1.place == Place::Service(index);
        let aims: Vec<(usize, &GridTarget)> = by_name.targets().iter().enumerate().collect();
        for (target, aim) in aims.iter().filter(named) {
            let Some(port) = service.port(aim.protocol, aim.port) else { continue };
            for (row, who) in by_name.rows().iter().map(|row| row.who).enumerate() {
                let restricted = matches!(
                    by_name.cell(row, *target).verdict,
                    CellVerdict::ByRequest | CellVerdict::Denied(Layer::Waypoint)
                );
                let Who::Class(source) = who else { continue };
                if !restricted || self.is_proxy(by_name, source, gateway) {
                    continue;
                }
                if let Some(open) = open_address(service, &port.target, who, by_address) {
                    return Some((by_name.row_name(row), by_address.target_name(open)));
                }
            }
        }
        None
    }

    fn is_proxy(&self, reach: &Reachability<'_, '_>, class: ClassId, gateway: &GatewayKey) -> bool {
        let class = &reach.classes()[class.0 as usize];
        let own = |pod: &PodId| matches!(&self.world.pod(*pod).role, Role::Waypoint(key) | Role::Gateway(key) if key == gateway);
        class.host_network || class.pods.iter().any(own)
    }
}

/// The address of a backend, as a target, that the source reaches.
fn open_address(service: &Service, port: &TargetPort, source: Who, by_address: &Reachability<'_, '_>) -> Option<usize> {
    let row = by_address.rows().iter().position(|row| row.who == source)?;
    let is_backend = |aim: &GridTarget| {
        let Place::Class(class) = aim.place else { return false };
        let class = &by_address.classes()[class.0 as usize];
        let is_port = match port {
            TargetPort::Number(number) => *number == aim.port,
            TargetPort::Name(name) => {
                class.ports.iter().any(|own| own.number == aim.port && own.name.as_deref() == Some(name.as_str()))
            }
        };
        is_port && class.pods.iter().any(|pod| service.backends.contains(pod))
    };
    let targets = by_address.targets().iter().enumerate();
    targets
        .filter(|(_, aim)| is_backend(aim))
        .map(|(index, _)| index)
        .find(|target| by_address.cell(row, *target).verdict.is_allowed())
}
