//! Drafted scenarios load, pass at once, and are the same every time.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use airtight_manifest::stack::Stack;
use airtight_manifest::{Document, yaml};
use airtight_matrix::judge::Verdict;
use airtight_matrix::model::Model;
use airtight_matrix::run::draft::draft;
use airtight_matrix::run::judge_all;
use airtight_matrix::scenario::{Catalogue, load, schema};
use airtight_model::path::Engine;
use airtight_model::world::{Environment, World, build};

const AIRTIGHT: &str = env!("CARGO_BIN_EXE_airtight");

fn airtight(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(AIRTIGHT);
    // Settings of the caller's shell must not decide a test.
    for name in
        ["AIRTIGHT_MANIFESTS", "AIRTIGHT_SCENARIOS", "AIRTIGHT_STACK", "AIRTIGHT_REPORT_DIR", "AIRTIGHT_TESTBED"]
    {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn only(path: &str) -> Document {
    yaml::parse(&Arc::from(path), &fs::read_to_string(path).unwrap()).unwrap().remove(0)
}

fn reference() -> World {
    let environment = Environment::read(&only("manifests/environment.yaml")).unwrap();
    let stack = Stack::read(&only("kind/stacks/reference.yaml")).unwrap();
    let folders = ["manifests/workloads", "manifests/system", "manifests/policies"];
    let documents: Vec<Document> =
        folders.iter().flat_map(|folder| airtight_manifest::load(Path::new(folder)).unwrap().documents).collect();
    build(&documents, &environment, stack).unwrap().world
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { _ = fs::copy(&path, &target).unwrap() }
    }
}

fn examples() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new("examples"), folder.path());
    folder
}

fn with_manifests(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("k8s")).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join("k8s").join(name), text).unwrap();
    }
    folder
}

/// Lines of the `console` blocks of a document.
fn console_lines(text: &str) -> Vec<String> {
    let blocks = text.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect()
}

#[test]
fn the_commands_of_the_examples_readme_work() {
    let folder = examples();
    let mut here = folder.path().to_owned();
    let lines = console_lines(&fs::read_to_string("examples/README.md").unwrap());
    assert!(lines.len() >= 8, "{lines:?}");
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["cd", target] => here = here.join(target).canonicalize().unwrap(),
            ["airtight", arguments @ ..] => {
                let output = airtight(&here, arguments);
                assert_eq!(output.status.code(), Some(0), "{line}\n{}", stderr(&output));
            }
            _ => panic!("what is `{line}`?"),
        }
    }
}

#[test]
fn the_shipped_drafts_are_what_init_writes() {
    let folder = examples();
    for example in ["three-namespaces", "cilium-istio"] {
        let here = folder.path().join(example);
        let shipped = fs::read_to_string(Path::new("examples").join(example).join("scenarios.yaml")).unwrap();
        for _ in 0..2 {
            let drafted = airtight(&here, &["init", "--manifests", "manifests", "--out", "-"]);
            assert_eq!(stdout(&drafted), shipped, "{example}: airtight init --manifests manifests --force");
        }
    }
}

#[test]
fn drafts_satisfy_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for example in ["three-namespaces", "cilium-istio"] {
        let path: PathBuf = ["examples", example, "scenarios.yaml"].iter().collect();
        let documents: Vec<Document> = airtight_manifest::load(&path).unwrap().documents;
        assert!(!documents.is_empty());
        for document in documents {
            let value = document.root.to_json();
            let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{example}: {errors:?}");
        }
    }
}

#[test]
fn a_draft_of_the_reference_set_passes_and_leaves_little_out() {
    let world = reference();
    let today = jiff::civil::date(2026, 1, 15);
    let drafted = draft(&world, None, today).unwrap();
    let reasons: Vec<String> = drafted.undrafted.iter().map(|(rule, why)| format!("{rule}: {why}")).collect();
    assert!(drafted.rules > 70 && reasons.len() * 8 < drafted.rules, "{reasons:#?}");
    assert!(drafted.denied > drafted.allowed / 2, "{} allowed, {} denied", drafted.allowed, drafted.denied);
    // Whatever the set guards twice cannot be noticed: default deny is Cilium's and Kyverno's, and so on.
    let written = drafted.unnoticed.iter().filter(|rule| &*rule.object.kind != "NetworkPolicy").count();
    assert!(written <= 10, "{:#?}", drafted.unnoticed);

    let documents = yaml::parse(&Arc::from("draft.yaml"), &drafted.text).unwrap();
    let plan = load(&documents, &world, &Catalogue::embedded().unwrap(), today).unwrap();
    assert_eq!(plan.cases.len(), drafted.allowed + drafted.denied);
    let engine = Engine::compile(&world);
    for record in judge_all(&plan, &mut Model::new(&engine)) {
        assert_eq!(record.judgement.verdict, Verdict::Pass, "{}: {}", record.case.id, record.judgement.why);
    }
}

