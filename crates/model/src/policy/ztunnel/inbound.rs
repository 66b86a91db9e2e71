//! What the destination's ztunnel lets in (ztunnel `src/state.rs`, `assert_rbac`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use airtight_manifest::istio::AuthorizationPolicy;
use airtight_manifest::stack::at_least;
use airtight_manifest::{Object, RuleRef};

use super::convert::{self, Scope};
use super::mtls::{PeerAuthentications, STATIC_STRICT, static_strict};
use super::rbac::{Authorization, Cause, InboundConnection, Match, RbacAction, RbacRule, StringMatch, Values};
use crate::policy::istio::is_foreign_to_ztunnel;
use crate::policy::waypoint::{Binding, Bindings};
use crate::policy::{Decision, HBONE, MeshSource, Outcome, Reason, SpiffeId};
use crate::world::{Enrolment, GatewayKey, Pod, PodId, Role, World};

/// Ports on which ztunnel itself listens in the pod; no connection may aim at them (ztunnel `src/config.rs`).
const OWN_PORTS: [u16; 3] = [15001, 15006, HBONE];

/// AuthorizationPolicy and PeerAuthentication objects as ztunnel enforces them.
#[derive(Debug, Clone)]
pub struct ZtunnelPolicy {
    policies: Vec<Authorization>,
    global: Vec<usize>,
    namespaces: BTreeMap<Arc<str>, Vec<usize>>,
    workloads: Vec<Workload>,
}

/// What istiod lists on one workload: pods with equal lists are treated alike.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Workload {
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
        let caller = Caller::of(source.clone());
        self.speak(world, destination, port, &caller, self.ruling(world, destination, port, &caller))
    }

    /// The same in short: which rules decide.
    #[must_use]
    pub fn ruling(&self, world: &World, destination: PodId, port: u16, caller: &Caller) -> Ruling {
        let pod = world.pod(destination);
        let certified = caller.source.identity.is_some();
        match pod.enrolment {
            Enrolment::Ambient => self.assert(pod, port, caller),
            Enrolment::AmbientOutbound if certified && at_least(&world.stack.versions.istio, 1, 29) => {
                self.assert(pod, port, caller)
            }
            Enrolment::AmbientOutbound
            | Enrolment::None
            | Enrolment::Native
            | Enrolment::NativeOutbound
            | Enrolment::Sidecar => Ruling::Enrolment { certified },
        }
    }

    fn assert(&self, pod: &Pod, port: u16, caller: &Caller) -> Ruling {
        let workload = &self.workloads[pod.id.0 as usize];
        if !workload.uncertain.is_empty() {
            return Ruling::Uncertain;
        }
        if OWN_PORTS.contains(&port) {
            return Ruling::OwnPort;
        }
        self.judge(pod, workload, &connection(pod, port, caller))
    }

    fn judge(&self, pod: &Pod, workload: &Workload, connection: &InboundConnection<'_>) -> Ruling {
        let of = |action| self.applying(pod, workload).filter(move |(_, policy)| policy.action == action);
        let matching = |action| -> Vec<RuleIndex> {
            of(action)
                .flat_map(|(policy, own)| own.matching(connection).map(move |rule| RuleIndex { policy, rule }))
                .collect()
        };
        let denying = matching(RbacAction::Deny);
        if !denying.is_empty() {
            return Ruling::Denied(denying);
        }
        if of(RbacAction::Allow).next().is_none() {
            return Ruling::Unopposed;
        }
        let allowing = matching(RbacAction::Allow);
        if allowing.is_empty() { Ruling::Unmatched } else { Ruling::Allowed(allowing) }
    }

    /// A ruling in words.
    fn speak(&self, world: &World, destination: PodId, port: u16, caller: &Caller, ruling: Ruling) -> Decision {
        let pod = world.pod(destination);
        let workload = &self.workloads[pod.id.0 as usize];
        let connection = connection(pod, port, caller);
        let log = |error: Option<&str>| access_log(pod, &connection, error);
        // Plaintext would not get in where these policies did not make an exception.
        let exceptions = if connection.identity.is_none() { workload.consulted.as_slice() } else { &[] };
        let shown = || format!("{} to {}/{}:{port}", caller.source.shown(), pod.namespace, pod.name);
        match ruling {
            Ruling::Enrolment { certified } => by_enrolment(pod, certified),
            Ruling::Uncertain => Decision::unknown(
                workload.uncertain.clone(),
                format!("{}/{} has no labels: istiod may list every selector policy on it", pod.namespace, pod.name),
            ),
            Ruling::OwnPort => {
                let detail = format!("ztunnel refuses connections that aim at its own port {port}");
                Decision::deny(Reason::NotListening, Outcome::Reset, detail)
                    .logged("connection failed error=\"attempted recursive call to ourselves\"")
            }
            Ruling::Denied(matching) => {
                let policy = &self.policies[matching.first().map_or(0, |first| first.policy)];
                let error = format!("explicitly denied by: {}", policy.key());
                // ztunnel stops at the first; the others would each do the same.
                let rules = self.written(&matching, workload);
                denied(policy, &shown()).by(rules).logged(log(Some(&error)))
            }
            Ruling::Unopposed => {
                let detail = format!("no ALLOW policy is in force for {}, and no DENY rule matches", shown());
                Decision::allow(Reason::NoPolicy, detail).by(exceptions.to_vec()).logged(log(None))
            }
            Ruling::Allowed(matching) => {
                let policy = &self.policies[matching.first().map_or(0, |first| first.policy)];
                let detail = format!("AuthorizationPolicy {} allows {}", policy.key(), shown());
                let mut rules = self.written(&matching, workload);
                rules.extend_from_slice(exceptions);
                Decision::allow(Reason::AllowRule, detail).by(rules).logged(log(None))
            }
            Ruling::Unmatched => {
                let applying = self.applying(pod, workload).map(|(_, policy)| policy);
                let allow: Vec<_> = applying.filter(|policy| policy.action == RbacAction::Allow).collect();
                let names: Vec<String> = allow.iter().map(|policy| policy.key()).collect();
                let names = names.join(", ");
                let detail = format!("{}: ALLOW policies are in force ({names}), and no rule matches", shown());
                Decision::deny(Reason::NoAllowMatched, Outcome::Reset, detail)
                    .by(allow.iter().flat_map(|policy| policy.origin.clone()).collect())
                    .logged(log(Some("allow policies exist, but none allowed")))
            }
        }
    }

    /// What istiod lists on a pod.
    #[must_use]
    pub fn listed_on(&self, pod: PodId) -> &Workload {
        &self.workloads[pod.0 as usize]
    }

    /// Where rules were written.
    fn written(&self, rules: &[RuleIndex], workload: &Workload) -> Vec<RuleRef> {
        let of_one = |own: &[RuleIndex]| {
            let policy = &self.policies[own.first().map_or(0, |first| first.policy)];
            origins(policy, own.iter().map(|index| &policy.rules[index.rule]), workload)
        };
        rules.chunk_by(|one, other| one.policy == other.policy).flat_map(of_one).collect()
    }

    /// Policies of the namespace, of the mesh, and of the workload, in ztunnel's order.
    fn applying<'a>(&'a self, pod: &Pod, workload: &'a Workload) -> impl Iterator<Item = (usize, &'a Authorization)> {
        let namespace = self.namespaces.get(&pod.namespace).into_iter().flatten();
        namespace.chain(&self.global).chain(&workload.policies).map(|index| (*index, &self.policies[*index]))
    }
}

