//! What a waypoint lets through
//! (Istio `pilot/pkg/networking/core/listener_waypoint.go`, `pilot/pkg/security/authz/builder/builder.go`).

use std::collections::BTreeSet;

use airtight_manifest::istio::{Action, AuthorizationPolicy, JwtRule};
use airtight_manifest::{Meta, Object, RuleRef};

use super::attach::{Chain, Targets};
use super::binding::WaypointGateway;
use super::input::Input;
use super::jwt::{self, JwtPolicy};
use super::matcher::Dialect;
use super::path::is_refused;
use super::protocol::PortProtocol;
use super::request::http_input;
use super::rule::Rule;
use super::target::{WaypointPayload, WaypointTarget};
use super::trust_domain::TrustDomains;
use crate::policy::istio::{is_dry_run, is_foreign};
use crate::policy::{Decision, MeshSource, Outcome, Reason, Request};
use crate::world::World;

/// Who makes a waypoint's filters of the policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaypointImplementation {
    /// Istio (`istio-waypoint`).
    Istio,
    /// Kgateway (`kgateway-waypoint`): dry-run policies are enforced, CUSTOM policies and RequestAuthentication
    /// are not, `istio-system` and `cluster.local` are fixed.
    Kgateway,
    /// Agentgateway: AuthorizationPolicy is not translated at all.
    Agentgateway,
    /// A class that the engine does not know.
    Other,
}

impl WaypointImplementation {
    /// The implementation of a GatewayClass.
    #[must_use]
    pub fn of_class(class: &str) -> Self {
        match class {
            "istio-waypoint" => Self::Istio,
            "kgateway-waypoint" => Self::Kgateway,
            "agentgateway" | "istio-agentgateway" | "istio-agentgateway-waypoint" => Self::Agentgateway,
            _ => Self::Other,
        }
    }
}

/// AuthorizationPolicy and RequestAuthentication objects as waypoints enforce them.
#[derive(Debug, Clone)]
pub struct WaypointPolicy {
    istio: Vec<Policy>,
    kgateway: Vec<Policy>,
    jwt: Vec<JwtPolicy>,
}

#[derive(Debug, Clone)]
struct Policy {
    namespace: String,
    name: String,
    whole: RuleRef,
    action: Action,
    dry_run: bool,
    provider: String,
    targets: Targets,
    rules: Vec<(usize, Rule, RuleRef)>,
    /// Why it cannot be evaluated.
    unusable: Option<String>,
}

impl WaypointPolicy {
    /// Compiles the policies of a world that have target references.
    #[must_use]
    pub fn compile(world: &World) -> Self {
        let policies = &world.objects.authorization_policies;
        let istio = Dialect::istio(&world.stack.versions.istio, TrustDomains::of(&world.stack));
        let kgateway = Dialect::kgateway();
        let read = |meta: &Meta| !is_foreign(&world.stack, meta);
        let own = policies.iter().filter(|policy| read(&policy.meta));
        let tokens = world.objects.request_authentications.iter().filter(|policy| read(&policy.meta));
        Self {
            istio: own.filter_map(|policy| Policy::compile(policy, &istio)).collect(),
            // Kgateway knows no revisions.
            kgateway: policies.iter().filter_map(|policy| Policy::compile(policy, &kgateway)).collect(),
            jwt: tokens.filter_map(JwtPolicy::compile).collect(),
        }
    }

