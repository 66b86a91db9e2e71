//! Bringing a cluster up, with programs that only pretend: order, resumption, limits, failures, clean-up.

use std::process::Stdio;
use std::time::{Duration, Instant};

use airtight_testkit::stack::SMALL;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::stage::Stage;
use crate::machine::{Play, is_alive};

const CHANGING: &[&str] = &[
    "docker network create",
    "docker network rm",
    "docker pull",
    "docker create",
    "docker start",
    "docker rm",
    "kind create",
    "kind delete",
    "kind load",
    "kind export",
    "helm upgrade",
    "helm uninstall",
    "fetched",
];

/// The calls that change something, by their first words.
fn changes(machine: &Stage) -> Vec<String> {
    let word = |line: String| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[0] {
            "helm" => words[..words.len().min(4)].join(" "),
            _ => words[..words.len().min(3)].join(" "),
        }
    };
    let all = machine.calls(&["docker", "kind", "helm", "fetched"]);
    all.into_iter().filter(|line| CHANGING.iter().any(|change| line.starts_with(change))).map(word).collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

fn at(lines: &[String], wanted: &str) -> usize {
    lines.iter().position(|line| line.starts_with(wanted)).unwrap_or_else(|| panic!("no `{wanted}` in {lines:#?}"))
}

