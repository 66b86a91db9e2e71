//! What the command says about itself, its inputs and single flows.

use insta::assert_snapshot;

use crate::shop::{Shop, assert_sound};

#[test]
fn help_names_the_commands_and_the_exit_codes() {
    assert_snapshot!(Shop::new().run(&["-h"]), @r"
    exit 0
    --- stdout
    End-to-end conformance harness for zero-trust Kubernetes networks: Cilium, Istio ambient, Kgateway
    and Kyverno

    Usage: airtight [OPTIONS] <COMMAND>

    Commands:
      run          Run the matrix on a testbed and write the reports
      coverage     Measure what the matrix would not notice: rules that no case misses, allowed flows
                   that no case asserts
      init         Draft scenarios from a policy set, each case confirmed by the model
      lint         Find policies that do not do what they say
      list         List the cases or the workloads
      explain      Explain one flow, hop by hop: each checkpoint, its decision, and the rule behind it
      matrix       Show who reaches whom, for all pods at once
      snapshot     Read a cluster into a folder of manifests, which the other commands take with -m
      report       Render another report from a run.json
      evidence     Make an evidence bundle of a run, or verify one
      history      Show runs over time: the trend, flaky cases, and how long failures lasted
      diff         Compare a run with an earlier one, or what two sets of manifests allow
      stacks       List the stacks, and check which versions go together
      preflight    Check whether this machine can run a cluster of a stack
      up           Bring up a cluster of a stack on kind, or go on where the last attempt ended
      status       Show what is there of our clusters
      down         Remove a cluster: exactly what `up` made
      clean        Remove what crashed runs left on a cluster: exactly what carries our label
      images       List the images of a stack
      bundle       Fetch what a machine without a network needs to bring up a stack
      probe        The probe's image, for clusters that pull from a registry
      rbac         Print the role that `run --testbed cluster` needs, as a manifest
      job          Print a Job that runs the matrix from within a cluster, with all that it needs, as
                   manifests
      schema       Print the JSON Schema of scenarios, environments, run.json, diffs of manifests, lint
                   or coverage reports
      completions  Print completions for a shell
      help         Print this message or the help of the given subcommand(s)

    Options:
          --color <WHEN>  When to use colours [default: auto] [possible values: auto, always, never]
      -h, --help          Print help (see more with '--help')
      -V, --version       Print version

    Exit codes: 0 all passed, 1 a case failed, 2 usage or input error, 3 inconclusive, 4 nothing
    selected, 5 no testbed
    ");
}

#[test]
fn no_command_is_a_usage_error() {
    let told = Shop::new().run(&[]);
    assert!(told.starts_with("exit 2\n--- stderr\n"), "{told}");
}

#[test]
fn each_command_has_help() {
    for command in [
        "run",
        "init",
        "lint",
        "list",
        "explain",
        "matrix",
        "report",
        "evidence",
        "history",
        "diff",
        "schema",
        "completions",
    ] {
        let told = Shop::new().run(&[command, "--help"]);
        assert!(told.starts_with("exit 0\n--- stdout\n") && told.contains("Usage: airtight"), "{told}");
    }
}

#[test]
fn an_unknown_command_is_answered_with_a_similar_one() {
    assert_snapshot!(Shop::new().run(&["lits"]), @r"
    exit 2
    --- stderr
    error: unrecognized subcommand 'lits'

      tip: some similar subcommands exist: 'lint', 'list'

    Usage: airtight [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(
        Shop::new().run(&["--version"]),
        format!("exit 0\n--- stdout\nairtight {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn list_shows_the_cases() {
    assert_snapshot!(Shop::new().run(&["list"]), @r"
    exit 0
    --- stdout
    shop-api::API-01  high  allow             the web shop reads items through the waypoint
    shop-api::API-02  high  deny by waypoint  a stranger is refused
    shop-api::API-03  high  deny by cni       the API's own address is closed
    ");
}

#[test]
fn list_as_json_has_one_object_for_each_case() {
    assert_snapshot!(Shop::new().run(&["list", "-o", "json", "--filter", "id=API-02"]), @r#"
    exit 0
    --- stdout
    [
      {
        "id": "shop-api::API-02",
        "scenario": "shop-api",
        "severity": "high",
        "expect": "deny by waypoint",
        "flow": "shop/stranger → shop/api:8080 GET /items",
        "title": "a stranger is refused"
      }
    ]
    "#);
}

#[test]
fn list_shows_the_workloads() {
    assert_snapshot!(Shop::new().run(&["list", "--workloads"]), @r"
    exit 0
    --- stdout
    service   kube-system/kube-dns           53/UDP 53/TCP
    service   shop/api                       8080/TCP
    service   shop/waypoint                  15021/TCP 15008/TCP
    workload  kube-system/kube-dns  none     53/TCP 53/UDP
    workload  shop/api              ambient  8080/TCP
    workload  shop/stranger         ambient
    workload  shop/waypoint         native   15021/TCP 15008/TCP 15020/TCP 15090/TCP
    workload  shop/web              ambient
    ");
}

#[test]
fn list_of_nothing_ends_with_its_own_code() {
    assert_snapshot!(Shop::new().run(&["list", "--filter", "nothing-is-called-so"]), @r"
    exit 4
    --- stderr
    no case is selected
      hint: loosen `--filter` or `--suite`; `airtight list` without them shows every case
    ");
}

#[test]
fn explain_shows_the_way_through_the_waypoint() {
    assert_snapshot!(Shop::new().run(&["explain", "shop/web", "shop/api:8080", "--http", "GET /items"]), @r#"
    exit 0
    --- stdout
    shop/web → shop/api:8080 GET /items
      hop 1  shop/web → shop/waypoint  HBONE TCP 15008 (inside: TCP 8080)
        ✓ ztunnel-outbound allows  via-waypoint
            Service shop/api is bound to waypoint shop/waypoint
            Service shop/api  manifests/shop.yaml:51:1
            Gateway shop/waypoint  manifests/shop.yaml:61:1
        ✓ cni-egress allows  no-policy
            no policy selects shop/web for egress
            log: policy-verdict:none egress FORWARDED shop/web → shop/waypoint-0 TCP 15008
        ✓ cni-ingress allows  no-policy
            no policy selects shop/waypoint-0 for ingress
            log: policy-verdict:none ingress FORWARDED shop/web → shop/waypoint-0 TCP 15008
        ✓ waypoint allows  allow-rule
            waypoint shop/waypoint, cluster.local/ns/shop/sa/web to Service shop/api:8080: a rule of
            ALLOW shop/api-callers matches
            AuthorizationPolicy shop/api-callers spec.rules[0]  manifests/policies.yaml:17:5
      hop 2  shop/waypoint → shop/api  HBONE TCP 15008 (inside: TCP 8080)
        ✓ cni-egress allows  no-policy
            no policy selects shop/waypoint-0 for egress
            log: policy-verdict:none egress FORWARDED shop/waypoint-0 → shop/api TCP 15008
        ✓ cni-ingress allows  allow-rule
            NetworkPolicy shop/api spec.ingress[0] allows shop/waypoint-0 → shop/api TCP 15008
            NetworkPolicy shop/api spec.ingress[0]  manifests/policies.yaml:7:5
            log: policy-verdict:match ingress FORWARDED shop/waypoint-0 → shop/api TCP 15008
        ✓ ztunnel-inbound allows  no-policy
            no ALLOW policy is in force for cluster.local/ns/shop/sa/waypoint to shop/api:8080, and no
            DENY rule matches
            log: info access connection complete src.addr=10.244.0.14
            src.identity="spiffe://cluster.local/ns/shop/sa/waypoint" dst.addr=10.244.0.11:15008
            dst.hbone_addr=10.244.0.11:8080 dst.workload="api" dst.namespace="shop" direction="inbound"
        ✓ application allows  listening
            shop/api listens on TCP 8080
            Pod shop/api  manifests/shop.yaml:41:1
      end    the client sees http(200)
    "#);
}

#[test]
fn explain_shows_why_the_pods_own_address_is_closed() {
    assert_snapshot!(Shop::new().run(&["explain", "shop/web", "pod/shop/api:8080"]), @r#"
    exit 0
    --- stdout
    shop/web → pod shop/api:8080
      hop 1  shop/web → shop/api  HBONE TCP 15008 (inside: TCP 8080)
        ✓ ztunnel-outbound allows  direct
            ztunnel goes straight to pod shop/api
        ✓ cni-egress allows  no-policy
            no policy selects shop/web for egress
            log: policy-verdict:none egress FORWARDED shop/web → shop/api TCP 15008
        ✗ cni-ingress denies  default-deny
            NetworkPolicy shop/api spec.ingress[0] isolates shop/api for ingress, and no rule allows
            shop/web → shop/api TCP 15008
            NetworkPolicy shop/api spec.ingress[0]  manifests/policies.yaml:7:5
            nearly allowed by NetworkPolicy shop/api spec.ingress[0] (manifests/policies.yaml:7:5): it
            allows from `gateway.networking.k8s.io/gateway-name: waypoint`, and there is none
            the client sees timeout
            log: policy-verdict:none ingress DROPPED POLICY_DENIED(133) shop/web → shop/api TCP 15008
        ✓ ztunnel-inbound would allow  no-policy
            no ALLOW policy is in force for cluster.local/ns/shop/sa/web to shop/api:8080, and no DENY
            rule matches
            log: info access connection complete src.addr=10.244.0.13
            src.identity="spiffe://cluster.local/ns/shop/sa/web" dst.addr=10.244.0.11:15008
            dst.hbone_addr=10.244.0.11:8080 dst.workload="api" dst.namespace="shop" direction="inbound"
        ✓ application would allow  listening
            shop/api listens on TCP 8080
            Pod shop/api  manifests/shop.yaml:41:1
      end    the client sees timeout, denied by cni at cni-ingress
    "#);
}

#[test]
fn explain_as_json_holds_the_rule_and_its_place() {
    let output = Shop::new().command(&["explain", "shop/web", "pod/shop/api:8080", "-o", "json"]).output().unwrap();
    assert_sound(&output);
    let trace: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let denied = &trace["hops"][0]["checkpoints"][2];
    assert_snapshot!(serde_json::to_string_pretty(denied).unwrap(), @r#"
    {
      "checkpoint": "cni-ingress",
      "decision": {
        "effect": "deny",
        "reason": "default-deny",
        "rules": [
          {
            "object": {
              "kind": "NetworkPolicy",
              "namespace": "shop",
              "name": "api"
            },
            "rule": "spec.ingress[0]",
            "at": {
              "file": "manifests/policies.yaml",
              "line": 7,
              "column": 5
            }
          }
        ],
        "detail": "NetworkPolicy shop/api spec.ingress[0] isolates shop/api for ingress, and no rule allows shop/web → shop/api TCP 15008",
        "symptom": "timeout",
        "log": "policy-verdict:none ingress DROPPED POLICY_DENIED(133) shop/web → shop/api TCP 15008",
        "near": [
          {
            "rule": {
              "object": {
                "kind": "NetworkPolicy",
                "namespace": "shop",
                "name": "api"
              },
              "rule": "spec.ingress[0]",
              "at": {
                "file": "manifests/policies.yaml",
                "line": 7,
                "column": 5
              }
            },
            "but": "it allows from `gateway.networking.k8s.io/gateway-name: waypoint`, and there is none",
            "distance": 2
          }
        ]
      }
    }
    "#);
    assert_snapshot!(trace["end"], @r#"{"outcome":"timeout"}"#);
}

#[test]
fn explain_names_what_it_does_not_know() {
    assert_snapshot!(Shop::new().run(&["explain", "shop/web", "shop/apo:8080"]), @r"
    exit 2
    --- stderr
    error[flow]: there is no Service shop/apo
      hint: did you mean `shop/api`?
    ");
    assert_snapshot!(Shop::new().run(&["explain", "web", "shop/api:8080"]), @r"
    exit 2
    --- stderr
    error[argument]: `web` is not a source
      hint: write `NAMESPACE/WORKLOAD`, `outside`, `kubelet` or `node/NAME`
    ");
    assert_snapshot!(Shop::new().run(&["explain", "shop/web", "shop/api:99999"]), @r"
    exit 2
    --- stderr
    error[argument]: `shop/api:99999` is not a destination with a port from 1 to 65535
      hint: write `NAMESPACE/SERVICE:PORT`, `pod/NAMESPACE/NAME:PORT`, `gateway/NAMESPACE/NAME:PORT`, `node/NAME:PORT`, `HOST:PORT`, `ADDRESS:PORT` or `name/DNS-NAME`
    ");
    assert_snapshot!(Shop::new().run(&["explain", "shop/web", "shop/api:8080", "--http", "items"]), @r"
    exit 2
    --- stderr
    error[argument]: `items` is not a request
      hint: write it as 'POST /v1/chat/completions'
    ");
    assert_snapshot!(Shop::new().run(&["explain", "shop/web", "shop/api:8080", "--protocol", "quic"]), @r"
    exit 2
    --- stderr
    error[argument]: `quic` is not a transport protocol
      hint: write `tcp`, `udp`, `sctp` or `icmp`
    ");
}

#[test]
fn the_environment_of_the_reference_set_fits_its_schema() {
    let output = Shop::new().command(&["schema", "environment"]).output().unwrap();
    assert_sound(&output);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let environment = airtight_testkit::repository::document("manifests/environment.yaml").root.to_json();
    let wrong: Vec<String> = validator.iter_errors(&environment).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut misspelt = environment;
    misspelt["spec"]["podCidr"] = serde_json::json!([]);
    assert!(!validator.is_valid(&misspelt));
}

#[test]
fn explain_tells_a_script_whether_its_expectation_holds() {
    let ends = |arguments: &[&str]| {
        let told = Shop::new().run(&[&["explain"], arguments].concat());
        told.lines().next().unwrap().to_owned()
    };
    let allowed = ["shop/web", "shop/api:8080", "--http", "GET /items"];
    let denied = ["shop/stranger", "pod/shop/api:8080"];
    assert_eq!(ends(&[&allowed[..], &["--expect", "allow"]].concat()), "exit 0");
    assert_eq!(ends(&[&allowed[..], &["--expect", "deny"]].concat()), "exit 1");
    assert_eq!(ends(&[&denied[..], &["--expect", "deny"]].concat()), "exit 0");
    assert_eq!(ends(&[&denied[..], &["--expect", "allow"]].concat()), "exit 1");
    // A pod that lists no ports may listen anywhere.
    let open = ["shop/stranger", "pod/shop/web:81"];
    assert_eq!(ends(&[&open[..], &["--expect", "allow"]].concat()), "exit 3");
    // What would end without any policy shows no denial: a name that is not there, a port that is none of the Service's.
    for nothing in ["nowhere.example:443", "shop/api:81"] {
        let told = Shop::new().run(&["explain", "shop/web", nothing, "--expect", "deny"]);
        assert!(told.starts_with("exit 3\n") && told.contains("it would end without any policy"), "{told}");
    }
}
