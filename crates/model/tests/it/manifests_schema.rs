//! Every manifest is what the API server would take: custom kinds against the CRD schemas of both
//! stacks, unknown fields refused; core kinds through the strict decoder.
//!
//! The CRD files are third-party data and not part of this repository: they are looked for in
//! `../shared/crds` or where `AIRTIGHT_CRDS` points. Without them the schema test says so and passes.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "a test may panic and talk")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use airtight_manifest::stack::Stack;
use airtight_manifest::{Document, decode_resource, yaml};
use airtight_model::world::Environment;
use airtight_testkit::repository::root;
use serde_json::{Map, Value, json};

/// Folders of CRDs for each stack; where a release's own are not to be had, its neighbours' on both sides.
const STACKS: &[(&str, &[&str])] = &[
    ("reference", &["cilium-1.17.5", "istio-1.26.2", "gateway-api-1.2.1/standard", "kgateway-2.0.3", "kyverno-1.14.4"]),
    (
        "latest",
        &[
            "cilium-1.20.0-pre.4",
            "istio-1.30.3",
            "gateway-api-1.6.1/standard",
            "kgateway-2.4.x-20260722-5b968c3abb",
            "kyverno-1.19.0",
        ],
    ),
    ("latest, Cilium's next", &["cilium-main-20260720-f59cf600aa"]),
];

/// Groups whose kinds are defined by CRDs of [`STACKS`].
const CUSTOM: &[&str] = &[
    "cilium.io",
    "security.istio.io",
    "networking.istio.io",
    "gateway.networking.k8s.io",
    "gateway.kgateway.dev",
    "kyverno.io",
];

type SchemaKey = (String, String);

#[test]
fn manifests_satisfy_the_crds_of_both_stacks() {
    let Some(crds) = crds() else { return };
    let manifests = objects();
    for (stack, folders) in STACKS {
        let schemas = schemas(&crds, folders);
        let complete = folders.len() > 1;
        let mut checked = 0;
        for (place, object) in &manifests {
            let api_version = object["apiVersion"].as_str().unwrap();
            let kind = object["kind"].as_str().unwrap();
            let Some((group, _)) = api_version.split_once('/').filter(|(group, _)| CUSTOM.contains(group)) else {
                continue;
            };
            let Some(schema) = schemas.get(&(api_version.to_owned(), kind.to_owned())) else {
                assert!(!complete, "{place}: stack {stack} serves no {kind} of {group} in {api_version}");
                continue;
            };
            let errors: Vec<String> =
                schema.iter_errors(object).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert!(errors.is_empty(), "{place}: refused by the CRDs of stack {stack}:\n  {}", errors.join("\n  "));
            checked += 1;
        }
        assert!(checked > 0, "stack {stack}: nothing was checked");
    }
}

#[test]
fn manifests_decode_strictly() {
    let documents = documents(&manifests());
    assert!(documents.len() > 100, "only {} documents", documents.len());
    for document in &documents {
        if document.root.get("kind").and_then(|kind| kind.as_str()) == Some("Environment") {
            continue;
        }
        if let Err(findings) = decode_resource(document) {
            let text: Vec<String> = findings.iter().map(|finding| format!("{finding:?}")).collect();
            panic!("{}: {}", document.file, text.join("\n"));
        }
    }
}