#[test]
fn a_cluster_comes_up_in_order_and_a_second_up_changes_nothing() {
    let machine = Stage::new();
    let told = machine.up(&[]);
    assert_eq!(told.code, 0, "{}", told.err);
    assert_eq!(
        told.out,
        "cluster airtight of stack small is up\n  export KUBECONFIG=[folder]/state/airtight/airtight/kubeconfig\n"
    );
    let made = changes(&machine);
    // What is applied before its definition is served is applied again, and may be fetched again for that.
    let mut once = sorted(made.clone());
    once.dedup_by(|later, earlier| later == earlier && later.starts_with("fetched"));
    assert_eq!(
        once,
        [
            "docker network create",
            "docker pull docker.io/kindest/node:v1.31.9",
            "fetched gateway-api.yaml",
            "helm upgrade --install cilium",
            "helm upgrade --install istiod",
            "helm upgrade --install kyverno",
            "kind create cluster",
        ]
    );
    for (before, after) in [
        ("docker network create", "kind create"),
        ("docker pull", "kind create"),
        ("kind create", "helm upgrade --install cilium"),
        ("helm upgrade --install cilium", "helm upgrade --install istiod"),
        ("helm upgrade --install cilium", "helm upgrade --install kyverno"),
        ("fetched", "helm upgrade --install istiod"),
    ] {
        assert!(at(&made, before) < at(&made, after), "{before} after {after}");
    }
    let applied = machine.applied();
    assert!(at(&applied, "/apis/gateway.networking.k8s.io/v1/gatewayclasses/early") >= 2, "{applied:#?}");
    let again = machine.up(&[]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(changes(&machine), Vec::<String>::new());
    assert_eq!(machine.applied(), applied);
}

#[test]
fn a_failed_step_is_named_its_logs_are_kept_and_the_next_up_goes_on_there() {
    let machine = Stage::new();
    let err = "Error: failed to download \"cilium\": no chart version found for cilium-1.17.5\n";
    machine
        .play("helm", &Play { calls: "helm upgrade --install cilium*", err, exit: 1, once: true, ..Play::default() });
    let told = machine.up(&[]);
    assert_eq!(told.code, 5);
    assert_snapshot!(told.error(), @r#"
      | $ helm upgrade --install cilium cilium --repo https://helm.example.com --version 1.17.5 --namespace kube-system --create-namespace --kubeconfig [folder]/state/airtight/airtight/kubeconfig --values [folder]/state/airtight/airtight/rendered/cilium.values.yaml --timeout 20s
      | Error: failed to download "cilium": no chart version found for cilium-1.17.5
    error[chart-missing]: step cilium: the chart is not there
      hint: check repository and version in the stack; with --chart-dir, make the folder with `airtight bundle`
    "#);
    let made = changes(&machine);
    assert_eq!(made.last().map(String::as_str), Some("kind export logs"), "{made:#?}");
    assert!(!made.iter().any(|line| line.starts_with("kind delete") || line.starts_with("docker rm")), "{made:#?}");
    let again = machine.up(&[]);
    assert_eq!(again.code, 0, "{}", again.err);
    let resumed = changes(&machine);
    assert!(!resumed.iter().any(|line| line.starts_with("kind") || line.starts_with("docker")), "{resumed:#?}");
    assert!(at(&resumed, "helm upgrade --install cilium") < at(&resumed, "helm upgrade --install istiod"));
}

#[test]
fn a_cluster_that_was_left_half_made_is_made_anew() {
    let machine = Stage::new();
    let run = "echo 'airtight-control-plane airtight-airtight' > $WORLD/nodes";
    let err = "ERROR: failed to create cluster: could not find a log line that matches \"Reached target .*Multi-User System.*|detected cgroup v1\"\n";
    machine.play("kind", &Play { calls: "kind create*", err, exit: 1, run, once: true, ..Play::default() });
    let told = machine.up(&[]);
    assert!(told.err.contains("error[node-not-booted]"), "{}", told.err);
    let _ = changes(&machine);
    assert_eq!(machine.up(&[]).code, 0);
    let made = changes(&machine);
    assert!(at(&made, "kind delete cluster") < at(&made, "kind create cluster"));
}

#[test]
fn a_changed_input_runs_again_what_depends_on_it_and_nothing_else() {
    let machine = Stage::new();
    assert_eq!(machine.up(&[]).code, 0);
    let _ = changes(&machine);
    machine.write("stack.yaml", &SMALL.replace("name: kyverno, version: 3.4.4", "name: kyverno, version: 3.4.5"));
    assert_eq!(machine.up(&[]).code, 0);
    assert_eq!(changes(&machine), ["helm upgrade --install kyverno"]);
    machine.write("stack.yaml", &SMALL.replace("exclusive: false", "exclusive: true"));
    assert_eq!(machine.up(&[]).code, 0);
    let again = sorted(changes(&machine));
    assert_eq!(
        again,
        ["helm upgrade --install cilium", "helm upgrade --install istiod", "helm upgrade --install kyverno"]
    );
}

#[test]
fn what_somebody_removed_is_made_again_with_what_stood_on_it() {
    let machine = Stage::new();
    assert_eq!(machine.up(&[]).code, 0);
    let _ = changes(&machine);
    std::fs::remove_file(machine.path("world/nodes")).unwrap();
    let told = machine.up(&[]);
    assert_eq!(told.code, 0, "{}", told.err);
    let made = changes(&machine);
    assert_eq!(at(&made, "kind create cluster"), 0);
    assert!(made.iter().any(|line| line == "helm upgrade --install cilium"), "{made:#?}");
}

#[test]
fn a_cluster_of_other_settings_is_not_touched() {
    let machine = Stage::new();
    assert_eq!(machine.up(&[]).code, 0);
    let _ = changes(&machine);
    let told = machine.up(&["--registry-mirror", "http://mirror:5000"]);
    assert_eq!(told.code, 5);
    assert!(
        told.err.contains("error[differs]: step cluster: kind cluster airtight was made with other settings"),
        "{}",
        told.err
    );
    assert!(!changes(&machine).iter().any(|line| line.starts_with("kind delete") || line.starts_with("kind create")));
}

#[test]
fn independent_steps_run_side_by_side() {
    let machine = Stage::new();
    // Each waits until the other runs too; alone, neither would end in time.
    let meet = |own: &str, other: &str| {
        format!(
            "touch $WORLD/{own}; for i in $(seq 200); do [[ -e $WORLD/{other} ]] && break; sleep 0.05; done; [[ -e $WORLD/{other} ]] || exit 9"
        )
    };
    let (one, two) = (meet("istiod", "kyverno"), meet("kyverno", "istiod"));
    machine.play("a", &Play { calls: "helm upgrade --install istiod*", run: &one, ..Play::default() });
    machine.play("b", &Play { calls: "helm upgrade --install kyverno*", run: &two, ..Play::default() });
    let told = machine.up(&[]);
    assert_eq!(told.code, 0, "{}", told.err);
}

#[test]
fn a_program_that_takes_too_long_ends_with_all_its_children() {
    let machine = Stage::new();
    machine.write(
        "stack.yaml",
        &SMALL.replacen("timeoutSeconds: 20\n    - name: istiod", "timeoutSeconds: 1\n    - name: istiod", 1),
    );
    let run = "sleep 300 & echo $! > $WORLD/child; wait";
    machine.play("helm", &Play { calls: "helm upgrade --install cilium*", run, ..Play::default() });
    let begun = Instant::now();
    let told = machine.up(&[]);
    assert_eq!(told.code, 5);
    assert!(told.err.contains("error[timed-out]: step cilium: `helm` did not end within 1 s"), "{}", told.err);
    assert!(begun.elapsed() < Duration::from_secs(15));
    assert!(!is_alive(&machine.read("world/child")));
}

#[test]
fn a_gate_that_does_not_hold_in_time_says_what_it_saw_last() {
    let machine = Stage::new();
    machine.write(
        "stack.yaml",
        &SMALL.replacen("timeoutSeconds: 20\n    - name: istiod", "timeoutSeconds: 2\n    - name: istiod", 1),
    );
    machine.workload("daemonsets", "kube-system", "cilium", &json!({"numberAvailable": 1}));
    machine.server.put("/api/v1/namespaces/kube-system/pods/cilium-x7", json!({"status": {"containerStatuses": [
        {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image quay.io/cilium/cilium"}}},
    ]}}));
    let told = machine.up(&[]);
    assert_eq!(told.code, 5);
    assert_snapshot!(told.error(), @r"
    error[image-pull]: step cilium: a node cannot pull an image: waited 2 s for daemonsets.apps kube-system/cilium to be rolled out; last seen: cilium: 1 of 3 pods ready; pod cilium-x7: ImagePullBackOff: Back-off pulling image quay.io/cilium/cilium
      hint: give --registry-mirror, or --image-archive with a folder that `airtight bundle` wrote
    ");
}

#[test]
fn a_gate_that_does_not_hold_in_time_says_the_worst_that_it_saw() {
    let machine = Stage::new();
    machine.write(
        "stack.yaml",
        &SMALL.replacen("timeoutSeconds: 20\n    - name: istiod", "timeoutSeconds: 4\n    - name: istiod", 1),
    );
    machine.workload("daemonsets", "kube-system", "cilium", &json!({"numberAvailable": 1}));
    let pod = |name: &str, container: &str, state: Value| {
        let path = format!("/api/v1/namespaces/kube-system/pods/{name}");
        machine.server.put(&path, json!({"status": {"containerStatuses": [{"name": container, "state": state}]}}));
    };
    pod("cilium-x7", "cilium-agent", json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}));
    pod("cilium-x8", "cilium-agent", json!({"terminated": {"reason": "OOMKilled", "exitCode": 137}}));
    for line in ["level=info msg=starting", "", "level=fatal msg=\"no BPF file system\""] {
        machine.server.state().write_log("kube-system", "cilium-x7", jiff::Timestamp::now(), line);
    }
    let told = std::thread::scope(|scope| {
        let up = scope.spawn(|| machine.up(&[]));
        // Between two attempts the container runs, which is what is seen last.
        std::thread::sleep(std::time::Duration::from_millis(2500));
        pod("cilium-x7", "cilium-agent", json!({"running": {}}));
        pod("cilium-x8", "cilium-agent", json!({"running": {}}));
        up.join().unwrap()
    });
    assert_eq!(told.code, 5);
    assert_snapshot!(told.error(), @r#"
    error[crash-loop]: step cilium: a container does not stay up: waited 4 s for daemonsets.apps kube-system/cilium to be rolled out; last seen: cilium: 1 of 3 pods ready; at its worst pod cilium-x7, container cilium-agent: CrashLoopBackOff: back-off 10s; its log ends with:
        level=info msg=starting
        level=fatal msg="no BPF file system"
      hint: its log is among the exported logs (pods/)
    "#);
}

#[test]
fn what_may_pass_is_tried_again() {
    let machine = Stage::new();
    let err = "Error: failed calling webhook \"validate.kyverno.svc-fail\": connection refused\n";
    machine
        .play("helm", &Play { calls: "helm upgrade --install istiod*", err, exit: 1, once: true, ..Play::default() });
    let told = machine.up(&[]);
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.err.contains("attempt 2 of 3"), "{}", told.err);
}

#[test]
fn a_release_that_was_cut_off_is_cleared_away_and_installed() {
    let machine = Stage::new();
    let err = "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress\n";
    machine
        .play("helm", &Play { calls: "helm upgrade --install istiod*", err, exit: 1, once: true, ..Play::default() });
    assert_eq!(machine.up(&[]).code, 0);
    let calls = machine.calls(&["helm"]);
    let calls: Vec<&str> = calls.iter().filter(|call| call.contains("istiod")).map(|call| &call[..22]).collect();
    assert_eq!(calls, ["helm upgrade --install", "helm uninstall istiod ", "helm upgrade --install"]);
}

#[test]
fn an_interrupted_up_ends_its_programs_and_the_next_goes_on() {
    let machine = Stage::new();
    let run = "sleep 300 & echo $! > $WORLD/child; wait";
    machine.play("helm", &Play { calls: "helm upgrade --install cilium*", run, ..Play::default() });
    let mut up = machine.command(&["up", "--stack", "stack.yaml", "--platform-only", "--skip-preflight"]);
    let child = up.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let sleeper = machine.wait_for("world/child");
    signal(child.id(), "INT");
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5), "{err}");
    assert!(err.contains("error[interrupted]") && err.contains("what was made is still there"), "{err}");
    assert!(!is_alive(&sleeper));
    machine.stop_playing("helm");
    let _ = changes(&machine);
    assert_eq!(machine.up(&[]).code, 0);
    assert!(!changes(&machine).iter().any(|line| line.starts_with("kind")));
}

