//! Backends: where a rule sends its requests, and whether it may (`apis/v1/httproute_types.go`, `HTTPBackendRef`).

use airtight_manifest::gateway_api::GROUP;
use airtight_manifest::istio::{self, ServiceEntry};
use airtight_manifest::kgateway::{self, AgentgatewayBackend, AiProvider, BackendSpec, McpTarget};
use airtight_manifest::stack::at_least;
use airtight_manifest::{Meta, Object, RuleRef};

use super::delegation::is_delegation;
use super::grant::{Grant, Referent, Referrer, grant};
use super::route::OwnedBackend;
use super::status::RefsReason;
use crate::policy::istio::is_foreign;
use crate::world::{Implementation, Protocol, World, service_of_host};

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
    /// A ServiceEntry, by one of its hosts; the port is its own, not its endpoints'.
    Entry {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// The host.
        host: String,
        /// Port of the ServiceEntry.
        port: u16,
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
    /// Other routes decide.
    Delegated,
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
    let found = match find(world, implementation, backend, home) {
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

fn find(
    world: &World,
    implementation: Implementation,
    backend: &OwnedBackend,
    home: &str,
) -> Result<Vec<RouteTarget>, Resolution> {
    match (backend.group.as_str(), backend.kind.as_str()) {
        ("", "Service") => service(world, backend),
        (kgateway::GROUP, "Backend") if is_kgateway(implementation) => {
            let object = named(&world.objects.backends, backend)?;
            kgateway_backend(&object.meta, &object.body.spec)
        }
        (kgateway::AGENTGATEWAY_GROUP, "AgentgatewayBackend") if implementation == Implementation::Agentgateway => {
            agentgateway_backend(world, named(&world.objects.agentgateway_backends, backend)?)
        }
        _ if is_delegation(backend) && !implementation.is_istio() => Err(delegation(world, implementation, backend)),
        ("inference.networking.k8s.io" | "inference.networking.x-k8s.io", "InferencePool") => {
            Err(Resolution::Unmodelled(Vec::new(), "InferencePools are not modelled"))
        }
        ("networking.istio.io", "Hostname") => hostname(world, implementation, backend, home),
        _ => Err(Resolution::Broken(RefsReason::InvalidKind)),
    }
}

/// Kgateway's gateways and agentgateway since 1.1 hand requests on to other routes.
fn delegation(world: &World, implementation: Implementation, backend: &OwnedBackend) -> Resolution {
    let agentgateway = world.stack.versions.agentgateway.as_ref();
    match implementation {
        Implementation::Kgateway => Resolution::Delegated,
        Implementation::Agentgateway if backend.group != GROUP => Resolution::Broken(RefsReason::InvalidKind),
        Implementation::Agentgateway if agentgateway.is_some_and(|version| at_least(version, 1, 1)) => {
            Resolution::Delegated
        }
        Implementation::Agentgateway
        | Implementation::KgatewayWaypoint
        | Implementation::IstioGateway
        | Implementation::IstioWaypoint
        | Implementation::IstioEastWest
        | Implementation::IstioAgentgateway
        | Implementation::IstioAgentgatewayWaypoint => {
            Resolution::Unmodelled(Vec::new(), "delegation from one HTTPRoute to another is not modelled here")
        }
    }
}

/// A host that the mesh knows: a Service by its full name, or one of a ServiceEntry.
///
/// Istio finds it in every namespace, the route's own first (Istio `pilot/pkg/config/kube/gateway/conversion.go`,
/// `buildDestination`); agentgateway in the route's own alone (agentgateway
/// `controller/pkg/agentgateway/translator/conversion.go`). Whether Kgateway knows the kind is a matter of its settings.
fn hostname(
    world: &World,
    implementation: Implementation,
    backend: &OwnedBackend,
    home: &str,
) -> Result<Vec<RouteTarget>, Resolution> {
    if is_kgateway(implementation) || backend.namespace != home {
        let why = "a backend of kind Hostname is not modelled for this implementation, or has a namespace";
        return Err(Resolution::Unmodelled(Vec::new(), why));
    }
    let Some(port) = backend.port else { return Err(Resolution::Broken(RefsReason::BackendNotFound)) };
    let local = implementation.is_agentgateway();
    if let Some((namespace, name)) =
        service_of_host(&backend.name).filter(|(namespace, _)| !local || *namespace == home)
    {
        let named = OwnedBackend { namespace: namespace.to_owned(), name: name.to_owned(), ..backend.clone() };
        return service(world, &named);
    }
    let named = world.objects.service_entries.iter().filter(|entry| {
        entry.body.spec.hosts.iter().any(|host| host.value.eq_ignore_ascii_case(&backend.name))
            && (local || !is_foreign(&world.stack, &entry.meta))
            && (!local || entry.meta.namespace() == home)
    });
    let entry = named.min_by_key(|entry| (entry.meta.namespace() != home, entry.meta.object.to_string()));
    service_entry(entry.ok_or(Resolution::Broken(RefsReason::BackendNotFound))?, &backend.name, port)
}

/// Its endpoints are the path's to find; a gateway has no address that its client dialled, and its waypoint is not on the
/// way unless it asks for it.
fn service_entry(entry: &Object<ServiceEntry>, host: &str, port: u16) -> Result<Vec<RouteTarget>, Resolution> {
    let spec = &entry.body.spec;
    refuse_unmodelled(&entry.meta)?;
    let fixed = match spec.resolution {
        istio::Resolution::Static | istio::Resolution::Dns | istio::Resolution::DnsRoundRobin => true,
        istio::Resolution::None | istio::Resolution::DynamicDns => false,
    };
    if !fixed || entry.meta.labels.contains_key("istio.io/ingress-use-waypoint") {
        let why = "where a gateway sends what is for this ServiceEntry is not modelled";
        return Err(Resolution::Unmodelled(vec![entry.meta.whole()], why));
    }
    if spec.port(port).is_none() {
        return Err(Resolution::Broken(RefsReason::BackendNotFound));
    }
    let (namespace, name) = (entry.meta.namespace().to_owned(), entry.meta.name().to_owned());
    let to = BackendTarget::Entry { namespace, name, host: host.to_owned(), port };
    Ok(vec![RouteTarget::new(to, vec![entry.meta.whole()])])
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
