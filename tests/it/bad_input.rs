//! Bad input through the command: the place as file:line:column, a hint, no panic, and never exit code 0.
//!
//! What is no input at all ends the command with 2, before a report is written. An object that an API server would
//! refuse is missing from the cluster: the run goes on without it, and ends with 1 whatever its cases say.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use insta::assert_snapshot;

use crate::shop::{POLICIES, SCENARIO, Shop};

/// What `airtight run` says; it must not have written anything.
fn refused(shop: &Shop) -> String {
    let told = shop.run(&["run"]);
    assert!(told.starts_with("exit 2\n--- stderr\n"), "{told}");
    assert_eq!(shop.names("airtight-report"), ["(no such folder)"]);
    told
}

/// What is told of the one finding about the shop with `from` replaced by `to` in its policies, where every case that
/// is run passes.
fn policy(from: &str, to: &str) -> String {
    assert!(POLICIES.contains(from), "{from}");
    let shop = Shop::with_policy(&POLICIES.replacen(from, to, 1));
    let told = shop.run(&["run", "--filter", "id=API-01"]);
    assert!(told.starts_with("exit 1\n") && told.contains("1 passed"), "{told}");
    let (_, finding) = told.split_once("from manifests\n").unwrap();
    finding.split_once("  canary").unwrap().0.to_owned()
}

/// The same for its scenario.
fn scenario(from: &str, to: &str) -> String {
    assert!(SCENARIO.contains(from), "{from}");
    let shop = Shop::new();
    shop.write("scenarios/api.yaml", SCENARIO.replacen(from, to, 1));
    refused(&shop)
}

/// What the command says about a manifest of these bytes; the place must be `place`.
fn bytes(content: impl AsRef<[u8]>, place: &str) {
    let shop = Shop::new();
    shop.write("manifests/bad.yaml", content);
    let told = refused(&shop);
    assert!(told.contains(&format!("manifests/bad.yaml:{place}")), "{told}");
    assert!(told.contains("help: "), "{told}");
}

