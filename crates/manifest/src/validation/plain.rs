//! Built-in kinds without bearing on traffic, read as strictly as the API server reads them
//! (Kubernetes `pkg/apis/{core,rbac,policy,networking,scheduling}/validation`).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};
use k8s_openapi::api::networking::v1::{Ingress, IngressBackend};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::de::DeserializeOwned;

use super::fields::{Path, Refusals};
use super::formats::{is_label, is_port_name, is_subdomain, label_selector};
use super::quantity::quantity;
use crate::decode::decode;
use crate::diagnostic::Diagnostic;
use crate::node::Node;
use crate::resource::Resource;
use crate::yaml::Document;

/// Most bytes of a ConfigMap or Secret.
const MOST_BYTES: usize = 1024 * 1024;
const RBAC: &str = "rbac.authorization.k8s.io";

/// What the API server refuses of an object of a kind that bears on no traffic; none for a kind whose schema is not
/// known here.
#[must_use]
pub fn plain_findings(resource: &Resource, document: &Document) -> Option<Vec<Diagnostic>> {
    let text = |key: &str| document.root.get(key).and_then(Node::as_str).unwrap_or_default();
    let mut refusals = Refusals::of(resource.object(), document);
    let unread = match (text("apiVersion"), text("kind")) {
        ("v1", "ConfigMap") => read::<ConfigMap>(document, |map| config_map(&mut refusals, map)),
        ("v1", "Secret") => read::<Secret>(document, |object| secret(&mut refusals, object)),
        ("v1", "PersistentVolumeClaim") => {
            read::<PersistentVolumeClaim>(document, |object| claim(&mut refusals, object))
        }
        ("rbac.authorization.k8s.io/v1", "Role") => {
            read::<Role>(document, |role| rules(&mut refusals, role.rules.as_deref(), true))
        }
        ("rbac.authorization.k8s.io/v1", "ClusterRole") => {
            read::<ClusterRole>(document, |role| rules(&mut refusals, role.rules.as_deref(), false))
        }
        ("rbac.authorization.k8s.io/v1", "RoleBinding") => read::<RoleBinding>(document, |object| {
            binding(&mut refusals, &object.role_ref, object.subjects.as_deref(), &["Role", "ClusterRole"]);
        }),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => read::<ClusterRoleBinding>(document, |object| {
            binding(&mut refusals, &object.role_ref, object.subjects.as_deref(), &["ClusterRole"]);
        }),
        ("policy/v1", "PodDisruptionBudget") => {
            read::<PodDisruptionBudget>(document, |object| disruption_budget(&mut refusals, object))
        }
        ("scheduling.k8s.io/v1", "PriorityClass") => {
            read::<PriorityClass>(document, |class| priority(&mut refusals, class))
        }
        ("networking.k8s.io/v1", "Ingress") => read::<Ingress>(document, |object| ingress(&mut refusals, object)),
        _ => return None,
    };
    Some(if unread.is_empty() { refusals.into_findings() } else { unread })
}

/// Reads the object and has it checked; what cannot be read is said.
fn read<T: DeserializeOwned>(document: &Document, check: impl FnOnce(&T)) -> Vec<Diagnostic> {
    match decode::<T>(&document.root) {
        Ok(decoded) if decoded.unknown.is_empty() => {
            check(&decoded.value);
            Vec::new()
        }
        Ok(decoded) => decoded
            .unknown
            .iter()
            .map(|field| {
                Diagnostic::error("unknown-field", format!("unknown field `{}`", field.path))
                    .at(document.location(field.at))
            })
            .collect(),
        Err(error) => {
            let at = document.location(error.at.unwrap_or(document.root.at));
            // The API server reads an object without a field, and then misses it.
            let code = if error.message.starts_with("missing field") { "invalid-object" } else { "invalid-value" };
            vec![Diagnostic::error(code, format!("{}: {}", error.path, error.message)).at(at)]
        }
    }
}

fn is_data_key(key: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=253).contains(&key.len()) && key.chars().all(inner) && key != "." && !key.starts_with("..")
}

