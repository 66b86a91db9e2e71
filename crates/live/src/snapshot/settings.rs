//! The stack of a cluster: versions and settings of its components, as far as verdicts depend on them.

use std::sync::Arc;

use airtight_cluster::Cluster;
use airtight_cluster::read;
use airtight_cluster::read::{items, text};
use airtight_manifest::stack::{
    CiliumOptions, EnforcementMode, IstioOptions, KyvernoSettings, PathNormalization, Stack, Versions, at_least,
};
use airtight_manifest::{Diagnostic, Failure, yaml};
use semver::Version;
use serde_json::{Value, json};

use super::gap::Gap;
use crate::detect::{Cni, Component, Installed};

/// From this version on, Cilium's rules for ranges of addresses can match pods, as those of other CNIs do.
const MATCHES_PODS: Version = Version::new(1, 20, 0);

/// What was detected.
#[derive(Debug)]
pub(super) struct Detected {
    /// The `Stack` document.
    pub(super) document: Value,
    pub(super) gaps: Vec<Gap>,
    pub(super) notes: Vec<Diagnostic>,
}

/// What the objects that were read say of components.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traces {
    /// Some pod has a sidecar.
    pub(super) sidecars: bool,
    /// There are policies that a CNI enforces.
    pub(super) network_policies: bool,
    /// There are policies of Cilium's own.
    pub(super) cilium_policies: bool,
}

struct Detecting<'c> {
    cluster: &'c dyn Cluster,
    installed: &'c Installed,
    traces: Traces,
    gaps: Vec<Gap>,
    notes: Vec<Diagnostic>,
}

/// The stack of a cluster; versions that it does not tell are those of `base`.
pub(super) fn detect(cluster: &dyn Cluster, installed: &Installed, traces: Traces, base: &Stack) -> Detected {
    let mut detecting = Detecting { cluster, installed, traces, gaps: Vec::new(), notes: Vec::new() };
    let versions = detecting.versions(&base.versions);
    let cilium = detecting.cilium();
    let istio = detecting.istio();
    let kyverno = detecting.kyverno(&versions);
    let mut spec = json!({"versions": versions, "cilium": cilium, "istio": istio, "kyverno": kyverno});
    without_nulls(&mut spec);
    let document = json!({
        "apiVersion": "airtight.dev/v1alpha1",
        "kind": "Stack",
        "metadata": {"name": "detected"},
        "spec": spec,
    });
    Detected { document, gaps: detecting.gaps, notes: detecting.notes }
}

fn without_nulls(value: &mut Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
        fields.values_mut().for_each(without_nulls);
    }
}

