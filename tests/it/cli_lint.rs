//! `airtight lint`: what it says, in which format, and how it ends.

use insta::assert_snapshot;
use serde_json::Value;

use crate::shop::Shop;

const OPEN: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress:
  - {} # copied
";

const REFUSED: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: slip, namespace: shop}
spec:
  podSelektor: {} # all
  policyTypes: [Ingress]
";

fn with(text: &str) -> Shop {
    let shop = Shop::new();
    shop.write("own/policy.yaml", text);
    shop
}

#[test]
fn a_finding_has_its_line_and_what_to_write() {
    let told = with(OPEN).run(&["lint", "own"]);
    assert!(told.starts_with("exit 0\n"), "{told}");
    assert!(told.contains("warning[deny-that-allows]") && told.contains("own/policy.yaml:8:5"), "{told}");
    assert!(told.contains("leave the rule out") && told.contains("lint --explain deny-that-allows"), "{told}");
}

#[test]
fn warnings_end_with_1_only_where_they_are_denied() {
    let shop = with(OPEN);
    assert!(shop.run(&["lint", "own", "--deny", "warnings"]).starts_with("exit 1\n"));
    assert!(shop.run(&["lint", "own", "--deny", "deny-that-allows"]).starts_with("exit 1\n"));
    assert!(shop.run(&["lint", "own", "--deny", "service-port"]).starts_with("exit 0\n"));
    let told = shop.run(&["lint", "own", "--deny", "service-prt"]);
    assert!(told.starts_with("exit 2\n") && told.contains("did you mean `service-port`?"), "{told}");
}

#[test]
fn an_object_that_is_refused_ends_with_1_and_a_file_that_is_no_yaml_with_2() {
    assert!(with(REFUSED).run(&["lint", "own"]).starts_with("exit 1\n"));
    let told = with("a: [").run(&["lint", "own"]);
    assert!(told.starts_with("exit 2\n") && told.contains("yaml-syntax"), "{told}");
    let empty = Shop::new();
    std::fs::create_dir(empty.path("none")).unwrap_or_default();
    let told = empty.run(&["lint", "none"]);
    assert!(told.starts_with("exit 2\n") && told.contains("no-manifests"), "{told}");
    assert!(empty.run(&["lint", "nowhere"]).starts_with("exit 2\n"));
}

#[test]
fn what_is_assumed_is_told() {
    let policy = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: out, namespace: shop}\n\
                  spec: {endpointSelector: {}, egress: [{toFQDNs: [{matchName: api.example.org}]}]}\n";
    let told = with(policy).run(&["lint", "own"]);
    assert!(told.contains("note[assumed-hosts]") && told.contains("note[assumed-workloads]"), "{told}");
}

#[test]
fn a_chart_that_nobody_renders_is_told() {
    let shop = Shop::new();
    shop.write("chart/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 0.1.0\n");
    let output = shop.command(&["lint", "chart"]).env("PATH", "").output().unwrap_or_else(|error| panic!("{error}"));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code() == Some(2) && told.contains("error[not-rendered]"), "{told}");
}

#[test]
fn what_is_not_read_is_told_in_every_format() {
    for format in ["json", "sarif"] {
        let output = with("a: [").command(&["lint", "own", "-o", format]).output();
        let output = output.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(told.contains("yaml-syntax"), "{told}");
        assert!(serde_json::from_str::<Value>(&told).is_ok(), "{told}");
    }
}

#[test]
fn a_slip_is_mended_and_nothing_else_is_touched() {
    let shop = with(REFUSED);
    assert_snapshot!(shop.run(&["lint", "own", "--fix", "--dry-run"]), @r"
    exit 1
    --- stdout
    --- own/policy.yaml
    +++ own/policy.yaml
    @@ -5 +5,1 @@
    -  podSelektor: {} # all
    +  podSelector: {} # all
    ");
    let untouched = std::fs::read_to_string(shop.path("own/policy.yaml")).unwrap_or_default();
    assert_eq!(untouched, REFUSED);
    let told = shop.run(&["lint", "own", "--fix"]);
    assert!(told.starts_with("exit 0\n") && told.contains("mended 1 lines in 1 files"), "{told}");
    let mended = std::fs::read_to_string(shop.path("own/policy.yaml")).unwrap_or_default();
    assert_eq!(mended, REFUSED.replace("podSelektor", "podSelector"));
}

#[test]
fn a_rule_explains_itself() {
    let told = Shop::new().run(&["lint", "--explain", "hbone-forgotten"]);
    for part in ["exit 0", "port 15008 forgotten", "severity  warning", "Write: TCP 15008", "Source: Istio"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let told = Shop::new().run(&["lint", "--explain", "hbone-forgoten"]);
    assert!(told.starts_with("exit 2\n") && told.contains("did you mean `hbone-forgotten`?"), "{told}");
}

#[test]
fn the_reference_set_breaks_nothing() {
    let told = Shop::new().run(&["lint", concat!(env!("CARGO_MANIFEST_DIR"), "/manifests"), "--deny", "warnings"]);
    assert!(told.starts_with("exit 0\n"), "{told}");
}

#[test]
fn json_has_a_schema() {
    let shop = with(OPEN);
    let of = |arguments: &[&str]| -> Value {
        let output = shop.command(arguments).output().unwrap_or_else(|error| panic!("{error}"));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}"))
    };
    let (schema, report) = (of(&["schema", "lint"]), of(&["lint", "own", "-o", "json"]));
    let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{error}"));
    assert!(validator.is_valid(&report), "{report}");
    assert_eq!(report["counts"]["warnings"], 1, "{report}");
}