#[test]
fn a_changed_policy_breaks_the_draft() {
    let folder = examples();
    let here = folder.path().join("three-namespaces");
    let policies = here.join("manifests/policies.yaml");
    let text = fs::read_to_string(&policies).unwrap();
    let changed: Vec<&str> = text.split("---\n").filter(|document| !document.contains("name: allow-dns")).collect();
    fs::write(&policies, changed.join("---\n")).unwrap();
    let run = airtight(&here, &["run", "--manifests", "manifests", "--scenarios", "scenarios.yaml"]);
    assert_eq!(run.status.code(), Some(1), "{}", stderr(&run));
}

#[test]
fn a_file_is_replaced_only_by_force() {
    let folder = examples();
    let here = folder.path().join("three-namespaces");
    fs::write(here.join("mine.yaml"), "precious").unwrap();
    let refused = airtight(&here, &["init", "--manifests", "manifests", "--out", "mine.yaml"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("--force"), "{}", stderr(&refused));
    assert_eq!(fs::read_to_string(here.join("mine.yaml")).unwrap(), "precious");
    let forced = airtight(&here, &["init", "--manifests", "manifests", "--out", "mine.yaml", "--force"]);
    assert_eq!(forced.status.code(), Some(0), "{}", stderr(&forced));
    assert!(fs::read_to_string(here.join("mine.yaml")).unwrap().contains("kind: Scenario"));
    let left: Vec<_> = fs::read_dir(&here).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".airtight")), "{left:?}");
}

#[test]
fn one_namespace_can_be_chosen() {
    let folder = examples();
    let here = folder.path().join("three-namespaces");
    let drafted = airtight(&here, &["init", "--manifests", "manifests", "--out", "-", "-n", "data"]);
    assert_eq!(drafted.status.code(), Some(0), "{}", stderr(&drafted));
    assert!(stdout(&drafted).contains("data/orders-db spec.ingress[0]"));
    assert!(stderr(&drafted).contains("from 2 of 2 allow rules"), "{}", stderr(&drafted));
    let nobody = airtight(&here, &["init", "--manifests", "manifests", "--out", "-", "-n", "nowhere"]);
    assert_eq!(nobody.status.code(), Some(2));
    assert!(stderr(&nobody).contains("nowhere"), "{}", stderr(&nobody));
}

#[test]
fn policies_alone_are_told_what_is_missing() {
    let policies = fs::read_to_string("examples/three-namespaces/manifests/policies.yaml").unwrap();
    let namespaces = fs::read_to_string("examples/three-namespaces/manifests/namespaces.yaml").unwrap();
    let folder = with_manifests(&[("policies.yaml", &policies), ("namespaces.yaml", &namespaces)]);
    let output = airtight(folder.path(), &["init", "--manifests", "k8s"]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("the manifests have no workloads") && said.contains("Deployments"), "{said}");
    assert!(!folder.path().join("scenarios.yaml").exists());
}