#[test]
fn after_a_crash_down_ends_what_still_runs_and_removes_exactly_what_is_ours() {
    let machine = Stage::new();
    let run = "for node in control-plane worker; do echo \"airtight-$node airtight-airtight\"; done > $WORLD/nodes; sleep 300 & echo $! > $WORLD/child; wait";
    machine.play("kind", &Play { calls: "kind create*", run, ..Play::default() });
    let mut up = machine.command(&["up", "--stack", "stack.yaml", "--platform-only", "--skip-preflight"]);
    let mut child = up.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let sleeper = machine.wait_for("world/child");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_alive(&sleeper), "it must have been left behind for the test to mean anything");
    let _ = changes(&machine);
    let told = machine.run(&["down"]);
    let count = regex::Regex::new(r"ended \w+ programs?").unwrap();
    assert_snapshot!(count.replace(&told.out, "ended [n] programs"), @r"
    ended [n] programs that an earlier attempt left running
    removed nodes airtight-control-plane, airtight-worker
    removed network airtight-airtight
    removed [folder]/state/airtight/airtight
    ");
    assert_eq!(changes(&machine), ["kind delete cluster", "docker network rm"]);
    assert!(!is_alive(&sleeper));
    assert!(!machine.path("state/airtight/airtight").exists());
    assert_eq!(machine.run(&["down"]).out, "there is no cluster airtight\n");
}

