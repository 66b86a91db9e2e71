//! `airtight run --testbed cluster` from the command line to the report, on an API server in memory with real probes:
//! nothing between the two is left out.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

#[path = "fixtures/apiserver/mod.rs"]
mod apiserver;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use airtight::run::{CaseRecord, RunRecord};
use airtight::testbed::live::kube::{Access, KubeCluster, Limits};
use airtight::testbed::live::{ApiCall, Cluster, Verb};
use apiserver::{ApiServer, Denial, Run};
use serde_json::{Value, json};
use tempfile::TempDir;

const MANIFESTS: &str = "
apiVersion: airtight.dev/v1alpha1
kind: Environment
metadata: {name: shop}
spec:
  nodes: [{name: worker, addresses: [172.18.0.3]}]
  hosts: []
  outside: 192.0.2.10
  podCidrs: [10.244.0.0/16]
  serviceCidrs: [10.96.0.0/16]
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: probe, image: airtight-probe:dev, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop, labels: {app: client}}
spec: {containers: [{name: probe, image: airtight-probe:dev}]}
---
apiVersion: v1
kind: Pod
metadata: {name: intruder, namespace: shop, labels: {app: intruder}}
spec: {containers: [{name: probe, image: airtight-probe:dev}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: 8080}]}]
";

const SCENARIO: &str = "
apiVersion: airtight.dev/v1alpha1
kind: Scenario
metadata: {name: shop}
spec:
  title: The shop serves its client only
  cases:
  - id: WEB-01
    title: the client is served
    from: shop/client
    to: {pod: shop/web, port: 8080}
    request: {method: GET, path: /}
    expect: {allow: {status: 200, answeredBy: shop/web}}
  - id: WEB-02
    title: the intruder is not
    from: shop/intruder
    to: {pod: shop/web, port: 8080}
    request: {method: GET, path: /}
    expect: {deny: {by: cni}}
    twin: WEB-01
";

struct Stage {
    server: ApiServer,
    folder: TempDir,
}

