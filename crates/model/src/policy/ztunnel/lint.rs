//! Policies that ztunnel does not enforce as they read.

use airtight_manifest::istio::{
    Action, AuthorizationPolicy, MtlsMode, PeerAuthentication, RequestAuthentication, Rule, Source,
};
use airtight_manifest::located::Located;
use airtight_manifest::{Diagnostic, Location, Object, Position};

use super::convert;
use super::rbac::RbacAction;
use crate::policy::istio::{FOREIGN_HINT, foreign_message, is_dry_run, is_foreign_to_ztunnel};
use crate::world::World;

/// Warnings about policies without target references, one code for each trap.
#[must_use]
pub fn lint(world: &World) -> Vec<Diagnostic> {
    let objects = &world.objects;
    let mut linter = Linter { world, found: Vec::new() };
    for policy in objects.authorization_policies.iter().filter(|one| one.body.spec.targets().next().is_none()) {
        linter.authorization(policy);
    }
    for policy in &objects.request_authentications {
        linter.request_authentication(policy);
    }
    for policy in &objects.peer_authentications {
        linter.peer_authentication(policy);
    }
    linter.found
}

struct Linter<'a> {
    world: &'a World,
    found: Vec<Diagnostic>,
}

const USE_TARGET_REFS: &str = "attach it to a waypoint with `targetRefs`";

