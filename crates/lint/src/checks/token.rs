//! Tokens: that one is verified does not mean that one is demanded.

use std::collections::BTreeMap;

use airtight_manifest::istio::{Action, AuthorizationPolicy, AuthorizationPolicySpec, Operation, Rule, TargetKind};
use airtight_manifest::{Labels, Located, Object};
use airtight_model::policy::waypoint::Binding;

use super::Checks;

/// What policies have in common that are alternatives of each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Selected(String, Labels),
    Targeted(String, Vec<(String, String)>),
}

/// A rule, and the policy that it is of.
type Alternative<'p> = (&'p Object<AuthorizationPolicy>, &'p Located<Rule>);

impl Checks<'_, '_> {
    pub(super) fn tokens(&mut self) {
        self.optional_tokens();
        self.allowed_without_token();
    }

    /// RequestAuthentication refuses a wrong token, and lets a request without any through
    /// (Istio `security/v1beta1/request_authentication.proto`).
    fn optional_tokens(&mut self) {
        let world = self.world;
        for authentication in &world.objects.request_authentications {
            let home = authentication.meta.namespace();
            let spec = &authentication.body.spec;
            for target in spec.targets().filter(|_| !spec.jwt_rules.is_empty()) {
                let Some(kind) = target.target() else { continue };
                let policies: Vec<&Object<AuthorizationPolicy>> = world
                    .objects
                    .authorization_policies
                    .iter()
                    .filter(|policy| self.share(policy, home, kind, &target.name))
                    .collect();
                if !policies.iter().any(|policy| speaks_of_tokens(policy)) {
                    let message = format!(
                        "nothing demands a token for {} {home}/{}: a request without one passes",
                        target.kind, target.name
                    );
                    let hint = "add a DENY with `notRequestPrincipals: [\"*\"]`, or `requestPrincipals` to every ALLOW";
                    let at = Self::at(&authentication.meta, authentication.meta.at.position);
                    self.tell("token-optional", &authentication.meta.object, at, &message, hint);
                }
            }
        }
    }

    /// Whether a policy stands before the same target: it names it, or the waypoint before it (or one of what is behind).
    fn share(&self, policy: &Object<AuthorizationPolicy>, home: &str, kind: TargetKind, name: &str) -> bool {
        let bindings = self.engine.bindings();
        let behind = |namespace: &str, service: &str, waypoint: &str, of: &str| {
            matches!(bindings.service(namespace, service), Binding::Bound { gateway, .. }
                if *gateway.0 == *of && *gateway.1 == *waypoint)
                || matches!(bindings.service_entry(namespace, service), Binding::Bound { gateway, .. }
                    if *gateway.0 == *of && *gateway.1 == *waypoint)
        };
        let own = policy.meta.namespace();
        policy.body.spec.targets().any(|other| match (other.target(), kind) {
            (Some(TargetKind::GatewayClass), _) => true,
            (Some(TargetKind::Gateway), TargetKind::Service | TargetKind::ServiceEntry) => {
                behind(home, name, &other.name, own)
            }
            (Some(TargetKind::Service | TargetKind::ServiceEntry), TargetKind::Gateway) => {
                behind(own, &other.name, name, home)
            }
            (Some(other_kind), kind) => other_kind == kind && other.name == name && own == home,
            (None, _) => false,
        })
    }

    /// Of several ALLOW rules any one suffices: beside one that demands a token another admits without
    /// (Istio `security/v1beta1/authorization_policy.proto`, order of evaluation).
    fn allowed_without_token(&mut self) {
        let mut alternatives: BTreeMap<Scope, Vec<Alternative<'_>>> = BTreeMap::new();
        let world = self.world;
        for policy in &world.objects.authorization_policies {
            if policy.body.spec.action() != Action::Allow || denies_without_token(world, policy) {
                continue;
            }
            for rule in policy.body.spec.rules() {
                alternatives.entry(scope(policy)).or_default().push((policy, rule));
            }
        }
        for rules in alternatives.into_values() {
            let (demanding, others): (Vec<_>, Vec<_>) = rules.into_iter().partition(|(_, rule)| demands_token(rule));
            for (policy, rule) in others {
                let Some((other, _)) = demanding.iter().find(|(_, demanding)| overlap(rule, demanding)) else {
                    continue;
                };
                let message =
                    format!("this rule admits without the token that {} demands: either suffices", other.meta.object);
                let hint =
                    "put identity and token into one rule, or deny requests with `notRequestPrincipals: [\"*\"]`";
                self.tell("token-not-demanded", &policy.meta.object, Self::at(&policy.meta, rule.at), &message, hint);
            }
        }
    }
}

