//! Identities of ALLOW rules: nobody's, or somebody's whom another layer never lets come.

use airtight_manifest::istio::{Action, AuthorizationPolicy, Rule, TargetKind};
use airtight_manifest::{Located, Object};
use airtight_model::path::{Destination, End, Flow, Source};
use airtight_model::policy::waypoint::Binding;
use airtight_model::policy::{Effect, Layer, Request, SpiffeId};
use airtight_model::world::{Pod, Protocol, Service};

use super::Checks;

/// Flows that one rule is tried with.
const TRIES: usize = 64;

impl<'w> Checks<'_, 'w> {
    pub(super) fn principals(&mut self) {
        if !self.knows_workloads() {
            return;
        }
        let world = self.world;
        for policy in &world.objects.authorization_policies {
            if policy.body.spec.action() != Action::Allow {
                continue;
            }
            for rule in policy.body.spec.rules() {
                self.identities(policy, rule);
            }
        }
    }

    fn identities(&mut self, policy: &Object<AuthorizationPolicy>, rule: &Located<Rule>) {
        for from in rule.from.iter().flatten() {
            let Some(source) = &from.source else { continue };
            let at = Self::at(&policy.meta, from.at);
            for principal in source.principals.iter().filter(|one| is_exact(one)) {
                let bearers = self.bearers(principal);
                if bearers.is_empty() {
                    let message = format!("no pod of this world runs as `{principal}`, so that it admits nobody");
                    let hint = "compare namespace and service account with those of the pods";
                    self.tell("principal-of-nobody", &policy.meta.object, at.clone(), &message, hint);
                } else if let Some(denied) = self.never_arrives(policy, rule, &bearers) {
                    let message =
                        format!("it admits `{principal}`, whom the network policies never let come: {denied}");
                    let hint = "open the way in the network policies too, or name who really calls";
                    self.tell("principal-never-arrives", &policy.meta.object, at.clone(), &message, hint);
                }
            }
            let known = |name: &str| self.world.namespaces.contains_key(name);
            if let Some(name) = source.namespaces.iter().find(|name| !name.contains('*') && !known(name)) {
                let message = format!("there is no namespace `{name}`, so that it admits nobody");
                let hint = "correct the name";
                self.tell("principal-of-nobody", &policy.meta.object, at, &message, hint);
            }
        }
    }

    fn bearers(&self, principal: &str) -> Vec<&'w Pod> {
        let world = self.world;
        let stack = &world.stack;
        // `cluster.local` stands for the mesh's own trust domain, whatever that is.
        let plain = principal.split_once("/ns/").map_or(principal, |(_, rest)| rest);
        let is = |pod: &&Pod| {
            let own = SpiffeId::of(pod, stack).principal();
            own.split_once("/ns/").is_some_and(|(_, rest)| rest == plain)
        };
        world.pods.iter().filter(is).collect()
    }

    /// One flow that the CNI ends, if it ends every flow of these pods to what the policy is for.
    fn never_arrives(&self, policy: &Object<AuthorizationPolicy>, rule: &Rule, bearers: &[&Pod]) -> Option<String> {
        let services = self.guarded(policy);
        let mut flows = Vec::new();
        for service in &services {
            for port in service.ports.iter().filter(|port| port.protocol == Protocol::Tcp) {
                for pod in bearers {
                    flows.push(flow(pod, service, port.port, rule));
                }
            }
        }
        if flows.is_empty() || flows.len() > TRIES {
            return None;
        }
        let mut example = None;
        for flow in flows {
            let trace = self.engine.trace(&flow).ok()?;
            let End::Outcome(_) = trace.end else { return None };
            let first = trace.checks().find(|check| check.decision.effect != Effect::Allow)?;
            if first.checkpoint.layer() != Layer::Cni || first.decision.effect != Effect::Deny {
                return None;
            }
            example.get_or_insert_with(|| format!("{flow} ends at {}", first.checkpoint));
        }
        example
    }

    /// The Services before which the policy stands, by name or by waypoint.
    fn guarded(&self, policy: &Object<AuthorizationPolicy>) -> Vec<&'w Service> {
        let (world, home) = (self.world, policy.meta.namespace());
        let mut services: Vec<&'w Service> = Vec::new();
        for target in policy.body.spec.targets() {
            match target.target() {
                Some(TargetKind::Service) => services.extend(world.service(home, &target.name)),
                Some(TargetKind::Gateway) => {
                    let bound = |service: &&Service| {
                        let binding = self.engine.bindings().service(&service.namespace, &service.name);
                        matches!(binding, Binding::Bound { gateway, .. }
                            if *gateway.0 == *home && *gateway.1 == *target.name)
                    };
                    services.extend(world.services.iter().filter(bound));
                }
                Some(TargetKind::ServiceEntry | TargetKind::GatewayClass) | None => {}
            }
        }
        services
    }
}

fn is_exact(principal: &str) -> bool {
    !principal.contains('*') && principal.contains("/ns/") && principal.contains("/sa/")
}

/// A request that the rule speaks of.
fn flow(pod: &Pod, service: &Service, port: u16, rule: &Rule) -> Flow {
    let operation = rule.to.iter().flatten().find_map(|to| to.operation.as_ref());
    let first = |list: Option<&Vec<String>>, otherwise: &str| {
        list.and_then(|list| list.first()).map_or(otherwise.to_owned(), |text| text.replace('*', "x"))
    };
    let request = Request {
        method: first(operation.map(|operation| &operation.methods), "GET"),
        path: first(operation.map(|operation| &operation.paths), "/"),
        host: airtight_model::world::service_host(&service.namespace, &service.name),
        headers: Vec::new(),
        token: None,
    };
    Flow {
        from: Source::Workload(pod.namespace.to_string(), pod.workload.to_string()),
        to: Destination::Service(service.namespace.to_string(), service.name.to_string()),
        protocol: Protocol::Tcp,
        port: Some(port),
        request: Some(request),
        tls: None,
        after: Vec::new(),
    }
}
