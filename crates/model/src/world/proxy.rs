//! The proxies that controllers make for Gateways: pods, Services and service accounts.

use std::sync::Arc;

use airtight_manifest::gateway_api::{Gateway, Listener};
use airtight_manifest::stack::{Stack, at_least};
use airtight_manifest::{Diagnostic, Labels, Object, RuleRef};

use super::Protocol;
use super::gateway_class::{Class, Implementation, gateway_classes};
use super::objects::Objects;
use super::pod::{ContainerPort, GatewayKey};
use super::proxy_labels::{GATEWAY_NAME, pod_annotations, pod_labels, short_name};
use super::proxy_parameters::{Parameters, parameters};
use super::service::{ExternalTraffic, ServicePort, TargetPort};

/// The port at which Istio's gateways tell whether they are ready.
const STATUS_PORT: &str = "status-port";

/// What a controller makes for one Gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct Proxy {
    /// The Gateway's namespace and name.
    pub key: GatewayKey,
    /// Name of its class.
    pub class: Arc<str>,
    /// Who serves it.
    pub implementation: Implementation,
    /// Whether its class is made for waypoints.
    pub is_waypoint: bool,
    /// Name of its Deployment and Service.
    pub name: Arc<str>,
    /// Labels of its pods.
    pub labels: Labels,
    /// Annotations of its pods.
    pub annotations: Labels,
    /// Service account of its pods.
    pub service_account: Arc<str>,
    /// What its pods listen on, beyond loopback.
    pub ports: Vec<ContainerPort>,
    /// Its Service's ports and where they lead.
    pub service_ports: Vec<ServicePort>,
    /// How its Service is reached.
    pub service_type: ServiceType,
    /// How its Service treats clients from outside.
    pub external_traffic: ExternalTraffic,
    /// How the mesh sees its pods.
    pub enrolment: EnrolmentHint,
    /// Constructs that the engine does not model and that may change the proxy.
    pub unmodelled: Vec<RuleRef>,
    /// The Gateway.
    pub origin: RuleRef,
}

impl Proxy {
    /// The label selector of its Service and Deployment.
    #[must_use]
    pub fn selector(&self) -> Labels {
        let name = self.labels.get(GATEWAY_NAME).cloned().unwrap_or_default();
        Labels::from([(GATEWAY_NAME.to_owned(), name)])
    }

    /// The pod port behind a listener port.
    #[must_use]
    pub fn target_port(&self, port: u16) -> Option<u16> {
        let entry = self.service_ports.iter().find(|entry| entry.port == port)?;
        match entry.target {
            TargetPort::Number(target) => Some(target),
            TargetPort::Name(_) => None,
        }
    }

    /// The listener ports that a pod port stands for: one, unless two listeners came to share it.
    #[must_use]
    pub fn listener_ports(&self, target: u16) -> Vec<u16> {
        let leads_here = |entry: &&ServicePort| {
            let own = entry.name.as_deref() == Some(STATUS_PORT);
            entry.target == TargetPort::Number(target) && entry.protocol == Protocol::Tcp && !own
        };
        self.service_ports.iter().filter(leads_here).map(|entry| entry.port).collect()
    }
}

/// How a Service is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServiceType {
    /// From inside the cluster.
    ClusterIp,
    /// On a port of every node as well.
    NodePort,
    /// From outside, by an address of its own.
    LoadBalancer,
}

impl ServiceType {
    /// The type that a Service's `spec.type` names.
    #[must_use]
    pub fn parse(kind: &str) -> Option<Self> {
        match kind {
            "ClusterIP" => Some(Self::ClusterIp),
            "NodePort" => Some(Self::NodePort),
            "LoadBalancer" => Some(Self::LoadBalancer),
            _ => None,
        }
    }
}

/// How the mesh sees a proxy's pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EnrolmentHint {
    /// As any pod, by the labels and annotations of pod and namespace.
    ByLabels,
    /// It speaks HBONE itself, in both directions.
    Native,
    /// It speaks HBONE itself for what it sends, and takes what it receives in the clear.
    NativeOutbound,
}

/// The proxies of all Gateways, and why some Gateways have none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Proxies {
    /// The proxies, in the order of their Gateways.
    pub proxies: Vec<Proxy>,
    /// Gateways without a proxy, and other findings.
    pub findings: Vec<Diagnostic>,
}