fn scope(policy: &Object<AuthorizationPolicy>) -> Scope {
    let home = policy.meta.namespace().to_owned();
    let spec = &policy.body.spec;
    let mut targets: Vec<(String, String)> =
        spec.targets().map(|target| (target.kind.clone(), target.name.clone())).collect();
    targets.sort();
    if targets.is_empty() {
        let labels = spec.selector.as_ref().and_then(|selector| selector.labels().cloned()).unwrap_or_default();
        Scope::Selected(home, labels)
    } else {
        Scope::Targeted(home, targets)
    }
}

/// Whether a DENY beside the policy stops whatever has no token.
fn denies_without_token(world: &airtight_model::world::World, policy: &Object<AuthorizationPolicy>) -> bool {
    world.objects.authorization_policies.iter().any(|other| {
        other.body.spec.action() == Action::Deny && scope(other) == scope(policy) && speaks_of_tokens(other)
    })
}

fn speaks_of_tokens(policy: &Object<AuthorizationPolicy>) -> bool {
    let spec: &AuthorizationPolicySpec = &policy.body.spec;
    spec.rules().iter().any(|rule| match spec.action() {
        Action::Allow | Action::Custom => demands_token(rule),
        Action::Deny => rule
            .from
            .iter()
            .flatten()
            .any(|from| from.source.as_ref().is_some_and(|source| !source.not_request_principals.is_empty())),
        Action::Audit => false,
    })
}

fn demands_token(rule: &Rule) -> bool {
    let mut sources = rule.from.iter().flatten().filter_map(|from| from.source.as_ref()).peekable();
    let by_source = sources.peek().is_some() && sources.all(|source| !source.request_principals.is_empty());
    let by_claim = |key: &str| key.starts_with("request.auth.");
    by_source || rule.when.iter().any(|condition| by_claim(&condition.key) && !condition.values.is_empty())
}

/// Whether the rule admits, beyond single paths, requests for which the other demands a token.
fn overlap(rule: &Rule, demanding: &Rule) -> bool {
    if rule.when.iter().any(|condition| condition.key.starts_with("request.")) {
        return false;
    }
    let operations =
        |rule: &Rule| -> Vec<Operation> { rule.to.iter().flatten().filter_map(|to| to.operation.clone()).collect() };
    let (own, other) = (operations(rule), operations(demanding));
    let own = if own.is_empty() { vec![Operation::default()] } else { own };
    let other = if other.is_empty() { vec![Operation::default()] } else { other };
    own.iter().any(|own| other.iter().any(|other| meets(own, other)))
}

fn meets(own: &Operation, other: &Operation) -> bool {
    // Single paths beside a rule for all of them are exceptions on purpose.
    let exceptions = !own.paths.is_empty() && own.paths.iter().all(|path| !path.contains('*'));
    let exceptional = exceptions && !own.paths.iter().any(|path| other.paths.contains(path));
    let any = |own: &[String], other: &[String]| {
        own.is_empty() || other.is_empty() || own.iter().any(|one| other.iter().any(|two| alike(one, two)))
    };
    !exceptional
        && any(&own.paths, &other.paths)
        && any(&own.methods, &other.methods)
        && any(&own.hosts, &other.hosts)
        && any(&own.ports, &other.ports)
}

/// Whether some text matches both patterns, each with a star at one end at most.
fn alike(one: &str, two: &str) -> bool {
    match (one.strip_suffix('*'), two.strip_suffix('*')) {
        (Some(one), Some(two)) => one.starts_with(two) || two.starts_with(one),
        (Some(prefix), None) => two.starts_with(prefix),
        (None, Some(prefix)) => one.starts_with(prefix),
        (None, None) => one == two || one.starts_with('*') || two.starts_with('*'),
    }
}