#[test]
fn after_a_crash_the_next_up_ends_what_still_runs_and_goes_on() {
    let machine = Stage::new();
    let run = "setsid sleep 300 & echo $! > $WORLD/child; wait";
    machine.play("helm", &Play { calls: "helm upgrade --install cilium*", run, ..Play::default() });
    let mut up = machine.command(&["up", "--stack", "stack.yaml", "--platform-only", "--skip-preflight"]);
    let mut child = up.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let sleeper = machine.wait_for("world/child");
    child.kill().unwrap();
    child.wait().unwrap();
    machine.stop_playing("helm");
    let _ = changes(&machine);
    let told = machine.up(&[]);
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.err.contains("programs that an earlier attempt left running"), "{}", told.err);
    assert!(!is_alive(&sleeper), "not even one that left its process group");
    assert!(!changes(&machine).iter().any(|line| line.starts_with("kind")), "the cluster was done");
}

#[test]
fn what_is_not_ours_is_never_taken_nor_removed() {
    let machine = Stage::new();
    machine.write("world/network", "- 172.20.0.0/16 airtight-airtight\n");
    let told = machine.up(&[]);
    assert!(told.err.contains("error[foreign]: step network"), "{}", told.err);
    let made = changes(&machine);
    assert!(made.iter().all(|line| line.starts_with("docker pull")), "{made:#?}");

    let machine = Stage::new();
    machine.write("world/nodes", "airtight-control-plane kind\n");
    let told = machine.up(&[]);
    assert!(told.err.contains("error[foreign]: step cluster"), "{}", told.err);
    let _ = changes(&machine);
    let told = machine.run(&["down"]);
    assert!(
        told.out.contains("left alone, being on a network that is not ours: airtight-control-plane"),
        "{}",
        told.out
    );
    assert_eq!(changes(&machine), ["docker network rm"]);
}

