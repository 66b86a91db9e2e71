//! Authorization of requests by the proxies' own policies (Kgateway's TrafficPolicy, AgentgatewayPolicy).

use std::collections::BTreeSet;

use airtight_manifest::gateway_api::{GROUP, LocalReference};
use airtight_manifest::kgateway::{
    self, AgentgatewayPolicy, AgentgatewayTargetSelector, Authorization, AuthorizationAction, Inheritance, Phase,
    TrafficPolicy,
};
use airtight_manifest::stack::at_least;
use airtight_manifest::{Labels, Meta, Object, RuleRef};

use super::cel::{Dialect, Truth, evaluate};
use super::route::Route;
use crate::policy::{Decision, Outcome, Reason, Request};
use crate::world::{Implementation, Objects, World};

/// What a request passes on its way through a proxy, from the widest to the narrowest.
pub(super) struct Attachment<'a> {
    pub(super) gateway: Option<&'a Meta>,
    pub(super) listener: Option<&'a str>,
    pub(super) route: Option<(&'a Route, Option<&'a str>)>,
    /// Policies that the rule names as filters.
    pub(super) extensions: &'a [&'a LocalReference],
}

/// How narrow a policy's target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Gateway,
    Listener,
    Route,
    Rule,
}

/// The denial or doubt of the policies in force; none if they let the request through.
pub(super) fn authorize(
    world: &World,
    implementation: Implementation,
    attachment: &Attachment<'_>,
    request: &Request,
) -> Option<Decision> {
    match implementation {
        Implementation::Kgateway | Implementation::KgatewayWaypoint => kgateway_verdict(world, attachment, request),
        Implementation::Agentgateway => agentgateway_verdict(&world.objects, attachment, Phase::PostRouting, request),
        Implementation::IstioGateway
        | Implementation::IstioWaypoint
        | Implementation::IstioEastWest
        | Implementation::IstioAgentgateway
        | Implementation::IstioAgentgatewayWaypoint => None,
    }
}

/// The same for what agentgateway asks before it chooses a route.
pub(super) fn authorize_before_routing(
    objects: &Objects,
    implementation: Implementation,
    attachment: &Attachment<'_>,
    request: &Request,
) -> Option<Decision> {
    if implementation != Implementation::Agentgateway {
        return None;
    }
    agentgateway_verdict(objects, attachment, Phase::PreRouting, request)
}

/// Only the narrowest policy with `rbac` counts (kgateway `pkg/kgateway/extensions2/plugins/trafficpolicy`);
/// up to 2.0 the field does not exist.
fn kgateway_verdict(world: &World, attachment: &Attachment<'_>, request: &Request) -> Option<Decision> {
    let attached: Vec<(Level, &Object<TrafficPolicy>)> = world
        .objects
        .traffic_policies
        .iter()
        .filter_map(|policy| Some((traffic_policy_level(policy, attachment)?, policy)))
        .collect();
    let doubts: Vec<RuleRef> = attached.iter().flat_map(|(_, policy)| unmodelled(&policy.meta)).collect();
    if !doubts.is_empty() {
        return Some(Decision::unknown(doubts, "a TrafficPolicy in force has parts that the model does not know"));
    }
    if !at_least(&world.stack.versions.kgateway, 2, 1) {
        return None;
    }
    let with_rbac: Vec<(Level, &Authorization, RuleRef)> = attached
        .iter()
        .filter_map(|(level, policy)| {
            let rbac = policy.body.spec.rbac.as_ref()?;
            Some((*level, &rbac.value, policy.meta.rule("spec.rbac", rbac.at)))
        })
        .collect();
    let narrowest = with_rbac.iter().map(|(level, _, _)| *level).max()?;
    let mut deciding = with_rbac.into_iter().filter(|(level, _, _)| *level == narrowest);
    let (_, rbac, rule) = deciding.next()?;
    let rivals: Vec<RuleRef> = deciding.map(|(_, _, rule)| rule).collect();
    if !rivals.is_empty() {
        let rules = std::iter::once(rule).chain(rivals).collect();
        return Some(Decision::unknown(
            rules,
            "several TrafficPolicies with `rbac` have the same target, and only one of them acts",
        ));
    }
    let set = RuleSet::of([(rbac, rule)]);
    set.verdict(request, Dialect::Envoy)
}