const ODD: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: odd}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: odd, labels: {app: client}}
spec: {containers: [{name: client, image: client}]}
---
apiVersion: v1
kind: Pod
metadata: {name: other, namespace: odd, labels: {app: other}}
spec: {containers: [{name: other, image: other}]}
---
apiVersion: v1
kind: Pod
metadata: {name: server, namespace: odd, labels: {app: server}}
spec: {containers: [{name: server, image: server, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: server, namespace: odd}
spec:
  podSelector: {matchLabels: {app: server}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: client}}}]
    ports: [{port: 8080}]
  - from: [{podSelector: {matchLabels: {app: ghost}}}]
    ports: [{port: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nobody, namespace: odd}
spec:
  podSelector: {matchLabels: {app: nobody}}
  ingress: [{}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: client, namespace: odd}
spec:
  podSelector: {matchLabels: {app: client}}
  policyTypes: [Egress]
  egress:
  - to: [{podSelector: {}}]
  - to: [{ipBlock: {cidr: 172.30.5.0/24}}]
    ports: [{port: 5432}]
";

#[test]
fn what_could_not_be_drafted_is_listed_with_its_reason() {
    let folder = with_manifests(&[("odd.yaml", ODD)]);
    let drafted = airtight(folder.path(), &["init", "--manifests", "k8s", "--out", "-"]);
    let text: String = stdout(&drafted).split_whitespace().filter(|word| *word != "#").collect::<Vec<_>>().join(" ");
    assert!(text.contains("odd/server spec.ingress[1] (k8s/odd.yaml:29:5): no workload, host or node"), "{text}");
    assert!(text.contains("odd/nobody spec.ingress[0] (k8s/odd.yaml:37:13): it selects no pod"), "{text}");
}

#[test]
fn hosts_that_policies_name_are_assumed_to_answer() {
    let folder = with_manifests(&[("odd.yaml", ODD)]);
    let drafted = airtight(folder.path(), &["init", "--manifests", "k8s"]);
    assert_eq!(drafted.status.code(), Some(0), "{}", stderr(&drafted));
    let text = fs::read_to_string(folder.path().join("scenarios.yaml")).unwrap();
    assert!(text.contains("to: {address: \"172.30.5.1\", port: 5432}"), "{text}");
    let run = airtight(folder.path(), &["run", "--manifests", "k8s", "--scenarios", "scenarios.yaml"]);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert!(stderr(&run).contains("assumed to answer: 172.30.5.1"), "{}", stderr(&run));
}

/// The draft of `examples/three-namespaces`, run against its policies with one text replaced.
fn after(was: &str, becomes: &str) -> Output {
    let folder = examples();
    let here = folder.path().join("three-namespaces");
    let policies = here.join("manifests/policies.yaml");
    let text = fs::read_to_string(&policies).unwrap();
    assert!(text.contains(was), "{was}");
    fs::write(&policies, text.replacen(was, becomes, 1)).unwrap();
    airtight(&here, &["run", "--manifests", "manifests", "--scenarios", "scenarios.yaml"])
}

#[test]
fn a_policy_that_opens_too_much_breaks_the_draft() {
    let sabotages = [
        ("policyTypes: [Ingress, Egress]", "policyTypes: [Egress]"),
        ("web}}\n      podSelector: {matchLabels: {app: frontend}}", "web}}"),
        ("ports: [{port: http}]", "ports: []"),
        ("ports: [{port: http}]", "ports: [{port: 1, endPort: 65535}]"),
        ("backup}}\n    ports: [{port: 5432}]", "backup}}\n    ports: []"),
        ("backup}}\n    ports: [{port: 5432}]", "backup}}\n    ports: [{port: 5432, endPort: 5433}]"),
        ("backup}}\n    ports: [{port: 5432}]", "backup}}\n    ports: [{port: 1, endPort: 65535}]"),
        ("ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]", "ports: []"),
        ("matchLabels: {kubernetes.io/metadata.name: shop}", "matchLabels: {}"),
        ("podSelector: {matchLabels: {app: backup}}", "podSelector: {}\n      namespaceSelector: {}"),
    ];
    for (was, becomes) in sabotages {
        let run = after(was, becomes);
        assert_eq!(run.status.code(), Some(1), "{was} → {becomes}\n{}{}", stdout(&run), stderr(&run));
    }
}

#[test]
fn a_draft_for_programs_has_the_scenarios_and_what_was_left_out() {
    let folder = with_manifests(&[("odd.yaml", ODD)]);
    let drafted = airtight(folder.path(), &["init", "--manifests", "k8s", "-o", "json"]);
    assert_eq!(drafted.status.code(), Some(0), "{}", stderr(&drafted));
    let told: serde_json::Value = serde_json::from_str(&stdout(&drafted)).unwrap();
    assert_eq!(told["scenarios"][0]["kind"], "Scenario");
    assert_eq!(told["undrafted"][0]["rule"]["rule"], "spec.ingress[1]");
    assert!(told["allowed"].as_u64() > Some(0) && told["denied"].as_u64() > Some(0), "{told}");
    assert!(!folder.path().join("scenarios.yaml").exists());
    let both = airtight(folder.path(), &["init", "--manifests", "k8s", "-o", "json", "--out", "mine.yaml"]);
    assert_eq!(stdout(&both), stdout(&drafted));
    assert!(folder.path().join("mine.yaml").exists());
}

/// Names that YAML, or a reader of it, could take for something else.
#[test]
fn names_that_look_like_something_else_read_back() {
    let world = |name: &str| {
        ODD.replace("namespace: odd", &format!("namespace: {name:?}"))
            .replace("{name: odd}", &format!("{{name: {name:?}}}"))
    };
    for name in ["123", "1e3", "0x10", "null", "on", "y", "no", "true", "2026-01-02", "1-2", "0o7", "12e03"] {
        let folder = with_manifests(&[("odd.yaml", &world(name))]);
        let drafted = airtight(folder.path(), &["init", "--manifests", "k8s"]);
        assert_eq!(drafted.status.code(), Some(0), "{name}: {}", stderr(&drafted));
        let run = airtight(folder.path(), &["run", "--manifests", "k8s", "--scenarios", "scenarios.yaml"]);
        assert_eq!(run.status.code(), Some(0), "{name}: {}", stderr(&run));
    }
}

const RANGES: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop, labels: {app: client}}
spec: {containers: [{name: client, image: client}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: client, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - to: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.128/25]}}]
    ports: [{port: 443}]
";

#[test]
fn ranges_are_drafted_with_the_addresses_beside_them() {
    let folder = with_manifests(&[("ranges.yaml", RANGES)]);
    let drafted = airtight(folder.path(), &["init", "--manifests", "k8s"]);
    assert_eq!(drafted.status.code(), Some(0), "{}", stderr(&drafted));
    let text = fs::read_to_string(folder.path().join("scenarios.yaml")).unwrap();
    assert!(text.contains("203.0.113.129") && text.contains("203.0.114.0"), "{text}");
    for (was, becomes) in [("203.0.113.0/24", "203.0.112.0/22"), (", except: [203.0.113.128/25]", "")] {
        let changed = RANGES.replace(was, becomes);
        fs::write(folder.path().join("k8s/ranges.yaml"), changed).unwrap();
        let run = airtight(folder.path(), &["run", "--manifests", "k8s", "--scenarios", "scenarios.yaml"]);
        assert_ne!(run.status.code(), Some(0), "{becomes}: {}", stdout(&run));
    }
}