impl Linter<'_> {
    fn warn<T>(&mut self, object: &Object<T>, at: Position, code: &str, message: &str, hint: &str) {
        let message = format!("{}: {message}", object.meta.object);
        let location = Location::new(&object.meta.at.file, at);
        self.found.push(Diagnostic::warning(code, message).at(location).hint(hint).about(&object.meta.object));
    }

    /// Whether the object is for another revision.
    fn foreign<T>(&mut self, object: &Object<T>) -> bool {
        let foreign = is_foreign_to_ztunnel(&self.world.stack, &object.meta);
        if foreign {
            let message = foreign_message(&self.world.stack, &object.meta);
            self.warn(object, object.meta.at.position, "other-revision", &message, FOREIGN_HINT);
        }
        foreign
    }

    fn authorization(&mut self, policy: &Object<AuthorizationPolicy>) {
        let spec = &policy.body.spec;
        let start = policy.meta.at.position;
        if self.foreign(policy) {
            return;
        }
        if is_dry_run(policy) {
            return self.warn(policy, start, "dry-run", "ztunnel never gets a dry-run policy", "enforce it");
        }
        match spec.action() {
            Action::Custom => {
                return self.warn(policy, start, "action-at-ztunnel", "ztunnel has no CUSTOM action", USE_TARGET_REFS);
            }
            Action::Audit => {
                return self.warn(policy, start, "action-at-ztunnel", "ztunnel has no AUDIT action", USE_TARGET_REFS);
            }
            Action::Allow | Action::Deny => {}
        }
        self.selector(policy);
        for rule in spec.rules() {
            self.rule(policy, rule);
        }
    }

    fn selector(&mut self, policy: &Object<AuthorizationPolicy>) {
        let Some(selector) = &policy.body.spec.selector else { return };
        if selector.labels().is_none() {
            let message = "`selector: {}` selects no pod in ambient mode";
            return self.warn(
                policy,
                selector.at,
                "empty-mesh-selector",
                message,
                "leave `selector` out to select every pod",
            );
        }
        let everywhere = policy.meta.namespace() == self.world.stack.istio.root_namespace;
        let selected = self
            .world
            .pods
            .iter()
            .any(|pod| (everywhere || &*pod.namespace == policy.meta.namespace()) && selector.selects(&pod.labels));
        if !selected {
            let message = "the selector selects no pod";
            self.warn(policy, selector.at, "selects-nobody", message, "compare its labels with those of the pods");
        }
    }

    fn rule(&mut self, policy: &Object<AuthorizationPolicy>, rule: &Located<Rule>) {
        let action = policy.body.spec.action();
        self.http_attributes(policy, rule, action);
        for from in rule.from.iter().flatten() {
            if let Some(source) = &from.source {
                self.source(policy, from.at, source, action);
            }
        }
    }

    fn http_attributes(&mut self, policy: &Object<AuthorizationPolicy>, rule: &Located<Rule>, action: Action) {
        let attributes = convert::http_attributes(rule);
        if attributes.is_empty() {
            return;
        }
        let names = attributes.join(", ");
        if action == Action::Allow {
            let message = format!("ztunnel drops this ALLOW rule for its HTTP attributes ({names})");
            return self.warn(policy, rule.at, "http-allow-at-ztunnel", &message, USE_TARGET_REFS);
        }
        if convert::rule(RbacAction::Deny, rule, policy.meta.namespace()).is_some_and(|rule| rule.is_alive()) {
            let message = format!("ztunnel enforces this DENY rule without its HTTP attributes ({names})");
            self.warn(policy, rule.at, "http-deny-widened", &message, USE_TARGET_REFS);
        } else {
            let message = format!("ztunnel ignores HTTP attributes ({names}), so that this DENY rule never matches");
            self.warn(policy, rule.at, "http-deny-at-ztunnel", &message, USE_TARGET_REFS);
        }
    }

    fn source(&mut self, policy: &Object<AuthorizationPolicy>, at: Position, source: &Source, action: Action) {
        if source.principals.iter().chain(&source.not_principals).any(|one| one.starts_with("spiffe://")) {
            let message = "a principal is compared without `spiffe://`, so that this one never matches";
            self.warn(policy, at, "spiffe-prefix", message, "remove `spiffe://`");
        }
        let domain = self.world.stack.istio.trust_domain.clone();
        let foreign = |one: &String| domain != "cluster.local" && one.starts_with("cluster.local/");
        if source.principals.iter().any(foreign) {
            let message = format!("ztunnel does not take `cluster.local` for the trust domain `{domain}`");
            self.warn(policy, at, "default-trust-domain", &message, "write the trust domain, or `*/ns/…`");
        }
        if source.trust_domain_fields().iter().any(|(_, values)| !values.is_empty()) {
            let message = "ztunnel does not evaluate `trustDomains`";
            self.warn(policy, at, "trust-domains-at-ztunnel", message, "name the trust domain in `principals`");
        }
        let positive =
            [&source.principals, &source.namespaces, &source.service_accounts].iter().any(|one| !one.is_empty());
        let negative = [&source.not_principals, &source.not_namespaces, &source.not_service_accounts]
            .iter()
            .any(|one| !one.is_empty());
        if action == Action::Allow && negative && !positive {
            let message = "plaintext has no identity and therefore passes this source";
            self.warn(policy, at, "plaintext-passes", message, "add `principals: [\"*\"]`");
        }
    }

    fn request_authentication(&mut self, policy: &Object<RequestAuthentication>) {
        if policy.body.spec.targets().next().is_none() {
            let message = "ambient mode ignores a RequestAuthentication without target references";
            self.warn(policy, policy.meta.at.position, "token-without-target", message, USE_TARGET_REFS);
        }
    }

    fn peer_authentication(&mut self, policy: &Object<PeerAuthentication>) {
        if self.foreign(policy) {
            return;
        }
        let spec = &policy.body.spec;
        let start = policy.meta.at.position;
        let ports = spec.ports();
        let modes = spec.mtls.iter().chain(ports.values().copied());
        if let Some(mtls) = modes.into_iter().find(|mtls| mtls.mode == MtlsMode::Disable) {
            let message = "ambient mode takes DISABLE for PERMISSIVE";
            self.warn(policy, mtls.at, "disable-is-permissive", message, "write PERMISSIVE");
        }
        if spec.selector.is_some() && policy.meta.namespace() == self.world.stack.istio.root_namespace {
            let message = "a PeerAuthentication with selector has no effect in the root namespace";
            self.warn(policy, start, "selector-in-root", message, "put it into the namespace of the pods");
        }
    }
}