fn traffic_policy_level(policy: &Object<TrafficPolicy>, attachment: &Attachment<'_>) -> Option<Level> {
    let spec = &policy.body.spec;
    let named = spec.target_refs.iter().filter_map(|target| {
        attachment.level(&policy.meta, (&target.group, &target.kind), target.section_name.as_deref(), |meta| {
            meta.name() == target.name
        })
    });
    let selected = spec.target_selectors.iter().filter_map(|target| selected(policy, target, attachment));
    let extension = attachment.extensions.iter().any(|reference| {
        let here = attachment.route.is_some_and(|(route, _)| route.meta.namespace() == policy.meta.namespace());
        here && reference.group == kgateway::GROUP
            && reference.kind == "TrafficPolicy"
            && reference.name == policy.meta.name()
    });
    named.chain(selected).chain(extension.then_some(Level::Rule)).max()
}

fn selected<T>(policy: &Object<T>, target: &AgentgatewayTargetSelector, attachment: &Attachment<'_>) -> Option<Level> {
    let matches = |labels: &Labels| target.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value));
    attachment.level(&policy.meta, (&target.group, &target.kind), target.section_name.as_deref(), |meta| {
        matches(&meta.labels)
    })
}

/// All policies together decide, from the Gateway's down to the rule's; after one with `Override` no narrower one
/// counts (agentgateway `crates/agentgateway/src/store/binds.rs`, `route_policies`).
fn agentgateway_verdict(
    objects: &Objects,
    attachment: &Attachment<'_>,
    phase: Phase,
    request: &Request,
) -> Option<Decision> {
    let mut attached: Vec<(Level, &Object<AgentgatewayPolicy>)> = objects
        .agentgateway_policies
        .iter()
        .filter(|policy| phase_of(policy) == phase)
        .filter_map(|policy| Some((agentgateway_level(policy, attachment)?, policy)))
        .collect();
    attached.sort_by_key(|(level, _)| *level);
    let doubts: Vec<RuleRef> = attached.iter().flat_map(|(_, policy)| unmodelled(&policy.meta)).collect();
    if !doubts.is_empty() {
        return Some(Decision::unknown(
            doubts,
            "an AgentgatewayPolicy in force has parts that the model does not know",
        ));
    }
    let rules: Vec<AttachedRules<'_>> =
        attached.iter().filter_map(|(level, policy)| AttachedRules::of(*level, policy)).collect();
    let Some(lock) = rules.iter().find(|entry| entry.locks).map(|entry| entry.level) else {
        return RuleSet::of(rules.iter().map(AttachedRules::pair)).verdict(request, Dialect::Agentgateway);
    };
    // Policies of one level come in an order that manifests do not settle.
    let at_most = RuleSet::of(rules.iter().filter(|entry| entry.level <= lock).map(AttachedRules::pair));
    let at_least = RuleSet::of(
        rules
            .iter()
            .filter(|entry| entry.level < lock || (entry.level == lock && entry.locks))
            .map(AttachedRules::pair),
    );
    let (wide, narrow) =
        (at_most.verdict(request, Dialect::Agentgateway), at_least.verdict(request, Dialect::Agentgateway));
    if wide.as_ref().map(|decision| decision.effect) == narrow.as_ref().map(|decision| decision.effect) {
        return wide;
    }
    let all = rules.into_iter().map(|entry| entry.rule).collect();
    Some(Decision::unknown(
        all,
        "several AgentgatewayPolicies have the same target as one with `inheritance: Override`",
    ))
}

struct AttachedRules<'a> {
    level: Level,
    locks: bool,
    authorization: &'a Authorization,
    rule: RuleRef,
}

impl<'a> AttachedRules<'a> {
    fn of(level: Level, policy: &'a Object<AgentgatewayPolicy>) -> Option<Self> {
        let spec = &policy.body.spec;
        let authorization = spec.traffic.as_ref()?.authorization.as_ref()?;
        let inheritance = spec.strategy.as_ref().and_then(|strategy| strategy.inheritance).unwrap_or_default();
        Some(Self {
            level,
            locks: inheritance == Inheritance::Override,
            authorization: &authorization.value,
            rule: policy.meta.rule("spec.traffic.authorization", authorization.at),
        })
    }

    fn pair(&self) -> (&'a Authorization, RuleRef) {
        (self.authorization, self.rule.clone())
    }
}

fn phase_of(policy: &Object<AgentgatewayPolicy>) -> Phase {
    policy.body.spec.traffic.as_ref().and_then(|traffic| traffic.phase).unwrap_or_default()
}

fn agentgateway_level(policy: &Object<AgentgatewayPolicy>, attachment: &Attachment<'_>) -> Option<Level> {
    let spec = &policy.body.spec;
    let named = spec.target_refs.iter().filter_map(|target| {
        attachment.level(&policy.meta, (&target.group, &target.kind), target.section_name.as_deref(), |meta| {
            meta.name() == target.name
        })
    });
    named.chain(spec.target_selectors.iter().filter_map(|target| selected(policy, target, attachment))).max()
}