    /// Whether a waypoint forwards what it gets, and what the client sees if it does not.
    #[must_use]
    pub fn evaluate(
        &self,
        world: &World,
        waypoint: &WaypointGateway,
        target: &WaypointTarget<'_>,
        source: &MeshSource,
        payload: WaypointPayload<'_>,
    ) -> Decision {
        let implementation = WaypointImplementation::of_class(&waypoint.class);
        let (policies, class, root_namespace) = match implementation {
            WaypointImplementation::Istio => (&self.istio, "istio-waypoint", world.stack.istio.root_namespace.as_str()),
            WaypointImplementation::Kgateway => (&self.kgateway, "kgateway-waypoint", "istio-system"),
            WaypointImplementation::Agentgateway => return untranslated(waypoint),
            WaypointImplementation::Other => return unknown_class(waypoint),
        };
        // Before 1.26.3 ztunnel knows a ServiceEntry of another revision, and the waypoint does not.
        let foreign = match target {
            WaypointTarget::ServiceEntry { entry, .. } => is_foreign(&world.stack, &entry.meta),
            WaypointTarget::Service { .. } | WaypointTarget::Workload { .. } => false,
        };
        let Some(protocol) = target.protocol().filter(|_| !foreign) else { return no_chain(waypoint, target) };
        if implementation == WaypointImplementation::Kgateway && matches!(target, WaypointTarget::Workload { .. }) {
            return no_chain(waypoint, target);
        }
        let chain = Chain { waypoint: &waypoint.key, class, root_namespace, service: target.service() };
        let attached: Vec<&Policy> = policies.iter().filter(|policy| policy.targets.attach(&chain)).collect();
        if let Some(decision) = undecidable(world, waypoint, target, &attached, root_namespace) {
            return decision;
        }
        let jwt_rules = match implementation {
            WaypointImplementation::Istio => self.jwt_rules(&chain),
            WaypointImplementation::Kgateway | WaypointImplementation::Agentgateway | WaypointImplementation::Other => {
                Vec::new()
            }
        };
        let shown = shown(waypoint, target, source);
        let waypoint = waypoint.origin.clone();
        let filters = Filters { world, implementation, policies: attached, jwt_rules, shown, waypoint };
        filters.run(protocol, target, source, payload)
    }

    /// Whether what one of `sources` says on a connection could change what the waypoint does with it: a rule reads
    /// requests, tokens are verified, or a policy cannot be evaluated; and neither is everything that the source says
    /// denied, nor nothing of it allowed.
    #[must_use]
    pub fn reads_requests(
        &self,
        world: &World,
        waypoint: &WaypointGateway,
        target: &WaypointTarget<'_>,
        sources: &[MeshSource],
    ) -> bool {
        let (policies, class, root_namespace) = match WaypointImplementation::of_class(&waypoint.class) {
            WaypointImplementation::Istio => (&self.istio, "istio-waypoint", world.stack.istio.root_namespace.as_str()),
            WaypointImplementation::Kgateway => (&self.kgateway, "kgateway-waypoint", "istio-system"),
            WaypointImplementation::Agentgateway => return false,
            WaypointImplementation::Other => return true,
        };
        let chain = Chain { waypoint: &waypoint.key, class, root_namespace, service: target.service() };
        let attached: Vec<&Policy> = policies.iter().filter(|policy| policy.targets.attach(&chain)).collect();
        if attached.iter().any(|policy| policy.unusable.is_some()) {
            return true;
        }
        let reads = !self.jwt_rules(&chain).is_empty()
            || attached.iter().any(|policy| policy.rules.iter().any(|(_, rule, _)| rule.needs_http()));
        reads && sources.iter().any(|source| may_pass(&attached, &target.input(source, "")))
    }

    /// The request as an Istio waypoint hands it on after [`Self::evaluate`] let it in: claims of a verified token
    /// in the headers that rules name, where whatever the client sent is dropped, and no token unless a rule
    /// forwards it (Envoy `source/extensions/filters/http/jwt_authn/authenticator.cc`).
    #[must_use]
    pub fn forwarded(
        &self,
        world: &World,
        waypoint: &WaypointGateway,
        target: &WaypointTarget<'_>,
        request: &Request,
    ) -> Request {
        let root_namespace = world.stack.istio.root_namespace.as_str();
        let class = "istio-waypoint";
        let chain = Chain { waypoint: &waypoint.key, class, root_namespace, service: target.service() };
        let is_http = matches!(target.protocol(), Some(PortProtocol::Http | PortProtocol::Sniffed));
        let rules = self.jwt_rules(&chain);
        if &*waypoint.class != class || !is_http || rules.is_empty() {
            return request.clone();
        }
        let mut http = http_input(world, request);
        if jwt::authenticate(&rules, request, &mut http).is_err() {
            return request.clone();
        }
        let is_token = |name: &str| name.eq_ignore_ascii_case("authorization");
        let token = request.token.clone().filter(|_| http.headers.iter().any(|(name, _)| is_token(name)));
        let written = request.header("authorization").next().is_some();
        let headers = http.headers.into_iter().filter(|(name, _)| written || !is_token(name)).collect();
        Request { headers, token, ..request.clone() }
    }

    fn jwt_rules(&self, chain: &Chain<'_>) -> Vec<&(JwtRule, RuleRef)> {
        self.jwt.iter().filter(|policy| policy.targets.attach(chain)).flat_map(|policy| &policy.rules).collect()
    }
}