impl Detecting<'_> {
    fn versions(&mut self, base: &Versions) -> Versions {
        let installed = self.installed;
        let istio = if installed.istio.istiod.is_there() { &installed.istio.istiod } else { &installed.istio.ztunnel };
        let agentgateway = &installed.agentgateway;
        let fallback = base.agentgateway.clone().unwrap_or_else(|| base.kgateway.clone());
        Versions {
            kubernetes: installed.kubernetes.clone().unwrap_or_else(|| base.kubernetes.clone()),
            cilium: self.cilium_version(base),
            istio: self.version("Istio", istio, &base.istio),
            gateway_api: installed.gateway_api.clone().unwrap_or_else(|| base.gateway_api.clone()),
            kgateway: self.version("Kgateway", &installed.kgateway, &base.kgateway),
            agentgateway: agentgateway.is_there().then(|| self.version("agentgateway", agentgateway, &fallback)),
            kyverno: self.version("Kyverno", &installed.kyverno, &base.kyverno),
        }
    }

    /// The version that an image tells, else one that is taken for it, which is said.
    fn version(&mut self, name: &str, component: &Component, base: &Version) -> Version {
        match (&component.version, &component.image) {
            (Some(version), _) => version.clone(),
            (None, Some(image)) => self.taken(name, image, base),
            (None, None) => base.clone(),
        }
    }

    fn taken(&mut self, name: &str, image: &str, base: &Version) -> Version {
        let message = format!("the version of {name} cannot be told from its image {image}: it is taken for {base}");
        self.notes.push(Diagnostic::warning("unknown-version", message).hint("write it into the stack's file"));
        base.clone()
    }

    fn cilium_version(&mut self, base: &Versions) -> Version {
        match &self.installed.cni {
            Some(found) if matches!(found.cni, Cni::Cilium | Cni::GkeDataplane) => match &found.version {
                Some(version) => version.clone(),
                None => self.taken("Cilium", &found.image.clone(), &base.cilium),
            },
            Some(_) => MATCHES_PODS,
            None => base.cilium.clone(),
        }
    }

    fn cilium(&mut self) -> CiliumOptions {
        let another =
            CiliumOptions { absent: true, cidr_match_nodes: true, cidr_match_pods: true, ..Default::default() };
        let Some(found) = &self.installed.cni else {
            self.no_cni();
            return another;
        };
        match found.cni {
            Cni::Cilium => self.cilium_config(),
            cni if !cni.enforces() => {
                let message = format!("{cni} enforces no policies: whatever they say, they deny nothing");
                self.notes.push(Diagnostic::warning("not-enforced", message));
                CiliumOptions { policy_enforcement_mode: EnforcementMode::Never, ..another }
            }
            Cni::GkeDataplane => {
                if self.traces.cilium_policies {
                    let why = "GKE Dataplane V2 enforces some of Cilium's kinds, and does not say how it is set";
                    self.gaps.push(Gap::settings("cilium", why));
                }
                CiliumOptions::default()
            }
            cni => {
                let message = format!("{cni} enforces NetworkPolicies here: they are computed as Cilium enforces them");
                self.notes
                    .push(Diagnostic::warning("other-cni", message).hint("ranges of addresses match pods, as there"));
                another
            }
        }
    }

    /// Without policies it does not matter who would enforce them.
    fn no_cni(&mut self) {
        if self.traces.network_policies {
            let unread = self.installed.unread.iter().find(|why| why.contains("daemonsets"));
            let why = unread.cloned().unwrap_or_else(|| "no CNI that airtight knows is there".to_owned());
            self.gaps.push(Gap::settings("cni", why));
        }
    }

    fn cilium_config(&mut self) -> CiliumOptions {
        let map = match self.config_map_of_cilium() {
            Ok(Some(map)) => map,
            Ok(None) => {
                self.gaps.push(Gap::settings("cilium", "there is no ConfigMap cilium-config beside its agents"));
                return CiliumOptions::default();
            }
            Err(failure) => {
                self.gaps.push(Gap::settings("cilium", failure.to_string()));
                return CiliumOptions::default();
            }
        };
        cilium_options(&map)
    }

    fn config_map_of_cilium(&self) -> Result<Option<Value>, Failure> {
        let agents = read::list(self.cluster, "/apis/apps/v1/daemonsets")?;
        let agent = agents.iter().find(|object| text(object, "/metadata/name") == "cilium");
        let home = agent.map_or("kube-system", |agent| text(agent, "/metadata/namespace"));
        read::object(self.cluster, &format!("/api/v1/namespaces/{home}/configmaps/cilium-config"))
    }

    fn istio(&mut self) -> IstioOptions {
        let istio = &self.installed.istio;
        let runs = istio.istiod.is_there() || istio.ztunnel.is_there() || istio.cni.is_there() || self.traces.sidecars;
        if !runs {
            let unread =
                self.installed.unread.iter().find(|why| why.contains("deployments") || why.contains("daemonsets"));
            if let Some(why) = unread {
                self.gaps.push(Gap::settings("istio", why.clone()));
                return IstioOptions::default();
            }
            return IstioOptions { absent: true, ..IstioOptions::default() };
        }
        match self.mesh() {
            Ok(options) => options,
            Err(failure) => {
                self.gaps.push(Gap::settings("istio", failure.to_string()));
                IstioOptions::default()
            }
        }
    }

    /// Istio's settings: the mesh configuration of its control plane, and what istiod and istio-cni are told.
    fn mesh(&mut self) -> Result<IstioOptions, Failure> {
        let deployments = read::list(self.cluster, "/apis/apps/v1/deployments")?;
        let is_istiod = |object: &&Value| {
            let name = text(object, "/metadata/name");
            name == "istiod" || name.starts_with("istiod-")
        };
        let mut control_planes = deployments.iter().filter(is_istiod);
        let Some(istiod) = control_planes.next() else {
            return Err(Failure::new("no-istiod", "istiod runs elsewhere, and what it is told cannot be read here"));
        };
        if control_planes.next().is_some() {
            return Err(Failure::new(
                "many-istiods",
                "several istiods run, and which of them serves whom is not modelled",
            ));
        }
        let home = text(istiod, "/metadata/namespace");
        let revision = Some(text(istiod, "/metadata/labels/istio.io~1rev")).filter(|revision| !revision.is_empty());
        let revision = revision.unwrap_or("default");
        let name = if revision == "default" { "istio".to_owned() } else { format!("istio-{revision}") };
        let path = format!("/api/v1/namespaces/{home}/configmaps/{name}");
        let map = read::object(self.cluster, &path)?
            .ok_or_else(|| Failure::new("no-mesh-config", format!("there is no ConfigMap {home}/{name}")))?;
        let mesh = mesh_config(text(&map, "/data/mesh"))?;
        let agent = self.config_of_agent()?;
        let mut options = istio_options(&mesh, istiod, &agent);
        revision.clone_into(&mut options.revision);
        Ok(options)
    }

    fn config_of_agent(&self) -> Result<Value, Failure> {
        let agents = read::list(self.cluster, "/apis/apps/v1/daemonsets")?;
        let agent = agents.iter().find(|object| text(object, "/metadata/name") == "istio-cni-node");
        let Some(agent) = agent else { return Ok(Value::Null) };
        let home = text(agent, "/metadata/namespace");
        let path = format!("/api/v1/namespaces/{home}/configmaps/istio-cni-config");
        Ok(read::object(self.cluster, &path)?.map(|map| map["data"].clone()).unwrap_or_default())
    }

    fn kyverno(&mut self, versions: &Versions) -> KyvernoSettings {
        if !self.installed.kyverno.is_there() {
            let unread = self.installed.unread.iter().any(|why| why.contains("deployments"));
            // What is there was admitted before: of Kyverno only attempts to change it depend.
            return KyvernoSettings { absent: !unread, ..KyvernoSettings::default() };
        }
        let deployments = read::list(self.cluster, "/apis/apps/v1/deployments").unwrap_or_default();
        let named = deployments.iter().find(|object| text(object, "/metadata/name") == "kyverno-admission-controller");
        let containers = named.map(|object| items(object, "/spec/template/spec/containers")).unwrap_or_default();
        let arguments: Vec<&str> =
            containers.iter().flat_map(|container| items(container, "/args")).filter_map(Value::as_str).collect();
        kyverno_settings(&arguments, &versions.kyverno)
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "strict" | "partial" | "probe" => Some(true),
        "false" | "disabled" => Some(false),
        _ => None,
    }
}