#[test]
fn two_at_once_do_not_meet() {
    let machine = Stage::new();
    machine.play(
        "helm",
        &Play {
            calls: "helm upgrade --install cilium*",
            run: "echo x > $WORLD/busy; until [ -e $WORLD/go ]; do sleep 0.1; done",
            ..Play::default()
        },
    );
    let mut first = machine.command(&["up", "--stack", "stack.yaml", "--platform-only", "--skip-preflight"]);
    let mut child = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _ = machine.wait_for("world/busy");
    assert!(machine.up(&[]).err.contains("error[busy]"));
    assert!(machine.run(&["down"]).err.contains("error[busy]"));
    machine.write("world/go", "");
    assert!(child.wait().unwrap().success());
}

#[test]
fn stand_ins_names_policies_and_workloads_follow_the_platform() {
    let machine = Stage::new();
    machine.write("probe.tar", "image");
    machine.write("set/environment.yaml", "apiVersion: airtight.dev/v1alpha1\nkind: Environment\nmetadata: {name: small}\nspec:\n  nodes: []\n  hosts:\n  - {names: [api.openai.com], addresses: [203.0.113.10, \"2001:db8::1\"], ports: [80], tlsPorts: [443]}\n  - {names: [six.example], addresses: [\"2001:db8::2\"]}\n  outside: 192.0.2.1\n  podCidrs: [10.244.0.0/16]\n  serviceCidrs: [10.96.0.0/16]\n");
    machine.write("set/policies/deny.yaml", "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: a}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n");
    machine.write("set/policies/open.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n");
    machine.write("set/workloads/app.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app, namespace: a}\nspec: {selector: {}, template: {}}\n");
    let told = machine.run(&[
        "up",
        "--stack",
        "stack.yaml",
        "--manifests",
        "set",
        "--probe-image",
        "probe.tar",
        "--skip-preflight",
    ]);
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.err.contains("left out: stand-in six.example"), "{}", told.err);
    let calls =
        machine.calls(&["docker load", "docker create", "docker start", "docker exec", "docker rm", "kind load"]);
    let calls: Vec<String> = calls.into_iter().filter(|call| !call.contains(" cat ")).collect();
    assert_snapshot!(calls.join("\n"), @r#"
    docker load
    kind load image-archive [folder]/probe.tar --name airtight
    docker create airtight-airtight-api-openai-com {"Cmd":["serve","--config","{\"identity\":{\"pod\":\"api.openai.com\",\"role\":\"host\"},\"listeners\":[{\"bind\":\"0.0.0.0:80\",\"speak\":{\"http\":{\"answer\":\"echo\"}}},{\"bind\":\"0.0.0.0:443\",\"tls\":{\"files\":{\"certificate\":\"/tls/tls.crt\",\"key\":\"/tls/tls.key\"}},\"speak\":{\"http\":{\"answer\":\"echo\"}}}]}"],"Image":"airtight-probe:dev","Labels":{"dev.airtight.cluster":"airtight"},"HostConfig":{"NetworkMode":"airtight-airtight","Mounts":[{"Target":"/tls","Source":"[folder]/state/airtight/airtight/tls/api.openai.com","Type":"bind","ReadOnly":true}],"CapDrop":["ALL"],"Sysctls":{"net.ipv4.ip_unprivileged_port_start":"0"}},"NetworkingConfig":{"EndpointsConfig":{"airtight-airtight":{"IPAMConfig":{"IPv4Address":"172.20.1.10"}}}}}
    docker start airtight-airtight-api-openai-com
    docker create {"Cmd":["address","replace","203.0.113.10/32","dev","eth0"],"Image":"docker.io/kindest/node:v1.31.9","Entrypoint":["ip"],"Labels":{"dev.airtight.cluster":"airtight"},"HostConfig":{"NetworkMode":"container:airtight-airtight-api-openai-com","CapAdd":["NET_ADMIN"]}}
    docker start tool
    docker rm tool
    docker exec airtight-control-plane ip route replace 203.0.113.10/32 via 172.20.1.10
    docker exec airtight-worker ip route replace 203.0.113.10/32 via 172.20.1.10
    docker exec airtight-worker2 ip route replace 203.0.113.10/32 via 172.20.1.10
    docker create airtight-airtight-outside {"Cmd":["pause"],"Image":"airtight-probe:dev","Labels":{"dev.airtight.cluster":"airtight"},"HostConfig":{"NetworkMode":"airtight-airtight","CapDrop":["ALL"],"Sysctls":{"net.ipv4.ping_group_range":"0 2147483647"}},"NetworkingConfig":{"EndpointsConfig":{"airtight-airtight":{"IPAMConfig":{"IPv4Address":"172.20.1.12"}}}}}
    docker start airtight-airtight-outside
    "#);
    let down = machine.run(&["down"]);
    assert!(down.out.contains("removed container airtight-airtight-api-openai-com"), "{}", down.out);
}

