//! What flows can aim at, and who can try.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use airtight_manifest::gateway_api::{HttpRouteMatch, HttpRouteRule, Listener};
use airtight_manifest::{Meta, Object};
use airtight_model::path::{Destination, Flow, Source};
use airtight_model::policy::Request;
use airtight_model::world::{API_SERVER_HOST, Pod, Protocol, Role, World, service_host};

use super::sample;
use super::wanted::{self, Requests, Wanted};

/// Something to aim at: all of a flow but its source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::run) struct Aim {
    pub(super) to: Destination,
    pub(super) protocol: Protocol,
    pub(super) port: Option<u16>,
    pub(super) request: Option<Request>,
    /// The server name of a TLS client, which follows from the target or the request.
    pub(super) tls: Option<String>,
    /// The namespace whose sources alone try it; none for all.
    pub(super) only: Option<String>,
}

impl Aim {
    /// The flow of one source.
    pub(in crate::run) fn flow(&self, from: &Source) -> Flow {
        Flow {
            from: from.clone(),
            to: self.to.clone(),
            protocol: self.protocol,
            port: self.port,
            request: self.request.clone(),
            tls: self.tls.clone(),
            after: Vec::new(),
        }
    }

    /// Whether `from` is one that could try it: users outside know gateways and public ports, the kubelet probes pods,
    /// and a workload that talks to itself shows nothing.
    pub(in crate::run) fn suits(&self, from: &Source, world: &World) -> bool {
        match from {
            Source::Workload(namespace, name) => {
                self.only.as_ref().is_none_or(|only| only == namespace) && !self.is_home_of(namespace, name, world)
            }
            Source::Outside => match &self.to {
                Destination::Gateway(..) => true,
                Destination::Service(namespace, name) => self.is_public(namespace, name, world),
                Destination::Pod(..)
                | Destination::Host(_)
                | Destination::Address(_)
                | Destination::Node(_)
                | Destination::Name(_)
                | Destination::Object(_) => false,
            },
            Source::User(_) => false,
            Source::Node(_) => self.request.is_none() && matches!(self.to, Destination::Pod(..)),
            Source::Kubelet => match &self.to {
                Destination::Pod(namespace, name) => {
                    let probes = world.workload(namespace, name).flat_map(|pod| &pod.probes);
                    self.request.is_none() && probes.map(|probe| probe.port).any(|port| Some(port) == self.port)
                }
                Destination::Service(..)
                | Destination::Host(_)
                | Destination::Address(_)
                | Destination::Gateway(..)
                | Destination::Node(_)
                | Destination::Name(_)
                | Destination::Object(_) => false,
            },
        }
    }

    fn is_home_of(&self, namespace: &str, name: &str, world: &World) -> bool {
        match &self.to {
            Destination::Pod(home, workload) => home == namespace && workload == name,
            Destination::Service(home, service) => world.service(home, service).is_some_and(|service| {
                let backends = service.backends.iter().map(|id| world.pod(*id));
                backends.into_iter().any(|pod| &*pod.namespace == namespace && &*pod.workload == name)
            }),
            Destination::Host(_)
            | Destination::Address(_)
            | Destination::Gateway(..)
            | Destination::Node(_)
            | Destination::Name(_)
            | Destination::Object(_) => false,
        }
    }

    fn is_public(&self, namespace: &str, name: &str, world: &World) -> bool {
        let ports = world.service(namespace, name).map(|service| &service.ports);
        ports.into_iter().flatten().any(|port| Some(port.port) == self.port && port.node_port.is_some())
    }
}

/// Everyone who can try a flow: workloads and proxies, users outside, nodes, and the kubelet.
pub(super) fn sources(world: &World) -> Vec<Source> {
    let workloads: BTreeSet<(String, String)> =
        world.pods.iter().map(|pod| (pod.namespace.to_string(), pod.workload.to_string())).collect();
    let workloads = workloads.into_iter().map(|(namespace, name)| Source::Workload(namespace, name));
    let nodes = world.nodes.iter().map(|node| Source::Node(node.name.to_string()));
    workloads.chain([Source::Outside]).chain(nodes).chain([Source::Kubelet]).collect()
}

