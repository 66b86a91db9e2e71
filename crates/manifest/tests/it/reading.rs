//! Files and folders as they are on people's disks.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use airtight_manifest::{Diagnostic, Loaded, Reading, load, load_manifests};
use tempfile::TempDir;

fn namespace(name: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n")
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn read(paths: &[&Path]) -> Result<Loaded, Vec<Diagnostic>> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    load_manifests(&paths, Reading::default())
}

fn names(loaded: &Loaded) -> Vec<&str> {
    let name = |document: &airtight_manifest::Document| document.root.get("metadata").unwrap().get("name").is_some();
    assert!(loaded.documents.iter().all(name));
    loaded
        .documents
        .iter()
        .map(|document| document.root.get("metadata").unwrap().get("name").unwrap().as_str().unwrap())
        .collect()
}

fn told(loaded: &Loaded) -> Vec<&str> {
    loaded.findings.iter().map(|finding| finding.message.as_str()).collect()
}

#[test]
fn two_files_that_are_shown_alike_are_both_read() {
    let folder = folder(&[]);
    for (bytes, name) in [(b"a\xff.yaml", "one"), (b"a\xfe.yaml", "two")] {
        fs::write(folder.path().join(OsStr::from_bytes(bytes)), namespace(name)).unwrap();
    }
    fs::create_dir(folder.path().join("b")).unwrap();
    fs::write(folder.path().join("b/c.yaml"), namespace("three")).unwrap();
    fs::write(folder.path().join("b\\c.yaml"), namespace("four")).unwrap();
    for loaded in [load(folder.path()).unwrap(), read(&[folder.path()]).unwrap()] {
        let mut names = names(&loaded);
        names.sort_unstable();
        assert_eq!(names, ["four", "one", "three", "two"]);
        assert_eq!((loaded.digests.len(), loaded.sources.iter().count()), (4, 4));
    }
}

#[test]
fn names_that_steer_a_terminal_are_escaped() {
    let folder = folder(&[("a\u{1b}[31m\nb.yaml", "a: [")]);
    let finding = &read(&[folder.path()]).unwrap_err()[0];
    let file = &finding.location.as_ref().unwrap().file;
    assert!(file.ends_with("a\\u{1b}[31m\\nb.yaml"), "{file}");
}

#[test]
fn what_is_reached_twice_is_read_once() {
    let folder = folder(&[("..data/x.yaml", &namespace("x")), ("y.yaml", &namespace("z"))]);
    std::os::unix::fs::symlink("..data/x.yaml", folder.path().join("x.yaml")).unwrap();
    let again = folder.path().join("y.yaml");
    assert_eq!(names(&read(&[folder.path(), &again, folder.path()]).unwrap()), ["x", "z"]);
}

#[test]
fn hidden_files_are_read_as_kubectl_does() {
    let folder = folder(&[
        (".hidden/.x.yml", &namespace("x")),
        ("y.json", r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "z"}}"#),
    ]);
    assert_eq!(names(&read(&[folder.path()]).unwrap()), ["x", "z"]);
}

#[test]
fn a_page_of_a_list_is_refused() {
    let folder = folder(&[("a.yaml", "apiVersion: v1\nkind: PodList\nmetadata: {continue: abc}\nitems: []\n")]);
    assert_eq!(read(&[folder.path()]).unwrap_err()[0].code, "partial-list");
}

#[test]
fn files_that_are_no_manifests_are_counted_by_reason() {
    let folder = folder(&[
        ("values.yaml", "a: 1\n"),
        ("list.yaml", "- a\n"),
        ("x.yaml", &namespace("x")),
        ("t.yaml", "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\n"),
    ]);
    let loaded = read(&[folder.path()]).unwrap();
    assert_eq!(names(&loaded), ["x"]);
    let told = told(&loaded);
    assert!(told[0].ends_with("t.yaml is a template that another program fills in, and is not used"), "{told:?}");
    assert!(told[1].starts_with("2 files are no manifests"), "{told:?}");
}

