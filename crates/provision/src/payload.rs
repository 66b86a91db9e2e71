//! What is put on a cluster once it stands: hosts around it, policies, workloads.

use std::collections::BTreeMap;

use airtight_cluster::order::{Turn, turn};
use airtight_manifest::{Document, File, Node, load_files};
use airtight_model::world::Host;

/// What is put on a cluster once it stands.
#[derive(Debug, Clone, Default)]
pub struct Payload {
    /// Hosts outside the cluster that answer.
    pub hosts: Vec<Host>,
    /// Manifests of policies, in the order to apply them.
    pub policies: Vec<Manifest>,
    /// Manifests of workloads, in the order to apply them.
    pub workloads: Vec<Manifest>,
}

/// A file with manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its name, for the reader.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The files of a folder in the order in which its `kustomization.yaml` lists them; in the safe order if it has none.
#[must_use]
pub fn in_order(folder: &str, files: &[File]) -> Vec<Manifest> {
    let by_name: BTreeMap<&str, &File> = files.iter().map(|file| (file.name.as_str(), file)).collect();
    let listed = by_name.get(format!("{folder}/kustomization.yaml").as_str()).map(|file| resources(file));
    let manifest =
        |file: &File| Manifest { name: file.name.clone(), text: String::from_utf8_lossy(&file.bytes).into_owned() };
    if let Some(listed) = listed {
        let paths = listed.iter().map(|path| format!("{folder}/{path}"));
        return paths.filter_map(|path| by_name.get(path.as_str()).map(|file| manifest(file))).collect();
    }
    let below = files.iter().filter(|file| file.name.starts_with(folder));
    let mut turns: Vec<(Turn, &File)> = below.map(|file| (turn_of(file), file)).collect();
    turns.sort_by_key(|(turn, _)| *turn);
    turns.into_iter().map(|(_, file)| manifest(file)).collect()
}

fn documents(file: &File) -> Vec<Document> {
    let alone = File { name: "manifest.yaml".to_owned(), bytes: file.bytes.clone() };
    load_files(vec![alone]).map(|loaded| loaded.documents).unwrap_or_default()
}

fn resources(file: &File) -> Vec<String> {
    let list = documents(file).first().and_then(|document| document.root.get("resources").cloned());
    let list = list.as_ref().and_then(Node::as_list).unwrap_or_default();
    list.iter().filter_map(Node::as_str).map(str::to_owned).collect()
}

/// A file is applied as a whole, when the last of its objects may be.
fn turn_of(file: &File) -> Turn {
    documents(file).iter().map(|document| turn(&document.root.to_json())).max().unwrap_or(Turn::Open)
}
