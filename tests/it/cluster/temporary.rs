//! What a run brings along to somebody else's cluster, and takes away again: on an API server in memory, with real
//! probes.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use airtight_matrix::judge::Verdict;
use airtight_testkit::api_server::{Denial, Fault, Run, What};
use serde_json::{Value, json};

use super::stage::{Stage, told};

const RUN: &str = "airtight.dev/run";

/// The shop as its team deploys it: other people's images.
const DEPLOYED: &str = r#"
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
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: shop}}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: shop}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      containers: [{name: web, image: "nginx:1.27", ports: [{name: http, containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 8080}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: client, namespace: shop}
spec:
  serviceName: client
  selector: {matchLabels: {app: client}}
  template:
    metadata: {labels: {app: client}}
    spec: {containers: [{name: client, image: "shop/client:7"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: intruder, namespace: shop, labels: {app: intruder}}
spec: {containers: [{name: main, image: "shop/intruder:1"}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nothing, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: 8080}]}]
"#;

/// Nobody is on the cluster, and a policy takes effect once it is there.
fn empty() -> Stage {
    let stage = Stage::empty();
    stage.write("manifests/shop.yaml", DEPLOYED);
    let denial = Denial { namespace: "shop".into(), workload: "intruder".into(), port: 8080 };
    stage.server.state().deny_by(denial, ("shop", "web"));
    stage
}

fn with_namespace(stage: Stage) -> Stage {
    stage.create("/api/v1/namespaces", &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}));
    stage
}

fn whys(stage: &Stage) -> Vec<String> {
    stage.record().cases.iter().map(|case| format!("{:?}: {}", case.judgement.verdict, case.judgement.why)).collect()
}

/// What is left on the cluster of everything that was made.
fn left(stage: &Stage) -> Vec<String> {
    stage.server.state().labelled(RUN)
}

fn made(stage: &Stage) -> Vec<String> {
    let seen = stage.server.state().seen();
    let posts = seen.iter().filter_map(|seen| seen.what.strip_prefix("POST "));
    posts.map(|path| path.split('?').next().unwrap().to_owned()).collect()
}

fn clean(stage: &Stage, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_airtight"));
    command.args(["clean", "--wait", "1", "--kubeconfig"]).arg(stage.server.kubeconfig()).args(more);
    command.output().unwrap()
}

#[test]
fn a_cluster_without_workloads_is_tried_with_temporary_resources() {
    let stage = empty();
    let output = stage.run(&["--apply-policies", "--stand-ins"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(
        whys(&stage),
        [
            "Pass: got through as expected: http(200), answered by shop/web",
            "Pass: denied by cni as expected: timeout; twin WEB-01 got through"
        ]
    );
    assert_eq!(left(&stage), Vec::<String>::new());
    assert_eq!(stage.server.state().namespaces(), Vec::<String>::new());
    // What allows comes before what denies, and everything before the pods that are to meet it.
    let order: Vec<_> = made(&stage).into_iter().filter(|path| !path.contains("canary")).collect();
    let of = |end: &str| order.iter().position(|path| path.ends_with(end)).unwrap();
    assert!(of("/namespaces") < of("/networkpolicies") && of("/networkpolicies") < of("/pods"), "{order:?}");
    assert!(told(&output).contains("creating 2 policies"), "{}", told(&output));
}

#[test]
fn temporary_resources_are_what_policies_see_and_no_more() {
    let stage = empty();
    // Whoever is interrupted in the canary leaves things as they are for a moment.
    stage.server.state().ignore_policies();
    let mut child =
        stage.command(&["--wait", "60", "--apply-policies", "--stand-ins"]).stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while stage.server.state().count("deny-all") == 0 {
        assert!(Instant::now() < until, "the canary's policy was never applied");
        std::thread::sleep(Duration::from_millis(20));
    }
    let object = |path: &str| stage.server.state().object(path).unwrap_or_else(|| panic!("no {path}"));
    let web = object("/api/v1/namespaces/shop/pods/web");
    assert_eq!(web["metadata"]["labels"]["app"], "web");
    assert_eq!(web["metadata"]["ownerReferences"][0]["controller"], true);
    assert_eq!(
        (&web["spec"]["serviceAccountName"], &web["spec"]["containers"][0]["image"]),
        (&json!("web"), &json!("airtight-probe:dev"))
    );
    assert_eq!(object("/api/v1/namespaces/shop/services/web")["spec"]["type"], "ClusterIP");
    assert_eq!(object("/api/v1/namespaces/shop")["metadata"]["labels"]["team"], "shop");
    let order = |name: &str| {
        let policy = object(&format!("/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/{name}"));
        policy["metadata"]["annotations"]["airtight.dev/order"].as_str().unwrap().parse::<usize>().unwrap()
    };
    assert!(order("web") < order("nothing"), "a default deny came before what it must not cut");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert_eq!(left(&stage), Vec::<String>::new());
    assert_eq!(stage.server.state().namespaces(), Vec::<String>::new());
}

#[test]
fn nothing_that_exists_is_overwritten() {
    let stage = with_namespace(empty());
    let theirs = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "web", "namespace": "shop"}, "spec": {"podSelector": {"matchLabels": {"app": "theirs"}}}});
    stage.create("/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies", &theirs);
    let output = stage.run(&["--apply-policies", "--stand-ins=anywhere"]);
    assert_eq!(output.status.code(), Some(5), "{}", told(&output));
    assert!(told(&output).contains("error[exists]: NetworkPolicy shop/web"), "{}", told(&output));
    assert_eq!(made(&stage), Vec::<String>::new());
    let path = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/web";
    assert_eq!(stage.server.state().object(path).unwrap()["spec"], theirs["spec"]);
}

