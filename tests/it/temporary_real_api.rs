//! Guests on a real API server, as a user who has the printed role and nothing else.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use airtight_cluster::{ApiAnswer, ApiCall, Cluster, Verb};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::envtest::Real;

const MANIFESTS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: shop}}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: shop}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {serviceAccountName: web, containers: [{name: web, image: 'nginx:1.27', ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}
---
{apiVersion: v1, kind: Pod, metadata: {name: client, namespace: shop, labels: {app: client}}, spec: {containers: [{name: c, image: 'c:1'}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]}
";

const SCENARIO: &str = "
apiVersion: airtight.dev/v1alpha1
kind: Scenario
metadata: {name: shop}
spec:
  title: A shop
  cases:
  - id: WEB-01
    title: the client is served
    from: shop/client
    to: {service: shop/web, port: 80}
    request: {method: GET, path: /}
    expect: {allow: {status: 200}}
";

struct Site {
    api: Real,
    folder: TempDir,
}

impl Site {
    /// None, aloud, without an API server.
    fn start() -> Option<Self> {
        let api = Real::start()?;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("manifests.yaml"), MANIFESTS).unwrap();
        fs::write(folder.path().join("scenarios.yaml"), SCENARIO).unwrap();
        Some(Self { api, folder })
    }

    fn airtight(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_airtight"));
        command.args(args).arg("--kubeconfig").arg(self.api.kubeconfig_of_runner()).current_dir(self.folder.path());
        command.env("NO_COLOR", "1");
        command
    }

    fn run(&self, more: &[&str]) -> Command {
        let inputs = ["run", "--testbed", "cluster", "-m", "manifests.yaml", "-s", "scenarios.yaml"];
        self.airtight(&[&inputs, more].concat())
    }

    /// What is answered to whoever may do everything.
    fn ask(&self, verb: Verb, path: &str, body: Option<&Value>) -> ApiAnswer {
        self.api.cluster().send(&ApiCall { verb, path, body, user: None }).unwrap()
    }

    /// The names of all objects of a list.
    fn names(&self, path: &str) -> Vec<String> {
        let answer = self.ask(Verb::Get, path, None);
        let items = answer.body["items"].as_array().unwrap_or_else(|| panic!("{path}: {answer:?}"));
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Gives the runner the role that is printed for these options, in place of any before.
    fn grant(&self, flags: &[&str]) {
        let printed = Command::new(env!("CARGO_BIN_EXE_airtight")).arg("rbac").args(flags).output().unwrap().stdout;
        let text = String::from_utf8(printed).unwrap();
        let role = airtight_manifest::yaml::parse(&"role.yaml".into(), &text).unwrap()[0].root.to_json();
        let root = "/apis/rbac.authorization.k8s.io/v1";
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "airtight"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "airtight"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "runner"}]});
        for (path, body) in [("clusterroles", &role), ("clusterrolebindings", &binding)] {
            let path = format!("{root}/{path}/airtight?fieldManager=test&force=true");
            let answer = self.ask(Verb::Apply, &path, Some(body));
            assert!(answer.accepted(), "{answer:?}");
        }
        // The last that any of these roles grants.
        self.api.wait_for_grant("/api/v1/nodes");
    }

    /// Names of everything with the label of a run, but for namespaces, which no controller ends here.
    fn left(&self) -> Vec<String> {
        let lists = [
            "/api/v1/pods",
            "/api/v1/services",
            "/api/v1/serviceaccounts",
            "/apis/networking.k8s.io/v1/networkpolicies",
        ];
        lists.iter().flat_map(|list| self.names(&format!("{list}?labelSelector=airtight.dev%2Frun"))).collect()
    }

    /// Ends namespaces that are being deleted, as their controller does.
    fn finalize(&self) {
        for name in self.names("/api/v1/namespaces") {
            let mut namespace = self.ask(Verb::Get, &format!("/api/v1/namespaces/{name}"), None).body;
            if namespace["metadata"]["deletionTimestamp"].is_null() {
                continue;
            }
            namespace["spec"]["finalizers"] = json!([]);
            let path = format!("/api/v1/namespaces/{name}/finalize");
            assert!(self.ask(Verb::Replace, &path, Some(&namespace)).accepted());
        }
    }
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn temporary_resources_come_and_go_with_the_printed_role_alone() {
    let Some(site) = Site::start() else { return };
    let flags = ["--apply-policies", "--stand-ins"];
    // Nothing without a role.
    let output = site.run(&["--apply-policies", "--stand-ins", "--wait", "2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", told(&output));
    assert_eq!(site.left(), Vec::<String>::new());
    // With the role, everything but kubelets.
    site.grant(&flags);
    let output = site.run(&["--apply-policies", "--stand-ins", "--wait", "2"]).output().unwrap();
    assert!(told(&output).contains("stand-ins do not become ready; shop/"), "{}", told(&output));
    assert!(!told(&output).contains("left behind"), "{}", told(&output));
    assert_eq!(site.left(), Vec::<String>::new());
    site.finalize();
    assert!(!site.names("/api/v1/namespaces").iter().any(|name| name == "shop" || name.starts_with("airtight")));

    // Killed half-way, and cleaned.
    let mut child =
        site.run(&["--apply-policies", "--stand-ins", "--wait", "60"]).stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while site.names("/api/v1/pods?labelSelector=airtight.dev%2Frun").len() < 2 {
        assert!(Instant::now() < until, "no stand-in was made");
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let service = site.ask(Verb::Get, "/api/v1/namespaces/shop/services/web", None).body;
    assert_eq!(service["spec"]["type"], "ClusterIP");
    assert_eq!(service["spec"]["ports"][0]["nodePort"], Value::Null);
    let pod = site.ask(Verb::Get, "/api/v1/namespaces/shop/pods/web", None).body;
    assert_eq!(pod["metadata"]["managedFields"][0]["manager"], "airtight");
    assert_eq!(pod["metadata"]["ownerReferences"][0]["controller"], true);
    let output = site.airtight(&["clean"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(site.left(), Vec::<String>::new());
    site.finalize();

    // What is somebody else's stays as it is.
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    assert!(site.ask(Verb::Create, "/api/v1/namespaces", Some(&namespace)).accepted());
    let theirs = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "web"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"]}});
    let policies = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies";
    let before = site.ask(Verb::Create, policies, Some(&theirs)).body;
    let output = site.run(&["--apply-policies", "--wait", "2"]).output().unwrap();
    assert!(told(&output).contains("error[exists]: NetworkPolicy shop/web"), "{}", told(&output));
    let after = site.ask(Verb::Get, &format!("{policies}/web"), None).body;
    assert_eq!(after["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);
}

#[test]
fn pods_of_others_take_an_ephemeral_container_with_its_role_alone() {
    let Some(site) = Site::start() else { return };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop",
        "labels": {"pod-security.kubernetes.io/enforce": "baseline", "team": "shop"}}});
    assert!(site.ask(Verb::Create, "/api/v1/namespaces", Some(&namespace)).accepted());
    let pods = "/api/v1/namespaces/shop/pods";
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client", "labels": {"app": "client"}},
        "spec": {"containers": [{"name": "c", "image": "c:1"}]}});
    assert!(site.ask(Verb::Create, pods, Some(&pod)).accepted());
    let running = json!({"status": {"phase": "Running", "podIP": "10.0.0.1",
        "conditions": [{"type": "Ready", "status": "True"}]}});
    assert!(site.ask(Verb::Merge, &format!("{pods}/client/status"), Some(&running)).accepted());
    site.grant(&[]);
    let output = site.run(&["--as-deployed", "--wait", "2"]).output().unwrap();
    assert!(
        told(&output).contains("403") && told(&output).contains("airtight rbac --as-deployed"),
        "{}",
        told(&output)
    );
    site.grant(&["--as-deployed"]);
    let output = site.run(&["--as-deployed", "--wait", "2"]).output().unwrap();
    assert!(told(&output).contains("its kubelet has not taken it up"), "{}", told(&output));
    let stored = site.ask(Verb::Get, &format!("{pods}/client"), None).body;
    assert_eq!(stored["spec"]["ephemeralContainers"][0]["name"], "airtight-probe");
    assert_eq!(stored["spec"]["containers"].as_array().unwrap().len(), 1);
}