fn config_map(refusals: &mut Refusals<'_>, map: &ConfigMap) {
    let data = map.data.iter().flatten().map(|(key, value)| ("data", key, value.len()));
    let binary = map.binary_data.iter().flatten().map(|(key, value)| ("binaryData", key, value.0.len()));
    let mut bytes = 0;
    for (field, key, length) in data.chain(binary) {
        bytes += length;
        refusals.unless(is_data_key(key), &Path::of(&[field]).key(key), format!("\"{key}\" is no valid key"));
    }
    for key in map.binary_data.iter().flat_map(BTreeMap::keys) {
        let twice = map.data.as_ref().is_some_and(|data| data.contains_key(key));
        refusals.unless(!twice, &Path::of(&["binaryData"]).key(key), "duplicate of key present in data");
    }
    refusals.unless(bytes <= MOST_BYTES, &Path::of(&["data"]), "at most 1048576 bytes");
}

fn secret(refusals: &mut Refusals<'_>, object: &Secret) {
    let mut all: BTreeMap<&str, &[u8]> = BTreeMap::new();
    all.extend(object.data.iter().flatten().map(|(key, value)| (key.as_str(), value.0.as_slice())));
    all.extend(object.string_data.iter().flatten().map(|(key, value)| (key.as_str(), value.as_bytes())));
    let path = Path::of(&["data"]);
    for key in all.keys() {
        refusals.unless(is_data_key(key), &path.key(key), format!("\"{key}\" is no valid key"));
    }
    refusals.unless(all.values().map(|value| value.len()).sum::<usize>() <= MOST_BYTES, &path, "at most 1048576 bytes");
    let needed: &[&str] = match object.type_.as_deref().unwrap_or_default() {
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/basic-auth" if !all.contains_key("username") && !all.contains_key("password") => &["username"],
        "kubernetes.io/service-account-token" => {
            let account =
                object.metadata.annotations.as_ref().and_then(|all| all.get("kubernetes.io/service-account.name"));
            refusals.require(account.map(String::as_str), &Path::of(&["metadata", "annotations"]));
            &[]
        }
        _ => &[],
    };
    for key in needed {
        refusals.unless(all.contains_key(key), &path.key(key), "a value is required");
    }
    for key in [".dockercfg", ".dockerconfigjson"].iter().filter(|key| needed.contains(key)) {
        let json = all.get(key).is_none_or(|value| serde_json::from_slice::<serde_json::Value>(value).is_ok());
        refusals.unless(json, &path.key(key), "no JSON");
    }
}

fn claim(refusals: &mut Refusals<'_>, object: &PersistentVolumeClaim) {
    let path = Path::of(&["spec"]);
    let Some(spec) = &object.spec else { return refusals.refuse(&path, "a value is required") };
    let modes = spec.access_modes.as_deref().unwrap_or_default();
    refusals.unless(!modes.is_empty(), &path.field("accessModes"), "at least 1 access mode is required");
    for (index, mode) in modes.iter().enumerate() {
        let supported = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];
        refusals.one_of(Some(mode), &supported, &path.field("accessModes").index(index));
    }
    let only = modes.iter().any(|mode| mode == "ReadWriteOncePod") && modes.len() > 1;
    refusals.unless(!only, &path.field("accessModes"), "may not use ReadWriteOncePod with other access modes");
    let storage = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref()?.get("storage"));
    let path_of_storage = path.field("resources").field("requests").key("storage");
    match storage {
        Some(size) => refusals.unless(
            quantity(&size.0).is_some_and(|number| number > 0.0),
            &path_of_storage,
            "must be a quantity above zero",
        ),
        None => refusals.refuse(&path_of_storage, "a value is required"),
    }
    refusals.one_of(spec.volume_mode.as_deref(), &["Block", "Filesystem"], &path.field("volumeMode"));
    let class = spec.storage_class_name.as_deref().unwrap_or_default();
    refusals.unless(class.is_empty() || is_subdomain(class), &path.field("storageClassName"), "no DNS subdomain");
    for message in spec.selector.iter().flat_map(label_selector) {
        refusals.refuse(&path.field("selector"), message);
    }
}