impl Stage {
    /// A shop on a cluster with Cilium, whose datapath is that of the fake.
    fn new() -> Self {
        let server = ApiServer::start();
        server.run("shop", "web", &Run::Serve(vec!["http=0.0.0.0:8080".to_owned()]));
        for name in ["client", "intruder"] {
            server.run("shop", name, &Run::Pause);
        }
        let stage = Self { server, folder: tempfile::tempdir().unwrap() };
        stage.create(
            "/apis/apps/v1/namespaces/kube-system/daemonsets",
            &json!({
                "apiVersion": "apps/v1", "kind": "DaemonSet",
                "metadata": {"name": "cilium", "namespace": "kube-system", "labels": {"k8s-app": "cilium"}},
                "spec": {"template": {"spec": {"containers": [
                    {"name": "cilium-agent", "image": "quay.io/cilium/cilium:v1.17.5"},
                ]}}},
            }),
        );
        stage.create(
            "/api/v1/namespaces/kube-system/pods",
            &json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "cilium-x", "namespace": "kube-system", "labels": {"k8s-app": "cilium"}},
                "spec": {"containers": [{"name": "cilium-agent", "image": "quay.io/cilium/cilium:v1.17.5", "command": ["/airtight-probe", "pause"]}]},
            }),
        );
        stage.write("manifests/shop.yaml", MANIFESTS);
        stage.write("scenarios/shop.yaml", SCENARIO);
        stage
    }

    /// The same, with the policy in force.
    fn enforcing() -> Self {
        let stage = Self::new();
        stage.server.state().deny(Denial { namespace: "shop".into(), workload: "intruder".into(), port: 8080 });
        stage
    }

    fn create(&self, path: &str, object: &Value) {
        let access = Access { kubeconfig: Some(self.server.kubeconfig()), context: None };
        let cluster = KubeCluster::connect(&access, Limits::default()).unwrap();
        let path = format!("{path}/{}?fieldManager=test", object["metadata"]["name"].as_str().unwrap());
        let call = ApiCall { verb: Verb::Apply, path: &path, body: Some(object), user: None };
        assert!(cluster.send(&call).unwrap().accepted());
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn run(&self, more: &[&str]) -> Output {
        self.command(&[&["--wait", "3"], more].concat()).output().unwrap()
    }

    fn command(&self, more: &[&str]) -> Command {
        let kubeconfig = self.server.kubeconfig();
        let mut command = Command::new(env!("CARGO_BIN_EXE_airtight"));
        command.args(["run", "--testbed", "cluster", "--deny-timeout", "1", "--retries", "0", "--kubeconfig"]);
        command.arg(kubeconfig).args(more).current_dir(self.folder.path()).env("NO_COLOR", "1");
        command
    }

    fn record(&self) -> RunRecord {
        let text = std::fs::read_to_string(self.folder.path().join("airtight-report/run.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn why(case: &CaseRecord) -> &str {
    &case.judgement.why
}

#[test]
fn what_happens_on_the_cluster_is_in_the_report() {
    let stage = Stage::enforcing();
    let output = stage.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let record = stage.record();
    assert_eq!(record.testbed, "cluster");
    let whys: Vec<_> = record.cases.iter().map(why).collect();
    assert_eq!(
        whys,
        [
            "got through as expected: http(200), answered by shop/web",
            "denied by cni as expected: timeout; twin WEB-01 got through"
        ]
    );
    let denied = record.cases[1].observation.as_ref().unwrap();
    assert!(denied.evidence.logs.iter().any(|line| line.contains("POLICY_DENIED")), "{:#?}", denied.evidence.logs);
    assert!(record.cases.iter().all(|case| case.prediction.is_some()));
    assert!(Path::new(&stage.folder.path().join("airtight-report/report.html")).exists());
    // What was made is gone.
    assert_eq!(stage.server.state().namespaces(), Vec::<String>::new());
}

#[test]
fn a_policy_that_is_not_in_force_is_the_clusters_fault() {
    let stage = Stage::new();
    let output = stage.run(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("WEB-02: saw http(200), the model foresaw timeout"), "{}", told(&output));
    assert!(
        told(&output).contains("by its manifests the cluster should do what the case expects"),
        "{}",
        told(&output)
    );
}

#[test]
fn a_cluster_that_enforces_nothing_gets_no_verdicts() {
    let stage = Stage::enforcing();
    stage.server.state().ignore_policies();
    let output = stage.run(&[]);
    assert_eq!(output.status.code(), Some(5), "{}", told(&output));
    assert_eq!(stage.server.state().namespaces(), Vec::<String>::new());
}

#[test]
fn a_cluster_that_looks_like_production_must_be_named_twice() {
    let stage = Stage::enforcing();
    stage.create(
        "/api/v1/namespaces",
        &json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments-prod"},
        }),
    );
    let calls = stage.server.state().count("PATCH");
    let output = stage.run(&[]);
    assert_eq!(output.status.code(), Some(5));
    assert!(told(&output).contains("error[production]"), "{}", told(&output));
    assert!(told(&output).contains("--in-production fake"), "{}", told(&output));
    assert_eq!(stage.server.state().count("PATCH"), calls, "something was changed");
    assert_eq!(stage.run(&["--in-production", "fake"]).status.code(), Some(0));
}

#[test]
fn an_api_server_that_is_not_there_is_named() {
    let stage = Stage::new();
    let kubeconfig = stage.server.kubeconfig_with(stage.server.ca(), "token", "https://127.0.0.1:1");
    let output = Command::new(env!("CARGO_BIN_EXE_airtight"))
        .args(["run", "--testbed", "cluster", "--kubeconfig"])
        .arg(kubeconfig)
        .current_dir(stage.folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(told(&output).contains("127.0.0.1:1") && told(&output).contains("hint"), "{}", told(&output));
}

/// A request as roles know it: group, resource with its subresource, verb. None for what everybody may read.
fn needed(what: &str) -> Option<(String, String, &'static str)> {
    let (method, path) = what.split_once(' ').unwrap();
    let parts: Vec<&str> = path.split('?').next().unwrap().trim_start_matches('/').split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let rest = match rest {
        ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
        rest => rest,
    };
    let resource = match rest {
        [] => return None,
        [resource, _, subresource] => format!("{resource}/{subresource}"),
        [resource, ..] => (*resource).to_owned(),
    };
    let verb = match (method, rest.len()) {
        ("GET", 1) => "list",
        ("GET", _) => "get",
        ("PATCH", _) => "patch",
        ("POST", _) => "create",
        ("DELETE", _) => "delete",
        (method, _) => panic!("{method} is not known"),
    };
    Some((group.to_owned(), resource, verb))
}

#[test]
fn the_role_that_is_printed_is_enough() {
    let stage = Stage::enforcing();
    let before = stage.server.state().seen().len();
    assert_eq!(stage.run(&[]).status.code(), Some(0));
    let printed = Command::new(env!("CARGO_BIN_EXE_airtight")).arg("rbac").output().unwrap().stdout;
    let role = airtight::manifest::yaml::parse(&"role.yaml".into(), std::str::from_utf8(&printed).unwrap()).unwrap();
    let rules = role[0].root.to_json()["rules"].clone();
    let has = |rule: &Value, key: &str, wanted: &str| {
        rule[key].as_array().unwrap().iter().any(|each| each == wanted || each == "*")
    };
    let seen = stage.server.state().seen();
    let wanted: std::collections::BTreeSet<_> = seen[before..].iter().filter_map(|seen| needed(&seen.what)).collect();
    assert!(wanted.len() > 10, "{wanted:?}");
    for (group, resource, verb) in wanted {
        let granted = rules.as_array().unwrap().iter().any(|rule| {
            has(rule, "apiGroups", &group) && has(rule, "resources", &resource) && has(rule, "verbs", verb)
        });
        assert!(granted, "the role does not grant {verb} on {resource} of group `{group}`");
    }
}

#[test]
fn whoever_interrupts_a_run_finds_nothing_left_of_it() {
    let stage = Stage::enforcing();
    // A policy that never bites keeps the canary waiting.
    stage.server.state().ignore_policies();
    let mut child = stage.command(&["--wait", "60"]).stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while stage.server.state().count("networkpolicies") == 0 {
        assert!(Instant::now() < until, "the canary's policy was never applied");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_child(&child);
    let interrupted = Instant::now();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert!(interrupted.elapsed() < Duration::from_secs(30), "the wait went on");
    assert_eq!(stage.server.state().namespaces(), Vec::<String>::new());
    assert!(!stage.folder.path().join("airtight-report").exists());
}