#[test]
fn what_docker_refuses_is_named_with_its_words() {
    let overlap = "Pool overlaps with other one on this address space";
    for (on, status, words, code) in [
        ("POST /networks/create", 403, overlap, "subnet-overlap"),
        ("POST /networks/create", 500, "all predefined address pools have been fully subnetted", "subnets-used-up"),
        ("POST /networks/create", 500, "Failed to Setup IP tables: Unable to enable SKIP DNAT rule", "docker-firewall"),
        ("POST /networks/create", 500, "something else", "docker-refused"),
        ("GET /networks/airtight", 500, "something else", "docker-refused"),
        (
            "GET /version",
            400,
            "client version 1.43 is too old. Minimum supported API version is 1.60",
            "docker-client-too-old",
        ),
    ] {
        let machine = Stage::new();
        machine.engine.fail(on, status, words);
        let told = machine.up(&[]);
        assert_eq!(told.code, 5, "{words}: {}", told.err);
        let error = told.error();
        assert!(error.contains(&format!("error[{code}]: step ")), "{words}: {error}");
        assert!(error.contains(&format!("| Error response from daemon: {words}")), "{words}: {error}");
        assert!(!told.out.contains("is up"), "{}", told.out);
    }
}

#[test]
fn a_docker_that_never_answers_ends_with_the_step_or_at_once_with_the_user() {
    let machine = Stage::new();
    machine.engine.fail("POST /networks/create", 0, "");
    let mut up = machine.command(&["up", "--stack", "stack.yaml", "--platform-only", "--skip-preflight"]);
    let child = up.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    machine.wait_for_call("never answered");
    let begun = Instant::now();
    signal(child.id(), "INT");
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "{err}");
    assert!(err.contains("error[interrupted]"), "{err}");
}