#[test]
fn without_its_flag_no_policy_is_touched() {
    let stage = empty();
    let output = stage.run(&["--stand-ins"]);
    // Nothing is in force, which the run finds out.
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(made(&stage).iter().all(|path| !path.contains("/shop/networkpolicies")));
    assert_eq!(left(&stage), Vec::<String>::new());
}

#[test]
fn stand_ins_get_nothing_of_anybodys_traffic() {
    let stage = with_namespace(empty());
    stage.server.run("shop", "intruder", &Run::Pause);
    stage.create(
        "/api/v1/namespaces/shop/services",
        &json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front", "namespace": "shop"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}),
    );
    let output = stage.run(&["--stand-ins=anywhere"]);
    let said = told(&output);
    assert!(said.contains("nothing stands in for shop/web: Service front selects its labels"), "{said}");
    assert!(said.contains("nothing stands in for shop/intruder: it has pods"), "{said}");
    assert!(said.contains("namespace shop was left as it is, and lacks team=shop"), "{said}");
    let pods: Vec<_> = made(&stage).into_iter().filter(|path| path.ends_with("/shop/pods")).collect();
    assert_eq!(pods.len(), 1, "{pods:?}");
    assert!(
        stage.record().cases.iter().all(|case| case.judgement.verdict == Verdict::Inconclusive),
        "{:#?}",
        whys(&stage)
    );
    // Their namespace is still there, and what is theirs in it.
    assert_eq!(stage.server.state().namespaces(), ["shop"]);
    assert!(stage.server.state().object("/api/v1/namespaces/shop/services/front").is_some());
    assert_eq!(left(&stage), Vec::<String>::new());
    let output = stage.run(&["--stand-ins"]);
    assert!(told(&output).contains("namespace shop is not this run's"), "{}", told(&output));
}

#[test]
fn images_that_no_node_has_end_the_run_and_leave_nothing() {
    let stage = empty();
    stage.server.state().lose_images();
    let output = stage.run(&["--stand-ins", "--probe-image", "registry.example/airtight-probe:7"]);
    assert_eq!(output.status.code(), Some(5));
    let said = told(&output);
    assert!(said.contains("ErrImageNeverPull") && said.contains("registry.example/airtight-probe:7"), "{said}");
    assert_eq!(left(&stage), Vec::<String>::new());
}

