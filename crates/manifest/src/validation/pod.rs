//! Pods and the templates of pods (Kubernetes `pkg/apis/core/validation/validation.go`).

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvVar, PodSpec, PodTemplateSpec, Probe, ResourceRequirements, Toleration, Volume,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::fields::{Path, Refusals};
use super::formats::{is_label, is_label_key, is_label_value, is_port_name, is_subdomain};
use super::metadata;
use super::quantity::quantity;

const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];

/// A pod of its own.
pub(super) fn check(refusals: &mut Refusals<'_>, spec: &PodSpec) {
    let path = Path::of(&["spec"]);
    // A pod that is there may have been given some.
    let stored = refusals.root().get("metadata").is_some_and(|metadata| metadata.get("uid").is_some());
    refusals.unless(stored || spec.ephemeral_containers.is_none(), &path.field("ephemeralContainers"), NOT_WRITTEN);
    pod_spec(refusals, &path, spec);
}

const NOT_WRITTEN: &str = "cannot be written: ephemeral containers are put into a pod that is there";

/// The template of a workload's pods, which end as `restarts` allow.
pub(super) fn template(refusals: &mut Refusals<'_>, path: &Path, template: &PodTemplateSpec, restarts: &[&str]) {
    let written = path.node(refusals.root()).and_then(|node| node.get("metadata"));
    if let Some(written) = written {
        metadata::labels(refusals, &path.field("metadata"), written);
        metadata::annotations(refusals, &path.field("metadata"), written);
    }
    let (path, none) = (path.field("spec"), PodSpec::default());
    let spec = template.spec.as_ref().unwrap_or(&none);
    refusals.unless(spec.ephemeral_containers.is_none(), &path.field("ephemeralContainers"), NOT_WRITTEN);
    pod_spec(refusals, &path, spec);
    let policy = spec.restart_policy.as_deref().unwrap_or("Always");
    if RESTARTS.contains(&policy) {
        refusals.one_of(Some(policy), restarts, &path.field("restartPolicy"));
    }
}

const RESTARTS: &[&str] = &["Always", "OnFailure", "Never"];

fn pod_spec(refusals: &mut Refusals<'_>, path: &Path, spec: &PodSpec) {
    refusals.unless(!spec.containers.is_empty(), &path.field("containers"), "a container is required");
    host_ports(refusals, &path.field("containers"), spec);
    let volumes = volumes(refusals, &path.field("volumes"), spec.volumes.as_deref().unwrap_or_default());
    let inits = spec.init_containers.as_deref().unwrap_or_default();
    let lists = [("initContainers", inits), ("containers", spec.containers.as_slice())];
    for (field, containers) in lists {
        for (index, container) in containers.iter().enumerate() {
            one_container(refusals, &path.field(field).index(index), container, &volumes);
        }
    }
    let placed = lists.into_iter().flat_map(|(field, containers)| {
        let place = move |index| path.field(field).index(index).field("name");
        containers.iter().enumerate().map(move |(index, container)| (place(index), container.name.as_str()))
    });
    refusals.unique(placed.collect::<Vec<_>>());
    refusals.one_of(spec.restart_policy.as_deref(), RESTARTS, &path.field("restartPolicy"));
    let dns = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    refusals.one_of(spec.dns_policy.as_deref(), &dns, &path.field("dnsPolicy"));
    let servers = spec.dns_config.iter().flat_map(|config| config.nameservers.iter().flatten()).count();
    let asks_somebody = spec.dns_policy.as_deref() != Some("None") || servers > 0;
    let message = "at least one is needed where `dnsPolicy` is None";
    refusals.unless(asks_somebody, &path.field("dnsConfig").field("nameservers"), message);
    for (field, text) in [("serviceAccountName", &spec.service_account_name), ("nodeName", &spec.node_name)] {
        let fits = text.as_deref().is_none_or(|text| text.is_empty() || is_subdomain(text));
        refusals.unless(fits, &path.field(field), "a DNS name in lower case is expected");
    }
    for (field, text) in [("hostname", &spec.hostname), ("subdomain", &spec.subdomain)] {
        let fits = text.as_deref().is_none_or(|text| text.is_empty() || is_label(text));
        refusals.unless(fits, &path.field(field), "a DNS label in lower case is expected");
    }
    for (key, value) in spec.node_selector.iter().flatten() {
        let fits = is_label_key(key) && is_label_value(value);
        refusals.unless(fits, &path.field("nodeSelector").key(key), "no label could be so");
    }
    for (index, taint) in spec.tolerations.iter().flatten().enumerate() {
        toleration(refusals, &path.field("tolerations").index(index), taint);
    }
}

