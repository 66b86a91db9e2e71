//! Input that was made to exhaust the command, or to make it tell secrets.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::{Duration, Instant};

use airtight_testkit::repository;
use tempfile::tempdir;

use crate::shop::{Shop, assert_sound, command_in};

const POD: &str = "
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default, labels: {app: web}}
spec: {containers: [{name: c, image: x, ports: [{containerPort: 80}]}]}
";

fn kyverno(key: &str) -> String {
    let rule = format!(
        "{{name: r, match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}, preconditions: {{all: [{{key: \"{{{{ {key} }}}}\", operator: Equals, value: x}}]}}, validate: {{failureAction: Enforce, message: m, deny: {{}}}}}}"
    );
    format!("apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: p}}\nspec: {{rules: [{rule}]}}{POD}")
}

fn cel(expression: &str) -> String {
    let constraints =
        "{resourceRules: [{apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE]}]}";
    let spec = format!("{{matchConstraints: {constraints}, validations: [{{expression: \"{expression}\"}}]}}");
    format!(
        "apiVersion: policies.kyverno.io/v1alpha1\nkind: ValidatingPolicy\nmetadata: {{name: p}}\nspec: {spec}{POD}"
    )
}

/// What the command says of manifests; it ends in time, and not by a signal.
fn said(manifests: &str) -> String {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("m.yaml"), manifests).unwrap();
    let begin = Instant::now();
    let output = command_in(folder.path(), &["matrix", "-m", "m.yaml", "--all"]).output().unwrap();
    assert_sound(&output);
    assert!(begin.elapsed() < Duration::from_mins(1), "{:?}", begin.elapsed());
    format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout))
}

#[test]
fn deep_and_endless_expressions_leave_open_what_they_decide() {
    let list = format!("[{}]", (0..60).map(|number| number.to_string()).collect::<Vec<_>>().join(", "));
    let loops =
        format!("{list}.all(a, {list}.all(b, {list}.all(c, {list}.all(d, {list}.all(e, a + b + c + d + e >= 0)))))");
    for manifests in [
        kyverno(&format!("request.object{}", ".a".repeat(20_000))),
        kyverno(&format!("{}a{}", "[".repeat(5_000), "]".repeat(5_000))),
        kyverno(&format!("{}request.object.a", "!".repeat(5_000))),
        cel(&format!("object{} == 1", ".a".repeat(15_000))),
        cel(&format!("{}true{}", "(".repeat(20_000), ")".repeat(20_000))),
        cel(&format!("{}true", "!".repeat(20_001))),
        cel(&loops),
    ] {
        let said = said(&manifests);
        let head: String = manifests.chars().skip(150).take(120).collect();
        let left_open = ["unmodelled", "unknown", "undefined-variable"].iter().any(|word| said.contains(word));
        assert!(left_open && said.len() < 20_000, "{head}…\n{said}");
    }
}

#[test]
fn no_value_of_a_secret_is_printed() {
    for (secret, code) in [
        ("stringData:\n  password: hunter2hunter2: oops\n", "yaml-syntax"),
        ("stringData: {a: hunter2hunter2, a: hunter2hunter2}\n", "duplicate-key"),
        ("stringData:\n\ta: hunter2hunter2\n", "yaml-syntax"),
        ("stringData: {a: \"hunter2hunter2\\q\"}\n", "yaml-syntax"),
    ] {
        for head in [
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n",
            "\"apiVersion\": v1\n\"kind\": \"Secret\"\nmetadata: {name: s}\n",
        ] {
            let said = said(&format!("{POD}---\n{head}{secret}"));
            assert!(said.contains(code) && said.contains("m.yaml:"), "{said}");
            assert!(!said.contains("hunter2") && !said.contains("DuplicateKeyPolicy"), "{said}");
        }
    }
}

const CASES: &str = "
  - id: K-01
    title: a caller with a key gets through
    from: shop/web
    to: {service: shop/api, port: 8080}
    request:
      method: GET
      path: /items?api_key=hunter2query&page=2
      headers: {authorization: Bearer hunter2bearer, cookie: sid=hunter2sid, x-api-key: hunter2key, proxy-authorization: Basic hunter2proxy}
    expect: {allow: {backendHeaders: {authorization: Bearer hunter2other, x-page: two}}}
    severity: high
";

/// The keys fail on purpose, so that every report tells all that it knows of the case.
#[test]
fn no_report_has_the_keys_that_a_request_sends() {
    let shop = Shop::with_cases(CASES.trim_start_matches('\n'));
    let said = shop.run(&["run"]);
    let mut all = vec![("the terminal".to_owned(), said.clone())];
    for name in shop.names("airtight-report") {
        all.push((name.clone(), std::fs::read_to_string(shop.path(&format!("airtight-report/{name}"))).unwrap()));
    }
    assert!(all.len() > 4, "{said}");
    for (name, text) in all {
        assert!(!text.contains("hunter2"), "{name}: {text}");
        let plain = ["the terminal", "run.json"].contains(&name.as_str());
        assert!(!plain || text.contains("api_key=[redacted]&page=2"), "{name}: {text}");
    }
    let said = shop.run(&[
        "explain",
        "shop/web",
        "shop/api:8080",
        "--http",
        "GET /items?token=hunter2query",
        "-H",
        "Authorization: Bearer hunter2bearer",
        "-o",
        "json",
    ]);
    assert!(!said.contains("hunter2") && said.contains("Bearer [redacted]"), "{said}");
}

