//! What the destination's ztunnel lets in (ztunnel `src/state.rs`, `assert_rbac`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::convert::{self, Scope};
use super::mtls::{PeerAuthentications, STATIC_STRICT, static_strict};
use super::rbac::{Authorization, Cause, Connection, Match, RbacAction, RbacRule, StringMatch, Values};
use crate::manifest::istio::AuthorizationPolicy;
use crate::manifest::{Object, RuleRef};
use crate::policy::waypoint::{Binding, Bindings};
use crate::policy::{Decision, MeshSource, Outcome, Reason, SpiffeId};
use crate::world::{Enrolment, GatewayKey, Pod, PodId, Role, World, at_least};

/// Ports on which ztunnel itself listens in the pod; no connection may aim at them (ztunnel `src/config.rs`).
const OWN_PORTS: [u16; 3] = [15001, 15006, 15008];

/// AuthorizationPolicy and PeerAuthentication objects as ztunnel enforces them.
#[derive(Debug, Clone)]
pub struct ZtunnelPolicy {
    policies: Vec<Authorization>,
    global: Vec<usize>,
    namespaces: BTreeMap<Arc<str>, Vec<usize>>,
    workloads: Vec<Workload>,
}

/// What istiod lists on one workload.
#[derive(Debug, Clone, Default)]
struct Workload {
    policies: Vec<usize>,
    /// The objects that make it STRICT as a whole.
    strict: Vec<RuleRef>,
    /// The PeerAuthentication objects that say which mode it has.
    consulted: Vec<RuleRef>,
    /// Policies of which it is not certain whether they are listed.
    uncertain: Vec<RuleRef>,
}

impl ZtunnelPolicy {
    /// Compiles the policies of a world; `bindings` tells which waypoints `PILOT_AUTO_ALLOW_WAYPOINT_POLICY` is for.
    #[must_use]
    pub fn compile(world: &World, bindings: &Bindings) -> Self {
        let mut compiler = Compiler::new(world);
        compiler.authorization_policies();
        compiler.peer_authentications();
        if world.stack.istio.auto_allow_waypoint_policy {
            compiler.waypoint_allowances(bindings);
        }
        compiler.compiled
    }

    /// Whether the ztunnel of `destination` lets a connection to `port` in. Behind HBONE the source is who
    /// opened the tunnel (the waypoint, if there is one); plaintext has no identity.
    #[must_use]
    pub fn inbound(&self, world: &World, destination: PodId, port: u16, source: &MeshSource) -> Decision {
        let pod = world.pod(destination);
        match pod.enrolment {
            Enrolment::Ambient => self.assert(pod, port, source),
            Enrolment::AmbientOutbound => match &source.identity {
                None => not_captured(pod, "bypasses inbound capture"),
                Some(_) if at_least(&world.stack.versions.istio, 1, 29) => self.assert(pod, port, source),
                Some(_) => bypassed_tunnel(pod),
            },
            Enrolment::None => not_captured(pod, "is not in the mesh"),
            Enrolment::Native => not_captured(pod, "ends the tunnel itself"),
            Enrolment::NativeOutbound => not_captured(pod, "takes what it receives in clear text"),
            Enrolment::Sidecar => Decision::unknown(
                vec![pod.origin.clone()],
                format!("{}/{} has a sidecar, whose policies are not modelled", pod.namespace, pod.name),
            ),
        }
    }

    fn assert(&self, pod: &Pod, port: u16, source: &MeshSource) -> Decision {
        let workload = &self.workloads[pod.id.0 as usize];
        if !workload.uncertain.is_empty() {
            return Decision::unknown(
                workload.uncertain.clone(),
                format!("{}/{} has no labels: istiod may list every selector policy on it", pod.namespace, pod.name),
            );
        }
        if OWN_PORTS.contains(&port) {
            let detail = format!("ztunnel refuses connections that aim at its own port {port}");
            return Decision::deny(Reason::NotListening, Outcome::Reset, detail)
                .logged("connection failed error=\"attempted recursive call to ourselves\"");
        }
        let connection = Connection {
            identity: source.identity.as_ref(),
            principal: source.identity.as_ref().map(SpiffeId::principal),
            source: source.address,
            destination: same_family(&pod.addresses, source.address),
            port,
        };
        self.judge(pod, workload, &connection, source)
    }