fn volumes<'s>(refusals: &mut Refusals<'_>, path: &Path, volumes: &'s [Volume]) -> BTreeSet<&'s str> {
    for (index, volume) in volumes.iter().enumerate() {
        let message = format!("\"{}\" is no name of a volume", volume.name);
        refusals.unless(is_label(&volume.name), &path.index(index).field("name"), message);
    }
    let names = volumes.iter().enumerate();
    refusals.unique(names.map(|(index, volume)| (path.index(index).field("name"), volume.name.as_str())));
    volumes.iter().map(|volume| volume.name.as_str()).collect()
}

fn one_container(refusals: &mut Refusals<'_>, path: &Path, container: &Container, volumes: &BTreeSet<&str>) {
    let message = format!("\"{}\" is no name of a container: a DNS label in lower case", container.name);
    refusals.unless(is_label(&container.name), &path.field("name"), message);
    refusals.require(container.image.as_deref(), &path.field("image"));
    let trimmed = container.image.as_deref().is_none_or(|image| image.trim() == image);
    refusals.unless(trimmed, &path.field("image"), "must not have spaces at its ends");
    refusals.one_of(
        container.image_pull_policy.as_deref(),
        &["Always", "IfNotPresent", "Never"],
        &path.field("imagePullPolicy"),
    );
    ports(refusals, &path.field("ports"), container.ports.as_deref().unwrap_or_default());
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        let path = path.field("volumeMounts").index(index);
        refusals.require(Some(&mount.mount_path), &path.field("mountPath"));
        let message = format!("there is no volume \"{}\"", mount.name);
        refusals.unless(volumes.contains(mount.name.as_str()), &path.field("name"), message);
    }
    for (index, variable) in container.env.iter().flatten().enumerate() {
        environment(refusals, &path.field("env").index(index), variable);
    }
    if let Some(wanted) = &container.resources {
        resources(refusals, &path.field("resources"), wanted);
    }
    let probes = [
        ("startupProbe", &container.startup_probe),
        ("readinessProbe", &container.readiness_probe),
        ("livenessProbe", &container.liveness_probe),
    ];
    for (field, written) in probes {
        if let Some(written) = written {
            probe(refusals, &path.field(field), written);
        }
    }
}

/// A variable has a name (`validateEnv`; versions differ in which letters it may have, but not in these), and one source.
fn environment(refusals: &mut Refusals<'_>, path: &Path, variable: &EnvVar) {
    refusals.require(Some(&variable.name), &path.field("name"));
    let named = variable.name.bytes().all(|byte| byte != b'=' && matches!(byte, b' '..=b'~'));
    refusals.unless(named, &path.field("name"), format!("\"{}\" is no name of a variable", variable.name));
    let twice = variable.value_from.is_some() && variable.value.as_ref().is_some_and(|value| !value.is_empty());
    refusals.unless(!twice, &path.field("valueFrom"), "may not be written beside a value");
}

/// Amounts are quantities, and nobody asks for more than its limit (`ValidateContainerResourceRequirements`).
fn resources(refusals: &mut Refusals<'_>, path: &Path, wanted: &ResourceRequirements) {
    for (field, amounts) in [("limits", &wanted.limits), ("requests", &wanted.requests)] {
        for (name, amount) in amounts.iter().flatten() {
            let path = path.field(field).key(name);
            match quantity(&amount.0) {
                Some(number) => refusals.unless(number >= 0.0, &path, "must not be negative"),
                None => refusals.refuse(&path, format!("\"{}\" is no quantity, such as 500m or 1Gi", amount.0)),
            }
        }
    }
    for (name, amount) in wanted.requests.iter().flatten() {
        let limit = wanted.limits.as_ref().and_then(|limits| quantity(&limits.get(name)?.0));
        let fits = limit.is_none_or(|limit| quantity(&amount.0).is_none_or(|number| number <= limit));
        refusals.unless(fits, &path.field("requests").key(name), "must be no more than the limit");
    }
}

