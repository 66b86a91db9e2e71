//! `airtight run` and `airtight report`: what is printed, written and returned.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;

use crate::shop::{Shop, assert_sound, command_in};

const REPORTS: [&str; 4] = ["junit.xml", "report.html", "run.json", "summary.md"];

#[test]
fn a_run_whose_one_case_passes_ends_with_0_and_four_reports() {
    let shop = Shop::new();
    assert_snapshot!(shop.run(&["run", "--filter", "id=API-01"]), @r"
    exit 0
    --- stderr
    airtight: 1 case on model
      stack   reference: Kubernetes 1.31.9, Cilium 1.17.5, Istio 1.26.2, Gateway API 1.2.1, Kgateway
              2.0.3, Kyverno 1.14.4
      loaded  11 objects from manifests
      canary  the testbed enforces: airtight-canary/client dials server:8080 under a NetworkPolicy that
              allows nothing: timeout with the policy, http(200) without
      ✓ shop-api: 1 allowed

    policy objects that no case notices (2)
      NetworkPolicy shop/api (manifests/policies.yaml:1:1): decides in 1 case, and none notices its
        removal
      AuthorizationPolicy shop/api-callers (manifests/policies.yaml:11:1): decides in 1 case, and none
        notices its removal

    All 1 case passed (passed, exit code 0)
    1 case: 1 passed (1 allowed, 0 denied), 0 failed, 0 inconclusive, 0 waived, 0 skipped, 0 flaky in [time]
    report airtight-report/run.json
    report airtight-report/junit.xml
    report airtight-report/summary.md
    report airtight-report/report.html
    ");
    assert_eq!(shop.names("airtight-report"), REPORTS);
}

#[test]
fn a_denied_case_brings_its_twin() {
    assert_snapshot!(Shop::new().run(&["run", "--filter", "id=API-02"]), @r"
    exit 0
    --- stderr
    airtight: 2 cases on model
      stack   reference: Kubernetes 1.31.9, Cilium 1.17.5, Istio 1.26.2, Gateway API 1.2.1, Kgateway
              2.0.3, Kyverno 1.14.4
      loaded  11 objects from manifests
      canary  the testbed enforces: airtight-canary/client dials server:8080 under a NetworkPolicy that
              allows nothing: timeout with the policy, http(200) without
      ✓ shop-api: 1 denied, 1 allowed

    policy objects that no case notices (1)
      NetworkPolicy shop/api (manifests/policies.yaml:1:1): decides in 2 cases, and none notices its
        removal

    All 2 cases passed (passed, exit code 0)
    2 cases: 2 passed (1 allowed, 1 denied), 0 failed, 0 inconclusive, 0 waived, 0 skipped, 0 flaky in [time]
    report airtight-report/run.json
    report airtight-report/junit.xml
    report airtight-report/summary.md
    report airtight-report/report.html
    ");
}

#[test]
fn a_failed_case_is_told_with_its_rule_and_ends_with_1() {
    let shop = Shop::with_cases(
        "
  - id: API-01
    title: the web shop reads items
    from: shop/web
    to: {service: shop/api, port: 8080}
    request: {method: GET, path: /items}
    expect: {allow: {status: 200}}
  - id: API-02
    title: a stranger is refused by the CNI
    from: shop/stranger
    to: {service: shop/api, port: 8080}
    request: {method: GET, path: /items}
    expect: {deny: {by: cni}}
    twin: API-01
",
    );
    assert_snapshot!(shop.run(&["run"]), @r#"
    exit 1
    --- stderr
    airtight: 2 cases on model
      stack   reference: Kubernetes 1.31.9, Cilium 1.17.5, Istio 1.26.2, Gateway API 1.2.1, Kgateway
              2.0.3, Kyverno 1.14.4
      loaded  11 objects from manifests
      canary  the testbed enforces: airtight-canary/client dials server:8080 under a NetworkPolicy that
              allows nothing: timeout with the policy, http(200) without
      ✗ shop-api: 1 failed, 1 allowed

    policy objects that no case notices (2)
      NetworkPolicy shop/api (manifests/policies.yaml:1:1): decides in 2 cases, and none notices its
        removal
      AuthorizationPolicy shop/api-callers (manifests/policies.yaml:11:1): decides in 2 cases, and
        none notices its removal

    what did not pass, by cause (1)
      1 case fails: AuthorizationPolicy shop/api-callers denies it, where cni was to deny
        written  manifests/policies.yaml:11:1
        hint     waypoint shop/waypoint, cluster.local/ns/shop/sa/default to Service shop/api:8080: no
                 rule of the ALLOW policies (shop/api-callers) matches
      ✗ API-02 a stranger is refused by the CNI [high]
        flow     shop/stranger → shop/api:8080 GET /items
        expected deny by cni: http(403) or http(503) or timeout or dns-failure(refused)
        observed http(403), denied by waypoint (no-allow-matched)
        so       wrong layer
        why      expected a denial by cni, waypoint denied (no-allow-matched): http(403)
        twin     API-01
        written  scenarios/api.yaml:15:9
        hop 1  shop/stranger → shop/waypoint  HBONE TCP 15008 (inside: TCP 8080)
          ✓ passed ztunnel-outbound, cni-egress, cni-ingress
          ✗ waypoint denies  no-allow-matched
              waypoint shop/waypoint, cluster.local/ns/shop/sa/default to Service shop/api:8080: no rule
              of the ALLOW policies (shop/api-callers) matches
              AuthorizationPolicy shop/api-callers  manifests/policies.yaml:11:1
              nearly allowed by AuthorizationPolicy shop/api-callers spec.rules[0]
              (manifests/policies.yaml:17:5): it allows `principals` `cluster.local/ns/shop/sa/web`, and
              this is `cluster.local/ns/shop/sa/default`
        end    the client sees http(403), denied by waypoint at waypoint

    1 of 2 cases failed (failed, exit code 1)
    2 cases: 1 passed (1 allowed, 0 denied), 1 failed, 0 inconclusive, 0 waived, 0 skipped, 0 flaky in [time]
    report airtight-report/run.json
    report airtight-report/junit.xml
    report airtight-report/summary.md
    report airtight-report/report.html
    "#);
    assert_eq!(shop.names("airtight-report"), REPORTS);
}

#[test]
fn an_object_outside_the_model_makes_its_cases_inconclusive_and_ends_with_3() {
    let policy = crate::shop::POLICIES.replace(
        "    ports: [{port: 15008}]",
        "    ports: [{port: 15008}]\n---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: shop, namespace: shop}
spec: {configPatches: []}",
    );
    assert_snapshot!(Shop::with_policy(&policy).run(&["run", "--filter", "id=API-01"]), @r#"
    exit 3
    --- stderr
    airtight: 1 case on model
      stack   reference: Kubernetes 1.31.9, Cilium 1.17.5, Istio 1.26.2, Gateway API 1.2.1, Kgateway
              2.0.3, Kyverno 1.14.4
      loaded  12 objects from manifests
    warning[unmodelled] airtight does not model EnvoyFilter shop/shop: flows through Istio's waypoints and gateways that its namespace, selector or targets name are unknown
      at manifests/policies.yaml:11:1
      hint    every case that meets such a flow is inconclusive
      canary  the testbed enforces: airtight-canary/client dials server:8080 under a NetworkPolicy that
              allows nothing: timeout with the policy, http(200) without
      ? shop-api: 1 inconclusive

    policy objects that no case notices (2)
      NetworkPolicy shop/api (manifests/policies.yaml:1:1): decides in 1 case, and none notices its
        removal
      Gateway shop/waypoint (manifests/shop.yaml:61:1): decides in 1 case, and none notices its
        removal

    what did not pass, by cause (1)
      1 case is inconclusive: EnvoyFilter shop/shop leaves it open
        written  manifests/policies.yaml:11:1
        hint     EnvoyFilter shop/shop could change the filters of the waypoint, and is not modelled
      ? API-01 the web shop reads items through the waypoint [high]
        flow     shop/web → shop/api:8080 GET /items
        expected allow: http(200), via waypoint
        observed no outcome: EnvoyFilter shop/shop (manifests/policies.yaml:11:1) is of a kind that
                 airtight does not model
        why      undecided: EnvoyFilter shop/shop (manifests/policies.yaml:11:1) is of a kind that
                 airtight does not model
        written  scenarios/api.yaml:8:9
        hop 1  shop/web → shop/waypoint  HBONE TCP 15008 (inside: TCP 8080)
          ✓ passed ztunnel-outbound, cni-egress, cni-ingress
          ? waypoint unknown  unmodelled
              EnvoyFilter shop/shop could change the filters of the waypoint, and is not modelled
              EnvoyFilter shop/shop  manifests/policies.yaml:11:1
        end    unknown: EnvoyFilter shop/shop (manifests/policies.yaml:11:1) is of a kind that airtight does not model

    1 of 1 case came to nothing (inconclusive, exit code 3)
    1 case: 0 passed (0 allowed, 0 denied), 0 failed, 1 inconclusive, 0 waived, 0 skipped, 0 flaky in [time]
    report airtight-report/run.json
    report airtight-report/junit.xml
    report airtight-report/summary.md
    report airtight-report/report.html
    "#);
}

#[test]
fn what_failed_is_tried_again_until_nothing_is_left() {
    let cases = |layer: &str| {
        let text = fs::read_to_string("tests/it/shop/scenarios/api.yaml").unwrap();
        text.replace("expect: {deny: {by: cni}}", &format!("expect: {{deny: {{by: {layer}}}}}"))
    };
    let shop = Shop::new();
    let counts = |arguments: &[&str]| {
        let told = shop.run(arguments);
        let line = |part: &str| told.lines().find(|line| line.contains(part)).unwrap_or_default().trim().to_owned();
        let selected = line(" on model");
        (line("exit "), selected, line("hint:"))
    };
    let only_failed = ["run", "--only-failed"];
    assert!(counts(&only_failed).0 == "exit 2", "there is no earlier run");
    shop.write("scenarios/api.yaml", cases("waypoint"));
    let (first, again) = (counts(&["run"]), counts(&only_failed));
    assert_eq!(first.0, "exit 1");
    // The failed case, and the twin that shows that its target answers.
    assert_eq!((again.0.as_str(), again.1.as_str()), ("exit 1", "airtight: 2 cases on model"));
    shop.write("scenarios/api.yaml", cases("cni"));
    assert_eq!(counts(&only_failed).0, "exit 0");
    let nothing = counts(&["run", "--only-failed", "airtight-report/run.json"]);
    assert_eq!((nothing.0.as_str(), nothing.1.as_str()), ("exit 4", "airtight: 0 cases on model"));
    assert!(nothing.2.contains("without `--only-failed` every case runs"), "{}", nothing.2);
}

#[test]
fn nothing_selected_ends_with_4_and_says_so_in_the_reports() {
    let shop = Shop::new();
    assert_snapshot!(shop.run(&["run", "--filter", "nothing-is-called-so"]), @r"
    exit 4
    --- stderr
    airtight: 0 cases on model
      stack   reference: Kubernetes 1.31.9, Cilium 1.17.5, Istio 1.26.2, Gateway API 1.2.1, Kgateway
              2.0.3, Kyverno 1.14.4
      loaded  11 objects from manifests

    No case was selected (nothing selected, exit code 4)
    0 cases: 0 passed (0 allowed, 0 denied), 0 failed, 0 inconclusive, 0 waived, 0 skipped, 0 flaky in [time]
    report airtight-report/run.json
    report airtight-report/junit.xml
    report airtight-report/summary.md
    report airtight-report/report.html
      hint: loosen `--filter` or `--suite`; `airtight list` without them shows every case
    ");
    // A reader that counts tests must not take an empty file for success.
    let junit = fs::read_to_string(shop.path("airtight-report/junit.xml")).unwrap();
    assert!(junit.contains("errors=\"1\""), "{junit}");
}

#[test]
fn a_run_of_nothing_keeps_the_report_of_the_last_one() {
    let shop = Shop::new();
    shop.run(&["run"]);
    let before = std::fs::read(shop.path("airtight-report/run.json")).unwrap();
    let told = shop.run(&["run", "--filter", "nothing-is-called-so"]);
    assert!(told.starts_with("exit 4\n") && !told.contains("report airtight-report"), "{told}");
    assert_eq!(std::fs::read(shop.path("airtight-report/run.json")).unwrap(), before);
}

#[test]
fn a_filter_that_does_not_parse_is_shown_with_its_grammar() {
    assert_snapshot!(Shop::new().run(&["run", "--filter", "id=API-01 and ("]), @r"
    exit 2
    --- stderr
    error[argument]: `id=API-01 and (` is not a filter
      hint: a condition is missing (at character 16); write a name or `key=value`, such as `severity=high`
    ");
    assert_snapshot!(Shop::new().run(&["list", "--filter", "sverity=high"]), @r"
    exit 2
    --- stderr
    error[argument]: `sverity=high` is not a filter
      hint: cases have no `sverity` (at character 1); did you mean `severity`?
    ");
}

#[test]
fn an_unknown_stack_is_answered_with_those_there_are() {
    let shop = Shop::new();
    assert_snapshot!(shop.run(&["run", "--stack", "nope"]), @r"
    exit 2
    --- stderr
    error[unknown-stack]: there is no stack `nope`
      hint: built in are `reference` and `latest`; or name a stack file
    ");
    assert_snapshot!(shop.run(&["run", "--stack", "nope.yaml"]), @r"
    exit 2
    --- stderr
    error[unreadable]: cannot read nope.yaml: there is no such file or folder
    --> nope.yaml:1:1
     = help: check the path and its permissions

    error[input]: 1 error in the input
    ");
    assert_eq!(shop.names("airtight-report"), ["(no such folder)"]);
}

#[test]
fn an_unknown_testbed_is_a_usage_error() {
    assert_snapshot!(Shop::new().run(&["run", "--testbed", "moon"]), @r"
    exit 2
    --- stderr
    error: invalid value 'moon' for '--testbed <TESTBED>'
      [possible values: model, kind, cluster]

    For more information, try '--help'.
    ");
}

#[test]
fn a_file_in_the_way_of_the_reports_is_named_and_kept() {
    let shop = Shop::new();
    shop.write("report", "mine");
    assert_snapshot!(shop.run(&["run", "--filter", "id=API-01", "--report-dir", "report", "-o", "json"]), @r"
    exit 2
    --- stderr
    airtight: 1 case on model
      stack   reference: Kubernetes 1.31.9, Cilium 1.17.5, Istio 1.26.2, Gateway API 1.2.1, Kgateway
              2.0.3, Kyverno 1.14.4
      loaded  11 objects from manifests
      canary  the testbed enforces: airtight-canary/client dials server:8080 under a NetworkPolicy that
              allows nothing: timeout with the policy, http(200) without
      ✓ shop-api: 1 allowed

    policy objects that no case notices (2)
      NetworkPolicy shop/api (manifests/policies.yaml:1:1): decides in 1 case, and none notices its
        removal
      AuthorizationPolicy shop/api-callers (manifests/policies.yaml:11:1): decides in 1 case, and none
        notices its removal

    All 1 case passed (passed, exit code 0)
    1 case: 1 passed (1 allowed, 0 denied), 0 failed, 0 inconclusive, 0 waived, 0 skipped, 0 flaky in [time]
    error[report]: cannot use `report` as the report folder: File exists (os error 17)
      hint: a file is in the way; choose another folder with `--report-dir`
    ");
    assert_eq!(fs::read_to_string(shop.path("report")).unwrap(), "mine");
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_takes_no_files_is_named() {
    let told = Shop::new().run(&["run", "--filter", "id=API-01", "--report-dir", "/proc/airtight"]);
    assert!(told.starts_with("exit 2\n") && told.contains("error[report]"), "{told}");
    assert!(told.contains("hint: "), "{told}");
}

/// A file system of 64 KiB, unmounted at the end; none if this user may not mount.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = ["-t", "tmpfs", "-o", "size=64k", "airtight-test"];
        let done = Command::new("mount").args(mount).arg(folder.path()).output();
        done.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_leaves_no_report_behind() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("SKIPPED: a full disk needs a tmpfs, which this user may not mount");
        return;
    };
    let folder = disk.path().join("report");
    let told = Shop::new().run(&["run", "--filter", "id=API-01", "--report-dir", &folder.to_string_lossy()]);
    assert!(told.starts_with("exit 2\n"), "{told}");
    assert!(told.contains("the disk is full; free some space"), "{told}");
    assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 0);
}

/// A record that `airtight run` wrote.
fn recorded(shop: &Shop) -> String {
    shop.run(&["run", "--filter", "id=API-01"]);
    fs::read_to_string(shop.path("airtight-report/run.json")).unwrap()
}

#[test]
fn every_format_renders_again_as_the_run_wrote_it() {
    let shop = Shop::new();
    recorded(&shop);
    for (format, file) in ["junit", "html", "json", "markdown"].iter().zip(REPORTS) {
        let output = shop.command(&["report", "--format", format]).output().unwrap();
        assert_sound(&output);
        assert!(output.stdout == fs::read(shop.path("airtight-report").join(file)).unwrap(), "{format}");
    }
}

#[test]
fn a_record_cut_short_is_refused() {
    let shop = Shop::new();
    let text = recorded(&shop);
    shop.write("run.json", &text[..text.len() / 2]);
    let told = shop.run(&["report", "--from", "run.json"]);
    assert!(told.starts_with("exit 2\n--- stderr\nerror[report]: cannot read the run: EOF while parsing"), "{told}");
    assert!(told.contains("hint: give the `run.json` that `airtight run` wrote, unchanged"), "{told}");
    for text in ["", "null", "{}", "[]", "\u{0}", "{\"schema\": 1}"] {
        shop.write("run.json", text);
        let told = shop.run(&["report", "--from", "run.json"]);
        assert!(told.starts_with("exit 2\n--- stderr\nerror[report]: "), "{text:?}: {told}");
    }
}

#[test]
fn a_record_of_another_schema_is_refused_by_name() {
    let shop = Shop::new();
    let text = recorded(&shop);
    let schema = serde_json::from_str::<serde_json::Value>(&text).unwrap()["schema"].as_str().unwrap().to_owned();
    shop.write("run.json", text.replace(&schema, "airtight.dev/run/v99"));
    assert_snapshot!(shop.run(&["report", "--from", "run.json"]), @r"
    exit 2
    --- stderr
    error[report]: the run has the schema `airtight.dev/run/v99`, and this airtight reads `airtight.dev/run/v1`
      hint: read the run with the airtight that wrote it, or run the matrix again
    ");
}

#[test]
fn a_record_whose_verdict_was_changed_is_refused() {
    let shop = Shop::new();
    let text = recorded(&shop);
    shop.write("run.json", text.replacen("\"verdict\": \"pass\"", "\"verdict\": \"fail\"", 1));
    let told = shop.run(&["report", "--from", "run.json"]);
    assert!(told.starts_with("exit 2\n--- stderr\nerror[report]: "), "{told}");
}

#[test]
fn no_record_is_no_report() {
    assert_snapshot!(Shop::new().run(&["report"]), @r"
    exit 2
    --- stderr
    error[unreadable]: cannot read airtight-report/run.json: No such file or directory (os error 2)
      hint: check the path and its permissions
    ");
}

#[test]
fn without_folders_the_built_in_matrix_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let output = command_in(folder.path(), &["list", "--filter", "id=MCP-02"]).output().unwrap();
    assert_sound(&output);
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("mcp-cross-namespace::MCP-02"));
}

#[test]
fn the_command_compares_two_runs() {
    let shop = Shop::new();
    shop.run(&["run", "--report-dir", "before"]);
    shop.write("manifests/policies.yaml", crate::shop::POLICIES.split("---").next().unwrap());
    shop.run(&["run", "--report-dir", "after"]);
    let told = shop.run(&["diff", "before/run.json", "after/run.json"]);
    let run = regex::Regex::new(r"\S+ of \S+Z,").unwrap();
    assert_snapshot!(run.replace_all(&told, "[id] of [time],"), @r"
    exit 1
    --- stdout
    1 regression against 3 cases
      baseline: [id] of [time], stack reference on model
      now: [id] of [time], stack reference on model

      ✗ API-02 fails: a stranger is refused
          was: http(403), denied by waypoint (no-allow-matched)
          now: http(200), answered by shop/api
          why: expected a denial by waypoint, and the flow got through: http(200), answered by shop/api
          changed on its way: AuthorizationPolicy shop/api-callers (manifests/policies.yaml:11:1), which is gone

      policies gone: AuthorizationPolicy shop/api-callers
    ");
    assert!(shop.run(&["diff", "before/run.json", "before/run.json", "-o", "json"]).contains("\"regressions\": []"));
    assert!(shop.run(&["diff", "before/run.json", "nowhere.json"]).starts_with("exit 2"));
}