/// Keys of `cilium-config` (Cilium `install/kubernetes/cilium/templates/cilium-configmap.yaml`).
fn cilium_options(map: &Value) -> CiliumOptions {
    let value = |key: &str| map["data"][key].as_str();
    let is = |key: &str| value(key).and_then(truth);
    let usual = CiliumOptions::default();
    let ranges = value("policy-cidr-match-mode").unwrap_or_default();
    let matches = |what: &str| ranges.split([' ', ',']).any(|word| word == what);
    let replacement = is("kube-proxy-replacement").unwrap_or(usual.kube_proxy_replacement);
    let socket_lb = replacement || is("bpf-lb-sock") == Some(true);
    CiliumOptions {
        absent: false,
        policy_enforcement_mode: match value("enable-policy") {
            Some("always") => EnforcementMode::Always,
            Some("never") => EnforcementMode::Never,
            Some(_) | None => EnforcementMode::Default,
        },
        cidr_match_nodes: matches("nodes"),
        cidr_match_pods: matches("pods"),
        default_local_cluster: is("policy-default-local-cluster"),
        host_firewall: is("enable-host-firewall").unwrap_or(usual.host_firewall),
        sctp: is("enable-sctp").unwrap_or(usual.sctp),
        l7_proxy: is("enable-l7-proxy").unwrap_or(usual.l7_proxy),
        authentication: is("mesh-auth-enabled"),
        non_default_deny_policies: is("enable-non-default-deny-policies").unwrap_or(usual.non_default_deny_policies),
        kube_proxy_replacement: replacement,
        native_routing: value("routing-mode") == Some("native") || value("tunnel") == Some("disabled"),
        socket_lb_host_namespace_only: !socket_lb || is("bpf-lb-sock-hostns-only") == Some(true),
        cluster_network_policy: is("enable-k8s-cluster-network-policy").unwrap_or(usual.cluster_network_policy),
        audit_mode: is("policy-audit-mode").unwrap_or(usual.audit_mode),
        cluster_name: value("cluster-name").map_or(usual.cluster_name, str::to_owned),
    }
}

