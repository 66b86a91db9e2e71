//! Name lookups: who answers, and what the CNI makes of the query.

use super::checks::{application_check, check, cni_checks};
use super::connection::{Connection, Relay};
use super::dial::Dial;
use super::names::{self, Resolved};
use super::peer::Peer;
use super::policies::Policies;
use super::service_entry::service_entries_named;
use super::target::{host_named, representatives, service_port, target_port};
use super::trace::{Check, Hop, Wire};
use crate::policy::waypoint::dns_captured;
use crate::policy::{Checkpoint, Decision, Effect, Outcome, Rcode, Reason};
use crate::world::{API_SERVER_HOST, Pod, Protocol, Resolver, Role, Service, World};

/// What a lookup came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Lookup {
    /// The hop to the resolver; none if nothing left the pod.
    pub(super) hops: Vec<Hop>,
    /// Whether the CNI learned the name's addresses for `toFQDNs`.
    pub(super) learned: bool,
}

/// Where resolvers listen that are not traced any further.
const DNS: Wire = Wire::Plain { protocol: Protocol::Udp, port: Some(53) };

/// The lookup of `name` by `from`, before a connection that `relay` opens.
///
/// ztunnel answers names of the mesh itself; everything else goes to the cluster's resolver from
/// the pod's own network namespace (ztunnel `src/dns/forwarder.rs`), so that the CNI sees the pod.
pub(super) fn lookup<'w>(policies: &Policies<'w>, from: &Peer<'w>, name: &str, relay: Relay) -> Lookup {
    match from.pod.filter(|pod| !pod.host_network) {
        Some(pod) => policies.lookups.of((pod.id, relay), name, || by_pod(policies, (from, pod), name, relay)),
        None => Lookup::default(),
    }
}

fn by_pod<'w>(policies: &Policies<'w>, (from, pod): (&Peer<'w>, &'w Pod), name: &str, relay: Relay) -> Lookup {
    let (world, nothing) = (policies.world, Lookup::default());
    if answered_by_ztunnel(world, pod, name) {
        return nothing;
    }
    let Some(resolver) = resolver(world) else { return nothing };
    let query = query(relay);
    let dial = Dial { policies, from, connection: &query };
    if let Some(why) = asks_others(pod, resolver) {
        let decision = Decision::unknown(vec![pod.origin.clone()], format!("{}/{} {why}", pod.namespace, pod.name));
        let hop = dial.hop("a resolver of its own", DNS, vec![check(Checkpoint::Application, decision)]);
        return Lookup { hops: vec![hop], learned: false };
    }
    if resolver.backends.is_empty() {
        return Lookup { hops: vec![unanswered(dial, resolver, name)], learned: false };
    }
    let Some(server) = representatives(world, resolver, from.endpoint).into_iter().next() else { return nothing };
    let port = service_port(resolver, Protocol::Udp, 53).and_then(|port| target_port(port, server));
    let (wire, to) = (dial.plain(port), Peer::pod(server));
    let mut checks = cni_checks(dial, &to, wire);
    let asked = policies.cni.dns(world, from.endpoint, name);
    let proxy = search_list(world, pod, name).find_map(|longer| stopped_at(policies, from, &longer)).unwrap_or(asked);
    let learned = proxy.reason == Reason::NameAllowed;
    checks.insert(1.min(checks.len()), check(Checkpoint::DnsProxy, proxy));
    checks.push(application_check(server, Protocol::Udp, port));
    checks.push(existence(world, name));
    let checks = checks.into_iter().map(as_lookup_failure).collect();
    Lookup { hops: vec![dial.hop(&to.label, wire, checks)], learned }
}