/// A slip in one selector of the reference set stands in the first screen and is the cause of all that follows of it.
#[test]
fn one_slip_of_the_pen_is_named_as_the_cause() {
    let folder = tempdir().unwrap();
    copy(&repository::root().join("manifests"), &folder.path().join("manifests"));
    let path = folder.path().join("manifests/policies/60-mcp/network.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let whose = "name: mcp-server\n  namespace: mcp-teamalpha";
    let (before, after) = text.split_once(whose).unwrap();
    let after = after.replacen("k8s:app: mcp-server", "k8s:app: mcp-servr", 1);
    std::fs::write(&path, format!("{before}{whose}{after}")).unwrap();
    let scenarios = repository::root().join("scenarios");
    let scenarios = scenarios.to_str().unwrap();
    let arguments = ["run", "-s", scenarios, "--filter", "mcp-cross-namespace", "--report", "json"];
    let output = command_in(folder.path(), &arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let screen: String = said.lines().take(24).collect::<Vec<_>>().join("\n");
    assert!(screen.contains("warning[selects-nobody] CiliumNetworkPolicy mcp-teamalpha/mcp-server"), "{screen}");
    assert!(screen.contains("`app: mcp-servr`"), "{screen}");
    assert!(said.contains("what did not pass, by cause (1)"), "{said}");
    assert!(
        said.contains("CiliumNetworkPolicy mcp-teamalpha/mcp-server nearly allows it, but its selector wants"),
        "{said}"
    );
    let told = said.split("what did not pass").nth(1).unwrap().lines().count();
    assert!(told < 40, "{told} lines: {said}");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

/// A slip in a host name is no denial that anybody has shown, unless the case says that it is about unknown hosts.
#[test]
fn a_mistyped_host_is_no_denial() {
    let request = |host: &str| {
        format!(
            "from: outside, to: {{gateway: kgateway-system/default-gateway, port: 8080}}, request: {{method: GET, path: \
             /api/trips, host: {host}}}"
        )
    };
    let (served, mistyped) = (request("travel.example.com"), request("travl.example.com"));
    let folder = tempdir().unwrap();
    let cases = format!(
        "apiVersion: airtight.dev/v1alpha1\nkind: Scenario\nmetadata: {{name: hosts}}\nspec:\n  title: Hosts\n  cases:\n  \
         - {{id: H-1, title: the site is served, {served}, expect: {{allow: {{}}}}}}\n  \
         - {{id: H-2, title: nobody else is, {mistyped}, expect: {{deny: {{by: gateway, status: 404}}}}, twin: H-1}}\n  \
         - {{id: H-3, title: no route is meant, {mistyped}, expect: {{deny: {{by: gateway, status: 404, reason: no-route}}}}, \
         twin: H-1}}\n"
    );
    std::fs::write(folder.path().join("s.yaml"), cases).unwrap();
    let output = command_in(folder.path(), &["run", "-s", "s.yaml", "--report", "json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("a mistyped host would end like this as well"), "{said}");
    let run: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("airtight-report/run.json")).unwrap()).unwrap();
    let verdicts = run["cases"].as_array().unwrap().iter().map(|case| case["judgement"]["verdict"].as_str().unwrap());
    assert_eq!(verdicts.collect::<Vec<_>>(), ["pass", "inconclusive", "pass"]);
}

/// A rule on namespaces with these fields.
fn on_namespaces(fields: &str) -> String {
    let rule = format!("{{name: r, match: {{any: [{{resources: {{kinds: [Namespace]}}}}]}}, {fields}}}");
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop}}\n---\napiVersion: kyverno.io/v1\nkind: ClusterPolicy\n\
         metadata: {{name: p}}\nspec: {{rules: [{rule}]}}{POD}"
    )
}

#[test]
fn rules_that_double_what_they_have_are_ended_with_a_finding() {
    let doubled = |from: &str, by: &str| {
        let entries = (1..60).map(|number| {
            let value = by.replace("LAST", &format!("v{}", number - 1));
            format!("{{name: v{number}, variable: {{{value}}}}}")
        });
        format!("context: [{{name: v0, variable: {{{from}}}}}, {}]", entries.collect::<Vec<_>>().join(", "))
    };
    let generate = |data: &str| {
        format!(
            "generate: {{apiVersion: v1, kind: ConfigMap, name: made, namespace: shop, data: {{data: {{x: \"{data}\"}}}}}}"
        )
    };
    let list = (0..40).fold("request.object.metadata.name".to_owned(), |inner, _| format!("[{inner}][].[@,@][]"));
    let many = format!("[{}]", (0..1500).map(|number| format!("'{number}'")).collect::<Vec<_>>().join(","));
    let each = |list: &str| {
        format!(
            "generate: {{foreach: [{{list: \"{list}\", apiVersion: v1, kind: ConfigMap, name: \"made-{{{{ elementIndex }}}}\", namespace: shop, data: {{data: {{x: y}}}}}}]}}"
        )
    };
    let texts = doubled("value: abcdefgh", "value: \"{{ LAST }}{{ LAST }}\"");
    let lists = doubled("value: [a]", "jmesPath: \"[LAST, LAST][]\"");
    for (manifests, why) in [
        (on_namespaces(&format!("{texts}, {}", generate("{{ v59 }}"))), "more than 3 MiB"),
        (on_namespaces(&format!("{lists}, {}", generate("{{ v59 }}"))), "m"),
        (on_namespaces(&each(&list)), "more values than can be evaluated"),
        (on_namespaces(&each(&many)), "more than 1000 objects"),
    ] {
        let said = said(&manifests);
        assert!(said.contains(why), "{why}: {said}");
    }
}