fn mesh_config(text: &str) -> Result<Value, Failure> {
    let documents = yaml::parse(&Arc::from("mesh"), text).map_err(|finding| {
        Failure::new("mesh-config", format!("the mesh configuration is no YAML: {}", finding.message))
    })?;
    Ok(documents.first().map(|document| document.root.to_json()).unwrap_or_default())
}

/// Istio `mesh/v1alpha1/config.proto`; `manifests/charts/istio-cni/templates/configmap-cni.yaml`.
fn istio_options(mesh: &Value, istiod: &Value, agent: &Value) -> IstioOptions {
    let usual = IstioOptions::default();
    let word = |pointer: &str, usual: String| match text(mesh, pointer) {
        "" => usual,
        word => word.to_owned(),
    };
    let told = |name: &str| {
        let containers = items(istiod, "/spec/template/spec/containers").iter();
        let mut variables = containers.flat_map(|container| items(container, "/env"));
        variables.find(|variable| text(variable, "/name") == name).and_then(|variable| truth(text(variable, "/value")))
    };
    let set = |key: &str| agent.get(key).and_then(Value::as_str).and_then(truth);
    let aliases = items(mesh, "/trustDomainAliases").iter().filter_map(Value::as_str);
    IstioOptions {
        absent: false,
        revision: usual.revision,
        root_namespace: word("/rootNamespace", usual.root_namespace),
        trust_domain: word("/trustDomain", usual.trust_domain),
        trust_domain_aliases: aliases.map(str::to_owned).collect(),
        path_normalization: match text(mesh, "/pathNormalization/normalization") {
            "NONE" => PathNormalization::None,
            "MERGE_SLASHES" => PathNormalization::MergeSlashes,
            "DECODE_AND_MERGE_SLASHES" => PathNormalization::DecodeAndMergeSlashes,
            _ => PathNormalization::Base,
        },
        auto_allow_waypoint_policy: told("PILOT_AUTO_ALLOW_WAYPOINT_POLICY")
            .unwrap_or(usual.auto_allow_waypoint_policy),
        native_nftables: set("NATIVE_NFTABLES").unwrap_or(usual.native_nftables),
        dns_capture: set("AMBIENT_DNS_CAPTURE").unwrap_or(usual.dns_capture),
        exclude_namespaces: match agent.get("EXCLUDE_NAMESPACES").and_then(Value::as_str) {
            Some(names) => names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            None => usual.exclude_namespaces,
        },
    }
}

