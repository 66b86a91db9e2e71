//! PeerAuthentication that does less than it says: STRICT, and plaintext gets in all the same.

use std::net::{IpAddr, Ipv4Addr};

use airtight_manifest::istio::{MtlsMode, PeerAuthentication};
use airtight_manifest::{Object, Position};
use airtight_model::policy::{Effect, MeshSource};
use airtight_model::world::{Enrolment, Pod, Protocol, TargetPort};

use super::Checks;

/// An address that nobody has (RFC 5737), for a peer in the clear.
const ANYONE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

impl<'w> Checks<'_, 'w> {
    pub(super) fn peer_authentications(&mut self) {
        if !self.knows_workloads() {
            return;
        }
        let world = self.world;
        for policy in &world.objects.peer_authentications {
            self.peer_authentication(policy);
        }
    }

    fn peer_authentication(&mut self, policy: &Object<PeerAuthentication>) {
        let spec = &policy.body.spec;
        let bound = self.bound(policy);
        if let Some(selector) = spec.selector.as_ref().filter(|selector| !selector.is_empty())
            && bound.is_empty()
        {
            let hint = "compare its labels with those of the pods";
            return self.peer(policy, "selects-nobody", selector.at, "its selector selects no pod", hint);
        }
        let strict = spec.mtls.as_ref().filter(|mtls| mtls.mode == MtlsMode::Strict);
        if let Some(mtls) = strict {
            let at = mtls.at;
            if !bound.is_empty() && bound.iter().all(|pod| !is_captured(pod)) {
                let message = format!(
                    "STRICT holds for no pod: none of the {} it is for is in the mesh, such as {}/{}",
                    bound.len(),
                    bound[0].namespace,
                    bound[0].workload
                );
                let hint = "label the namespace `istio.io/dataplane-mode: ambient`";
                return self.peer(policy, "strict-not-enforced", at, &message, hint);
            }
            // A port with a mode of its own is an exception that somebody wrote.
            let excepted: Vec<u16> = spec.ports().into_keys().collect();
            let captured: Vec<&Pod> = bound.iter().copied().filter(|pod| is_captured(pod)).collect();
            self.plaintext(policy, at, &captured, |port| !excepted.contains(&port));
        }
        for (port, mtls) in spec.ports() {
            self.unheard_port(policy, mtls.at, port, &bound);
            if mtls.mode == MtlsMode::Strict {
                let captured: Vec<&Pod> = bound.iter().copied().filter(|pod| is_captured(pod)).collect();
                self.plaintext(policy, mtls.at, &captured, |own| own == port);
            }
        }
    }

    /// The pods that the policy speaks of, less those for which a policy of their own speaks.
    fn bound(&self, policy: &Object<PeerAuthentication>) -> Vec<&'w Pod> {
        let world = self.world;
        let root = policy.meta.namespace() == world.stack.istio.root_namespace;
        let others = || {
            let all = world.objects.peer_authentications.iter();
            all.filter(|other| other.meta.object != policy.meta.object)
        };
        let own_policy = |pod: &Pod| {
            others().any(|other| {
                let selector = other.body.spec.selector.as_ref().filter(|selector| !selector.is_empty());
                other.meta.namespace() == &*pod.namespace && selector.is_some_and(|one| one.selects(&pod.labels))
            })
        };
        let home_policy = |pod: &Pod| {
            others().any(|other| other.meta.namespace() == &*pod.namespace && other.body.spec.selector.is_none())
        };
        let selector = policy.body.spec.selector.as_ref().filter(|selector| !selector.is_empty());
        let is_for = |pod: &&Pod| match selector {
            Some(selector) => policy.meta.namespace() == &*pod.namespace && selector.selects(&pod.labels),
            None if root => is_captured(pod) && !own_policy(pod) && !home_policy(pod),
            None => policy.meta.namespace() == &*pod.namespace && !own_policy(pod),
        };
        world.pods.iter().filter(|pod| !pod.host_network).filter(is_for).collect()
    }

    /// Asks ztunnel: a peer in the clear on a port that shall be STRICT.
    fn plaintext(
        &mut self,
        policy: &Object<PeerAuthentication>,
        at: Position,
        pods: &[&Pod],
        shall_be: impl Fn(u16) -> bool,
    ) {
        let source = MeshSource::plaintext(ANYONE);
        let let_in = pods.iter().find_map(|pod| {
            let ports = pod.ports.iter().filter(|port| port.protocol == Protocol::Tcp && shall_be(port.number));
            let open = |port: &u16| self.engine.ztunnel(pod.id, *port, &source).effect == Effect::Allow;
            ports.map(|port| port.number).find(open).map(|port| (*pod, port))
        });
        if let Some((pod, port)) = let_in {
            let message = format!("STRICT, and plaintext gets into {}/{}:{port}", pod.namespace, pod.workload);
            let hint = "another PeerAuthentication decides there: of several for the same pods the oldest counts";
            self.peer(policy, "strict-not-enforced", at, &message, hint);
        }
    }

    /// `portLevelMtls` counts the pod's own ports.
    fn unheard_port(&mut self, policy: &Object<PeerAuthentication>, at: Position, port: u16, bound: &[&Pod]) {
        let known = bound.iter().all(|pod| !pod.lists_not_all_ports);
        if bound.is_empty() || !known || bound.iter().any(|pod| pod.ports.iter().any(|own| own.number == port)) {
            return;
        }
        let service = self.world.services.iter().find_map(|service| {
            let entry = service.ports.iter().find(|entry| entry.port == port)?;
            let backs = bound.iter().any(|pod| service.backends.contains(&pod.id));
            let TargetPort::Number(target) = entry.target else { return None };
            backs.then(|| format!("; Service {}/{} maps {port} to {target}", service.namespace, service.name))
        });
        let message = format!("no pod that it is for listens on {port}{}", service.unwrap_or_default());
        self.peer(policy, "mtls-port-of-nobody", at, &message, "write the container's port");
    }

    fn peer(&mut self, policy: &Object<PeerAuthentication>, code: &str, at: Position, message: &str, hint: &str) {
        self.tell(code, &policy.meta.object, Self::at(&policy.meta, at), message, hint);
    }
}

fn is_captured(pod: &Pod) -> bool {
    match pod.enrolment {
        Enrolment::Ambient => true,
        Enrolment::AmbientOutbound
        | Enrolment::None
        | Enrolment::Native
        | Enrolment::NativeOutbound
        | Enrolment::Sidecar => false,
    }
}