impl Policy {
    fn compile(policy: &Object<AuthorizationPolicy>, dialect: &Dialect) -> Option<Self> {
        let spec = &policy.body.spec;
        let targets = Targets::of(policy.meta.namespace(), spec.targets())?;
        let mut compiled = Self {
            namespace: policy.meta.namespace().to_owned(),
            name: policy.meta.name().to_owned(),
            whole: policy.meta.whole(),
            action: spec.action(),
            dry_run: is_dry_run(policy),
            provider: spec.provider.as_ref().map(|provider| provider.name.clone()).unwrap_or_default(),
            targets,
            rules: Vec::new(),
            unusable: None,
        };
        for (index, rule) in spec.rules().iter().enumerate() {
            let origin = policy.meta.rule(format!("spec.rules[{index}]"), rule.at);
            match Rule::compile(rule, policy.meta.namespace(), dialect) {
                Ok(rule) if rule.is_unmodelled() => {
                    compiled.unusable = Some(format!("rule {index} has a condition that is not modelled"));
                }
                Ok(rule) => compiled.rules.push((index, rule, origin)),
                Err(error) => compiled.unusable = Some(format!("rule {index}: {}", error.0)),
            }
        }
        Some(compiled)
    }

    /// The rules that match, by index. On a TCP chain an ALLOW rule with an HTTP attribute does not exist,
    /// and any other rule loses the attribute.
    fn matched<'a>(&'a self, input: &'a Input<'_>) -> impl Iterator<Item = Matched<'a>> {
        let exists = |rule: &Rule| input.is_http() || self.action != Action::Allow || !rule.needs_http();
        self.rules
            .iter()
            .filter(move |(_, rule, _)| exists(rule) && rule.matches(input))
            .map(|(index, _, origin)| Matched { policy: self, index: *index, origin })
    }
}

/// Whether some request of a peer could pass. Policies on trial count as in force, which keeps the answer open.
fn may_pass(attached: &[&Policy], input: &Input<'_>) -> bool {
    let of = |action: Action| attached.iter().filter(move |policy| policy.action == action);
    let rules = |policy: &&&'_ Policy, test: fn(&Rule, &Input<'_>) -> bool| {
        policy.rules.iter().any(|(_, rule, _)| test(rule, input))
    };
    let denied = of(Action::Deny).any(|policy| !policy.dry_run && rules(&policy, Rule::always_matches));
    let in_force = || of(Action::Allow).filter(|policy| !policy.dry_run);
    let allowed = in_force().next().is_none() || of(Action::Allow).any(|policy| rules(&policy, Rule::may_match));
    allowed && !denied
}

/// A rule that matches.
#[derive(Clone, Copy)]
struct Matched<'a> {
    policy: &'a Policy,
    index: usize,
    origin: &'a RuleRef,
}

/// Every rule of `policies` that matches.
fn matching<'a>(policies: &[&'a Policy], input: &'a Input<'_>) -> Vec<Matched<'a>> {
    policies.iter().flat_map(|policy| policy.matched(input)).collect()
}

fn origins(matched: &[Matched<'_>]) -> Vec<RuleRef> {
    matched.iter().map(|matched| matched.origin.clone()).collect()
}

/// The filters of one chain.
struct Filters<'a> {
    world: &'a World,
    implementation: WaypointImplementation,
    policies: Vec<&'a Policy>,
    jwt_rules: Vec<&'a (JwtRule, RuleRef)>,
    shown: String,
    waypoint: RuleRef,
}

impl<'a> Filters<'a> {
    /// The chain for the port's protocol and for what arrives.
    fn run(
        &self,
        protocol: PortProtocol,
        target: &WaypointTarget<'_>,
        source: &MeshSource,
        payload: WaypointPayload<'_>,
    ) -> Decision {
        let is_http = matches!(payload, WaypointPayload::Http(_));
        match (protocol, payload) {
            // What the inspector cannot take for HTTP goes to the chain of bytes.
            (PortProtocol::Sniffed, WaypointPayload::Http(request)) if !request.is_understood() => {
                self.tcp(&target.input(source, ""), is_http)
            }
            (PortProtocol::Http | PortProtocol::Sniffed, WaypointPayload::Http(request)) => {
                self.http(request, target.input(source, ""))
            }
            (PortProtocol::Http, WaypointPayload::Tls { .. } | WaypointPayload::Tcp) => unparseable(target, payload),
            (PortProtocol::Tls, WaypointPayload::Tls { sni }) => self.tcp(&target.input(source, sni), is_http),
            (PortProtocol::Tls | PortProtocol::Tcp | PortProtocol::Sniffed, _) => {
                self.tcp(&target.input(source, ""), is_http)
            }
        }
    }

