//! Name lookups: who answers, and what the CNI makes of the query.

use super::connection::{Connection, Relay};
use super::engine::Engine;
use super::hop::{check, hop};
use super::peer::Peer;
use super::target::{host_named, representatives, service_port, target_port};
use super::trace::{Check, Hop, Wire};
use crate::policy::waypoint::dns_captured;
use crate::policy::{Checkpoint, Decision, Effect, Outcome, Rcode, Reason};
use crate::world::{Protocol, Service};

/// What a lookup came to.
#[derive(Debug, Clone)]
pub(super) struct Lookup {
    /// The hop to the resolver; none if nothing left the pod.
    pub(super) hops: Vec<Hop>,
    /// Whether the CNI learned the name's addresses for `toFQDNs`.
    pub(super) learned: bool,
}

impl<'w> Engine<'w> {
    /// The lookup of `name` by `from`.
    ///
    /// ztunnel answers names of the mesh itself; everything else goes to the cluster's resolver from
    /// the pod's own network namespace (ztunnel `src/dns/forwarder.rs`), so that the CNI sees the pod.
    pub(super) fn lookup(&self, from: &Peer<'w>, name: &str, connection: &Connection) -> Lookup {
        let nothing = Lookup { hops: Vec::new(), learned: false };
        let Some(pod) = from.pod.filter(|pod| !pod.host_network) else { return nothing };
        if self.answered_by_ztunnel(pod, name) {
            return nothing;
        }
        let Some(resolver) = self.resolver() else { return nothing };
        if resolver.backends.is_empty() {
            return Lookup { hops: vec![unanswered(from, resolver, name, connection)], learned: false };
        }
        let mut learned = false;
        let query =
            Connection { protocol: Protocol::Udp, request: None, tls: None, resolved: None, relay: connection.relay };
        let hops = representatives(self.world, resolver, from.endpoint)
            .into_iter()
            .take(1)
            .map(|server| {
                let port = service_port(resolver, Protocol::Udp, 53).and_then(|port| target_port(port, server));
                let wire = Wire::Plain { protocol: Protocol::Udp, port };
                let to = Peer::pod(server);
                let mut checks = self.cni_checks(from, &to, wire, &query);
                let proxy = self.cni.dns(self.world, from.endpoint, name);
                learned = proxy.reason == Reason::NameAllowed;
                checks.insert(1.min(checks.len()), check(Checkpoint::DnsProxy, proxy));
                checks.push(self.application_check(server, Protocol::Udp, port));
                checks.push(self.existence(name));
                let checks = checks.into_iter().map(as_lookup_failure).collect();
                hop(from, &to, wire, checks, &Connection { relay: relay_of_lookup(connection.relay), ..query.clone() })
            })
            .collect();
        Lookup { hops, learned }
    }

    /// A lookup that does not leave for the cluster's resolver: ztunnel answers, or it is one by a peer without a
    /// pod's network, whose own resolver knows the names outside; whether it knows the
    /// cluster's is a matter of the node's configuration.
    pub(super) fn lookup_elsewhere(&self, from: &Peer<'w>, name: &str, connection: &Connection) -> Vec<Hop> {
        let on_pod_network = from.pod.filter(|pod| !pod.host_network);
        if on_pod_network.is_some_and(|pod| self.answered_by_ztunnel(pod, name)) {
            return vec![captured_lookup(from, name, connection)];
        }
        let decision = match self.service_named(name) {
            Some(service) => {
                let detail = format!("whether the resolver of {} knows {name} is not known", from.label);
                check(Checkpoint::Application, Decision::unknown(vec![service.origin.clone()], detail))
            }
            None if on_pod_network.is_some() => {
                let rules = on_pod_network.map(|pod| pod.origin.clone()).into_iter().collect();
                let detail = format!("no resolver of this world answers the lookup of {name}");
                check(Checkpoint::Application, Decision::unknown(rules, detail))
            }
            None => self.existence(name),
        };
        let to = Peer { label: "its own resolver".to_owned(), ..from.clone() };
        let wire = Wire::Plain { protocol: Protocol::Udp, port: Some(53) };
        vec![hop(from, &to, wire, vec![decision], connection)]
    }

    fn answered_by_ztunnel(&self, pod: &crate::world::Pod, name: &str) -> bool {
        dns_captured(&self.world.stack, pod)
            && (self.service_named(name).is_some() || self.service_entry_named(name, None).is_some())
    }

    /// The Service of a cluster name such as `api.ns.svc.cluster.local`.
    pub(super) fn service_named(&self, name: &str) -> Option<&'w Service> {
        let name = name.trim_end_matches('.');
        let inner = name.strip_suffix(".svc.cluster.local").or_else(|| name.strip_suffix(".svc"))?;
        let (service, namespace) = inner.split_once('.')?;
        self.world.service(namespace, service)
    }

    fn resolver(&self) -> Option<&'w Service> {
        self.world.service("kube-system", "kube-dns")
    }

    fn existence(&self, name: &str) -> Check {
        let known = self.service_named(name).is_some()
            || host_named(self.world, name).is_some()
            || name.trim_end_matches('.') == "kubernetes.default.svc.cluster.local";
        let decision = if known {
            Decision::allow(Reason::Listening, format!("{name} exists"))
        } else {
            Decision::deny(Reason::NoSuchName, Outcome::DnsFailure(Rcode::Nxdomain), format!("{name} does not exist"))
        };
        check(Checkpoint::Application, decision)
    }
}

/// A lookup that nobody can answer: the resolver's Service has no backend, so that the node rejects the query.
fn unanswered(from: &Peer<'_>, resolver: &Service, name: &str, connection: &Connection) -> Hop {
    let detail = format!("the resolver has no backend that could answer for {name}");
    let outcome = Outcome::DnsFailure(Rcode::Timeout);
    let decision = Decision::deny(Reason::NoHealthyUpstream, outcome, detail).by(vec![resolver.origin.clone()]);
    let to = Peer { label: format!("{}/{}", resolver.namespace, resolver.name), ..from.clone() };
    let wire = Wire::Plain { protocol: Protocol::Udp, port: Some(53) };
    hop(from, &to, wire, vec![check(Checkpoint::Application, decision)], connection)
}

/// A lookup that the pod's own ztunnel answers, for whoever asks nothing but the name.
fn captured_lookup(from: &Peer<'_>, name: &str, connection: &Connection) -> Hop {
    let detail = format!("ztunnel answers the lookup of {name} itself");
    let decision = Decision::allow(Reason::Direct, detail);
    let to = Peer { label: "its own ztunnel".to_owned(), ..from.clone() };
    let wire = Wire::Plain { protocol: Protocol::Udp, port: Some(53) };
    hop(from, &to, wire, vec![check(Checkpoint::ZtunnelOutbound, decision)], connection)
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

/// UDP is never captured, so ztunnel does not change how a client sees a lookup fail.
fn relay_of_lookup(relay: Relay) -> Relay {
    match relay {
        Relay::Client | Relay::Ztunnel => Relay::Client,
        Relay::HttpProxy => Relay::HttpProxy,
        Relay::TcpProxy => Relay::TcpProxy,
    }
}