#[test]
fn every_manifest_is_in_its_kustomization() {
    for folder in ["policies", "workloads"] {
        let root = manifests().join(folder);
        let kustomization = &documents_of(&root.join("kustomization.yaml"))[0].root.to_json();
        let listed: BTreeSet<PathBuf> = kustomization["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|path| root.join(path.as_str().unwrap()))
            .collect();
        let present: BTreeSet<PathBuf> = yaml_files(&root).into_iter().collect();
        assert_eq!(listed, present, "{folder}/kustomization.yaml lists other files than the folder holds");
    }
}

#[test]
fn stacks_and_environment_are_read() {
    let environment = Environment::read(&documents_of(&manifests().join("environment.yaml"))[0]).unwrap();
    assert!(environment.nodes.iter().any(|node| node.control_plane));
    for name in ["reference", "latest"] {
        let file = root().join("kind/stacks").join(name).with_extension("yaml");
        assert_eq!(Stack::read(&documents_of(&file)[0]).unwrap().name, name);
    }
}

fn manifests() -> PathBuf {
    root().join("manifests")
}

fn crds() -> Option<PathBuf> {
    let folder = std::env::var_os("AIRTIGHT_CRDS").map_or_else(|| root().join("../shared/crds"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no CRD schemas in {}; set AIRTIGHT_CRDS to a folder that holds them", folder.display());
    None
}

/// Every manifest as `(file:line, object)`.
fn objects() -> Vec<(String, Value)> {
    documents(&manifests())
        .iter()
        .map(|document| (document.location(document.root.at).to_string(), document.root.to_json()))
        .collect()
}

fn documents(folder: &Path) -> Vec<Document> {
    yaml_files(folder).iter().flat_map(|file| documents_of(file)).collect()
}

fn documents_of(file: &Path) -> Vec<Document> {
    let name: Arc<str> = Arc::from(file.strip_prefix(root()).unwrap_or(file).to_string_lossy());
    yaml::parse(&name, &fs::read_to_string(file).unwrap()).unwrap_or_else(|finding| panic!("{name}: {finding:?}"))
}

/// YAML files below a folder in path order, kustomizations left out.
fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let is_manifest = |path: &Path| {
        path.extension().is_some_and(|extension| extension == "yaml") && !path.ends_with("kustomization.yaml")
    };
    paths
        .into_iter()
        .flat_map(|path| match path.is_dir() {
            true => yaml_files(&path),
            false if is_manifest(&path) => vec![path],
            false => Vec::new(),
        })
        .collect()
}

/// Validators by `(apiVersion, kind)` of every version that the CRDs serve.
fn schemas(crds: &Path, folders: &[&str]) -> BTreeMap<SchemaKey, jsonschema::Validator> {
    let files = folders.iter().flat_map(|folder| yaml_files(&crds.join(folder)));
    let definitions = files.flat_map(|file| {
        let text = fs::read_to_string(&file).unwrap();
        serde_saphyr::from_multiple::<Value>(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    });
    definitions
        .filter(|definition| definition["kind"] == "CustomResourceDefinition")
        .flat_map(|definition| served(&definition))
        .collect()
}

fn served(definition: &Value) -> Vec<(SchemaKey, jsonschema::Validator)> {
    let spec = &definition["spec"];
    let (group, kind) = (spec["group"].as_str().unwrap(), spec["names"]["kind"].as_str().unwrap());
    if !CUSTOM.contains(&group) {
        return Vec::new();
    }
    let versions = spec["versions"].as_array().unwrap().iter().filter(|version| version["served"] == true);
    versions
        .map(|version| {
            let name = version["name"].as_str().unwrap();
            let schema = strict(&version["schema"]["openAPIV3Schema"], true);
            let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
            ((format!("{group}/{name}"), kind.to_owned()), validator)
        })
        .collect()
}

/// An OpenAPI v3 schema as JSON Schema that refuses what the API server would prune.
fn strict(schema: &Value, is_object_root: bool) -> Value {
    let Value::Object(source) = schema else { return schema.clone() };
    let mut target = Map::new();
    for (key, value) in source {
        match key.as_str() {
            "properties" => {
                let fields = value.as_object().unwrap();
                let fields = fields.iter().map(|(name, field)| (name.clone(), strict(field, false))).collect();
                target.insert(key.clone(), Value::Object(fields));
            }
            "items" | "additionalProperties" => {
                target.insert(key.clone(), strict(value, false));
            }
            // Formats of Kubernetes that JSON Schema does not know, and what bears on nothing here.
            "format" | "nullable" | "default" | "description" | "example" => {}
            _ => {
                target.insert(key.clone(), value.clone());
            }
        }
    }
    if source.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        target.insert("type".to_owned(), json!(["integer", "string"]));
    }
    if source.get("nullable") == Some(&Value::Bool(true)) {
        admit_null(&mut target);
    }
    if is_object_root {
        admit_type_and_metadata(&mut target);
    }
    let open = source.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if target.contains_key("properties") && !target.contains_key("additionalProperties") && !open {
        target.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    Value::Object(target)
}

fn admit_null(schema: &mut Map<String, Value>) {
    if let Some(Value::String(kind)) = schema.get("type") {
        let kinds = json!([kind, "null"]);
        schema.insert("type".to_owned(), kinds);
    }
}

fn admit_type_and_metadata(schema: &mut Map<String, Value>) {
    let fields = schema.get_mut("properties").and_then(Value::as_object_mut).expect("a CRD schema has properties");
    for name in ["apiVersion", "kind"] {
        fields.insert(name.to_owned(), json!({"type": "string"}));
    }
    fields.insert("metadata".to_owned(), json!({"type": "object"}));
}

#[test]
fn an_unknown_field_is_refused() {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {}}}}});
    let validator = jsonschema::validator_for(&strict(&schema, true)).unwrap();
    assert!(validator.is_valid(&json!({"kind": "K", "spec": {"a": 1}})));
    assert!(!validator.is_valid(&json!({"kind": "K", "spec": {"b": 1}})));
}