#[test]
fn faults_on_the_way_leave_nothing_behind_and_no_pass() {
    let faults = [
        ("POST /api/v1/namespaces/shop/pods", What::Status(403)),
        ("POST /api/v1/namespaces/shop/services", What::Status(422)),
        ("POST /apis/networking.k8s.io", What::Status(500)),
        ("POST /api/v1/namespaces/shop/pods", What::Close),
    ];
    std::thread::scope(|scope| {
        for (on, what) in faults {
            scope.spawn(move || {
                let stage = empty();
                stage.server.state().fail(Fault::always(on, what.clone()));
                let output = stage.run(&["--apply-policies", "--stand-ins"]);
                assert_eq!(output.status.code(), Some(5), "{on} {what:?}: {}", told(&output));
                assert!(told(&output).contains("error[not-made]"), "{on} {what:?}: {}", told(&output));
                assert_eq!(left(&stage), Vec::<String>::new(), "{on} {what:?}");
                assert!(!stage.folder.path().join("airtight-report").exists());
            });
        }
    });
}

#[test]
fn creations_are_tried_again_and_never_twice() {
    let stage = empty();
    stage.server.state().fail(Fault::times(2, "POST /api/v1/namespaces/shop/pods", What::Status(503)));
    stage.server.state().fail(Fault::times(1, "POST /apis/networking.k8s.io", What::Late));
    let output = stage.run(&["--apply-policies", "--stand-ins"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(left(&stage), Vec::<String>::new());
}

#[test]
fn what_a_killed_run_left_is_found_by_its_label() {
    let stage = empty();
    stage.server.state().ignore_policies();
    let mut child =
        stage.command(&["--wait", "60", "--apply-policies", "--stand-ins"]).stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while stage.server.state().count("deny-all") == 0 {
        assert!(Instant::now() < until, "the canary's policy was never applied");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(left(&stage).len() > 5, "{:?}", left(&stage));
    // Another run does not mix with what is there.
    let output = stage.run(&["--apply-policies"]);
    assert_eq!(output.status.code(), Some(5));
    assert!(
        told(&output).contains("error[other-run]") && told(&output).contains("airtight clean"),
        "{}",
        told(&output)
    );
    let shown = clean(&stage, &["--dry-run"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("would remove Pod shop/web"));
    assert!(left(&stage).len() > 5);
    let output = clean(&stage, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    let at = |what: &str| said.find(what).unwrap_or_else(|| panic!("{what}: {said}"));
    assert!(at("Pod shop/web") < at("NetworkPolicy shop/nothing"), "{said}");
    assert!(at("NetworkPolicy shop/nothing") < at("NetworkPolicy shop/web"), "{said}");
    assert_eq!(left(&stage), Vec::<String>::new());
    assert_eq!(stage.server.state().namespaces(), Vec::<String>::new());
    let again = clean(&stage, &[]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("nothing on the cluster carries"));
}

#[test]
fn what_cannot_be_removed_is_said() {
    let stage = empty();
    stage.server.state().fail(Fault::always("DELETE /apis/networking.k8s.io/v1/namespaces/shop", What::Status(403)));
    let output = stage.run(&["--apply-policies", "--stand-ins"]);
    assert_eq!(output.status.code(), Some(5), "{}", told(&output));
    let said = told(&output);
    assert!(said.contains("left behind: NetworkPolicy shop/web: 403"), "{said}");
    assert!(said.contains("error[left-behind]") && said.contains("airtight clean"), "{said}");
}

#[test]
fn real_workloads_are_entered_by_ephemeral_containers() {
    let stage = empty();
    deploy(&stage);
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "shop"}}});
    stage.create("/api/v1/namespaces", &namespace);
    stage.create_policy();
    let nothing = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "nothing"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}});
    stage.create("/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies", &nothing);
    let output = stage.run(&["--as-deployed"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(whys(&stage)[1].starts_with("Pass: denied by cni"), "{:?}", whys(&stage));
    let said = told(&output);
    assert!(said.contains("stays until its pod is replaced"), "{said}");
    assert!(
        said.contains("these pods keep an ephemeral container with the probe: shop/client, shop/intruder"),
        "{said}"
    );
    let intruder = stage.server.state().object("/api/v1/namespaces/shop/pods/intruder").unwrap();
    let container = &intruder["spec"]["ephemeralContainers"][0];
    assert_eq!((&container["name"], &container["command"][1]), (&json!("airtight-probe"), &json!("pause")));
    assert_eq!(container["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
    let web = stage.server.state().object("/api/v1/namespaces/shop/pods/web").unwrap();
    assert_eq!(web["spec"]["ephemeralContainers"], Value::Null);
    // A second run finds them, and asks for none.
    let patches = stage.server.state().count("ephemeralcontainers");
    let output = stage.run(&["--as-deployed"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).contains("0 pods were entered, in 2 a probe ran already"), "{}", told(&output));
    assert_eq!(stage.server.state().count("ephemeralcontainers"), patches);
}

/// The shop's pods, of images that are no probe's.
fn deploy(stage: &Stage) {
    with_namespace_of(stage);
    for (name, command) in [
        (
            "web",
            json!(["/airtight-probe", "serve", "--pod", "web", "--namespace", "shop", "--listen", "http=0.0.0.0:8080"]),
        ),
        ("client", json!(["/airtight-probe", "pause"])),
        ("intruder", json!(["/airtight-probe", "pause"])),
    ] {
        stage.create(
            "/api/v1/namespaces/shop/pods",
            &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
                "spec": {"containers": [{"name": "probe", "image": format!("shop/{name}:7"), "command": command}]}}),
        );
        wait_until_running(stage, name);
    }
}

/// A run takes the cluster as it finds it, and a pod that still starts is none to dial.
fn wait_until_running(stage: &Stage, pod: &str) {
    let path = format!("/api/v1/namespaces/shop/pods/{pod}");
    let end = Instant::now() + Duration::from_secs(20);
    while stage.server.state().object(&path).is_none_or(|pod| pod["status"]["phase"] != "Running") {
        assert!(Instant::now() < end, "{pod} does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn with_namespace_of(stage: &Stage) {
    stage.create("/api/v1/namespaces", &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}));
}

#[test]
fn a_probe_that_does_not_start_in_a_pod_ends_the_run() {
    let stage = empty();
    deploy(&stage);
    stage.server.state().lose_images();
    let output = stage.run(&["--as-deployed", "--probe-image", "nowhere.example/airtight-probe:1"]);
    assert_eq!(output.status.code(), Some(5), "{}", told(&output));
    let said = told(&output);
    assert!(said.contains("error[as-deployed]") && said.contains("ErrImageNeverPull"), "{said}");
    assert!(said.contains("can every node pull nowhere.example/airtight-probe:1"), "{said}");
}

#[test]
fn temporary_resources_are_for_clusters_of_others() {
    let stage = Stage::empty();
    for testbed in ["model", "kind"] {
        let output = Command::new(env!("CARGO_BIN_EXE_airtight"))
            .args(["run", "--testbed", testbed, "--apply-policies"])
            .current_dir(stage.folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert!(told(&output).contains("--apply-policies"), "{}", told(&output));
    }
}

#[test]
fn the_role_grows_by_what_is_asked_for() {
    let stage = empty();
    let before = stage.server.state().seen().len();
    let flags = ["--apply-policies", "--stand-ins"];
    assert_eq!(stage.run(&flags).status.code(), Some(0));
    assert_eq!(clean(&stage, &[]).status.code(), Some(0));
    super::role::suffices(&stage, before, &flags);
    let stage = empty();
    deploy(&stage);
    let before = stage.server.state().seen().len();
    stage.run(&["--as-deployed"]);
    super::role::suffices(&stage, before, &["--as-deployed"]);
    // And by nothing else.
    for (resource, verb, flag) in [
        ("pods/ephemeralcontainers", "patch", "--as-deployed"),
        ("serviceaccounts", "create", "--stand-ins"),
        ("services", "delete", "--stand-ins"),
        ("pods", "delete", "--stand-ins"),
    ] {
        for asked in [&[][..], &["--apply-policies"], &["--stand-ins"], &["--as-deployed"]] {
            let granted = super::role::grants(&super::role::rules(asked), "", resource, verb);
            assert_eq!(granted, asked == [flag], "{verb} on {resource} with {asked:?}");
        }
    }
    let policies = |flags: &[&str]| {
        super::role::grants(&super::role::rules(flags), "cilium.io", "ciliumnetworkpolicies", "create")
    };
    assert!(policies(&["--apply-policies"]) && !policies(&["--stand-ins"]) && !policies(&[]));
}