/// Why a pod does not ask the cluster's resolver: which packets leave for where, and what comes back, is not known then.
fn asks_others(pod: &Pod, resolver: &Service) -> Option<&'static str> {
    match &pod.resolver {
        Resolver::Cluster => None,
        Resolver::Node => Some("asks its node's resolver (`dnsPolicy: Default`), which is not modelled"),
        Resolver::Own(servers) if servers.iter().any(|server| resolver.cluster_ips.contains(server)) => None,
        Resolver::Own(_) => Some("asks servers of its own (`dnsPolicy: None`), which is not modelled"),
    }
}

/// The names that a proxy's resolver asks for before the name itself, which has fewer dots than `ndots` (5) asks for: an
/// Envoy's, c-ares, walks the pod's search list and ends at the first answer that is neither an address nor NXDOMAIN.
/// A client's own, glibc, goes on, so that the name itself decides.
fn search_list(world: &World, pod: &Pod, name: &str) -> impl Iterator<Item = String> {
    let walks = is_envoy(world, pod) && !name.ends_with('.') && name.matches('.').count() < names::NDOTS;
    let name = name.to_owned();
    names::search_list(&pod.namespace).filter(move |_| walks).map(move |domain| format!("{name}.{domain}"))
}

fn is_envoy(world: &World, pod: &Pod) -> bool {
    match &pod.role {
        Role::Gateway(key) | Role::Waypoint(key) => {
            names::proxy(world, key).is_some_and(|proxy| !proxy.implementation.is_agentgateway())
        }
        Role::Workload => false,
    }
}

/// What stops the walk at a name of the search list; none if the resolver says that there is no such name.
fn stopped_at(policies: &Policies<'_>, from: &Peer<'_>, name: &str) -> Option<Decision> {
    let mut decision = policies.cni.dns(policies.world, from.endpoint, name);
    if decision.effect == Effect::Allow {
        return None;
    }
    decision.detail += " (a name of the search list, at which the proxy's resolver stops)";
    Some(decision)
}

/// A lookup that does not leave for the cluster's resolver: ztunnel answers, or it is one by a peer without a
/// pod's network, whose own resolver knows the names outside; whether it knows the
/// cluster's is a matter of the node's configuration.
pub(super) fn elsewhere(policies: &Policies<'_>, from: &Peer<'_>, name: &str, relay: Relay) -> Hop {
    let world = policies.world;
    let query = query(relay);
    let dial = Dial { policies, from, connection: &query };
    let on_pod_network = from.pod.filter(|pod| !pod.host_network);
    if on_pod_network.is_some_and(|pod| answered_by_ztunnel(world, pod, name)) {
        return captured(dial, name);
    }
    let decision = match names::service(world, name) {
        Some(service) => {
            let detail = format!("whether the resolver of {} knows {name} is not known", from.label);
            check(Checkpoint::Application, Decision::unknown(vec![service.origin.clone()], detail))
        }
        None if on_pod_network.is_some() => {
            let rules = on_pod_network.map(|pod| pod.origin.clone()).into_iter().collect();
            let detail = format!("no resolver of this world answers the lookup of {name}");
            check(Checkpoint::Application, Decision::unknown(rules, detail))
        }
        None => existence(world, name),
    };
    dial.hop("its own resolver", DNS, vec![decision])
}

fn answered_by_ztunnel(world: &World, pod: &Pod, name: &str) -> bool {
    // Aliases are none of its names: istiod leaves Services of type `ExternalName` out
    // (`pilot/pkg/serviceregistry/kube/controller/ambient/services.go`).
    let own = names::service(world, name).is_some_and(|service| service.external_name.is_none());
    dns_captured(&world.stack, pod) && (own || !service_entries_named(world, &pod.namespace, name).is_empty())
}

fn resolver(world: &World) -> Option<&Service> {
    world.service("kube-system", "kube-dns")
}