/// Flags of Kyverno's admission controller (Kyverno `cmd/internal/flag.go`, `cmd/kyverno/main.go`). Without a namespace
/// exceptions count in all of them up to 1.12, and in none since.
fn kyverno_settings(arguments: &[&str], version: &Version) -> KyvernoSettings {
    let flag = |name: &str| {
        arguments.iter().find_map(|argument| argument.trim_start_matches('-').strip_prefix(name)?.strip_prefix('='))
    };
    let namespace = match flag("exceptionNamespace").unwrap_or_default() {
        "" => (!at_least(version, 1, 13)).then(|| "*".to_owned()),
        named => Some(named.to_owned()),
    };
    let enabled = flag("enablePolicyException").and_then(truth) == Some(true);
    KyvernoSettings {
        absent: false,
        exception_namespace: namespace.filter(|_| enabled),
        protect_managed_resources: flag("protectManagedResources").and_then(truth) == Some(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cilium_says_what_its_config_map_says() {
        let options = cilium_options(&json!({"data": {"enable-policy": "always", "policy-cidr-match-mode": "nodes",
            "kube-proxy-replacement": "true", "routing-mode": "native", "policy-audit-mode": "true",
            "cluster-name": "eu-1", "enable-l7-proxy": "false"}}));
        let expected = CiliumOptions {
            policy_enforcement_mode: EnforcementMode::Always,
            cidr_match_nodes: true,
            kube_proxy_replacement: true,
            native_routing: true,
            socket_lb_host_namespace_only: false,
            audit_mode: true,
            l7_proxy: false,
            cluster_name: "eu-1".to_owned(),
            ..CiliumOptions::default()
        };
        assert_eq!(options, expected);
        assert_eq!(cilium_options(&json!({})), CiliumOptions::default());
    }

    #[test]
    fn istio_says_what_its_mesh_and_its_agents_say() {
        let mesh = mesh_config("rootNamespace: mesh\ntrustDomain: corp\ntrustDomainAliases: [old]\npathNormalization: {normalization: NONE}").unwrap();
        let istiod = json!({"spec": {"template": {"spec": {"containers": [{"env": [
            {"name": "PILOT_AUTO_ALLOW_WAYPOINT_POLICY", "value": "true"}]}]}}}});
        let options = istio_options(
            &mesh,
            &istiod,
            &json!({"AMBIENT_DNS_CAPTURE": "false", "NATIVE_NFTABLES": "true", "EXCLUDE_NAMESPACES": "kube-system,shop"}),
        );
        let expected = IstioOptions {
            root_namespace: "mesh".to_owned(),
            trust_domain: "corp".to_owned(),
            trust_domain_aliases: vec!["old".to_owned()],
            path_normalization: PathNormalization::None,
            auto_allow_waypoint_policy: true,
            native_nftables: true,
            dns_capture: false,
            exclude_namespaces: vec!["kube-system".to_owned(), "shop".to_owned()],
            ..IstioOptions::default()
        };
        assert_eq!(options, expected);
        assert_eq!(istio_options(&Value::Null, &Value::Null, &Value::Null), IstioOptions::default());
        assert_eq!(mesh_config("a: [").unwrap_err().code, "mesh-config");
    }

    #[test]
    fn kyverno_says_where_exceptions_count() {
        let of = |arguments: &[&str], version: &str| {
            kyverno_settings(arguments, &version.parse().unwrap()).exception_namespace
        };
        let on = "--enablePolicyException=true";
        assert_eq!(of(&[on, "--exceptionNamespace=exceptions"], "1.14.4").as_deref(), Some("exceptions"));
        assert_eq!(of(&[on], "1.14.4"), None);
        assert_eq!(of(&[on], "1.12.0").as_deref(), Some("*"));
        assert_eq!(of(&["--exceptionNamespace=a"], "1.14.4"), None);
    }
}
