//! A shop on a cluster in memory, and `airtight` on its command line.

use std::process::{Command, Output};

use airtight_cluster::kube::{Access, KubeCluster, Limits};
use airtight_cluster::{ApiCall, Cluster, Verb};
use airtight_matrix::run::RunRecord;
use airtight_testkit::api_server::{ApiServer, Denial, Run};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::PROBE;

pub(crate) const MANIFESTS: &str = "
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

pub(crate) const SCENARIO: &str = "
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

pub(crate) struct Stage {
    pub(crate) server: ApiServer,
    pub(crate) folder: TempDir,
}

impl Stage {
    /// A shop on a cluster with Cilium, whose datapath is that of the fake.
    pub(crate) fn new() -> Self {
        let stage = Self::empty();
        stage.server.run("shop", "web", &Run::Serve(vec!["http=0.0.0.0:8080".to_owned()]));
        for name in ["client", "intruder"] {
            stage.server.run("shop", name, &Run::Pause);
        }
        stage
    }

    /// A cluster with Cilium, and nobody on it.
    pub(crate) fn empty() -> Self {
        let stage = Self { server: ApiServer::start(&PROBE), folder: tempfile::tempdir().unwrap() };
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
    pub(crate) fn enforcing() -> Self {
        let stage = Self::new();
        stage.server.state().deny(Denial { namespace: "shop".into(), workload: "intruder".into(), port: 8080 });
        stage.create_policy();
        stage
    }

    /// The policy of the manifests, as the API server stores it.
    pub(crate) fn create_policy(&self) {
        self.create_policy_for(&json!([{"podSelector": {"matchLabels": {"app": "client"}}}]));
    }

    /// The same policy for other peers.
    pub(crate) fn create_policy_for(&self, peers: &Value) {
        let spec = json!({
            "podSelector": {"matchLabels": {"app": "web"}},
            "ingress": [{"from": peers, "ports": [{"port": 8080, "protocol": "TCP"}]}],
            "policyTypes": ["Ingress"],
        });
        let policy = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "web", "namespace": "shop"}, "spec": spec,
        });
        self.create("/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies", &policy);
    }

    pub(crate) fn create(&self, path: &str, object: &Value) {
        let access = Access { kubeconfig: Some(self.server.kubeconfig()), context: None };
        let cluster = KubeCluster::connect(&access, Limits::default()).unwrap();
        let path = format!("{path}/{}?fieldManager=test", object["metadata"]["name"].as_str().unwrap());
        let call = ApiCall { verb: Verb::Apply, path: &path, body: Some(object), user: None };
        assert!(cluster.send(&call).unwrap().accepted());
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn run(&self, more: &[&str]) -> Output {
        self.command(&[&["--wait", "3"], more].concat()).output().unwrap()
    }

    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let kubeconfig = self.server.kubeconfig();
        let mut command = Command::new(env!("CARGO_BIN_EXE_airtight"));
        command.args(["run", "--testbed", "cluster", "--deny-timeout", "1", "--log-wait", "2"]);
        command.args(["--retries", "0", "--kubeconfig"]);
        command.arg(kubeconfig).args(more).current_dir(self.folder.path()).env("NO_COLOR", "1");
        command.env_remove("AIRTIGHT_PROBE");
        command
    }

    pub(crate) fn record(&self) -> RunRecord {
        let text = std::fs::read_to_string(self.folder.path().join("airtight-report/run.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

pub(crate) fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