/// (`ValidateTolerations`; the operators of numbers came with Kubernetes 1.35.)
fn toleration(refusals: &mut Refusals<'_>, path: &Path, taint: &Toleration) {
    let written = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let operator = taint.operator.as_deref().filter(|operator| !operator.is_empty());
    refusals.one_of(operator, &["Exists", "Equal", "Lt", "Gt"], &path.field("operator"));
    let every = operator == Some("Exists");
    refusals.unless(every || written(&taint.key), &path.field("operator"), "must be Exists where there is no key");
    refusals.unless(!every || !written(&taint.value), &path.field("value"), "must be empty where operator is Exists");
    let effect = taint.effect.as_deref().filter(|effect| !effect.is_empty());
    refusals.one_of(effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"], &path.field("effect"));
    let timed = taint.toleration_seconds.is_none() || effect == Some("NoExecute");
    refusals.unless(timed, &path.field("effect"), "must be NoExecute where tolerationSeconds is written");
}

fn ports(refusals: &mut Refusals<'_>, path: &Path, ports: &[ContainerPort]) {
    for (index, port) in ports.iter().enumerate() {
        let path = path.index(index);
        refusals.within(port.container_port, 1..=65535, &path.field("containerPort"));
        refusals.within(port.host_port.unwrap_or_default(), 0..=65535, &path.field("hostPort"));
        refusals.one_of(port.protocol.as_deref(), PROTOCOLS, &path.field("protocol"));
        if let Some(name) = port.name.as_deref().filter(|name| !name.is_empty()) {
            refusals.unless(is_port_name(name), &path.field("name"), no_port_name(name));
        }
    }
    let names = ports.iter().enumerate().filter_map(|(index, port)| {
        let name = port.name.as_deref().filter(|name| !name.is_empty())?;
        Some((path.index(index).field("name"), name))
    });
    refusals.unique(names);
}

/// A port of the node is one container's; on the node's own network it is the container's port itself
/// (`checkHostPortConflicts`, `validateHostNetwork`).
fn host_ports(refusals: &mut Refusals<'_>, path: &Path, spec: &PodSpec) {
    let mut taken: Vec<(Path, String)> = Vec::new();
    for (container, ports) in spec.containers.iter().enumerate().map(|(index, one)| (path.index(index), &one.ports)) {
        for (index, port) in ports.iter().flatten().enumerate() {
            let place = container.field("ports").index(index).field("hostPort");
            let Some(number) = port.host_port.filter(|number| *number != 0) else { continue };
            if spec.host_network == Some(true) {
                let message = format!("must be the container's port, {}, on the node's network", port.container_port);
                refusals.unless(number == port.container_port, &place, message);
            }
            let protocol = port.protocol.as_deref().unwrap_or("TCP");
            let address = port.host_ip.as_deref().unwrap_or_default();
            taken.push((place, format!("{protocol} {address} {number}")));
        }
    }
    refusals.unique(taken.iter().map(|(path, port)| (path.clone(), port.as_str())));
}

pub(super) fn no_port_name(name: &str) -> String {
    format!("\"{name}\" is no name of a port: at most 15 lower-case letters, digits and single hyphens")
}

fn probe(refusals: &mut Refusals<'_>, path: &Path, probe: &Probe) {
    let handlers = [probe.exec.is_some(), probe.http_get.is_some(), probe.tcp_socket.is_some(), probe.grpc.is_some()];
    match handlers.iter().filter(|written| **written).count() {
        0 => refusals.refuse(path, "must say what it does: exec, httpGet, tcpSocket or grpc"),
        1 => {}
        _ => refusals.refuse(path, "must do one thing only"),
    }
    if let Some(http) = &probe.http_get {
        target(refusals, &path.field("httpGet").field("port"), &http.port);
    }
    if let Some(tcp) = &probe.tcp_socket {
        target(refusals, &path.field("tcpSocket").field("port"), &tcp.port);
    }
    if let Some(grpc) = &probe.grpc {
        refusals.within(grpc.port, 1..=65535, &path.field("grpc").field("port"));
    }
}

/// A port by number or name.
pub(super) fn target(refusals: &mut Refusals<'_>, path: &Path, port: &IntOrString) {
    match port {
        IntOrString::Int(number) => refusals.within(*number, 1..=65535, path),
        IntOrString::String(name) => refusals.unless(is_port_name(name), path, no_port_name(name)),
    }
}

/// Whether a text is a protocol of a port.
pub(super) fn protocol(refusals: &mut Refusals<'_>, path: &Path, text: Option<&str>) {
    refusals.one_of(text, PROTOCOLS, path);
}
