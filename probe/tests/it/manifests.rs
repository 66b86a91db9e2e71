//! The workloads of the reference set: the program takes the arguments of every container that runs it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use airtight_probe::wire::{HttpAnswer, Serving, Speak};
use serde_json::Value;

use super::program::PROGRAM;

/// A container of a manifest.
struct Container {
    /// File and name, for the reader.
    place: String,
    spec: Value,
}

impl Container {
    fn list(&self, field: &str) -> Vec<Value> {
        self.spec[field].as_array().cloned().unwrap_or_default()
    }

    fn args(&self) -> Vec<String> {
        self.list("args").iter().map(|argument| argument.as_str().unwrap().to_owned()).collect()
    }

    /// Ports that it declares.
    fn ports(&self) -> BTreeSet<u64> {
        self.list("ports").iter().map(|port| port["containerPort"].as_u64().unwrap()).collect()
    }

    /// What the program makes of the arguments, with the environment that the manifest gives it and no other.
    fn serving(&self) -> Serving {
        let place = &self.place;
        let names = self.list("env").into_iter().map(|variable| variable["name"].as_str().unwrap().to_owned());
        let mut command = Command::new(PROGRAM);
        command.args(self.args()).arg("--check").env_clear().envs(names.map(|name| (name, "given")));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{place}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Every container that runs the probe's image.
fn containers() -> Vec<Container> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/workloads");
    let mut found = Vec::new();
    for file in files(&root) {
        let objects: Vec<Value> = serde_saphyr::from_multiple(&fs::read_to_string(&file).unwrap()).unwrap();
        for object in objects {
            let spec = &object["spec"];
            let pod = if object["kind"] == "Pod" { spec } else { &spec["template"]["spec"] };
            for container in pod["containers"].as_array().into_iter().flatten() {
                if container["image"] == "airtight-probe:dev" {
                    let place = format!("{}: {}", file.display(), container["name"]);
                    found.push(Container { place, spec: container.clone() });
                }
            }
        }
    }
    found
}

#[test]
fn the_program_takes_the_arguments_of_every_container() {
    let containers = containers();
    let (mut serving, mut pausing) = (0, 0);
    for container in &containers {
        let place = &container.place;
        match container.args().first().map(String::as_str) {
            Some("pause") => {
                assert_eq!(container.args().len(), 1, "{place}");
                assert_eq!(container.ports(), BTreeSet::new(), "{place} opens a port on which nobody listens");
                pausing += 1;
            }
            Some("serve") => {
                check(container);
                serving += 1;
            }
            other => panic!("{place}: {other:?} is no role of the program"),
        }
    }
    assert!(serving > 40 && pausing > 30, "{serving} serve and {pausing} pause");
}

/// It knows who it is, and listens on what its manifest declares and on nothing else.
fn check(container: &Container) {
    let place = &container.place;
    let serving = container.serving();
    assert_eq!((serving.identity.pod.as_str(), serving.identity.namespace.as_str()), ("given", "given"), "{place}");
    let bound: BTreeSet<u64> = serving.listeners.iter().map(|listener| listener.bind.port().into()).collect();
    assert_eq!(bound.len(), serving.listeners.len(), "{place} listens twice on one port");
    assert_eq!(bound, container.ports(), "{place}");
    assert!(serving.listeners.iter().all(|listener| listener.bind.ip().is_unspecified()), "{place}");
    // User 65532 binds no port below.
    assert!(bound.iter().all(|port| *port >= 1024), "{place}");
    ready(container, &serving);
}

/// Its readiness probe meets a listener that answers it with success.
fn ready(container: &Container, serving: &Serving) {
    let place = &container.place;
    let probe = &container.spec["readinessProbe"];
    let port = |kind: &str| probe[kind]["port"].as_u64();
    let wanted = port("httpGet").or_else(|| port("tcpSocket")).unwrap_or_else(|| panic!("{place}: no readiness probe"));
    let listener = serving.listeners.iter().find(|listener| u64::from(listener.bind.port()) == wanted);
    let listener = listener.unwrap_or_else(|| panic!("{place}: nobody listens on {wanted}"));
    if let (Some(path), Speak::Http(http)) = (probe["httpGet"]["path"].as_str(), &listener.speak) {
        let routed = http.routes.iter().any(|route| path.starts_with(&route.prefix) && route.status == 200);
        assert!(routed || (http.answer == HttpAnswer::Echo && http.status.is_none()), "{place}: {path} is not found");
    } else {
        assert!(probe["httpGet"].is_null(), "{place}: {wanted} does not speak HTTP");
    }
}

#[test]
fn what_does_not_parse_is_refused() {
    for args in [
        vec!["serve", "--check"],
        vec!["serve", "--check", "--pod=p"],
        vec!["serve", "--check", "--pod=p", "--http", "8080"],
        vec!["serve", "--check", "--pod=p", "--listen=http=99999"],
        vec!["serve", "--check", "--pod=p", "--config", "{\"listeners\": [], \"more\": 1}"],
        vec!["pause", "--check"],
    ] {
        let output = Command::new(PROGRAM).args(&args).env_clear().output().unwrap();
        assert!(!output.status.success(), "{args:?}");
    }
}