    /// CUSTOM, then tokens, then DENY, then ALLOW; AUDIT only logs.
    fn http<'r>(&self, request: &'r Request, mut input: Input<'r>) -> Decision
    where
        'a: 'r,
    {
        if let Some(decision) = self.no_request(request) {
            return decision;
        }
        let mut http = http_input(self.world, request);
        input.http = Some(http.clone());
        if let Some(decision) = self.custom(&input) {
            return decision;
        }
        let verifier = match jwt::authenticate(&self.jwt_rules, request, &mut http) {
            Ok(verifier) => verifier,
            Err(decision) => return decision,
        };
        input.http = Some(http);
        let mut decision = self.authorize(&input, &Outcome::Http(403));
        // What a policy says of a token is said of one that this rule verified.
        decision.rules.extend(verifier.cloned());
        decision
    }

    /// What Envoy answers before any filter looks.
    fn no_request(&self, request: &Request) -> Option<Decision> {
        let (why, log) = if !request.is_understood() {
            ("the codec takes it for no request", "400 http1.codec_error")
        } else if is_refused(&request.path, self.world.stack.istio.path_normalization) {
            ("its path cannot be normalized", "400 path_normalization_failed")
        } else {
            return None;
        };
        let detail = format!("{}: `{} {}`: {why}", self.shown, request.method, request.path);
        let refused = Decision::deny(Reason::L7Unparseable, Outcome::Http(400), detail);
        Some(refused.by(vec![self.waypoint.clone()]).logged(log))
    }

    fn tcp(&self, input: &Input<'_>, is_http: bool) -> Decision {
        if self.implementation == WaypointImplementation::Kgateway && !self.policies.is_empty() {
            let rules = self.policies.iter().map(|policy| policy.whole.clone()).collect();
            return Decision::unknown(rules, "how kgateway enforces policies on TCP ports is not modelled");
        }
        if let Some(decision) = self.custom(input) {
            return decision;
        }
        let mut decision = self.authorize(input, &Outcome::Reset);
        if is_http {
            decision.detail += " (the port's protocol is not HTTP, so that HTTP attributes do not exist)";
        }
        decision
    }

    fn in_force(&self, action: Action) -> impl Iterator<Item = &'a Policy> {
        let enforced = move |policy: &&Policy| match self.implementation {
            WaypointImplementation::Kgateway => true,
            WaypointImplementation::Istio | WaypointImplementation::Agentgateway | WaypointImplementation::Other => {
                !policy.dry_run
            }
        };
        self.policies
            .iter()
            .copied()
            .filter(move |policy| policy.action == action)
            .filter(enforced)
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// The external authorizer is asked before tokens are verified. What it answers is not modelled;
    /// two different ones make Istio deny.
    fn custom(&self, input: &Input<'_>) -> Option<Decision> {
        if self.implementation == WaypointImplementation::Kgateway {
            return None;
        }
        let policies: Vec<&Policy> = self.in_force(Action::Custom).collect();
        let matched = origins(&matching(&policies, input));
        if matched.is_empty() {
            return None;
        }
        let providers: BTreeSet<&str> = policies.iter().map(|policy| policy.provider.as_str()).collect();
        if providers.len() > 1 && input.is_http() {
            let detail = format!("{}: CUSTOM policies with different providers are in force", self.shown);
            return Some(Decision::deny(Reason::ExplicitDeny, Outcome::Http(403), detail).by(matched));
        }
        Some(Decision::unknown(matched, "the answer of an external authorizer is not modelled"))
    }

