//! `airtight snapshot` and `--context`: a cluster as input, on an API server in memory.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use airtight_testkit::api_server::{Fault, What};
use serde_json::{Value, json};

use super::role::{grants, rules};
use super::stage::{Stage, told};

/// A shop as a cluster has it: with owners, statuses, and what nobody else is to read.
fn shop() -> Stage {
    let stage = Stage::empty();
    let put = |path: &str, object: Value| stage.server.put(path, object);
    put(
        "/apis/apps/v1/namespaces/kube-system/daemonsets/cilium",
        json!({"spec": {"selector": {"matchLabels": {"k8s-app": "cilium"}}, "template": {
            "metadata": {"labels": {"k8s-app": "cilium"}},
            "spec": {"containers": [{"name": "cilium-agent", "image": "quay.io/cilium/cilium:v1.17.5"}]}}}}),
    );
    put("/api/v1/namespaces/shop", json!({"metadata": {"labels": {"kubernetes.io/metadata.name": "shop"}}}));
    put("/api/v1/namespaces/kube-system", json!({"metadata": {}}));
    put(
        "/api/v1/nodes/worker",
        json!({"metadata": {"labels": {"zone": "a"}}, "spec": {"podCIDRs": ["10.244.0.0/24"]},
            "status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.3"}]}}),
    );
    put(
        "/apis/apps/v1/namespaces/shop/deployments/web",
        json!({"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "s3cret"}},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "web", "env": [{"name": "TOKEN", "value": "s3cret"}]}]}}}}),
    );
    for (name, ready, address) in [("web-7c9d-a", "True", "10.244.0.7"), ("web-7c9d-b", "False", "10.244.0.8")] {
        pod(&stage, name, ("web", "Deployment"), (ready, address));
    }
    pod(&stage, "client", ("client", ""), ("True", "10.244.0.9"));
    pod(&stage, "intruder", ("intruder", ""), ("True", "10.244.0.10"));
    put(
        "/api/v1/namespaces/shop/services/web",
        json!({"spec": {"clusterIPs": ["10.96.0.7"], "clusterIP": "10.96.0.7", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}}),
    );
    put(
        "/api/v1/namespaces/shop/secrets/tls",
        json!({"type": "kubernetes.io/tls", "data": {"tls.crt": "s3cret", "tls.key": "s3cret"}}),
    );
    put(
        "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/web",
        json!({"metadata": {"managedFields": [{"manager": "s3cret"}]},
            "spec": {"podSelector": {"matchLabels": {"app": "web"}},
                "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}], "ports": [{"port": 8080}]}]}}),
    );
    put(
        "/api/v1/namespaces/kube-system/configmaps/cilium-config",
        json!({"data": {"enable-policy": "default", "routing-mode": "native", "cluster-name": "eu-1"}}),
    );
    stage
}

fn pod(stage: &Stage, name: &str, (app, owner): (&str, &str), (ready, address): (&str, &str)) {
    let mut object = json!({
        "metadata": {"labels": {"app": app}},
        "spec": {"nodeName": "worker", "containers": [{"name": "main", "image": "web", "args": ["--token=s3cret"],
            "ports": [{"name": "http", "containerPort": 8080}]}]},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "hostIP": "172.18.0.3",
            "conditions": [{"type": "Ready", "status": ready}]},
    });
    if !owner.is_empty() {
        object["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "apps/v1", "kind": owner, "name": app, "uid": "u", "controller": true}]);
    }
    stage.server.put(&format!("/api/v1/namespaces/shop/pods/{name}"), object);
}

fn airtight(stage: &Stage, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_airtight"));
    command.args(arguments).current_dir(stage.folder.path().join("elsewhere")).env("NO_COLOR", "1");
    command.env("KUBECONFIG", stage.server.kubeconfig());
    fs::create_dir_all(stage.folder.path().join("elsewhere")).unwrap();
    command.output().unwrap()
}

fn shown(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn texts(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(texts(&path));
        } else {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

#[test]
fn a_cluster_becomes_a_folder_that_answers() {
    let stage = shop();
    let taken = airtight(&stage, &["snapshot"]);
    assert_eq!(taken.status.code(), Some(0), "{}", told(&taken));
    assert!(!told(&taken).contains("not read"), "{}", told(&taken));
    let folder = stage.folder.path().join("elsewhere/airtight-snapshot");
    for (name, text) in texts(&folder) {
        assert!(!text.contains("s3cret") && !text.contains("managedFields"), "{name}: {text}");
    }
    let stack = fs::read_to_string(folder.join("stack.yaml")).unwrap();
    assert!(stack.contains("cilium: \"1.17.5\"") && stack.contains("clusterName: eu-1"), "{stack}");
    assert!(fs::read_to_string(folder.join("shop/secrets/tls.yaml")).unwrap().contains("tls.key"));
    let matrix = airtight(&stage, &["matrix", "-m", "airtight-snapshot", "-n", "shop"]);
    assert_eq!(matrix.status.code(), Some(0), "{}", told(&matrix));
    assert!(shown(&matrix).contains("NetworkPolicy shop/web spec.ingress[0]"), "{}", shown(&matrix));
    let explained =
        airtight(&stage, &["explain", "shop/client", "shop/web:80", "-m", "airtight-snapshot", "--expect", "allow"]);
    assert_eq!(explained.status.code(), Some(0), "{}{}", told(&explained), shown(&explained));
    let denied =
        airtight(&stage, &["explain", "shop/intruder", "shop/web:80", "-m", "airtight-snapshot", "--expect", "deny"]);
    assert_eq!(denied.status.code(), Some(0), "{}{}", told(&denied), shown(&denied));
    let listed = shown(&airtight(&stage, &["list", "--workloads", "-m", "airtight-snapshot"]));
    assert_eq!(listed.matches("shop/web").count(), 2, "a workload and a Service: {listed}");
    // A second one replaces nothing unless it is told to, and nothing but a snapshot.
    assert_eq!(airtight(&stage, &["snapshot"]).status.code(), Some(2));
    assert_eq!(airtight(&stage, &["snapshot", "--force"]).status.code(), Some(0));
    fs::create_dir(stage.folder.path().join("elsewhere/mine")).unwrap();
    assert_eq!(airtight(&stage, &["snapshot", "--force", "--out", "mine"]).status.code(), Some(2));
    assert_eq!(fs::read_dir(stage.folder.path().join("elsewhere")).unwrap().count(), 2, "something is left beside");
}

#[test]
fn a_cluster_is_input_at_once() {
    let stage = shop();
    let drafted = airtight(&stage, &["init", "--context", "fake", "--out", "drafted.yaml"]);
    assert_eq!(drafted.status.code(), Some(0), "{}", told(&drafted));
    let run = airtight(&stage, &["run", "--context", "fake", "-s", "drafted.yaml"]);
    assert_eq!(run.status.code(), Some(0), "{}", told(&run));
    let explained = airtight(&stage, &["explain", "shop/intruder", "shop/web:80", "--context", "fake"]);
    assert!(
        shown(&explained).contains("fake/shop/networkpolicies.networking.k8s.io/web.yaml:"),
        "{}",
        shown(&explained)
    );
}

#[test]
fn a_cluster_is_compared_with_what_it_is_to_become() {
    let stage = shop();
    assert_eq!(airtight(&stage, &["snapshot"]).status.code(), Some(0));
    let compare = |format| airtight(&stage, &["diff", "--context", "fake", "-m", "airtight-snapshot", "-o", format]);
    let same = compare("table");
    assert_eq!(same.status.code(), Some(0), "{}{}", told(&same), shown(&same));
    let policy =
        stage.folder.path().join("elsewhere/airtight-snapshot/shop/networkpolicies.networking.k8s.io/web.yaml");
    let text = fs::read_to_string(&policy).unwrap();
    assert!(text.contains("app: client"), "{text}");
    fs::write(&policy, text.replace("app: client", "app: intruder")).unwrap();
    let changed = compare("json");
    assert_eq!(changed.status.code(), Some(1), "{}{}", told(&changed), shown(&changed));
    let document: Value = serde_json::from_str(&shown(&changed)).unwrap();
    let schema: Value = serde_json::from_str(&shown(&airtight(&stage, &["schema", "diff"]))).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let told = shown(&compare("markdown"));
    assert!(told.contains("shop/client") && told.contains("shop/intruder"), "{told}");
}

#[test]
fn what_may_not_be_read_is_named_and_passes_nothing() {
    let stage = shop();
    stage.server.state().fail(Fault::always("/networkpolicies?", What::Status(403)));
    let taken = airtight(&stage, &["snapshot"]);
    assert_eq!(taken.status.code(), Some(0), "{}", told(&taken));
    assert!(told(&taken).contains("not read: networkpolicies.networking.k8s.io: "), "{}", told(&taken));
    assert!(told(&taken).contains("grant `list` on `networkpolicies`"), "{}", told(&taken));
    for expected in ["allow", "deny"] {
        let arguments = ["explain", "shop/intruder", "shop/web:80", "-m", "airtight-snapshot", "--expect", expected];
        let explained = airtight(&stage, &arguments);
        assert_eq!(explained.status.code(), Some(3), "{}{}", told(&explained), shown(&explained));
        assert!(told(&explained).contains("every flow is unknown"), "{}", told(&explained));
    }
}

#[test]
fn the_role_that_is_printed_reads_all_and_changes_nothing() {
    let stage = shop();
    let before = stage.server.state().seen().len();
    assert_eq!(airtight(&stage, &["snapshot"]).status.code(), Some(0));
    super::role::suffices(&stage, before, &["--snapshot"]);
    let rules = rules(&["--snapshot"]);
    let verbs = rules.iter().flat_map(|rule| rule["verbs"].as_array().unwrap());
    assert!(verbs.into_iter().all(|verb| verb == "get" || verb == "list"), "{rules:#?}");
    assert!(stage.server.state().seen()[before..].iter().all(|seen| seen.what.starts_with("GET ")));
    for (kind, group, _) in
        airtight_manifest::kinds_read().filter(|(_, _, how)| *how != airtight_manifest::Reads::Inert)
    {
        // The slices that the control plane makes of them are read in their place.
        if kind == "Endpoints" {
            continue;
        }
        let plural = match kind {
            kind if kind.ends_with("Policy") => format!("{}ies", kind.trim_end_matches('y').to_lowercase()),
            "GatewayClass" | "Ingress" => format!("{}es", kind.to_lowercase()),
            "GatewayParameters" | "AgentgatewayParameters" => kind.to_lowercase(),
            kind => format!("{}s", kind.to_lowercase()),
        };
        assert!(grants(&rules, group, &plural, "list"), "the role does not grant list on {plural} of group `{group}`");
    }
}

#[test]
fn an_api_server_that_is_not_there_leaves_no_folder() {
    let stage = shop();
    let kubeconfig = stage.server.kubeconfig_with(stage.server.ca(), "token", "https://127.0.0.1:1");
    let mut command = Command::new(env!("CARGO_BIN_EXE_airtight"));
    command.args(["snapshot", "--kubeconfig"]).arg(kubeconfig).current_dir(stage.folder.path());
    assert_eq!(command.output().unwrap().status.code(), Some(5));
    assert!(!stage.folder.path().join("airtight-snapshot").exists());
}

#[test]
fn one_namespace_comes_with_what_its_flows_meet() {
    let stage = shop();
    let put = |path: &str, object: Value| stage.server.put(path, object);
    put("/api/v1/namespaces/other", json!({"metadata": {}}));
    put("/api/v1/namespaces/platform", json!({"metadata": {}}));
    put(
        "/api/v1/namespaces/other/services/db",
        json!({"spec": {"selector": {"app": "db"}, "ports": [{"port": 5432}]}}),
    );
    put("/api/v1/namespaces/platform/configmaps/teams", json!({"data": {"shop": "blue"}}));
    put("/api/v1/namespaces/platform/configmaps/unnamed", json!({"data": {"x": "s3cret"}}));
    put(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/clusterpolicies.kyverno.io",
        json!({"spec": {"group": "kyverno.io", "names": {"kind": "ClusterPolicy", "plural": "clusterpolicies"},
            "scope": "Cluster", "versions": [{"name": "v1", "served": true, "storage": true}]},
            "status": {"conditions": [{"type": "Established", "status": "True"}]}}),
    );
    put(
        "/apis/kyverno.io/v1/clusterpolicies/label",
        json!({"spec": {"rules": [{"name": "r", "match": {"any": [{"resources": {"kinds": ["Service"]}}]},
            "context": [{"name": "teams", "configMap": {"name": "teams", "namespace": "platform"}}],
            "mutate": {"patchStrategicMerge": {"metadata": {"labels": {"team": "{{ teams.data.shop }}"}}}}}]}}),
    );
    let taken = airtight(&stage, &["snapshot", "-n", "shop"]);
    assert_eq!(taken.status.code(), Some(0), "{}", told(&taken));
    let folder = stage.folder.path().join("elsewhere/airtight-snapshot");
    let names: Vec<String> = texts(&folder).into_iter().map(|(name, _)| name).collect();
    let has = |end: &str| names.iter().any(|name| name.ends_with(end));
    assert!(has("shop/services/web.yaml") && has("clusterpolicies.kyverno.io/label.yaml"), "{names:#?}");
    assert!(!names.iter().any(|name| name.contains("/other/")), "{names:#?}");
    assert!(has("platform/configmaps/teams.yaml") && !has("unnamed.yaml"), "{names:#?}");
    let matrix = airtight(&stage, &["matrix", "-m", "airtight-snapshot", "-n", "shop"]);
    assert_eq!(matrix.status.code(), Some(0), "{}", told(&matrix));
}
