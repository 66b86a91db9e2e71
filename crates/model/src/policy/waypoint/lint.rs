//! Policies with target references that no waypoint enforces as they read.

use airtight_manifest::istio::{Action, AuthorizationPolicy, RequestAuthentication, TargetKind, TargetRef};
use airtight_manifest::located::Located;
use airtight_manifest::{Diagnostic, Location, Meta, Object, Position};

use super::binding::{Binding, Bindings, WaypointGateway};
use super::evaluate::WaypointImplementation;
use crate::policy::istio::{FOREIGN_HINT, foreign_message, is_dry_run, is_foreign};
use crate::world::World;

/// Warnings about policies with target references, one code for each trap.
#[must_use]
pub fn lint(world: &World, bindings: &Bindings, gateways: &[WaypointGateway]) -> Vec<Diagnostic> {
    let mut linter = Linter { world, bindings, gateways, found: Vec::new() };
    for policy in &world.objects.authorization_policies {
        linter.authorization(policy);
    }
    for policy in &world.objects.request_authentications {
        linter.request_authentication(policy);
    }
    linter.found
}

struct Linter<'a> {
    world: &'a World,
    bindings: &'a Bindings,
    gateways: &'a [WaypointGateway],
    found: Vec<Diagnostic>,
}

impl Linter<'_> {
    fn warn(&mut self, meta: &Meta, at: Position, code: &str, message: impl std::fmt::Display, hint: &str) {
        let finding = Diagnostic::warning(code, format!("{}: {message}", meta.object));
        self.found.push(finding.at(Location::new(&meta.at.file, at)).hint(hint).about(&meta.object));
    }

    fn authorization(&mut self, policy: &Object<AuthorizationPolicy>) {
        let targets: Vec<_> = policy.body.spec.targets().collect();
        if !targets.is_empty() && is_foreign(&self.world.stack, &policy.meta) {
            return self.foreign(&policy.meta);
        }
        for target in &targets {
            self.target(&policy.meta, target);
        }
        if !targets.is_empty() && is_dry_run(policy) {
            let at = policy.meta.at.position;
            self.warn(&policy.meta, at, "dry-run", "a dry-run policy is only logged", "remove the annotation");
        }
        if !targets.is_empty() && policy.body.spec.action() == Action::Deny {
            self.denied_hosts(policy);
        }
        if !targets.is_empty() {
            self.source_addresses(policy);
            self.dotted_claims(policy);
        }
    }

    /// A dot is a part of a claim's name; claims within claims have brackets of their own. Names that are URLs have
    /// dots on purpose.
    fn dotted_claims(&mut self, policy: &Object<AuthorizationPolicy>) {
        let conditions = policy.body.spec.rules().iter().flat_map(|rule| &rule.when);
        for condition in conditions {
            let Some(path) = condition.key.strip_prefix("request.auth.claims[") else { continue };
            let Some(path) = path.strip_suffix(']').filter(|path| path.contains('.') && !path.contains([':', '/']))
            else {
                continue;
            };
            let message = format!("`{}` is the claim of this name, and no claim within another", condition.key);
            let hint = format!("a claim within a claim is `request.auth.claims[{}]`", path.replace('.', "]["));
            self.warn(&policy.meta, condition.at, "dotted-claim", message, &hint);
        }
    }

    /// The peer that a waypoint's filters see is the listener that ends HBONE, whose address is in no range.
    fn source_addresses(&mut self, policy: &Object<AuthorizationPolicy>) {
        for rule in policy.body.spec.rules() {
            let sources = || rule.from.iter().flatten().filter_map(|from| from.source.as_ref());
            let conditions = || rule.when.iter().filter(|when| when.key == "source.ip");
            let within = sources().any(|source| !source.ip_blocks.is_empty())
                || conditions().any(|when| !when.values.is_empty());
            let without = sources().any(|source| !source.not_ip_blocks.is_empty())
                || conditions().any(|when| !when.not_values.is_empty());
            if !within && !without {
                continue;
            }
            let effect = if within { "never matches" } else { "matches every address" };
            let message = format!("the source address at a waypoint is that of no client, so that the rule {effect}");
            let hint = "`remoteIpBlocks` reads `x-forwarded-for`; `principals` and `namespaces` name who it is";
            self.warn(&policy.meta, rule.at, "address-at-waypoint", message, hint);
        }
    }

    /// `:authority` has the port that the client wrote, so that an exact host in a DENY rule is evaded with one.
    fn denied_hosts(&mut self, policy: &Object<AuthorizationPolicy>) {
        for rule in policy.body.spec.rules() {
            let operations = rule.to.iter().flatten().filter_map(|to| to.operation.as_ref());
            let hosts: Vec<&String> = operations.flat_map(|operation| &operation.hosts).collect();
            let bare = hosts
                .iter()
                .find(|host| !host.contains(['*', ':']) && !hosts.iter().any(|other| **other == format!("{host}:*")));
            if let Some(host) = bare {
                let message = format!("host `{host}` does not match `{host}:80`, which clients may write");
                self.warn(&policy.meta, rule.at, "host-without-port", message, "list the host with `:*` too");
            }
        }
    }

    /// Without it no DENY denies, and without the last ALLOW everything is allowed.
    fn foreign(&mut self, meta: &Meta) {
        let message = foreign_message(&self.world.stack, meta);
        self.warn(meta, meta.at.position, "other-revision", message, FOREIGN_HINT);
    }

    fn request_authentication(&mut self, policy: &Object<RequestAuthentication>) {
        if is_foreign(&self.world.stack, &policy.meta) {
            return self.foreign(&policy.meta);
        }
        for target in policy.body.spec.targets() {
            self.target(&policy.meta, target);
        }
        for rule in policy.body.spec.jwt_rules.iter().filter(|rule| rule.uri().is_some()) {
            if !self.has_private_fallback_key() {
                let version = &self.world.stack.versions.istio;
                let message = format!("in Istio {version} a forged token passes while the keys cannot be fetched");
                self.warn(&policy.meta, rule.at, "forged-token", message, "write the keys into `jwks`, or upgrade");
            }
        }
    }

    /// Before these versions the key that stands in for keys that cannot be fetched is a public one.
    fn has_private_fallback_key(&self) -> bool {
        let version = &self.world.stack.versions.istio;
        let fixed = [(27, 8), (28, 5), (29, 1)];
        version.minor > 29 || fixed.contains(&(version.minor, version.patch)) || {
            fixed.iter().any(|(minor, patch)| version.minor == *minor && version.patch > *patch)
        }
    }

    fn target(&mut self, meta: &Meta, target: &Located<TargetRef>) {
        let (namespace, name) = (meta.namespace(), target.name.as_str());
        match target.target() {
            Some(TargetKind::Service) => self.bound(meta, target, "Service", self.bindings.service(namespace, name)),
            Some(TargetKind::ServiceEntry) => {
                self.bound(meta, target, "ServiceEntry", self.bindings.service_entry(namespace, name));
            }
            Some(TargetKind::Gateway) => self.gateway(meta, target),
            Some(TargetKind::GatewayClass) => {
                let root = &self.world.stack.istio.root_namespace;
                if namespace != root {
                    let message = format!("a policy for a GatewayClass is read in namespace {root} only");
                    self.warn(meta, target.at, "class-target-elsewhere", message, "move the policy there");
                }
            }
            None => {}
        }
    }

    fn bound(&mut self, meta: &Meta, target: &Located<TargetRef>, kind: &str, binding: &Binding) {
        let (namespace, name) = (meta.namespace(), &target.name);
        match binding {
            Binding::Bound { gateway, .. } => {
                let gateway = self.gateways.iter().find(|one| one.key == *gateway);
                if let Some(gateway) = gateway.cloned() {
                    self.translated(meta, target.at, &gateway);
                }
            }
            Binding::None => {
                let message = format!("{kind} {namespace}/{name} has no waypoint, so that nothing enforces the policy");
                let hint = "label it or its namespace with `istio.io/use-waypoint`";
                self.warn(meta, target.at, "target-without-waypoint", message, hint);
            }
            Binding::Unset { problem, gateway, .. } => {
                let message =
                    format!("{kind} {namespace}/{name} names waypoint {}/{}, which {problem}", gateway.0, gateway.1);
                self.warn(meta, target.at, "target-without-waypoint", message, "mend the waypoint or the label");
            }
            Binding::Unknown { .. } => {}
        }
    }

    fn gateway(&mut self, meta: &Meta, target: &Located<TargetRef>) {
        let gateway = self.gateways.iter().find(|one| *one.key.0 == *meta.namespace() && *one.key.1 == *target.name);
        if let Some(gateway) = gateway.cloned() {
            self.translated(meta, target.at, &gateway);
        } else {
            let message = format!("there is no Gateway {}/{}", meta.namespace(), target.name);
            self.warn(meta, target.at, "missing-target", message, "a policy and its Gateway share a namespace");
        }
    }

    fn translated(&mut self, meta: &Meta, at: Position, gateway: &WaypointGateway) {
        let request_authentication = &*meta.object.kind == "RequestAuthentication";
        let ignored = match WaypointImplementation::of_class(&gateway.class) {
            WaypointImplementation::Agentgateway => true,
            WaypointImplementation::Kgateway => request_authentication,
            WaypointImplementation::Istio | WaypointImplementation::Other => false,
        };
        if ignored {
            let message = format!("waypoints of class {} do not enforce this kind of policy", gateway.class);
            self.warn(meta, at, "unenforced-by-class", message, "use class istio-waypoint");
        }
    }
}