    fn authorize(&self, input: &Input<'_>, symptom: &Outcome) -> Decision {
        // The filter stops at the first; the others would each do the same.
        let deny: Vec<&Policy> = self.in_force(Action::Deny).collect();
        let denying = matching(&deny, input);
        if let Some(Matched { policy, index, .. }) = denying.first() {
            let id = format!("ns[{}]-policy[{}]-rule[{index}]", policy.namespace, policy.name);
            let detail = format!("{}: a rule of DENY {}/{} matches", self.shown, policy.namespace, policy.name);
            return Decision::deny(Reason::ExplicitDeny, symptom.clone(), detail)
                .by(origins(&denying))
                .logged(denial_log(symptom, &id));
        }
        let allow: Vec<&Policy> = self.in_force(Action::Allow).collect();
        if allow.is_empty() {
            let detail = format!("{}: no ALLOW policy is attached, and no DENY rule matches", self.shown);
            return Decision::allow(Reason::NoPolicy, detail);
        }
        let allowing = matching(&allow, input);
        if let Some(Matched { policy, .. }) = allowing.first() {
            let detail = format!("{}: a rule of ALLOW {}/{} matches", self.shown, policy.namespace, policy.name);
            return Decision::allow(Reason::AllowRule, detail).by(origins(&allowing));
        }
        let names: Vec<String> = allow.iter().map(|policy| format!("{}/{}", policy.namespace, policy.name)).collect();
        let detail = format!("{}: no rule of the ALLOW policies ({}) matches", self.shown, names.join(", "));
        Decision::deny(Reason::NoAllowMatched, symptom.clone(), detail)
            .by(allow.iter().map(|policy| policy.whole.clone()).collect())
            .logged(denial_log(symptom, "none"))
    }
}

/// `response_code_details` and body of an HTTP denial, the termination details of a TCP one.
fn denial_log(symptom: &Outcome, id: &str) -> String {
    match symptom {
        Outcome::Http(status) => {
            format!("{status} rbac_access_denied_matched_policy[{id}] body=\"RBAC: access denied\"")
        }
        _ => format!("connection closed: rbac_access_denied_matched_policy[{id}]"),
    }
}

fn shown(waypoint: &WaypointGateway, target: &WaypointTarget<'_>, source: &MeshSource) -> String {
    format!("waypoint {}/{}, {} to {}", waypoint.key.0, waypoint.key.1, source.shown(), target.shown())
}

/// Kinds that change a waypoint's filters in ways that are not modelled. A VirtualService acts behind them, on routes.
const INTRUDERS: &[&str] = &["EnvoyFilter", "WasmPlugin", "TrafficExtension", "ProxyConfig"];

/// What keeps the engine from deciding.
fn undecidable(
    world: &World,
    waypoint: &WaypointGateway,
    target: &WaypointTarget<'_>,
    attached: &[&Policy],
    root_namespace: &str,
) -> Option<Decision> {
    if let Some((policy, why)) = attached.iter().find_map(|policy| Some((policy, policy.unusable.as_ref()?))) {
        return Some(Decision::unknown(
            vec![policy.whole.clone()],
            format!("{}/{}: {why}", policy.namespace, policy.name),
        ));
    }
    let namespaces = [&*waypoint.key.0, target.namespace(), root_namespace];
    let touches = |rule: &&RuleRef| {
        INTRUDERS.contains(&&*rule.object.kind)
            && rule.object.namespace.as_deref().is_some_and(|namespace| namespaces.contains(&namespace))
    };
    let rules: Vec<RuleRef> = world.objects.unmodelled.iter().filter(touches).cloned().collect();
    if rules.is_empty() {
        return None;
    }
    let detail = format!("{} could change the filters of the waypoint, and is not modelled", rules[0].object);
    Some(Decision::unknown(rules, detail))
}

fn untranslated(waypoint: &WaypointGateway) -> Decision {
    let detail = format!(
        "waypoint {}/{} is agentgateway, which does not translate AuthorizationPolicy at all",
        waypoint.key.0, waypoint.key.1
    );
    Decision::allow(Reason::NoPolicy, detail).by(vec![waypoint.origin.clone()])
}

fn unknown_class(waypoint: &WaypointGateway) -> Decision {
    let detail = format!("GatewayClass `{}` is none whose waypoints are modelled", waypoint.class);
    Decision::unknown(vec![waypoint.origin.clone()], detail)
}

fn no_chain(waypoint: &WaypointGateway, target: &WaypointTarget<'_>) -> Decision {
    let detail = format!("waypoint {}/{} has no filter chain for {}", waypoint.key.0, waypoint.key.1, target.shown());
    Decision::deny(Reason::NoListener, Outcome::Reset, detail).by(vec![waypoint.origin.clone(), target.origin()])
}

fn unparseable(target: &WaypointTarget<'_>, payload: WaypointPayload<'_>) -> Decision {
    let (symptom, what) = match payload {
        WaypointPayload::Tls { .. } => (Outcome::TlsFailure, "a TLS handshake"),
        WaypointPayload::Tcp | WaypointPayload::Http(_) => (Outcome::Reset, "bytes that are no HTTP"),
    };
    let detail = format!("{} is an HTTP port and gets {what}", target.shown());
    Decision::deny(Reason::L7Unparseable, symptom, detail).by(vec![target.origin()])
}
