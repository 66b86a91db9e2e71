//! What only a real API server can confirm: that it takes the reference policy set and the role that we print, field
//! by field. With `KUBEBUILDER_ASSETS` (kube-apiserver and etcd); skipped aloud without.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use airtight_cluster::Stop;
use airtight_cluster::kube::KubeCluster;
use airtight_cluster::{ApiAnswer, ApiCall, Cluster, Impersonated, Verb};
use airtight_manifest::{load, yaml};
use airtight_provision::{Bounds, Kubernetes, Lookup, Owner, Source, StepFailure};
use serde_json::{Value, json};

use crate::envtest::{Real, skipped};

fn send(cluster: &KubeCluster, verb: Verb, path: &str, body: Option<&Value>) -> ApiAnswer {
    cluster.send(&ApiCall { verb, path, body, user: None }).unwrap()
}

/// The path at which an object is applied, by what the server says of its kind.
fn path_of(cluster: &KubeCluster, object: &Value) -> Option<String> {
    let (version, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
    let root = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    let served = send(cluster, Verb::Get, &root, None).body;
    let resources = served["resources"].as_array()?.clone();
    let found = resources
        .iter()
        .find(|each| each["kind"] == kind && !each["name"].as_str().unwrap_or_default().contains('/'))?;
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
    let namespace = namespace.map(|namespace| format!("/namespaces/{namespace}")).unwrap_or_default();
    let name = object.pointer("/metadata/name")?.as_str()?;
    Some(format!(
        "{root}{namespace}/{}/{name}?fieldManager=airtight&force=true&fieldValidation=Strict",
        found["name"].as_str()?
    ))
}

/// Applies an object; a kind whose definition was just made is waited for.
fn apply(cluster: &KubeCluster, object: &Value) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(20);
    let path = loop {
        match path_of(cluster, object) {
            Some(path) => break path,
            None if Instant::now() > end => return Err(format!("{} is not served", object["kind"])),
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    loop {
        let answer = send(cluster, Verb::Apply, &path, Some(object));
        match answer.status {
            200..300 => return Ok(()),
            // A definition that is served is not always established yet.
            404 if Instant::now() < end => std::thread::sleep(Duration::from_millis(100)),
            status => return Err(format!("{path}: {status} {}", answer.message())),
        }
    }
}

fn documents(folder: &Path) -> Vec<Value> {
    let loaded = load(folder).unwrap();
    loaded.documents.iter().map(|document| document.root.to_json()).collect()
}

/// Definitions of the versions of the reference stack.
fn definitions() -> Option<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/crds");
    let of = ["cilium-1.17.5", "istio-1.26.2", "gateway-api-1.2.1", "kgateway-2.0.3", "kyverno-1.14.4"];
    let folders = of.map(|name| root.join(name));
    folders.iter().all(|folder| folder.is_dir()).then(|| folders.to_vec())
}

#[test]
fn the_reference_set_is_taken_as_it_is_written() {
    let Some(real) = Real::start() else { return };
    let Some(definitions) = definitions() else {
        skipped("../shared/crds has no definitions of the components' kinds");
        return;
    };
    let cluster = real.cluster();
    for folder in definitions {
        for object in documents(&folder).iter().filter(|object| object["kind"] == "CustomResourceDefinition") {
            apply(&cluster, object).unwrap();
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests");
    let mut objects = documents(&root.join("policies"));
    objects.extend(documents(&root.join("workloads")));
    objects.retain(|object| object["apiVersion"] != "airtight.dev/v1alpha1");
    // The components' charts make these.
    let of_charts = ["istio-system", "kgateway-system"]
        .map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    objects.extend(of_charts);
    // Namespaces first, as whoever applies a folder does it.
    objects.sort_by_key(|object| object["kind"] != "Namespace");
    assert!(objects.len() > 100, "only {}", objects.len());
    let refused: Vec<String> = objects.iter().filter_map(|object| apply(&cluster, object).err()).collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// The account of the printed role.
fn account() -> Impersonated {
    let name = "system:serviceaccount:airtight:airtight".to_owned();
    Impersonated { name, groups: vec!["system:serviceaccounts".to_owned(), "system:authenticated".to_owned()] }
}

#[test]
fn the_printed_role_allows_what_a_run_asks_for_and_no_more() {
    let Some(real) = Real::start() else { return };
    let cluster = real.cluster();
    let printed = Command::new(env!("CARGO_BIN_EXE_airtight")).arg("rbac").output().unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    for document in yaml::parse(&Arc::from("rbac.yaml"), &text).unwrap() {
        apply(&cluster, &document.root.to_json()).unwrap();
    }
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "airtight"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "airtight"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "airtight", "name": "airtight"}],
    });
    apply(&cluster, &binding).unwrap();
    let as_account = |verb, path: &str, body: Option<&Value>| {
        let user = account();
        cluster.send(&ApiCall { verb, path, body, user: Some(&user) }).unwrap().status
    };
    // Whoever authorizes hears of a grant a moment later.
    let until = Instant::now() + Duration::from_secs(30);
    while as_account(Verb::Get, "/api/v1/nodes", None) == 403 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "airtight-canary-x"}});
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {}});
    for (verb, path, body, expected) in [
        (Verb::Get, "/api/v1/pods", None, 200),
        (Verb::Get, "/api/v1/services", None, 200),
        (Verb::Get, "/api/v1/nodes", None, 200),
        (Verb::Get, "/apis/apps/v1/daemonsets", None, 200),
        (Verb::Apply, "/api/v1/namespaces/airtight-canary-x?fieldManager=airtight", Some(&namespace), 201),
        (Verb::Get, "/api/v1/secrets", None, 403),
        (Verb::Delete, "/api/v1/namespaces/kube-system/pods/x", None, 403),
        (Verb::Delete, "/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin", None, 403),
        (Verb::Apply, "/api/v1/namespaces/kube-system/configmaps/x?fieldManager=airtight", Some(&config), 403),
    ] {
        assert_eq!(as_account(verb, path, body), expected, "{verb:?} {path}");
    }
}

