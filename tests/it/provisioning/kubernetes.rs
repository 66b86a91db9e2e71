//! Bringing a cluster up against an API server that answers for real, and not always well: what passes is survived,
//! what does not is named, and nothing is called done that is not.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use airtight_testkit::api_server::{ApiServer, Fault, What};
use airtight_testkit::stack::SMALL;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::stage::Stage;
use crate::PROBE;
use crate::machine::Told;

const ENVIRONMENT: &str = "apiVersion: airtight.dev/v1alpha1\nkind: Environment\nmetadata: {name: small}\nspec:\n  nodes: []\n  hosts:\n  - {names: [api.openai.com], addresses: [203.0.113.10], ports: [80]}\n  outside: 192.0.2.1\n  podCidrs: [10.244.0.0/16]\n  serviceCidrs: [10.96.0.0/16]\n";
const DENY: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: a}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n";
const OPEN: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: open, namespace: a}\nspec: {podSelector: {}, ingress: [{}]}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n";
const APP: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app, namespace: a}\nspec: {replicas: 1, selector: {matchLabels: {app: app}}, template: {}}\n";

const POLICY: &str = "/apis/networking.k8s.io/v1/namespaces/a/networkpolicies/deny";

/// A stage with policies and a workload to bring.
fn stage() -> Stage {
    let stage = Stage::new();
    stage.write("probe.tar", "image");
    stage.write("set/environment.yaml", ENVIRONMENT);
    stage.write("set/policies/deny.yaml", DENY);
    stage.write("set/policies/open.yaml", OPEN);
    stage.write("set/workloads/app.yaml", APP);
    stage
}

const UP: &[&str] =
    &["up", "--stack", "stack.yaml", "--manifests", "set", "--probe-image", "probe.tar", "--skip-preflight"];

fn up(stage: &Stage) -> Told {
    stage.run(UP)
}

/// The record of a step, if there is one.
fn progress(stage: &Stage, step: &str) -> Value {
    let recorded: Value = serde_json::from_str(&stage.read("state/airtight/airtight/state.json")).unwrap();
    recorded["steps"][step]["progress"].clone()
}

#[test]
fn namespaces_policies_names_and_workloads_arrive_in_the_safe_order_as_ours() {
    let stage = stage();
    let told = up(&stage);
    assert_eq!(told.code, 0, "{}", told.err);
    let applied = stage.applied();
    let of_the_set: Vec<&String> =
        applied.iter().filter(|path| !path.contains("gateway") && !path.contains("coredns")).collect();
    assert_eq!(
        of_the_set,
        [
            "/api/v1/namespaces/a",
            "/apis/networking.k8s.io/v1/namespaces/a/networkpolicies/open",
            POLICY,
            "/apis/apps/v1/namespaces/a/deployments/app",
        ]
    );
    for seen in stage.server.state().seen().iter().filter(|seen| seen.what.starts_with("PATCH ")) {
        assert_eq!(seen.content.as_deref(), Some("application/apply-patch+yaml"), "{}", seen.what);
        assert!(seen.what.ends_with("?fieldManager=airtight&force=true"), "{}", seen.what);
    }
    let corefile = stage.server.object("/api/v1/namespaces/kube-system/configmaps/coredns").unwrap();
    assert!(corefile["data"]["Corefile"].as_str().unwrap().contains("203.0.113.10 api.openai.com"), "{corefile}");
    let coredns = stage.server.object("/apis/apps/v1/namespaces/kube-system/deployments/coredns").unwrap();
    assert!(coredns.pointer("/spec/template/metadata/annotations/airtight.dev~1names").is_some(), "{coredns}");
    assert_eq!(coredns["spec"]["replicas"], 1, "what others own stays");
    let again = up(&stage);
    assert_eq!(again.code, 0, "{}", again.err);
    // What the manifests hold is applied again, so that what somebody deleted or changed comes back; nothing else is.
    let again = stage.applied().split_off(applied.len());
    let from_manifests = applied.iter().position(|path| path.ends_with("/namespaces/a")).unwrap_or(applied.len());
    assert!(!again.is_empty(), "{applied:?}");
    assert!(again.iter().all(|path| applied[from_manifests..].contains(path)), "{again:?} of {applied:?}");
}

