//! `airtight run --testbed cluster` from the command line to the report, on an API server in memory with real probes:
//! nothing between the two is left out.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use airtight_matrix::run::CaseRecord;
use serde_json::json;

use super::stage::{Stage, told};

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
fn what_somebody_loosened_by_hand_is_named_field_by_field() {
    let stage = Stage::enforcing();
    stage.create_policy_for(&json!([{"podSelector": {"matchLabels": {"app": "client"}}}, {"podSelector": {}}]));
    let output = stage.run(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let said = told(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    let named = "error[drift] NetworkPolicy shop/web is not as the manifests say: spec.ingress[0].from[1] is \
                 {\"podSelector\":{}} on the cluster and not in the manifest";
    assert!(said.contains(named), "{said}");
    assert!(said.contains("The cluster is not as the manifests say"), "{said}");
    // At the field, not at the object.
    assert!(said.contains("manifests/shop.yaml:34:14"), "{said}");
    let output = stage.run(&["--accept-drift"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).contains("warning[drift]"), "{}", told(&output));
}

#[test]
fn a_policy_that_somebody_deleted_is_named() {
    let stage = Stage::enforcing();
    stage.write("manifests/more.yaml", MORE);
    let output = stage.run(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let said = told(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("error[drift] the cluster does not have NetworkPolicy shop/more of the manifests"), "{said}");
}

#[test]
fn a_policy_that_no_manifest_has_is_named() {
    let stage = Stage::enforcing();
    let policy = |name: &str| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name},
            "spec": {"podSelector": {}, "ingress": [{}], "policyTypes": ["Ingress"]}})
    };
    for (namespace, name) in [("shop", "by-hand"), ("elsewhere", "not-ours")] {
        stage.create(&format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"), &policy(name));
    }
    let output = stage.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let said = told(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    let named = "warning[not-in-manifests] no manifest has these NetworkPolicy of the cluster, which act all the same: \
                 shop/by-hand";
    assert!(said.contains(named) && !said.contains("not-ours"), "{said}");
}

/// A policy about nobody, which no case notices.
const MORE: &str = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: more, namespace: shop}, \
                    spec: {podSelector: {matchLabels: {app: nobody}}}}";

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

#[test]
fn the_role_that_is_printed_is_enough() {
    let stage = Stage::enforcing();
    let before = stage.server.state().seen().len();
    assert_eq!(stage.run(&[]).status.code(), Some(0));
    super::role::suffices(&stage, before, &[]);
}

#[test]
fn whoever_interrupts_a_run_finds_nothing_left_of_it() {
    let stage = Stage::enforcing();
    // A policy that never bites keeps the canary waiting.
    stage.server.state().ignore_policies();
    let before = stage.server.state().count("networkpolicies");
    let child = stage.command(&["--wait", "60"]).stderr(Stdio::piped()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while stage.server.state().count("networkpolicies") == before {
        assert!(Instant::now() < until, "the canary's policy was never applied");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_child(&child);
    let interrupted = Instant::now();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("error[interrupted]: the user ended it"), "{said}");
    assert!(!said.contains("does not enforce") && !said.contains("skipped"), "{said}");
    assert!(interrupted.elapsed() < Duration::from_secs(30), "the wait went on");
    assert_eq!(stage.server.state().namespaces(), Vec::<String>::new());
    assert!(!stage.folder.path().join("airtight-report").exists());
}