const DEFINED: &str = r"
apiVersion: example.com/v1
kind: Widget
metadata: {name: first, namespace: made}
spec: {size: 3}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Widget, listKind: WidgetList, plural: widgets, singular: widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: made}}
";

/// What fails for a reason that may pass is tried again, as the steps of provisioning do it.
fn patiently(act: &dyn Fn() -> Result<(), StepFailure>) {
    let end = Instant::now() + Duration::from_secs(40);
    while let Err(failure) = act() {
        assert!(failure.transient && Instant::now() < end, "{failure:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn provisioning_applies_definitions_before_what_they_define() {
    let Some(real) = Real::start() else { return };
    let kubernetes = Kubernetes::new(real.kubeconfig());
    let (stop, owner) = (Stop::default(), Owner::default());
    let bounds = || Bounds { deadline: Instant::now() + Duration::from_secs(40), stop: &stop, owner: &owner };
    patiently(&|| kubernetes.ready(bounds()));
    let source = |text: &str| Source::Text { name: "widgets.yaml".to_owned(), text: text.to_owned(), probe: None };
    // A definition is not established at once.
    patiently(&|| kubernetes.apply(&source(DEFINED), bounds()));
    let lookup = |name: Option<&str>| Lookup {
        resource: "widgets.example.com".to_owned(),
        namespace: Some("made".to_owned()),
        name: name.map(str::to_owned),
    };
    let found = kubernetes.get(&lookup(Some("first")), bounds()).unwrap().unwrap();
    assert_eq!(
        (&found["spec"]["size"], &found["metadata"]["managedFields"][0]["manager"]),
        (&json!(3), &json!("airtight"))
    );
    assert_eq!(kubernetes.get(&lookup(Some("second")), bounds()).unwrap(), None);
    // Again is no change; and what is wrong is refused at once, by name.
    kubernetes.apply(&source(DEFINED), bounds()).unwrap();
    let begin = Instant::now();
    let refused = kubernetes.apply(&source(&DEFINED.replace("size: 3", "size: big")), bounds()).unwrap_err();
    assert!(refused.message.contains("Widget made/first") && refused.message.contains("widgets.yaml"), "{refused:?}");
    assert!(begin.elapsed() < Duration::from_secs(20));
}

/// A real API server lists, pages and authorizes as the one in memory does not quite.
#[test]
fn a_snapshot_of_a_real_one_is_read_with_the_role_that_is_printed() {
    let Some(real) = Real::start() else { return };
    let cluster = real.cluster();
    let printed = Command::new(env!("CARGO_BIN_EXE_airtight")).args(["rbac", "--snapshot"]).output().unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    for document in yaml::parse(&Arc::from("role.yaml"), &text).unwrap() {
        apply(&cluster, &document.root.to_json()).unwrap();
    }
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "runner"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "airtight-snapshot"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "runner"}]});
    apply(&cluster, &binding).unwrap();
    real.wait_for_grant("/api/v1/nodes");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/three-namespaces/manifests");
    let objects = documents(&example);
    let (namespaces, rest): (Vec<&Value>, Vec<&Value>) =
        objects.iter().partition(|object| object["kind"] == "Namespace");
    for object in namespaces.into_iter().chain(rest) {
        apply(&cluster, object).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let airtight = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_airtight"));
        command.args(arguments).current_dir(folder.path()).env("KUBECONFIG", real.kubeconfig_of_runner());
        command.output().unwrap()
    };
    let taken = airtight(&["snapshot"]);
    let said = String::from_utf8_lossy(&taken.stderr).into_owned();
    assert_eq!(taken.status.code(), Some(0), "{said}");
    assert!(!said.contains("not read: networkpolicies"), "{said}");
    let policy = folder.path().join("airtight-snapshot/shop/networkpolicies.networking.k8s.io/api.yaml");
    assert!(policy.exists(), "{said}");
    // Nobody makes the pods of its workloads there.
    let listed = airtight(&["list", "--workloads", "-m", "airtight-snapshot"]);
    let told = format!("{}{}", String::from_utf8_lossy(&listed.stderr), String::from_utf8_lossy(&listed.stdout));
    assert_eq!(listed.status.code(), Some(0), "{told}");
    assert!(told.contains("shop/api"), "{told}");
}