/// All at the same time: most of it is waiting.
fn each<T: Sync>(cases: &[T], judge: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        for case in cases {
            let judge = &judge;
            scope.spawn(move || judge(case));
        }
    });
}

#[test]
fn faults_that_pass_are_survived() {
    let cases = [
        (What::Status(429), 2),
        (What::Status(500), 2),
        (What::Status(503), 2),
        (What::Close, 2),
        (What::Slow(Duration::from_millis(300)), 20),
    ];
    each(&cases, |(what, times)| {
        let stage = stage();
        for on in ["PATCH /apis/networking", "GET /apis/apps", "GET /readyz", "GET /api/v1"] {
            stage.server.state().fail(Fault::times(*times, on, what.clone()));
        }
        let told = up(&stage);
        assert_eq!(told.code, 0, "{what:?}: {}", told.err);
        assert!(stage.server.object(POLICY).is_some(), "{what:?}");
    });
}

#[test]
fn faults_that_stay_are_named_and_never_called_done() {
    let cases = [(What::Status(500), "api-failing"), (What::Status(429), "api-failing"), (What::Close, "api-broken")];
    each(&cases, |(what, code)| {
        let stage = stage();
        stage.server.state().fail(Fault::always(&format!("PATCH {POLICY}"), what.clone()));
        let told = up(&stage);
        assert_eq!(told.code, 5, "{what:?}: {}", told.err);
        let error = format!("error[{code}]: step policies: set/policies/deny.yaml: NetworkPolicy a/deny");
        assert!(told.err.contains(&error), "{what:?}: {}", told.err);
        assert_eq!(progress(&stage, "policies"), "failed", "{what:?}");
        assert!(!told.out.contains("is up"), "{}", told.out);
        assert!(!stage.applied().iter().any(|path| path.contains("deployments/app")), "workloads wait for policies");
    });
}

#[test]
fn a_fault_in_the_middle_is_where_the_next_up_goes_on() {
    let stage = stage();
    stage.server.state().fail(Fault::times(
        1,
        &format!("PATCH {POLICY}"),
        What::Says(422, "spec: Required value".into()),
    ));
    let told = up(&stage);
    assert_snapshot!(told.error(), @r#"
    error[refused]: step policies: set/policies/deny.yaml: NetworkPolicy a/deny: the API server says 422: spec: Required value
      hint: correct the object: the API server's words say what it did not like
    "#);
    assert_eq!(stage.server.state().count(&format!("PATCH {POLICY}")), 1, "what was refused is not asked again");
    let before = stage.calls(&["kind create", "helm upgrade"]).len();
    assert!(before > 0);
    let again = up(&stage);
    assert_eq!(again.code, 0, "{}", again.err);
    assert!(stage.calls(&["kind create", "helm upgrade"]).is_empty());
    assert!(stage.server.object(POLICY).is_some());
}

#[test]
fn refused_permissions_are_named_at_once() {
    let stage = stage();
    let words = "networkpolicies.networking.k8s.io \"deny\" is forbidden: User \"fake\" cannot patch resource \"networkpolicies\" in API group \"networking.k8s.io\" in the namespace \"a\"";
    stage.server.state().fail(Fault::always(&format!("PATCH {POLICY}"), What::Says(403, words.into())));
    let told = up(&stage);
    assert_snapshot!(told.error(), @r#"
    error[forbidden]: step policies: set/policies/deny.yaml: NetworkPolicy a/deny: the API server says 403: networkpolicies.networking.k8s.io "deny" is forbidden: User "fake" cannot patch resource "networkpolicies" in API group "networking.k8s.io" in the namespace "a"
      hint: the API server's words name what is missing: grant it, or see which admission policy refuses
    "#);
    assert_eq!(stage.server.state().count(&format!("PATCH {POLICY}")), 1);

    let stage = Stage::new();
    let words = "daemonsets.apps \"cilium\" is forbidden: User \"fake\" cannot get resource \"daemonsets\"";
    stage.server.state().fail(Fault::always("daemonsets/cilium", What::Says(403, words.into())));
    let told = stage.up(&[]);
    assert!(told.err.contains("error[forbidden]: step cilium") && told.err.contains(words), "{}", told.err);
}

#[test]
fn a_webhook_that_is_not_there_yet_is_waited_for() {
    let stage = stage();
    let words = "Internal error occurred: failed calling webhook \"validate.kyverno.svc-fail\": connection refused";
    stage.server.state().fail(Fault::times(5, &format!("PATCH {POLICY}"), What::Says(500, words.into())));
    let told = up(&stage);
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.err.contains("an admission webhook does not answer"), "{}", told.err);
}

#[test]
fn definitions_that_take_a_while_are_waited_for() {
    let stage = Stage::new();
    stage.server.state().linger(Duration::from_millis(1500));
    let told = stage.up(&[]);
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.err.contains("no matches for kind \"GatewayClass\""), "{}", told.err);
    assert!(stage.server.object("/apis/gateway.networking.k8s.io/v1/gatewayclasses/early").is_some());
}