#[test]
fn what_was_to_be_a_manifest_is_an_error() {
    for text in [
        "apiVersion: v1\n",
        "kind: Pod\n",
        "just text\n",
        "kind: NetworkPolicy\nmetadata: {name: a}\nspec: {podSelector: {}}\n",
        "apiVersion: networking.k8s.io/v1\nmetadata: {name: a}\n",
        "metadata: {name: a}\nspec: {}\n",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: [\n",
    ] {
        let folder = folder(&[("a.yaml", text)]);
        let refused = match read(&[folder.path()]) {
            Err(_) => true,
            Ok(loaded) => loaded.documents.iter().any(|document| airtight_manifest::decode_resource(document).is_err()),
        };
        assert!(refused, "{text}");
    }
}

#[test]
fn kinds_of_others_are_counted_and_a_misspelt_one_is_an_error() {
    let others = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\n";
    let folder = folder(&[("a.yaml", &format!("{others}---\n{others}---\n{}", namespace("x")))]);
    let loaded = read(&[folder.path()]).unwrap();
    assert_eq!(names(&loaded), ["x"]);
    assert!(told(&loaded)[0].starts_with("2 Application (argoproj.io) left out"), "{:?}", told(&loaded));
    let strict = Reading { strict: true, ..Reading::default() };
    assert_eq!(load_manifests(&[folder.path().to_owned()], strict).unwrap_err().len(), 2);
    fs::write(
        folder.path().join("a.yaml"),
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicies\nmetadata: {name: a}\n",
    )
    .unwrap();
    assert_eq!(read(&[folder.path()]).unwrap_err()[0].hint.as_deref(), Some("did you mean `NetworkPolicy`?"));
}

#[test]
fn a_definition_makes_its_kind_known() {
    let text = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example.com}\n\
                spec: {group: example.com, names: {kind: Thing, plural: things}}\n---\n\
                apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\n";
    let folder = folder(&[("a.yaml", text)]);
    let strict = Reading { strict: true, ..Reading::default() };
    let loaded = load_manifests(&[folder.path().to_owned()], strict).unwrap();
    assert_eq!((names(&loaded), told(&loaded)), (vec!["things.example.com"], Vec::new()));
}

#[test]
fn objects_without_namespace_go_where_the_user_says() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: b, namespace: c}\n";
    let folder = folder(&[("a.yaml", &format!("{text}---\n{}", namespace("d")))]);
    let reading = Reading { namespace: Some("team"), ..Reading::default() };
    let loaded = load_manifests(&[folder.path().to_owned()], reading).unwrap();
    let homes = loaded
        .documents
        .iter()
        .map(|document| document.root.get("metadata").unwrap().get("namespace").and_then(|node| node.as_str()));
    assert_eq!(homes.collect::<Vec<_>>(), [Some("team"), Some("c"), None]);
}

#[test]
fn a_kustomization_that_only_lists_is_followed_beyond_its_folder() {
    let folder = folder(&[
        ("base/kustomization.yaml", "resources: [x.yaml]\n"),
        ("base/x.yaml", &namespace("x")),
        ("base/left.yaml", &namespace("left")),
        ("prod/kustomization.yaml", "resources: [../base, y.yaml]\n"),
        ("prod/y.yaml", &namespace("z")),
    ]);
    assert_eq!(names(&read(&[&folder.path().join("prod")]).unwrap()), ["x", "z"]);
    let all = read(&[folder.path()]).unwrap();
    assert_eq!(names(&all), ["x", "z"]);
    assert!(told(&all)[0].ends_with("base/left.yaml is listed in no kustomization and is not used"));
}

#[test]
fn a_kustomization_that_changes_objects_needs_a_program() {
    let folder =
        folder(&[("kustomization.yaml", "namespace: prod\nresources: [x.yaml]\n"), ("x.yaml", &namespace("x"))]);
    let finding = &read(&[folder.path()]).unwrap_err()[0];
    assert_eq!(finding.code, "kustomize-unsupported");
    let remote = "resources: [\"https://github.com/example/base?ref=v1\"]\n";
    fs::write(folder.path().join("kustomization.yaml"), remote).unwrap();
    assert_eq!(read(&[folder.path()]).unwrap_err()[0].code, "remote-base");
}

#[test]
fn variables_that_nobody_filled_in_are_named() {
    let folder = folder(&[("a.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: \"${team}-x\"}\n")]);
    let loaded = read(&[folder.path()]).unwrap();
    assert_eq!(told(&loaded), ["nobody has filled in ${team}"]);
}