/// The proxies that the stack's controllers make for the Gateways among `objects`.
///
/// Shape of Kgateway's proxies: kgateway `pkg/kgateway/helm/envoy/templates`, `test/deployer/testdata`;
/// of agentgateway's: `controller/pkg/helm/agentgateway/templates/_helpers.tpl`; of Istio's:
/// `manifests/charts/istio-control/istio-discovery/files/{waypoint,kube-gateway}.yaml` and
/// `pilot/pkg/config/kube/gatewaycommon/deploymentcontroller.go`.
#[must_use]
pub fn proxies(objects: &Objects, stack: &Stack) -> Proxies {
    let classes = gateway_classes(&objects.gateway_classes, stack);
    let mut made = Proxies::default();
    for gateway in &objects.gateways {
        let name = gateway.body.spec.gateway_class_name.as_str();
        match proxy(gateway, classes.get(name), objects, stack) {
            Ok(Some(proxy)) => made.proxies.push(proxy),
            Ok(None) => {}
            Err(finding) => made.findings.push(finding.at(gateway.meta.at.clone())),
        }
    }
    made
}

fn proxy(
    gateway: &Object<Gateway>,
    class: Option<&Class>,
    objects: &Objects,
    stack: &Stack,
) -> Result<Option<Proxy>, Diagnostic> {
    let class = class.ok_or_else(|| no_class(gateway))?;
    let implementation = class.implementation.ok_or_else(|| no_controller(gateway, class))?;
    let parameters = parameters(gateway, class, implementation, objects)?;
    if parameters.self_managed || (implementation.is_istio() && is_manual(gateway)) {
        return Ok(None);
    }
    Ok(Some(build(gateway, class, implementation, &parameters, stack)))
}

/// Istiod leaves a Gateway that names a host as its address to a Deployment of the user's own.
fn is_manual(gateway: &Object<Gateway>) -> bool {
    gateway.body.spec.addresses.iter().any(|address| address.kind.as_deref() == Some("Hostname"))
}

fn no_class(gateway: &Object<Gateway>) -> Diagnostic {
    let class = &gateway.body.spec.gateway_class_name;
    let finding = Diagnostic::error(
        "unknown-gateway-class",
        format!("{} names GatewayClass `{class}`, which does not exist on this stack", gateway.meta.object),
    );
    match class.as_str() {
        "kgateway-waypoint" => finding.hint(
            "Kgateway 2.1 and later makes this class only with the Helm value `waypoint.enabled`; use `istio-waypoint`",
        ),
        "agentgateway" => finding.hint("this stack does not install agentgateway"),
        _ => finding.hint("no proxy is made for this Gateway, and nothing answers at its address"),
    }
}

fn no_controller(gateway: &Object<Gateway>, class: &Class) -> Diagnostic {
    Diagnostic::warning(
        "unserved-gateway-class",
        format!(
            "{} has class `{}` of controller `{}`, which makes no proxy on this stack",
            gateway.meta.object, class.name, class.controller
        ),
    )
    .hint("nothing answers at this Gateway's address")
}

fn build(
    gateway: &Object<Gateway>,
    class: &Class,
    implementation: Implementation,
    parameters: &Parameters,
    stack: &Stack,
) -> Proxy {
    let meta = &gateway.meta;
    let name = proxy_name(gateway, class, implementation);
    let service_ports = service_ports(gateway, implementation, stack);
    Proxy {
        key: (Arc::from(meta.namespace()), Arc::from(meta.name())),
        class: Arc::clone(&class.name),
        implementation,
        is_waypoint: implementation.is_waypoint(),
        labels: pod_labels(gateway, class, implementation, &name, parameters, stack),
        annotations: pod_annotations(gateway, implementation, parameters, stack),
        service_account: service_account(gateway, implementation, &name),
        ports: pod_ports(&service_ports, implementation),
        service_ports,
        service_type: service_type(gateway, implementation, parameters),
        external_traffic: parameters.external_traffic.unwrap_or(ExternalTraffic::Cluster),
        enrolment: enrolment(gateway, implementation, parameters),
        unmodelled: parameters.unmodelled.clone(),
        origin: meta.whole(),
        name,
    }
}

/// The Gateway's name; for Istio's gateways with the class as suffix, or an annotation's choice.
fn proxy_name(gateway: &Object<Gateway>, class: &Class, implementation: Implementation) -> Arc<str> {
    let chosen = gateway.meta.annotations.get("gateway.istio.io/name-override");
    if let Some(chosen) = chosen.filter(|_| implementation.is_istio()) {
        return Arc::from(chosen.as_str());
    }
    let gateway = gateway.meta.name();
    match implementation {
        Implementation::IstioGateway | Implementation::IstioAgentgateway => {
            Arc::from(format!("{gateway}-{}", class.name))
        }
        Implementation::IstioWaypoint | Implementation::IstioEastWest | Implementation::IstioAgentgatewayWaypoint => {
            Arc::from(gateway)
        }
        Implementation::Kgateway | Implementation::KgatewayWaypoint | Implementation::Agentgateway => {
            short_name(gateway)
        }
    }
}

fn service_account(gateway: &Object<Gateway>, implementation: Implementation, name: &Arc<str>) -> Arc<str> {
    let chosen = gateway.meta.annotations.get("gateway.istio.io/service-account");
    match chosen {
        Some(chosen) if implementation.is_istio() => Arc::from(chosen.as_str()),
        Some(_) | None => Arc::clone(name),
    }
}