fn unmodelled(meta: &Meta) -> impl Iterator<Item = RuleRef> {
    meta.unmodelled.iter().map(|field| meta.rule(field.path.as_str(), field.at))
}

impl Attachment<'_> {
    /// How narrowly a policy of object `policy` hits; targets are in the policy's own namespace.
    fn level(
        &self,
        policy: &Meta,
        (group, kind): (&str, &str),
        section: Option<&str>,
        is_target: impl Fn(&Meta) -> bool,
    ) -> Option<Level> {
        let hits = |meta: &Meta| meta.namespace() == policy.namespace() && is_target(meta);
        if (group, kind) == (GROUP, "Gateway") {
            return match (section, self.gateway.filter(|meta| hits(meta))?) {
                (None, _) => Some(Level::Gateway),
                (Some(section), _) => (self.listener == Some(section)).then_some(Level::Listener),
            };
        }
        let (route, rule) = self.route?;
        if !route.is_of(group, kind) || !hits(&route.meta) {
            return None;
        }
        match section {
            None => Some(Level::Route),
            Some(section) => (rule == Some(section)).then_some(Level::Rule),
        }
    }
}

/// Rules that decide together.
struct RuleSet<'a> {
    entries: Vec<(&'a Authorization, RuleRef)>,
}

impl<'a> RuleSet<'a> {
    fn of(entries: impl IntoIterator<Item = (&'a Authorization, RuleRef)>) -> Self {
        Self { entries: entries.into_iter().collect() }
    }

    /// A true `Deny` denies; every `Require` must be true; if there is an `Allow`, one must be true.
    /// An expression that fails is not true: a `Deny` that fails lets the request through.
    fn verdict(&self, request: &Request, dialect: Dialect) -> Option<Decision> {
        let truths = |action: AuthorizationAction| self.truths(action, request, dialect);
        let (deny, require, allow) = (
            truths(AuthorizationAction::Deny),
            truths(AuthorizationAction::Require),
            truths(AuthorizationAction::Allow),
        );
        if let Some(rules) = having(&deny, |truth| truth == Truth::True) {
            return Some(denied(Reason::ExplicitDeny, rules, "a Deny expression is true"));
        }
        if let Some(rules) = having(&require, |truth| matches!(truth, Truth::False | Truth::Error)) {
            return Some(denied(Reason::L7Denied, rules, "a Require expression is not true"));
        }
        let doubt = |truths: &[(Truth, RuleRef)]| having(truths, |truth| truth == Truth::Unmodelled);
        if let Some(rules) = doubt(&deny).or_else(|| doubt(&require)) {
            return Some(Decision::unknown(rules, "the model cannot evaluate a CEL expression"));
        }
        if allow.is_empty() || having(&allow, |truth| truth == Truth::True).is_some() {
            return None;
        }
        if let Some(rules) = doubt(&allow) {
            return Some(Decision::unknown(rules, "the model cannot evaluate a CEL expression"));
        }
        let rules = allow.into_iter().map(|(_, rule)| rule).collect();
        Some(denied(Reason::NoAllowMatched, rules, "no Allow expression is true"))
    }

    fn truths(&self, action: AuthorizationAction, request: &Request, dialect: Dialect) -> Vec<(Truth, RuleRef)> {
        self.entries
            .iter()
            .filter(|(authorization, _)| authorization.action() == action)
            .flat_map(|(authorization, rule)| {
                authorization
                    .policy
                    .match_expressions
                    .iter()
                    .map(|expression| (evaluate(expression, request, dialect), rule.clone()))
            })
            .collect()
    }
}

fn having(truths: &[(Truth, RuleRef)], wanted: impl Fn(Truth) -> bool) -> Option<Vec<RuleRef>> {
    let rules: BTreeSet<RuleRef> =
        truths.iter().filter(|(truth, _)| wanted(*truth)).map(|(_, rule)| rule.clone()).collect();
    (!rules.is_empty()).then(|| rules.into_iter().collect())
}

fn denied(reason: Reason, rules: Vec<RuleRef>, why: &str) -> Decision {
    let mut rules = rules;
    rules.sort();
    rules.dedup();
    Decision::deny(reason, Outcome::Http(403), format!("the gateway's authorization refuses the request: {why}"))
        .by(rules)
        .logged("403 RBAC: access denied")
}