    fn judge(&self, pod: &Pod, workload: &Workload, connection: &Connection<'_>, source: &MeshSource) -> Decision {
        let log = |error: Option<&str>| access_log(pod, connection, error);
        let (allow, deny): (Vec<&Authorization>, Vec<&Authorization>) =
            self.applying(pod, workload).partition(|policy| policy.action == RbacAction::Allow);
        let shown = format!("{} to {}/{}:{}", source.shown(), pod.namespace, pod.name, connection.port);
        // ztunnel stops at the first; the others would each do the same.
        let denying = matching(&deny, connection);
        if let Some((policy, _)) = denying.first() {
            let error = format!("explicitly denied by: {}", policy.key());
            let rules = denying.iter().flat_map(|(policy, rules)| origins(policy, rules, workload)).collect();
            return denied(policy, &shown).by(rules).logged(log(Some(&error)));
        }
        // Plaintext would not get in where these policies did not make an exception.
        let exceptions = if connection.identity.is_none() { workload.consulted.as_slice() } else { &[] };
        if allow.is_empty() {
            let detail = format!("no ALLOW policy is in force for {shown}, and no DENY rule matches");
            return Decision::allow(Reason::NoPolicy, detail).by(exceptions.to_vec()).logged(log(None));
        }
        let allowing = matching(&allow, connection);
        if let Some((policy, _)) = allowing.first() {
            let detail = format!("AuthorizationPolicy {} allows {shown}", policy.key());
            let rules = allowing.iter().flat_map(|(policy, rules)| origins(policy, rules, workload));
            let rules = rules.chain(exceptions.iter().cloned()).collect();
            return Decision::allow(Reason::AllowRule, detail).by(rules).logged(log(None));
        }
        let names: Vec<String> = allow.iter().map(|policy| policy.key()).collect();
        let detail = format!("{shown}: ALLOW policies are in force ({}), and no rule matches", names.join(", "));
        Decision::deny(Reason::NoAllowMatched, Outcome::Reset, detail)
            .by(allow.iter().flat_map(|policy| policy.origin.clone()).collect())
            .logged(log(Some("allow policies exist, but none allowed")))
    }

    /// Policies of the namespace, of the mesh, and of the workload, in ztunnel's order.
    fn applying<'a>(&'a self, pod: &Pod, workload: &'a Workload) -> impl Iterator<Item = &'a Authorization> {
        let namespace = self.namespaces.get(&pod.namespace).into_iter().flatten();
        namespace.chain(&self.global).chain(&workload.policies).map(|index| &self.policies[*index])
    }
}

/// The policies that a connection matches, each with the rules that it matches.
fn matching<'a>(
    policies: &[&'a Authorization],
    connection: &Connection<'_>,
) -> Vec<(&'a Authorization, Vec<&'a RbacRule>)> {
    policies.iter().filter_map(|policy| Some((*policy, policy.matched(connection)?))).collect()
}

/// Where matching rules were written.
fn origins(policy: &Authorization, rules: &[&RbacRule], workload: &Workload) -> Vec<RuleRef> {
    if policy.cause == Cause::PeerAuthentication && &*policy.name == STATIC_STRICT {
        return workload.strict.clone();
    }
    rules.iter().flat_map(|rule| rule.origin.iter().cloned()).collect()
}

fn denied(policy: &Authorization, shown: &str) -> Decision {
    let (reason, why) = match policy.cause {
        Cause::PeerAuthentication if &*policy.name == STATIC_STRICT => {
            (Reason::StrictMtls, "PeerAuthentication STRICT demands mTLS".to_owned())
        }
        Cause::PeerAuthentication => (Reason::StrictMtls, "PeerAuthentication demands mTLS on this port".to_owned()),
        Cause::AuthorizationPolicy | Cause::Waypoint => {
            (Reason::ExplicitDeny, format!("a rule of the DENY AuthorizationPolicy {} matches", policy.key()))
        }
    };
    Decision::deny(reason, Outcome::Reset, format!("{shown}: {why}"))
}

fn not_captured(pod: &Pod, why: &str) -> Decision {
    let detail = format!("{}/{} {why}: ztunnel does not see what it receives", pod.namespace, pod.name);
    Decision::allow(Reason::NotCaptured, detail)
}

/// Istio `releasenotes/notes/58577.yaml`.
fn bypassed_tunnel(pod: &Pod) -> Decision {
    let detail =
        format!("before Istio 1.29, HBONE to {}/{} hangs because it bypasses inbound capture", pod.namespace, pod.name);
    Decision::deny(Reason::NotCaptured, Outcome::Timeout, detail).by(vec![pod.origin.clone()])
}

/// The address of the peer's family.
fn same_family(addresses: &[IpAddr], peer: IpAddr) -> IpAddr {
    let same = addresses.iter().find(|address| address.is_ipv4() == peer.is_ipv4());
    same.or(addresses.first()).copied().unwrap_or(IpAddr::from([0, 0, 0, 0]))
}

/// A line of ztunnel's access log, without what differs from connection to connection (ztunnel `src/proxy/metrics.rs`).
fn access_log(pod: &Pod, connection: &Connection<'_>, error: Option<&str>) -> String {
    let level = if error.is_some() { "error" } else { "info" };
    let target = format!("{}:{}", connection.destination, connection.port);
    let (identity, address) = match connection.identity {
        Some(id) => (
            format!(" src.identity=\"{id}\""),
            format!("dst.addr={}:15008 dst.hbone_addr={target}", connection.destination),
        ),
        None => (String::new(), format!("dst.addr={target}")),
    };
    let error =
        error.map(|error| format!(" error=\"connection closed due to policy rejection: {error}\"")).unwrap_or_default();
    format!(
        "{level} access connection complete src.addr={}{identity} {address} dst.workload=\"{}\" \
         dst.namespace=\"{}\" direction=\"inbound\"{error}",
        connection.source, pod.name, pod.namespace
    )
}

