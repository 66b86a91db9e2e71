//! Backends: where a rule sends its requests, and whether it may (`apis/v1/httproute_types.go`, `HTTPBackendRef`).

use airtight_manifest::gateway_api::GROUP;
use airtight_manifest::kgateway::{self, AgentgatewayBackend, AiProvider, BackendSpec, McpTarget};
use airtight_manifest::{Meta, Object, RuleRef};

use super::grant::{Grant, Referent, Referrer, grant};
use super::route::OwnedBackend;
use super::status::RefsReason;
use crate::world::{Implementation, Protocol, World};

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum BackendTarget {
    /// A Service; the port is its own, not its pods'.
    Service {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// Port of the Service.
        port: u16,
    },
    /// A host that the proxy resolves itself.
    Static {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// Whether the backend's own settings make the proxy speak TLS.
        tls: bool,
    },
    /// An MCP server that the proxy speaks MCP to.
    Mcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// An LLM provider.
    Llm {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// Whether the proxy speaks TLS.
        tls: bool,
    },
    /// Nowhere: the proxy answers this share of requests with an error.
    Failing {
        /// The status that the client sees.
        status: u16,
    },
}

/// What a reference comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resolution {
    /// Each of these may serve a request; with the rules that allow it, and the path that the target insists on.
    Targets(Vec<RouteTarget>),
    /// The proxy answers 500.
    Broken(RefsReason),
    /// The model does not know.
    Unmodelled(Vec<RuleRef>, &'static str),
}

/// One target of a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RouteTarget {
    pub(super) to: BackendTarget,
    pub(super) rules: Vec<RuleRef>,
    /// The path that the proxy uses instead of the request's.
    pub(super) path: Option<String>,
    /// The host that the proxy uses instead of the request's.
    pub(super) host: Option<String>,
}

/// Resolves a backend of a route of kind `kind` in namespace `home`.
pub(super) fn resolve(
    world: &World,
    implementation: Implementation,
    (kind, home): (&str, &str),
    backend: &OwnedBackend,
) -> Resolution {
    let found = match find(world, implementation, backend) {
        Ok(targets) => targets,
        Err(other) => return other,
    };
    let from = Referrer { group: GROUP, kind, namespace: home };
    let to =
        Referent { group: &backend.group, kind: &backend.kind, namespace: &backend.namespace, name: &backend.name };
    // Istio's mesh routes (parent: a Service) refer without a grant
    // (`pilot/pkg/config/kube/gateway/route_collections.go`), and its waypoints follow no others.
    let granted = match implementation {
        Implementation::IstioWaypoint => Grant::NotNeeded,
        _ => grant(&world.objects.reference_grants, from, to),
    };
    match granted {
        Grant::NotNeeded => Resolution::Targets(found),
        Grant::Missing => Resolution::Broken(RefsReason::RefNotPermitted),
        Grant::By(rules) => Resolution::Targets(
            found
                .into_iter()
                .map(|mut target| {
                    target.rules.extend(rules.iter().cloned());
                    target
                })
                .collect(),
        ),
    }
}

fn find(world: &World, implementation: Implementation, backend: &OwnedBackend) -> Result<Vec<RouteTarget>, Resolution> {
    match (backend.group.as_str(), backend.kind.as_str()) {
        ("", "Service") => service(world, backend),
        (kgateway::GROUP, "Backend") if is_kgateway(implementation) => {
            let object = named(&world.objects.backends, backend)?;
            kgateway_backend(&object.meta, &object.body.spec)
        }
        (kgateway::AGENTGATEWAY_GROUP, "AgentgatewayBackend") if implementation == Implementation::Agentgateway => {
            agentgateway_backend(world, named(&world.objects.agentgateway_backends, backend)?)
        }
        (GROUP, "HTTPRoute") if is_kgateway(implementation) => {
            Err(Resolution::Unmodelled(Vec::new(), "delegation from one HTTPRoute to another is not modelled"))
        }
        ("inference.networking.k8s.io" | "inference.networking.x-k8s.io", "InferencePool") => {
            Err(Resolution::Unmodelled(Vec::new(), "InferencePools are not modelled"))
        }
        ("networking.istio.io", "Hostname") if implementation.is_istio() => {
            Err(Resolution::Unmodelled(Vec::new(), "backends of kind Hostname are not modelled"))
        }
        _ => Err(Resolution::Broken(RefsReason::InvalidKind)),
    }
}

