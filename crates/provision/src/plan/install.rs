//! The components of a stack: charts by helm, manifests by server-side apply.

use airtight_manifest::stack::{EnforcementMode, Stack};
use airtight_manifest::yaml;
use serde_json::{Map, Value, json};

use super::cluster::CLUSTER;
use super::{Action, Source, Step, images};
use crate::component::{Chart, Component, Install, Product};
use crate::options::Options;
use crate::program::Program;
use crate::recipe::Recipe;
use crate::site::Site;

pub(super) fn steps(recipe: &Recipe, options: &Options, site: &Site) -> Vec<Step> {
    recipe.provision.components.iter().map(|component| step(component, &recipe.stack, options, site)).collect()
}

fn step(component: &Component, stack: &Stack, options: &Options, site: &Site) -> Step {
    let actions = match &component.install {
        Install::Chart(chart) => release(component, chart, stack, options, site),
        Install::Manifest(url) => vec![Action::Apply(Source::Location(manifest(url, component, options)))],
    };
    Step::new(&component.name, format!("{} ({})", component.name, component.of), component.timeout_seconds)
        .needs([CLUSTER])
        .needs(component.after.iter().map(|after| after.value.clone()))
        .needs(images::step_of(component, options))
        .acts(actions)
        .gates(component.gates.iter().cloned())
}

/// Name of a manifest's file in a bundle.
#[must_use]
pub(crate) fn manifest_file(component: &str) -> String {
    format!("{component}.yaml")
}

fn manifest(url: &str, component: &Component, options: &Options) -> String {
    match &options.chart_dir {
        Some(folder) => folder.join(manifest_file(&component.name)).display().to_string(),
        None => url.to_owned(),
    }
}

/// Without `--wait`, whose meaning differs between helm 3 and 4: the step's own gates say what is missing.
fn release(component: &Component, chart: &Chart, stack: &Stack, options: &Options, site: &Site) -> Vec<Action> {
    let file = site.folder.rendered(&format!("{}.values.yaml", component.name));
    let namespace = component.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let kubeconfig = site.folder.kubeconfig().display().to_string();
    let seconds = format!("{}s", component.timeout_seconds);
    let mut upgrade = vec!["upgrade".to_owned(), "--install".to_owned(), component.name.clone()];
    upgrade.extend(match &options.chart_dir {
        Some(folder) => vec![folder.join(chart.file_name()).display().to_string()],
        None => chart.arguments(),
    });
    let rest = ["--namespace", &namespace, "--create-namespace", "--kubeconfig", &kubeconfig];
    upgrade.extend(rest.map(str::to_owned));
    upgrade.extend(["--values".to_owned(), file.display().to_string(), "--timeout".to_owned(), seconds]);
    let clear =
        ["uninstall", &component.name, "--namespace", &namespace, "--ignore-not-found", "--kubeconfig", &kubeconfig];
    let text = yaml::to_string(&values(component, stack)).unwrap_or_default();
    vec![
        Action::Write { path: file, text },
        Action::RunAfresh { call: Program::Helm.call(upgrade), clear: Program::Helm.call(clear) },
    ]
}

/// The component's values, under those that the stack's options stand for: what the policy engine believes of a
/// component is what is installed.
fn values(component: &Component, stack: &Stack) -> Value {
    let mut values = Value::Object(component.values.clone());
    let release_of_options = match component.of {
        Product::Cilium => cilium(stack),
        Product::Istio if component.name == "istiod" => istiod(stack),
        Product::Kyverno => kyverno(stack),
        Product::Istio | Product::Kubernetes | Product::GatewayApi | Product::Kgateway | Product::Agentgateway => {
            Value::Object(Map::new())
        }
    };
    merge(&mut values, release_of_options);
    values
}

/// Chart values of where exceptions count; off is the chart's default.
fn kyverno(stack: &Stack) -> Value {
    match &stack.kyverno.exception_namespace {
        Some(namespace) => json!({"features": {"policyExceptions": {"enabled": true, "namespace": namespace}}}),
        None => Value::Object(Map::new()),
    }
}

/// Chart values of Cilium's options; those at the chart's default are left to it.
fn cilium(stack: &Stack) -> Value {
    let options = &stack.cilium;
    let mut values = json!({
        // A text: the template of 1.17 refuses a boolean.
        "kubeProxyReplacement": options.kube_proxy_replacement.to_string(),
        "socketLB": {"hostNamespaceOnly": options.socket_lb_host_namespace_only},
    });
    let mut set = |other: bool, value: Value| {
        if other {
            merge(&mut values, value);
        }
    };
    set(options.native_routing, json!({"routingMode": "native"}));
    let mode = match options.policy_enforcement_mode {
        EnforcementMode::Default => "default",
        EnforcementMode::Always => "always",
        EnforcementMode::Never => "never",
    };
    set(mode != "default", json!({"policyEnforcementMode": mode}));
    let cidr: Vec<&str> = [(options.cidr_match_nodes, "nodes"), (options.cidr_match_pods, "pods")]
        .into_iter()
        .filter_map(|(on, name)| on.then_some(name))
        .collect();
    set(!cidr.is_empty(), json!({"policyCIDRMatchMode": cidr}));
    set(options.host_firewall, json!({"hostFirewall": {"enabled": true}}));
    set(options.sctp, json!({"sctp": {"enabled": true}}));
    set(!options.l7_proxy, json!({"l7Proxy": false}));
    set(options.audit_mode, json!({"policyAuditMode": true}));
    set(options.cluster_name != "default", json!({"cluster": {"name": options.cluster_name}}));
    set(options.cluster_network_policy, json!({"k8sClusterNetworkPolicy": {"enabled": true}}));
    if let Some(enabled) = options.authentication {
        merge(&mut values, json!({"authentication": {"enabled": enabled}}));
    }
    if let Some(local) = options.default_local_cluster {
        merge(&mut values, json!({"extraConfig": {"policy-default-local-cluster": local.to_string()}}));
    }
    if !options.non_default_deny_policies {
        merge(&mut values, json!({"extraConfig": {"enable-non-default-deny-policies": "false"}}));
    }
    values
}

/// Chart values of Istio's options; those at the chart's default are left to it.
fn istiod(stack: &Stack) -> Value {
    let (options, plain) = (&stack.istio, airtight_manifest::stack::IstioOptions::default());
    let mut values = json!({});
    let mut set = |other: bool, value: Value| {
        if other {
            merge(&mut values, value);
        }
    };
    set(options.trust_domain != plain.trust_domain, json!({"meshConfig": {"trustDomain": options.trust_domain}}));
    set(
        options.root_namespace != plain.root_namespace,
        json!({"meshConfig": {"rootNamespace": options.root_namespace}}),
    );
    set(
        options.trust_domain_aliases != plain.trust_domain_aliases,
        json!({"meshConfig": {"trustDomainAliases": options.trust_domain_aliases}}),
    );
    set(
        options.path_normalization != plain.path_normalization,
        json!({"meshConfig": {"pathNormalization": {"normalization": options.path_normalization}}}),
    );
    set(options.auto_allow_waypoint_policy, json!({"pilot": {"env": {"PILOT_AUTO_ALLOW_WAYPOINT_POLICY": "true"}}}));
    values
}

/// Lays `over` over `under`, mapping by mapping.
fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}