#[test]
fn a_kind_that_nobody_serves_is_named_with_its_object() {
    let stage = stage();
    stage.write(
        "set/policies/other.yaml",
        "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: web, namespace: a}\nspec: {size: 1}\n",
    );
    let told = up(&stage);
    assert_snapshot!(told.error(), @r#"
    error[kind-unknown]: step policies: the API server does not serve a kind of object yet: set/policies/other.yaml: Widget a/web: no matches for kind "Widget" in version "example.com/v1"
      hint: the component that brings it must be ready before: see the stack's `after` and `established`
    "#);
}

#[test]
fn an_api_server_that_never_becomes_ready_is_said_so() {
    let stage = Stage::new();
    stage.server.state().fail(Fault::always("GET /readyz", What::Says(500, "[-]etcd failed: reason withheld".into())));
    let mut child = stage.command(&["up", "--stack", "stack.yaml", "--platform-only", "--skip-preflight"]);
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut err = String::new();
    while !err.contains("etcd failed") {
        assert_ne!(told.read_line(&mut err).unwrap(), 0, "{err}");
    }
    // It would wait for minutes; and the user's word ends it in the middle of a call.
    let begun = Instant::now();
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    told.read_to_string(&mut err).unwrap();
    child.wait().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(err.contains("waiting for the API server to be ready"), "{err}");
    assert!(err.contains("error[interrupted]"), "{err}");
}

#[test]
fn manifests_come_from_a_folder_where_there_is_no_network() {
    let stage = Stage::new();
    stage.write("charts/gateway-api.yaml", include_str!("gateway-api.yaml"));
    let told = stage.up(&["--chart-dir", "charts"]);
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(stage.calls(&["fetched"]).is_empty());
    assert!(stage.server.object("/apis/gateway.networking.k8s.io/v1/gatewayclasses/early").is_some());
}

#[test]
fn a_manifest_that_cannot_be_fetched_is_named() {
    let stage = Stage::new();
    stage.write("stack.yaml", &SMALL.replace("/gateway-api.yaml", "/gone.yaml"));
    let told = stage.up(&[]);
    let error = regex::Regex::new(r"127\.0\.0\.1:\d+").unwrap().replace(&told.error(), "[web]").into_owned();
    assert_snapshot!(error, @r#"
    error[manifest-unreachable]: step gateway-api: cannot fetch http://[web]/gone.yaml: the server says 404 Not Found
      hint: check the network and HTTPS_PROXY; without one, run `airtight bundle` where there is, and give --chart-dir
    "#);
}

#[test]
fn a_cluster_that_was_made_anew_is_asked_with_its_own_kubeconfig() {
    let stage = Stage::new();
    assert_eq!(stage.up(&[]).code, 0);
    let other = ApiServer::start(&PROBE);
    std::fs::copy(other.kubeconfig(), stage.path("world/kubeconfig")).unwrap();
    std::fs::remove_file(stage.path("world/nodes")).unwrap();
    other.put("/apis/apps/v1/namespaces/kube-system/daemonsets/cilium", json!({
        "metadata": {"generation": 1},
        "status": {"observedGeneration": 1, "desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1},
    }));
    let told = stage.up(&[]);
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(other.object("/apis/gateway.networking.k8s.io/v1/gatewayclasses/early").is_some());
}