fn rules(refusals: &mut Refusals<'_>, rules: Option<&[PolicyRule]>, namespaced: bool) {
    for (index, rule) in rules.unwrap_or_default().iter().enumerate() {
        let path = Path::of(&["rules"]).index(index);
        let written = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        refusals.unless(!rule.verbs.is_empty(), &path.field("verbs"), "verbs must contain at least one value");
        if written(&rule.non_resource_urls) {
            let urls = path.field("nonResourceURLs");
            refusals.unless(!namespaced, &urls, "namespaced rules cannot apply to non-resource URLs");
            let both = written(&rule.api_groups) || written(&rule.resources) || written(&rule.resource_names);
            refusals.unless(!both, &urls, "rules cannot apply to both regular resources and non-resource URLs");
            continue;
        }
        refusals.unless(
            written(&rule.api_groups),
            &path.field("apiGroups"),
            "resource rules must supply at least one api group",
        );
        refusals.unless(
            written(&rule.resources),
            &path.field("resources"),
            "resource rules must supply at least one resource",
        );
    }
}

fn binding(refusals: &mut Refusals<'_>, role: &RoleRef, subjects: Option<&[Subject]>, kinds: &[&str]) {
    let path = Path::of(&["roleRef"]);
    let group = Some(role.api_group.as_str()).filter(|group| !group.is_empty());
    refusals.one_of(group, &[RBAC], &path.field("apiGroup"));
    refusals.one_of(Some(&role.kind), kinds, &path.field("kind"));
    refusals.require(Some(&role.name), &path.field("name"));
    for (index, subject) in subjects.unwrap_or_default().iter().enumerate() {
        let path = Path::of(&["subjects"]).index(index);
        refusals.require(Some(&subject.name), &path.field("name"));
        let group = subject.api_group.as_deref().filter(|group| !group.is_empty());
        match subject.kind.as_str() {
            "ServiceAccount" => {
                refusals.require(subject.namespace.as_deref(), &path.field("namespace"));
                refusals.one_of(group, &[""], &path.field("apiGroup"));
            }
            "User" | "Group" => refusals.one_of(group, &[RBAC], &path.field("apiGroup")),
            other => refusals.one_of(Some(other), &["ServiceAccount", "User", "Group"], &path.field("kind")),
        }
    }
}

fn disruption_budget(refusals: &mut Refusals<'_>, object: &PodDisruptionBudget) {
    let path = Path::of(&["spec"]);
    let Some(spec) = &object.spec else { return };
    let both = spec.min_available.is_some() && spec.max_unavailable.is_some();
    refusals.unless(!both, &path, "minAvailable and maxUnavailable cannot be both set");
    for (field, value) in [("minAvailable", &spec.min_available), ("maxUnavailable", &spec.max_unavailable)] {
        let well_formed = match value {
            None => true,
            Some(IntOrString::Int(number)) => *number >= 0,
            Some(IntOrString::String(text)) => text.strip_suffix('%').is_some_and(|number| {
                number.chars().all(|c| c.is_ascii_digit()) && number.parse().is_ok_and(|n: u32| n <= 100)
            }),
        };
        refusals.unless(well_formed, &path.field(field), "must be a number that is not negative, or at most 100%");
    }
    for message in spec.selector.iter().flat_map(label_selector) {
        refusals.refuse(&path.field("selector"), message);
    }
    let policies = ["IfHealthyBudget", "AlwaysAllow"];
    refusals.one_of(
        spec.unhealthy_pod_eviction_policy.as_deref(),
        &policies,
        &path.field("unhealthyPodEvictionPolicy"),
    );
}

fn priority(refusals: &mut Refusals<'_>, class: &PriorityClass) {
    let name = class.metadata.name.as_deref().unwrap_or_default();
    let system = name.starts_with("system-");
    refusals.unless(!system, &Path::of(&["metadata", "name"]), "names that begin with `system-` are the system's own");
    refusals.unless(class.value <= 1_000_000_000, &Path::of(&["value"]), "must be at most 1000000000");
    let policies = ["Never", "PreemptLowerPriority"];
    refusals.one_of(class.preemption_policy.as_deref(), &policies, &Path::of(&["preemptionPolicy"]));
}