/// Everything in a world that flows can aim at, each with the requests that policies speak of.
pub(super) fn aims(world: &World) -> Vec<Aim> {
    let mut aims = Aims { world, requests: Rc::new(Requests::of(world)), found: BTreeSet::new() };
    for service in world.services.iter() {
        let made_for_proxy = world.proxies.iter().any(|proxy| proxy.origin == service.origin);
        for port in service.ports.iter().filter(|_| !made_for_proxy) {
            let to = Destination::Service(service.namespace.to_string(), service.name.to_string());
            let host = service_host(&service.namespace, &service.name);
            aims.endpoint(&to, port.protocol, port.port, &host, Some(&service.namespace));
        }
    }
    for pod in world.pods.iter().filter(|pod| pod.role == Role::Workload) {
        aims.pod(pod);
    }
    for host in world.hosts.iter() {
        for name in &host.names {
            aims.host(name, &host.ports, &host.tls_ports);
        }
        for port in &host.ports {
            for address in &host.addresses {
                aims.bare(Destination::Address(*address), Protocol::Tcp, Some(*port), None);
            }
        }
    }
    for object in &world.objects.service_entries {
        let ports = object.body.spec.ports.iter().filter_map(|port| u16::try_from(port.number).ok());
        let ports: Vec<u16> = ports.filter(|port| *port != 443).collect();
        let known = |host: &&str| world.hosts.iter().flat_map(|known| &known.names).any(|name| &**name == *host);
        for host in object.body.spec.hosts.iter().map(|host| host.as_str()).filter(known) {
            aims.host(host, &ports, &[]);
        }
    }
    for node in world.nodes.iter().filter(|node| node.control_plane) {
        aims.bare(Destination::Node(node.name.to_string()), Protocol::Tcp, Some(6443), None);
    }
    aims.names();
    aims.gateways();
    aims.found.into_iter().collect()
}

struct Aims<'w> {
    world: &'w World,
    requests: Rc<Requests>,
    found: BTreeSet<Aim>,
}

impl Aims<'_> {
    fn bare(&mut self, to: Destination, protocol: Protocol, port: Option<u16>, tls: Option<String>) {
        self.found.insert(Aim { to, protocol, port, request: None, tls, only: None });
    }

    fn request(&mut self, to: &Destination, port: u16, wanted: &Wanted, host: &str, only: Option<&str>) {
        let request = Request {
            method: wanted.method.clone(),
            path: wanted.path.clone(),
            host: wanted.host.clone().unwrap_or_else(|| authority(host, port, false)),
            headers: wanted.headers.clone(),
            token: wanted.token.clone(),
        };
        self.found.insert(Aim {
            to: to.clone(),
            protocol: Protocol::Tcp,
            port: Some(port),
            request: Some(request),
            tls: None,
            only: only.map(str::to_owned),
        });
    }

    /// A port, bare and with requests: those of policies that guard it for everyone, those of policies that bind sources
    /// for the sources in their namespace.
    fn endpoint(&mut self, to: &Destination, protocol: Protocol, port: u16, host: &str, namespace: Option<&str>) {
        self.bare(to.clone(), protocol, Some(port), None);
        if protocol != Protocol::Tcp {
            return;
        }
        self.request(to, port, &Wanted::plain(), host, None);
        let requests = Rc::clone(&self.requests);
        let near = |home: &Option<String>| namespace.is_none() || home.is_none() || home.as_deref() == namespace;
        for wanted in requests.at.iter().filter(|(home, _)| near(home)).flat_map(|(_, wanted)| wanted) {
            self.request(to, port, wanted, host, None);
        }
        for (home, wanted) in &requests.by {
            for wanted in wanted {
                self.request(to, port, wanted, host, home.as_deref());
            }
        }
    }

    fn pod(&mut self, pod: &Pod) {
        let to = Destination::Pod(pod.namespace.to_string(), pod.workload.to_string());
        let Some(address) = pod.addresses.first() else { return };
        let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
        // Requests that policies speak of are tried at the Service, if there is one.
        let served = self.world.services.iter().any(|service| service.backends.contains(&pod.id));
        for port in &pod.ports {
            if served {
                self.bare(to.clone(), port.protocol, Some(port.number), None);
            } else {
                self.endpoint(&to, port.protocol, port.number, &host, Some(&pod.namespace));
            }
        }
    }

    fn host(&mut self, name: &str, ports: &[u16], tls_ports: &[u16]) {
        let to = Destination::Host(name.to_owned());
        for port in ports {
            self.endpoint(&to, Protocol::Tcp, *port, name, None);
        }
        for port in tls_ports {
            self.bare(to.clone(), Protocol::Tcp, Some(*port), Some(name.to_owned()));
        }
    }

    /// Lookups: of the API server, of every host, of what DNS rules name, and of a Service in each namespace.
    fn names(&mut self) {
        let hosts = self.world.hosts.iter().flat_map(|host| &host.names).map(ToString::to_string);
        let mut names: BTreeSet<String> = hosts.chain([API_SERVER_HOST.to_owned()]).collect();
        let objects = &self.world.objects;
        for object in objects.cilium_policies.iter().chain(&objects.cilium_clusterwide_policies) {
            for (_, rule) in object.body.rules() {
                let sections = rule.sections();
                let rules = sections.iter().flat_map(|section| &section.ports).filter_map(|item| item.rules);
                let dns = rules.flat_map(|rules| rules.dns.iter().flatten());
                names.extend(dns.filter_map(|rule| {
                    let pattern = || rule.match_pattern.as_deref().map(sample::of_name_pattern);
                    rule.match_name.clone().or_else(pattern)
                }));
            }
        }
        // One Service stands for all of its namespace: rules about names tell namespaces apart, if anything.
        let firsts: BTreeMap<&str, &str> = self.world.services.iter().map(|s| (&*s.namespace, &*s.name)).collect();
        names.extend(firsts.into_iter().map(|(namespace, name)| service_host(namespace, name)));
        for name in names {
            self.bare(Destination::Name(name), Protocol::Udp, Some(53), None);
        }
    }

    fn gateways(&mut self) {
        let world = self.world;
        let keys = world.pods.iter().filter_map(|pod| match &pod.role {
            Role::Gateway(key) => Some(key),
            Role::Workload | Role::Waypoint(_) => None,
        });
        for (namespace, name) in keys.collect::<BTreeSet<_>>() {
            let is_it = |meta: &Meta| meta.namespace() == &**namespace && meta.name() == &**name;
            let Some(gateway) = world.objects.gateways.iter().find(|gateway| is_it(&gateway.meta)) else { continue };
            let to = Destination::Gateway(namespace.to_string(), name.to_string());
            let mut hosts: BTreeMap<String, BTreeSet<Wanted>> = BTreeMap::new();
            for route in &world.objects.http_routes {
                let named = route.body.spec.parent_refs.iter().any(|parent| {
                    let home = parent.namespace.as_deref().unwrap_or(route.meta.namespace());
                    parent.is_gateway() && home == &**namespace && parent.name == **name
                });
                if named {
                    add_requests(
                        route,
                        &gateway.body.spec.listeners.iter().map(|l| &l.value).collect::<Vec<_>>(),
                        &mut hosts,
                    );
                }
            }
            for listener in &gateway.body.spec.listeners {
                for wanted in hosts.values().flatten() {
                    self.at_listener(&to, listener, wanted);
                }
            }
        }
    }

    fn at_listener(&mut self, to: &Destination, listener: &Listener, wanted: &Wanted) {
        let Some(host) = &wanted.host else { return };
        let tls = match listener.protocol.as_str() {
            "HTTP" => None,
            "HTTPS" => Some(host.clone()),
            _ => return,
        };
        let request = Request {
            method: wanted.method.clone(),
            path: wanted.path.clone(),
            host: host.clone(),
            headers: wanted.headers.clone(),
            token: wanted.token.clone(),
        };
        let (protocol, port) = (Protocol::Tcp, Some(listener.port));
        self.found.insert(Aim { to: to.clone(), protocol, port, request: Some(request), tls, only: None });
    }
}