#[test]
fn an_unknown_field_is_placed_and_the_right_one_suggested() {
    assert_snapshot!(policy("  podSelector:", "  podSelectors:"), @r"
    error[unknown-field] NetworkPolicy has no field `spec.podSelectors`
      at manifests/policies.yaml:5:3
      hint    did you mean `podSelector`?
    ");
}

#[test]
fn a_field_of_another_kind_is_told_from_a_typing_error() {
    let told = policy(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy",
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy",
    );
    assert_snapshot!(told, @r"
    error[unknown-field] CiliumNetworkPolicy has no field `spec.podSelector`
      at manifests/policies.yaml:5:3
      hint    a Cilium policy selects its pods with `endpointSelector`; `podSelector` belongs to
              NetworkPolicy
    error[unknown-field] CiliumNetworkPolicy has no field `spec.ingress[0].from`
      at manifests/policies.yaml:7:5
      hint    a Cilium rule names its peers with `fromEndpoints`, `fromEntities` or `fromCIDR`
    error[unknown-field] CiliumNetworkPolicy has no field `spec.ingress[0].ports`
      at manifests/policies.yaml:9:5
      hint    a Cilium rule lists its ports under `toPorts[].ports`
    ");
}

#[test]
fn an_unknown_kind_is_an_error_and_not_left_out() {
    let policies = POLICIES.replace("kind: NetworkPolicy", "kind: NetworkPolice");
    assert_snapshot!(refused(&Shop::with_policy(&policies)), @r"
    exit 2
    --- stderr
    error[unknown-kind]: airtight does not know kind `NetworkPolice` of group `networking.k8s.io`
     --> manifests/policies.yaml:2:7
      |
    2 | kind: NetworkPolice
      |       ^^^^^^^^^^^^^
      |
      = help: did you mean `NetworkPolicy`?

    error[input]: 1 error in the input
    ");
}

#[test]
fn a_namespace_that_is_one_letter_from_one_that_is_there_is_an_error() {
    assert_snapshot!(policy("{name: api, namespace: shop}", "{name: api, namespace: shopp}"), @r"
    error[dangling-reference] NetworkPolicy shopp/api is in namespace `shopp`, which does not exist
      at manifests/policies.yaml:3:34
      hint    did you mean `shop`? Otherwise add the Namespace to the manifests
    warning[selects-nobody] NetworkPolicy shopp/api: its selector selects no pod of this world, so that it binds nobody
      at manifests/policies.yaml:7:5
      hint    nearest is shop/api: the selector wants `namespace: shopp`, and there it is `shop`
    warning[peer-matches-nobody] NetworkPolicy shopp/api spec.ingress[0]: a peer of this rule matches no pod of this world
      at manifests/policies.yaml:7:5
      hint    nearest is shop/waypoint: the selector wants `namespace: shopp`, and there it is `shop`
    ");
}

#[test]
fn a_pod_of_a_service_account_that_is_not_there_is_refused() {
    let shop = Shop::new();
    shop.write(
        "manifests/shop.yaml",
        crate::shop::WORKLOADS.replace("serviceAccountName: web", "serviceAccountName: wep"),
    );
    assert_snapshot!(shop.run(&["run"]), @r"
    exit 2
    --- stderr
    error[dangling-reference]: pod shop/web wants ServiceAccount `wep`, which does not exist: it would never start
      --> manifests/shop.yaml:22:1
       |
    22 | apiVersion: v1
       | ^^^^^^^^^^
       |
       = help: did you mean `web`?

    error[unknown-workload]: there is no workload `shop/web`
      --> scenarios/api.yaml:10:11
       |
    10 |     from: shop/web
       |           ^^^^^^^^
       |
       = help: did you mean `shop/api`?

    error[unknown-workload]: there is no workload `shop/web`
      --> scenarios/api.yaml:23:11
       |
    23 |     from: shop/web
       |           ^^^^^^^^
       |
       = help: did you mean `shop/api`?

    error[input]: 3 errors in the input
    ");
}

#[test]
fn an_object_defined_twice_is_refused() {
    let shop = Shop::new();
    shop.write("manifests/again.yaml", POLICIES.split("---").next().unwrap());
    assert_snapshot!(refused(&shop), @r"
    exit 2
    --- stderr
    error[duplicate-object]: NetworkPolicy shop/api is defined twice
     --> manifests/policies.yaml:1:1
      |
    1 | apiVersion: networking.k8s.io/v1
      | ^^^^^^^^^^
      |
      = help: it is also at manifests/again.yaml:1:1; keep one of the two

    error[input]: 1 error in the input
    ");
}

#[test]
fn an_unknown_workload_in_a_scenario_is_placed() {
    assert_snapshot!(scenario("from: shop/stranger", "from: shop/strangr"), @r"
    exit 2
    --- stderr
    error[unknown-workload]: there is no workload `shop/strangr`
      --> scenarios/api.yaml:16:11
       |
    16 |     from: shop/strangr
       |           ^^^^^^^^^^^^
       |
       = help: did you mean `shop/stranger`?

    error[input]: 1 error in the input
    ");
}

#[test]
fn a_denied_case_needs_a_twin() {
    assert_snapshot!(scenario("    expect: {deny: {by: cni}}\n    twin: API-01\n", "    expect: {deny: {by: cni}}\n"), @r"
    exit 2
    --- stderr
    error[missing-twin]: the denied case `API-03` has no twin
      --> scenarios/api.yaml:21:9
       |
    21 |   - id: API-03
       |         ^^^^^^
       |
       = help: name the allowed case that differs in exactly one thing: `twin: ID`

    error[input]: 1 error in the input
    ");
}

#[test]
fn duplicate_ids_are_refused_where_the_second_stands() {
    assert_snapshot!(scenario("id: API-03", "id: API-02"), @r"
    exit 2
    --- stderr
    error[repeated-id]: case id `API-02` is also used at scenarios/api.yaml:14:9
      --> scenarios/api.yaml:21:9
       |
    21 |   - id: API-02
       |         ^^^^^^
       |
       = help: an id is used once in the whole matrix, and never again for another case

    error[input]: 1 error in the input
    ");
}

#[test]
fn twins_that_go_round_in_circles_are_refused() {
    let told = scenario(
        "{deny: {by: waypoint, status: 403}}\n    twin: API-01",
        "{deny: {by: waypoint, status: 403}}\n    twin: API-03",
    );
    assert_snapshot!(told, @r"
    exit 2
    --- stderr
    error[denied-twin]: the twin `API-03` of `API-02` is itself denied
      --> scenarios/api.yaml:20:11
       |
    20 |     twin: API-03
       |           ^^^^^^
       |
       = help: a twin shows that the target answers: it must be an allowed case

    error[input]: 1 error in the input
    ");
}

#[test]
fn a_case_that_is_its_own_twin_is_refused() {
    assert_snapshot!(scenario("{deny: {by: cni}}\n    twin: API-01", "{deny: {by: cni}}\n    twin: API-03"), @r"
    exit 2
    --- stderr
    error[cyclic-twin]: `API-03` is its own twin, by way of `API-03`
      --> scenarios/api.yaml:26:11
       |
    26 |     twin: API-03
       |           ^^^^^^
       |
       = help: a twin is an allowed case, and has none itself

    error[input]: 1 error in the input
    ");
}

#[test]
fn unknown_controls_layers_and_fields_of_a_scenario_are_refused() {
    assert_snapshot!(scenario("severity: high", "severity: high\n  controls: [nist-800-53/AC-44]"), @r"
    exit 2
    --- stderr
    error[unknown-control]: there is no control `nist-800-53/AC-44`
     --> scenarios/api.yaml:7:14
      |
    7 |   controls: [nist-800-53/AC-44]
      |              ^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `nist-800-53/AC-4`?

    error[input]: 1 error in the input
    ");
    assert_snapshot!(scenario("by: cni", "by: cnj"), @r"
    exit 2
    --- stderr
    error[invalid-value]: spec.cases[2].expect.deny.by: unknown variant `cnj`, expected one of `admission`, `cni`, `ztunnel`, `waypoint`, `gateway`, `application`
      --> scenarios/api.yaml:25:25
       |
    25 |     expect: {deny: {by: cnj}}
       |                         ^^^
       |
       = help: did you mean `cni`?

    error[input]: 1 error in the input
    ");
    assert_snapshot!(scenario("title: a stranger is refused", "titel: a stranger is refused"), @r"
    exit 2
    --- stderr
    error[invalid-value]: spec.cases[1]: missing field `title`; `titel` is no field: did you mean the other?
      --> scenarios/api.yaml:15:5
       |
    15 |     titel: a stranger is refused
       |     ^^^^^
       |
       = help: see `airtight schema scenario` for the format

    error[input]: 1 error in the input
    ");
}

#[test]
fn an_empty_folder_is_refused() {
    let shop = Shop::new();
    std::fs::create_dir(shop.path("empty")).unwrap();
    assert_snapshot!(shop.run(&["run", "-m", "empty"]), @r"
    exit 2
    --- stderr
    error[no-manifests]: there is no .yaml, .yml or .json file in empty
     |
     = help: name a folder with manifests, or a file

    error[input]: 1 error in the input
    ");
    assert_snapshot!(shop.run(&["run", "-s", "empty"]), @r"
    exit 2
    --- stderr
    error[no-manifests]: there is no .yaml, .yml or .json file in empty
     |
     = help: name a folder with manifests, or a file

    error[input]: 1 error in the input
    ");
    assert_snapshot!(shop.run(&["list", "-m", "not-there"]), @r"
    exit 2
    --- stderr
    error[unreadable]: cannot read not-there: there is no such file or folder
    --> not-there:1:1
     = help: check the path and its permissions

    error[input]: 1 error in the input
    ");
}

#[test]
fn empty_files_are_refused() {
    let shop = Shop::new();
    shop.write("empty/a.yaml", "");
    shop.write("empty/b.yaml", "# nothing\n---\n---\n");
    assert_snapshot!(shop.run(&["run", "-s", "empty"]), @r"
    exit 2
    --- stderr
    error[no-scenarios]: there are no scenarios to load
     |
     = help: name a folder with at least one YAML file of `kind: Scenario`

    error[input]: 1 error in the input
    ");
    assert_snapshot!(shop.run(&["run", "-m", "empty"]), @r"
    exit 2
    --- stderr
    error[unknown-workload]: there is no workload `shop/web`
      --> scenarios/api.yaml:10:11
       |
    10 |     from: shop/web
       |           ^^^^^^^^
       |
       = help: known are, among others: `kube-system/coredns`

    error[unknown-service]: there is no service `shop/api`
      --> scenarios/api.yaml:11:19
       |
    11 |     to: {service: shop/api, port: 8080}
       |                   ^^^^^^^^
       |
       = help: known are, among others: `default/kubernetes`, `kube-system/kube-dns`

    error[unknown-workload]: there is no workload `shop/stranger`
      --> scenarios/api.yaml:16:11
       |
    16 |     from: shop/stranger
       |           ^^^^^^^^^^^^^
       |
       = help: known are, among others: `kube-system/coredns`

    error[unknown-service]: there is no service `shop/api`
      --> scenarios/api.yaml:17:19
       |
    17 |     to: {service: shop/api, port: 8080}
       |                   ^^^^^^^^
       |
       = help: known are, among others: `default/kubernetes`, `kube-system/kube-dns`

    error[unknown-workload]: there is no workload `shop/web`
      --> scenarios/api.yaml:23:11
       |
    23 |     from: shop/web
       |           ^^^^^^^^
       |
       = help: known are, among others: `kube-system/coredns`

    error[unknown-workload]: there is no workload `shop/api`
      --> scenarios/api.yaml:24:15
       |
    24 |     to: {pod: shop/api, port: 8080}
       |               ^^^^^^^^
       |
       = help: known are, among others: `kube-system/coredns`

    error[input]: 6 errors in the input
    ");
}

#[cfg(target_os = "linux")]
#[test]
fn a_path_that_cannot_be_read_is_named() {
    let told = Shop::new().run(&["list", "-m", "/proc/self/mem"]);
    assert!(told.starts_with("exit 2\n") && told.contains("cannot read /proc/self/mem"), "{told}");
    let told = Shop::new().run(&["list", "-m", "/dev/zero"]);
    assert!(told.starts_with("exit 2\n") && told.contains("not a regular file"), "{told}");
    let told = Shop::new().run(&["report", "--from", "/dev/zero"]);
    assert!(told.starts_with("exit 2\n") && told.contains("it has more than"), "{told}");
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_or_in_a_circle_are_named() {
    let shop = Shop::new();
    std::os::unix::fs::symlink("nowhere.yaml", shop.path("manifests/gone.yaml")).unwrap();
    assert!(refused(&shop).contains("cannot read manifests/gone.yaml"));
    let shop = Shop::new();
    std::os::unix::fs::symlink("round.yaml", shop.path("manifests/round.yaml")).unwrap();
    assert!(refused(&shop).contains("cannot read manifests/round.yaml"));
}

#[test]
fn characters_that_yaml_forbids_are_placed() {
    bytes("a: 1\nb: \u{0}x\n", "2:4");
    bytes("a:\n\tb: 1\n", "2:2");
    bytes(b"a: 1\nb: \xff\n", "2:4");
    bytes("a: 1\na: 2\n", "2:1");
    bytes("a: [1, 2\nb: 3\n", "2");
    bytes("a: \"never closed\n", "");
}

#[test]
fn documents_that_are_no_objects_are_placed() {
    for text in ["just text\n", "42\n", "apiVersion: v1\n", "kind: Pod\n", "apiVersion: 1\nkind: Pod\n"] {
        bytes(text, "1:");
    }
    bytes("apiVersion: v1\nkind: Pod\nmetadata: {}\nspec: {containers: []}\n", "");
}

#[test]
fn a_value_of_another_type_is_placed() {
    assert_snapshot!(policy("ports: [{port: 15008}]", "ports: 15008"), @r"
    error[invalid-value] spec.ingress[0].ports: expected a list, found the number `15008`
      at manifests/policies.yaml:9:12
    ");
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let aliases = vec![format!("*a{}", n - 1); 9].join(", ");
        text.push_str(&["a", &n.to_string(), ": &a", &n.to_string(), " [", &aliases, "]\n"].concat());
    }
    bytes(&text, "");
    let shop = Shop::new();
    shop.write("scenarios/bomb.yaml", text);
    refused(&shop);
}

#[test]
fn deep_nesting_is_refused() {
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), format!("{}x", "- ".repeat(100_000))] {
        bytes(&text, "1:");
    }
    let block: String = (0..5_000).map(|depth| " ".repeat(depth) + "a:\n").collect();
    bytes(block, "");
}

#[test]
fn a_token_nested_deeply_is_refused() {
    let token = "[".repeat(50_000);
    let told = Shop::new().run(&["explain", "shop/web", "shop/api:8080", "--http", "GET /", "--token", &token]);
    assert!(told.starts_with("exit 2\n"), "{}", &told[told.len() - 400..]);
}

#[test]
fn several_findings_are_all_told_at_once() {
    let shop = Shop::new();
    shop.write("scenarios/api.yaml", SCENARIO.replace("twin: API-01", "twin: API-09"));
    assert!(refused(&shop).contains("2 errors in the input"));
}

#[test]
fn text_that_steers_a_terminal_is_not_passed_on() {
    let told = policy("  podSelector:", "  \"pod\\e[31mSelector\":");
    assert!(!told.contains('\u{1b}'), "{told:?}");
}

#[test]
fn a_request_that_no_client_could_send_is_an_error_and_no_denial() {
    for (request, why) in [
        ("{method: \"POST X\", path: /items}", "is no method"),
        ("{path: \"/items\\r\\nx: y\"}", "is no path"),
        ("{path: \"/it ems\"}", "is no path"),
        ("{path: /items, host: \"a\\nb\"}", "is no host"),
        ("{path: /items, headers: {\"x y\": z}}", "is no name of a header"),
        ("{path: /items, headers: {x: \"y\\0z\"}}", "is no value of a header"),
    ] {
        let told = scenario("request: {method: GET, path: /items}", &format!("request: {request}"));
        assert!(told.contains("no client could send this request") && told.contains(why), "{told}");
        assert!(told.contains("scenarios/api.yaml:"), "{told}");
    }
    let told = Shop::new().run(&["explain", "shop/web", "shop/api:8080", "--http", "GET /a\tb"]);
    assert!(told.starts_with("exit 2\n") && told.contains("is no path"), "{told}");
}

#[test]
fn what_was_meant_is_suggested_where_a_flow_names_what_is_not_there() {
    let told = |arguments: &[&str]| Shop::new().run(&[&["explain"], arguments].concat());
    assert!(told(&["shop/wep", "shop/api:8080"]).contains("hint: did you mean `shop/web`?"));
    assert!(told(&["shop/web", "shop/apo:8080"]).contains("hint: did you mean `shop/api`?"));
    assert!(told(&["node/work", "shop/api:8080"]).contains("hint: did you mean `worker`?"));
    assert!(told(&["shop/web", "shop/api:80"]).contains("note: shop/api has no TCP port 80; it has 8080/TCP"));
    let token = told(&["shop/web", "shop/api:8080", "--http", "GET /", "--token", "{\"issuer\": 1}"]);
    assert!(token.contains("issuer: expected a string"), "{token}");
    let token = told(&["shop/web", "shop/api:8080", "--http", "GET /", "--token", "{\"isuer\": \"x\"}"]);
    assert!(token.contains("unknown field `isuer`, expected one of `issuer`"), "{token}");
}