fn ingress(refusals: &mut Refusals<'_>, object: &Ingress) {
    let path = Path::of(&["spec"]);
    let Some(spec) = &object.spec else {
        return refusals.refuse(&path, "either `defaultBackend` or `rules` must be specified");
    };
    let rules = spec.rules.as_deref().unwrap_or_default();
    let empty = rules.is_empty() && spec.default_backend.is_none();
    refusals.unless(!empty, &path, "either `defaultBackend` or `rules` must be specified");
    if let Some(backend) = &spec.default_backend {
        ingress_backend(refusals, backend, &path.field("defaultBackend"));
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = path.field("rules").index(index);
        if let Some(host) = rule.host.as_deref().filter(|host| !host.is_empty()) {
            let name = host.strip_prefix("*.").unwrap_or(host);
            refusals.unless(is_subdomain(name), &path.field("host"), format!("\"{host}\" is no DNS name"));
        }
        let Some(http) = &rule.http else { continue };
        let paths = path.field("http").field("paths");
        refusals.unless(!http.paths.is_empty(), &paths, "a value is required");
        for (index, entry) in http.paths.iter().enumerate() {
            let path = paths.index(index);
            refusals.one_of(
                Some(&entry.path_type),
                &["Exact", "Prefix", "ImplementationSpecific"],
                &path.field("pathType"),
            );
            ingress_path(refusals, entry.path.as_deref().unwrap_or_default(), &entry.path_type, &path.field("path"));
            ingress_backend(refusals, &entry.backend, &path.field("backend"));
        }
    }
    for (index, tls) in spec.tls.iter().flatten().enumerate() {
        for (host_index, host) in tls.hosts.iter().flatten().enumerate() {
            let name = host.strip_prefix("*.").unwrap_or(host);
            let path = path.field("tls").index(index).field("hosts").index(host_index);
            refusals.unless(is_subdomain(name), &path, format!("\"{host}\" is no DNS name"));
        }
    }
}

fn ingress_path(refusals: &mut Refusals<'_>, text: &str, kind: &str, path: &Path) {
    if kind == "ImplementationSpecific" && text.is_empty() {
        return;
    }
    refusals.unless(text.starts_with('/'), path, "must be an absolute path");
    if kind != "ImplementationSpecific" {
        let bad = ["//", "/./", "/../", "%2f", "%2F"].iter().any(|part| text.contains(part));
        let ends = text.ends_with("/..") || text.ends_with("/.");
        refusals.unless(!bad && !ends, path, "must not contain empty, `.`, `..` or encoded parts");
    }
}

fn ingress_backend(refusals: &mut Refusals<'_>, backend: &IngressBackend, path: &Path) {
    match (&backend.service, &backend.resource) {
        (Some(_), Some(_)) => refusals.refuse(path, "cannot set both resource and service backends"),
        (None, None) => refusals.refuse(path, "resource or service backend is required"),
        (None, Some(resource)) => {
            refusals.require(Some(&resource.kind), &path.field("resource").field("kind"));
            refusals.require(Some(&resource.name), &path.field("resource").field("name"));
        }
        (Some(service), None) => {
            let path = path.field("service");
            refusals.unless(
                is_label(&service.name),
                &path.field("name"),
                format!("\"{}\" is no DNS label", service.name),
            );
            let port = service.port.as_ref();
            let name = port.and_then(|port| port.name.as_deref()).filter(|name| !name.is_empty());
            let number = port.and_then(|port| port.number).filter(|number| *number != 0);
            match (name, number) {
                (Some(name), None) => {
                    refusals.unless(is_port_name(name), &path.field("port").field("name"), "no port name");
                }
                (None, Some(number)) => refusals.within(number, 1..=65535, &path.field("port").field("number")),
                (Some(_), Some(_)) | (None, None) => {
                    refusals.refuse(&path.field("port"), "a name or a number is required");
                }
            }
        }
    }
}