struct Compiler<'a> {
    world: &'a World,
    compiled: ZtunnelPolicy,
}

impl<'a> Compiler<'a> {
    fn new(world: &'a World) -> Self {
        let compiled = ZtunnelPolicy {
            policies: Vec::new(),
            global: Vec::new(),
            namespaces: BTreeMap::new(),
            workloads: vec![Workload::default(); world.pods.len()],
        };
        Self { world, compiled }
    }

    fn add(&mut self, policy: Authorization) -> usize {
        self.compiled.policies.push(policy);
        self.compiled.policies.len() - 1
    }

    fn authorization_policies(&mut self) {
        let root = self.world.stack.istio.root_namespace.as_str();
        for policy in &self.world.objects.authorization_policies {
            let Some(authorization) = convert::authorization(policy) else { continue };
            let namespace = Arc::clone(&authorization.namespace);
            let index = self.add(authorization);
            match convert::scope(policy, root) {
                Scope::Global => self.compiled.global.push(index),
                Scope::Namespace => self.compiled.namespaces.entry(namespace).or_default().push(index),
                Scope::Selector => self.list(policy, index, *namespace == *root),
            }
        }
    }

    /// Lists a selector policy on its workloads; `selector: {}` is on none
    /// (Istio `pilot/pkg/serviceregistry/ambient/workloads.go`, `buildWorkloadPolicies`).
    fn list(&mut self, policy: &Object<AuthorizationPolicy>, index: usize, everywhere: bool) {
        let Some(selector) = policy.body.spec.selector.as_ref().filter(|selector| selector.labels().is_some()) else {
            return;
        };
        for (pod, workload) in self.world.pods.iter().zip(&mut self.compiled.workloads) {
            if !everywhere && &*pod.namespace != policy.meta.namespace() {
                continue;
            }
            if selector.selects(&pod.labels) {
                workload.policies.push(index);
            } else if pod.labels.is_empty() {
                // istiod's filter by selector is off for a workload without any label.
                workload.uncertain.push(policy.meta.whole());
            }
        }
    }

    fn peer_authentications(&mut self) {
        let world = self.world;
        let root = world.stack.istio.root_namespace.as_str();
        let peers = PeerAuthentications::new(&world.objects.peer_authentications, root);
        let strict = self.add(static_strict(root));
        let mut keys = BTreeMap::new();
        for policy in peers.port_policies() {
            let key = (Arc::clone(&policy.namespace), Arc::clone(&policy.name));
            keys.insert(key, self.add(policy));
        }
        for (pod, workload) in world.pods.iter().zip(&mut self.compiled.workloads) {
            let effective = peers.effective(pod);
            workload.consulted = effective.consulted;
            if let Some(origin) = effective.strict {
                workload.policies.push(strict);
                workload.strict = origin;
            }
            workload.policies.extend(effective.ports.and_then(|key| keys.get(&key)).copied());
        }
    }

    /// An ALLOW for the waypoints of each workload (Istio `pilot/pkg/serviceregistry/ambient/policies.go`,
    /// `implicitWaypointPolicy`).
    fn waypoint_allowances(&mut self, bindings: &Bindings) {
        let world = self.world;
        let mut known: BTreeMap<GatewayKey, usize> = BTreeMap::new();
        for pod in &world.pods {
            let services = world.services.iter().filter(|service| service.backends.contains(&pod.id));
            let bound = services.map(|service| bindings.service(&service.namespace, &service.name));
            for binding in bound.chain([bindings.pod(pod.id)]) {
                let Binding::Bound { gateway, .. } = binding else { continue };
                let index = match known.get(gateway) {
                    Some(index) => *index,
                    None => match waypoint_allowance(world, gateway) {
                        Some(policy) => *known.entry(gateway.clone()).or_insert(self.add(policy)),
                        None => continue,
                    },
                };
                let policies = &mut self.compiled.workloads[pod.id.0 as usize].policies;
                if !policies.contains(&index) {
                    policies.push(index);
                }
            }
        }
    }
}

fn waypoint_allowance(world: &World, gateway: &GatewayKey) -> Option<Authorization> {
    let instances = world.pods.iter().filter(|pod| match &pod.role {
        Role::Waypoint(key) | Role::Gateway(key) => key == gateway,
        Role::Workload => false,
    });
    let any: Vec<StringMatch> =
        instances.map(|pod| StringMatch::Exact(SpiffeId::of(pod, &world.stack).principal())).collect();
    if any.is_empty() {
        return None;
    }
    let waypoint = Match { principals: Values { any, none: Vec::new() }, ..Match::default() };
    Some(Authorization {
        namespace: Arc::clone(&gateway.0),
        name: Arc::from(format!("istio_allow_waypoint_{}_{}", gateway.0, gateway.1)),
        action: RbacAction::Allow,
        rules: vec![RbacRule { clauses: vec![vec![waypoint]], origin: Vec::new() }],
        origin: Vec::new(),
        cause: Cause::Waypoint,
    })
}