/// Who opens a connection, with the identity as policies write it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    source: MeshSource,
    principal: Option<String>,
}

impl Caller {
    /// A source, made ready to be compared with many policies.
    #[must_use]
    pub fn of(source: MeshSource) -> Self {
        let principal = source.identity.as_ref().map(SpiffeId::principal);
        Self { source, principal }
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> &MeshSource {
        &self.source
    }
}

/// A rule of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RuleIndex {
    policy: usize,
    rule: usize,
}

/// What decides about a connection. Connections to one pod and port with equal
/// rulings get decisions that are equal but for the names of their sources.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Ruling {
    /// How the destination stands to the mesh, and whether the source shows a certificate.
    Enrolment {
        /// Whether it does.
        certified: bool,
    },
    /// Which policies are listed on the destination is not certain.
    Uncertain,
    /// The connection aims at a port of ztunnel.
    OwnPort,
    /// These DENY rules match, in ztunnel's order; one at least.
    Denied(Vec<RuleIndex>),
    /// No ALLOW policy is in force.
    Unopposed,
    /// These ALLOW rules match, in ztunnel's order; one at least.
    Allowed(Vec<RuleIndex>),
    /// ALLOW policies are in force, and none matches.
    Unmatched,
}

fn connection<'a>(pod: &Pod, port: u16, caller: &'a Caller) -> InboundConnection<'a> {
    InboundConnection {
        identity: caller.source.identity.as_ref(),
        principal: caller.principal.as_deref(),
        source: caller.source.address,
        destination: same_family(&pod.addresses, caller.source.address),
        port,
    }
}

/// The decision about pods that ztunnel does not guard in the ordinary way.
fn by_enrolment(pod: &Pod, certified: bool) -> Decision {
    match pod.enrolment {
        Enrolment::AmbientOutbound if certified => bypassed_tunnel(pod),
        Enrolment::Ambient | Enrolment::AmbientOutbound => not_captured(pod, "bypasses inbound capture"),
        Enrolment::None => not_captured(pod, "is not in the mesh"),
        Enrolment::Native => not_captured(pod, "ends the tunnel itself"),
        Enrolment::NativeOutbound => not_captured(pod, "takes what it receives in clear text"),
        Enrolment::Sidecar => Decision::unknown(
            vec![pod.origin.clone()],
            format!("{}/{} has a sidecar, whose policies are not modelled", pod.namespace, pod.name),
        ),
    }
}

/// Where matching rules were written.
fn origins<'a>(policy: &Authorization, rules: impl Iterator<Item = &'a RbacRule>, workload: &Workload) -> Vec<RuleRef> {
    let mut rules = rules.peekable();
    if rules.peek().is_some() && policy.cause == Cause::PeerAuthentication && &*policy.name == STATIC_STRICT {
        return workload.strict.clone();
    }
    rules.flat_map(|rule| rule.origin.iter().cloned()).collect()
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
fn access_log(pod: &Pod, connection: &InboundConnection<'_>, error: Option<&str>) -> String {
    let level = if error.is_some() { "error" } else { "info" };
    let target = format!("{}:{}", connection.destination, connection.port);
    let (identity, address) = match connection.identity {
        Some(id) => (
            format!(" src.identity=\"{id}\""),
            format!("dst.addr={}:{HBONE} dst.hbone_addr={target}", connection.destination),
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
        let stack = &self.world.stack;
        let policies = self.world.objects.authorization_policies.iter();
        for policy in policies.filter(|policy| !is_foreign_to_ztunnel(stack, &policy.meta)) {
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
        let policies = world.objects.peer_authentications.iter();
        let policies = policies.filter(|policy| !is_foreign_to_ztunnel(&world.stack, &policy.meta));
        let peers = PeerAuthentications::new(policies.collect(), root);
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
        for pod in world.pods.iter() {
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