/// One Service port for each listener port, and Istio's status port.
fn service_ports(gateway: &Object<Gateway>, implementation: Implementation, stack: &Stack) -> Vec<ServicePort> {
    let mut ports: Vec<ServicePort> = Vec::new();
    if implementation.is_istio() {
        ports.push(service_port(STATUS_PORT, 15021, 15021, Protocol::Tcp));
    }
    for listener in &gateway.body.spec.listeners {
        let protocol = listener_transport(listener);
        if ports.iter().any(|entry| entry.port == listener.port && entry.protocol == protocol) {
            continue;
        }
        let target = pod_port(listener.port, implementation, stack);
        ports.push(service_port(&format!("listener-{}", listener.port), listener.port, target, protocol));
    }
    ports
}

fn service_port(name: &str, port: u16, target: u16, protocol: Protocol) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port,
        target: TargetPort::Number(target),
        protocol,
        app_protocol: None,
        node_port: None,
    }
}

fn listener_transport(listener: &Listener) -> Protocol {
    if listener.protocol == "UDP" { Protocol::Udp } else { Protocol::Tcp }
}

/// The port that a proxy binds for a listener: up to 2.0 Kgateway's Envoy may not bind ports below 1024 and
/// binds 8000 more (kgateway `internal/kgateway/ports/ports.go`); everyone else binds the listener's own.
fn pod_port(listener: u16, implementation: Implementation, stack: &Stack) -> u16 {
    match implementation {
        Implementation::Kgateway | Implementation::KgatewayWaypoint
            if listener < 1024 && !at_least(&stack.versions.kgateway, 2, 1) =>
        {
            listener + 8000
        }
        Implementation::Kgateway
        | Implementation::KgatewayWaypoint
        | Implementation::Agentgateway
        | Implementation::IstioGateway
        | Implementation::IstioWaypoint
        | Implementation::IstioEastWest
        | Implementation::IstioAgentgateway
        | Implementation::IstioAgentgatewayWaypoint => listener,
    }
}

fn pod_ports(service_ports: &[ServicePort], implementation: Implementation) -> Vec<ContainerPort> {
    let further: &[(&str, u16)] = match implementation {
        Implementation::Kgateway | Implementation::KgatewayWaypoint => {
            &[("readiness", 8082), ("http-monitoring", 9091)]
        }
        Implementation::Agentgateway => &[("metrics", 15020), ("readiness", 15021)],
        Implementation::IstioGateway
        | Implementation::IstioWaypoint
        | Implementation::IstioEastWest
        | Implementation::IstioAgentgateway
        | Implementation::IstioAgentgatewayWaypoint => &[("metrics", 15020), ("http-envoy-prom", 15090)],
    };
    let listeners = service_ports.iter().filter_map(|entry| match entry.target {
        TargetPort::Number(number) => {
            Some(ContainerPort { name: entry.name.clone(), number, protocol: entry.protocol, host: None })
        }
        TargetPort::Name(_) => None,
    });
    let further = further.iter().map(|(name, number)| ContainerPort {
        name: Some((*name).to_owned()),
        number: *number,
        protocol: Protocol::Tcp,
        host: None,
    });
    listeners.chain(further).collect()
}

fn service_type(gateway: &Object<Gateway>, implementation: Implementation, parameters: &Parameters) -> ServiceType {
    let annotated = gateway.meta.annotations.get("networking.istio.io/service-type");
    let annotated = annotated.filter(|_| implementation.is_istio()).and_then(|kind| ServiceType::parse(kind));
    annotated.or(parameters.service_type).unwrap_or(default_service_type(implementation))
}

fn default_service_type(implementation: Implementation) -> ServiceType {
    if implementation.is_waypoint() { ServiceType::ClusterIp } else { ServiceType::LoadBalancer }
}

fn enrolment(gateway: &Object<Gateway>, implementation: Implementation, parameters: &Parameters) -> EnrolmentHint {
    let takes_hbone = || gateway.body.spec.listeners.iter().any(|listener| listener.protocol == "HBONE");
    match implementation {
        Implementation::Kgateway | Implementation::KgatewayWaypoint => EnrolmentHint::ByLabels,
        Implementation::Agentgateway if !parameters.speaks_hbone => EnrolmentHint::ByLabels,
        Implementation::IstioWaypoint | Implementation::IstioEastWest | Implementation::IstioAgentgatewayWaypoint => {
            EnrolmentHint::Native
        }
        Implementation::Agentgateway | Implementation::IstioGateway | Implementation::IstioAgentgateway => {
            if takes_hbone() {
                EnrolmentHint::Native
            } else {
                EnrolmentHint::NativeOutbound
            }
        }
    }
}