fn existence(world: &World, name: &str) -> Check {
    let stands = alias_words(world, name);
    let known = match names::alias_end(world, name) {
        Resolved::Service(_) | Resolved::Pod(_) => true,
        Resolved::Outside(end) => host_named(world, &end).is_some() || end.trim_end_matches('.') == API_SERVER_HOST,
        Resolved::Nowhere => false,
    };
    if !known && let Some(why) = unread(world, name) {
        return check(Checkpoint::Application, Decision::unknown(Vec::new(), why));
    }
    let decision = if known {
        Decision::allow(Reason::Listening, format!("{name} {stands}exists"))
    } else {
        Decision::deny(
            Reason::NoSuchName,
            Outcome::DnsFailure(Rcode::Nxdomain),
            format!("{name} {stands}does not exist"),
        )
    };
    check(Checkpoint::Application, decision)
}

/// What a Service of type `ExternalName` makes of its name.
fn alias_words(world: &World, name: &str) -> String {
    let alias = names::service(world, name).and_then(|service| service.external_name.as_ref());
    alias.map(|alias| format!("stands for {alias}, which ")).unwrap_or_default()
}

/// Why a name of the cluster that nothing here has may be there all the same: endpoints have names by `hostname` and by
/// address, ports by SRV, and pods by address (Kubernetes DNS specification, 2.4; CoreDNS `plugin/kubernetes`).
fn unread(world: &World, name: &str) -> Option<String> {
    let name = name.trim_end_matches('.');
    let of_pod = name.strip_suffix(".pod.cluster.local").map(|_| "names of pods by their addresses are not modelled");
    let inner = name.strip_suffix(".svc.cluster.local").and_then(|rest| {
        let labels: Vec<&str> = rest.split('.').collect();
        let [.., _, service, namespace] = labels.as_slice() else { return None };
        world
            .service(namespace, service)
            .map(|_| "names below that of a Service are not modelled, but of pods with a subdomain")
    });
    of_pod.or(inner).map(|why| format!("whether {name} exists is not known: {why}"))
}

/// A lookup that nobody can answer: the resolver's Service has no backend, so that the node rejects the query.
fn unanswered(dial: Dial<'_, '_>, resolver: &Service, name: &str) -> Hop {
    let detail = format!("the resolver has no backend that could answer for {name}");
    let outcome = Outcome::DnsFailure(Rcode::Timeout);
    let decision = Decision::deny(Reason::NoHealthyUpstream, outcome, detail).by(vec![resolver.origin.clone()]);
    let to = format!("{}/{}", resolver.namespace, resolver.name);
    dial.hop(&to, DNS, vec![check(Checkpoint::Application, decision)])
}

/// A lookup that the pod's own ztunnel answers, for whoever asks nothing but the name.
fn captured(dial: Dial<'_, '_>, name: &str) -> Hop {
    let decision = Decision::allow(Reason::Direct, format!("ztunnel answers the lookup of {name} itself"));
    dial.hop("its own ztunnel", DNS, vec![check(Checkpoint::ZtunnelOutbound, decision)])
}

/// UDP is never captured, so ztunnel does not change how a client sees a lookup fail.
fn query(relay: Relay) -> Connection {
    let relay = match relay {
        Relay::Client | Relay::Ztunnel => Relay::Client,
        Relay::HttpProxy => Relay::HttpProxy,
        Relay::TcpProxy => Relay::TcpProxy,
    };
    Connection { protocol: Protocol::Udp, request: None, tls: None, originated: None, resolved: None, relay }
}

/// A lookup fails as a lookup, whatever befell its packets.
fn as_lookup_failure(mut check: Check) -> Check {
    if check.decision.effect == Effect::Deny {
        check.decision.symptom = check.decision.symptom.map(|symptom| match symptom {
            Outcome::Timeout | Outcome::Reset | Outcome::Refused => Outcome::DnsFailure(Rcode::Timeout),
            other @ (Outcome::Connected
            | Outcome::Http(_)
            | Outcome::DnsFailure(_)
            | Outcome::TlsFailure
            | Outcome::ProbeError(_)) => other,
        });
    }
    check
}