fn is_kgateway(implementation: Implementation) -> bool {
    matches!(implementation, Implementation::Kgateway | Implementation::KgatewayWaypoint)
}

fn named<'a, T>(objects: &'a [Object<T>], backend: &OwnedBackend) -> Result<&'a Object<T>, Resolution> {
    objects
        .iter()
        .find(|object| object.meta.namespace() == backend.namespace && object.meta.name() == backend.name)
        .ok_or(Resolution::Broken(RefsReason::BackendNotFound))
}

/// A Service's port must exist; a Service without any endpoint makes the proxy answer 503.
fn service(world: &World, backend: &OwnedBackend) -> Result<Vec<RouteTarget>, Resolution> {
    let missing = Resolution::Broken(RefsReason::BackendNotFound);
    let Some(service) = world.service(&backend.namespace, &backend.name) else { return Err(missing) };
    if service.external_name.is_some() {
        let why = "what a proxy makes of a Service of type ExternalName is its own matter, and not modelled";
        return Err(Resolution::Unmodelled(vec![service.origin.clone()], why));
    }
    let Some(entry) = backend.port.and_then(|port| service.port(Protocol::Tcp, port)) else { return Err(missing) };
    let has_endpoints = !service.backends.is_empty() || !service.external_endpoints.is_empty();
    let to = if has_endpoints {
        BackendTarget::Service { namespace: backend.namespace.clone(), name: backend.name.clone(), port: entry.port }
    } else {
        BackendTarget::Failing { status: 503 }
    };
    Ok(vec![RouteTarget::new(to, vec![service.origin.clone()])])
}

impl RouteTarget {
    fn new(to: BackendTarget, rules: Vec<RuleRef>) -> Self {
        Self { to, rules, path: None, host: None }
    }
}

fn kgateway_backend(meta: &Meta, spec: &BackendSpec) -> Result<Vec<RouteTarget>, Resolution> {
    refuse_unmodelled(meta)?;
    let Some(fixed) = &spec.fixed else { return Err(Resolution::Broken(RefsReason::BackendNotFound)) };
    let rule = meta.rule("spec.static", fixed.at);
    let to = |host: &str, port| BackendTarget::Static { host: host.to_owned(), port, tls: false };
    Ok(fixed.hosts.iter().map(|entry| RouteTarget::new(to(&entry.host, entry.port), vec![rule.clone()])).collect())
}

fn refuse_unmodelled(meta: &Meta) -> Result<(), Resolution> {
    if meta.unmodelled.is_empty() {
        return Ok(());
    }
    let rules = meta.unmodelled.iter().map(|field| meta.rule(field.path.as_str(), field.at)).collect();
    Err(Resolution::Unmodelled(rules, "the backend has parts that the model does not know"))
}