#[test]
fn a_tool_that_a_crash_left_behind_is_found_by_its_label() {
    let machine = Stage::new();
    assert_eq!(machine.up(&[]).code, 0);
    machine.write("world/containers", "hopeful_tool\n");
    let told = machine.run(&["down"]);
    assert!(told.out.contains("removed container hopeful_tool"), "{}", told.out);
}

#[test]
fn status_shows_what_is_there() {
    let machine = Stage::new();
    assert_eq!(machine.run(&["status"]).out, "no cluster of ours is here\n");
    let run = "echo 'airtight-control-plane airtight-airtight' > $WORLD/nodes";
    machine.play("kind", &Play { calls: "kind create*", err: "boom\n", exit: 1, run, ..Play::default() });
    assert_eq!(machine.up(&[]).code, 5);
    assert_snapshot!(machine.run(&["status"]).out, @r"
    airtight (small): steps done: 2
      failed: cluster [program-failed]
      network    airtight-airtight
      node       airtight-control-plane (running)
      folder     [folder]/state/airtight/airtight
    ");
}

#[test]
fn a_bundle_holds_everything_or_says_what_is_missing() {
    let machine = Stage::new();
    let err = "Error response from daemon: manifest for quay.io/cilium/cilium:v1.17.5 not found: manifest unknown\n";
    machine.play("pull", &Play { calls: "docker pull*quay.io*", err, exit: 1, once: true, ..Play::default() });
    let told = machine.run(&["bundle", "--stack", "stack.yaml", "--out", "bundle", "--platform", "linux/amd64"]);
    assert_eq!(told.code, 5);
    let told = format!("{}{}", told.out, told.err);
    assert_snapshot!(told, @r"
    bundle: 5 of 6 parts
      done  docker.io_library_airtight-probe_dev.tar
      done  gateway-api.yaml
      done  cilium-1.17.5.tgz
      done  istiod-1.26.2.tgz
      done  kyverno-3.4.4.tgz
      done  docker.io_kindest_node_v1.31.9.tar
      FAIL  image quay.io/cilium/cilium:v1.17.5: the image is not there [image-missing]
      | $ docker pull --platform linux/amd64 quay.io/cilium/cilium:v1.17.5
      | Error response from daemon: manifest for quay.io/cilium/cilium:v1.17.5 not found: manifest unknown
    error[image-missing]: image quay.io/cilium/cilium:v1.17.5: the image is not there
      hint: check its name and tag; without a registry give --image-archive, or load it with `docker load`
    ");
    let again = machine.run(&["bundle", "--stack", "stack.yaml", "--out", "bundle", "--platform", "linux/amd64"]);
    assert_eq!((again.code, again.out.as_str()), (0, "bundle: 6 of 6 parts\n"), "{}", again.err);
    // What a bundle has is what an offline `up` looks for.
    let told = machine.run(&[
        "preflight",
        "--stack",
        "stack.yaml",
        "--image-archive",
        "bundle",
        "--chart-dir",
        "bundle",
        "-o",
        "json",
    ]);
    assert!(told.out.contains("\"measured\": \"all there\""), "{}", told.out);
}

fn signal(process: u32, name: &str) {
    let status = std::process::Command::new("kill").args([format!("-{name}"), process.to_string()]).status().unwrap();
    assert!(status.success());
}