/// The requests of a route's matches at its hosts, or else at those of the listeners.
fn add_requests(
    route: &Object<airtight_manifest::gateway_api::HttpRoute>,
    listeners: &[&Listener],
    found: &mut BTreeMap<String, BTreeSet<Wanted>>,
) {
    let own = route.body.spec.hostnames.iter().map(|host| sample::of_glob(host));
    let mut hosts: BTreeSet<String> = own.collect();
    if hosts.is_empty() {
        hosts.extend(
            listeners.iter().map(|listener| listener.host().map_or("app.example.com".to_owned(), sample::of_glob)),
        );
    }
    let everything = [HttpRouteMatch::default()];
    for host in hosts {
        for rule in route.body.spec.rules.iter().flatten() {
            let requests = matches(rule, &everything).filter_map(|written| wanted::of_match(written, &host)).flatten();
            found.entry(host.clone()).or_default().extend(requests);
        }
    }
}

fn matches<'a>(
    rule: &'a HttpRouteRule,
    everything: &'a [HttpRouteMatch],
) -> Box<dyn Iterator<Item = &'a HttpRouteMatch> + 'a> {
    match rule.matches.as_deref() {
        None | Some([]) => Box::new(everything.iter()),
        Some(written) => Box::new(written.iter().map(|written| &written.value)),
    }
}

/// Clients leave out the port that the scheme implies (RFC 9110 §7.2).
pub(super) fn authority(host: &str, port: u16, tls: bool) -> String {
    match (port, tls) {
        (80, false) | (443, true) => host.to_owned(),
        (port, _) => format!("{host}:{port}"),
    }
}