fn agentgateway_backend(world: &World, object: &Object<AgentgatewayBackend>) -> Result<Vec<RouteTarget>, Resolution> {
    let (meta, spec) = (&object.meta, &object.body.spec);
    refuse_unmodelled(meta)?;
    let tls = spec.policies.as_ref().is_some_and(|policies| policies.tls.is_some());
    if let Some(ai) = &spec.ai {
        let rule = meta.rule("spec.ai", ai.at);
        let alone = ai.provider.iter().map(|provider| llm(&provider.value, tls, &rule));
        let grouped = ai
            .groups
            .iter()
            .flat_map(|group| &group.providers)
            .map(|provider| llm_target(provider.endpoint(), provider.host.is_some(), tls, &rule));
        return alone.chain(grouped).collect();
    }
    if let Some(mcp) = &spec.mcp {
        return mcp
            .targets
            .iter()
            .map(|target| mcp_target(world, meta, target, meta.rule("spec.mcp", mcp.at)))
            .collect();
    }
    if let Some(agent) = &spec.a2a {
        let to = BackendTarget::Static { host: agent.host.clone(), port: agent.port, tls };
        return Ok(vec![RouteTarget::new(to, vec![meta.rule("spec.a2a", agent.at)])]);
    }
    let Some(fixed) = &spec.fixed else { return Err(Resolution::Broken(RefsReason::BackendNotFound)) };
    match (&fixed.host, fixed.port) {
        (Some(host), Some(port)) => {
            let to = BackendTarget::Static { host: host.clone(), port, tls };
            Ok(vec![RouteTarget::new(to, vec![meta.rule("spec.static", fixed.at)])])
        }
        (None, _) | (_, None) => Err(Resolution::Broken(RefsReason::BackendNotFound)),
    }
}

fn llm(provider: &AiProvider, tls: bool, rule: &RuleRef) -> Result<RouteTarget, Resolution> {
    llm_target(provider.endpoint(), provider.host.is_some(), tls, rule)
}

/// A provider's own host is spoken to over TLS; another host only if the backend's policies say so.
fn llm_target(
    endpoint: Option<(&str, u16)>,
    is_override: bool,
    tls: bool,
    rule: &RuleRef,
) -> Result<RouteTarget, Resolution> {
    let Some((host, port)) = endpoint else {
        return Err(Resolution::Unmodelled(vec![rule.clone()], "the host of this LLM provider is not modelled"));
    };
    let to = BackendTarget::Llm { host: host.to_owned(), port, tls: tls || !is_override };
    Ok(RouteTarget { host: Some(host.to_owned()), ..RouteTarget::new(to, vec![rule.clone()]) })
}

/// The proxy speaks MCP itself, on the target's own path.
fn mcp_target(world: &World, meta: &Meta, target: &McpTarget, rule: RuleRef) -> Result<RouteTarget, Resolution> {
    let Some(fixed) = &target.fixed else {
        return Err(Resolution::Unmodelled(vec![rule], "MCP targets by selector are not modelled"));
    };
    let own = if fixed.protocol.as_deref() == Some("SSE") { "/sse" } else { "/mcp" };
    let path = Some(fixed.path.clone().unwrap_or_else(|| own.to_owned()));
    if let Some(reference) = &fixed.backend_ref {
        let mut backend = OwnedBackend::new(reference.object(), meta.namespace());
        backend.port = backend.port.or(Some(fixed.port));
        let from = ("AgentgatewayBackend", meta.namespace());
        return match mcp_service(world, from, &backend) {
            Ok(found) => Ok(RouteTarget { path, ..found }),
            Err(other) => Err(other),
        };
    }
    let Some(host) = &fixed.host else { return Err(Resolution::Broken(RefsReason::BackendNotFound)) };
    let to = BackendTarget::Mcp { host: host.clone(), port: fixed.port };
    Ok(RouteTarget { path, host: Some(host.clone()), ..RouteTarget::new(to, vec![rule]) })
}

fn mcp_service(world: &World, (kind, home): (&str, &str), backend: &OwnedBackend) -> Result<RouteTarget, Resolution> {
    let from = Referrer { group: kgateway::AGENTGATEWAY_GROUP, kind, namespace: home };
    let to =
        Referent { group: &backend.group, kind: &backend.kind, namespace: &backend.namespace, name: &backend.name };
    if grant(&world.objects.reference_grants, from, to) == Grant::Missing {
        return Err(Resolution::Broken(RefsReason::RefNotPermitted));
    }
    service(world, backend)?.into_iter().next().ok_or(Resolution::Broken(RefsReason::BackendNotFound))
}
