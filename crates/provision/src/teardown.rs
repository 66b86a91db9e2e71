//! Removes a cluster: exactly what carries our label, containers first, then the nodes, then the network.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use airtight_cluster::Stop;

use super::docker::Docker;
use super::docker_call::DockerCall;
use super::failure::StepFailure;
use super::inventory::Inventory;
use super::invocation::Invocation;
use super::owner::{Owner, end_left_behind};
use super::program::{Bounds, Program, run};
use super::site::ClusterName;
use super::state::Folder;

/// How long one removal may take.
const REMOVAL: Duration = Duration::from_mins(3);

/// How often it is looked what is still there.
const LOOKS: usize = 3;

/// Where something is removed.
struct Place<'a> {
    name: &'a ClusterName,
    folder: &'a Folder,
    docker: &'a Docker,
    stop: &'a Stop,
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// Programs that an earlier run left behind.
    Programs(usize),
    /// A stand-in.
    StandIn(String),
    /// The nodes of the kind cluster.
    Nodes(Vec<String>),
    /// A network.
    Network(String),
    /// The folder with state, kubeconfig and rendered files.
    Folder(String),
    /// Nothing: a cluster of the same name that is not ours was left alone.
    LeftAlone(Vec<String>),
}

/// Removes what is there of a cluster, as far as it comes; what fails does not keep the rest.
///
/// # Errors
/// The first thing that could not be removed; `tell` has heard of everything that was.
pub fn teardown(
    name: &ClusterName,
    folder: &Folder,
    docker: &Docker,
    stop: &Stop,
    tell: &mut dyn FnMut(Removed),
) -> Result<(), StepFailure> {
    let place = Place { name, folder, docker, stop };
    // A creation that still runs would put back what is removed.
    match end_left_behind(&folder.0) {
        0 => {}
        count => tell(Removed::Programs(count)),
    }
    let mut failures = Vec::new();
    let mut there = Inventory::of(name, docker, stop)?;
    // A container that Docker was making when its maker was ended may appear after the first look.
    for _ in 0..LOOKS {
        if there.is_empty() {
            break;
        }
        failures = remove(&place, &there, tell);
        there = Inventory::of(name, docker, stop)?;
    }
    if !there.foreign_nodes.is_empty() {
        tell(Removed::LeftAlone(there.foreign_nodes.clone()));
    }
    // The folder says what is left; it goes last.
    match failures.into_iter().next() {
        Some(first) if !there.is_empty() => return Err(first),
        Some(_) | None => {}
    }
    if remove_folder(&folder.0)? {
        tell(Removed::Folder(folder.0.display().to_string()));
    }
    Ok(())
}

/// Containers first, then the nodes, then the network that they are on.
fn remove(place: &Place<'_>, there: &Inventory, tell: &mut dyn FnMut(Removed)) -> Vec<StepFailure> {
    let mut failures = Vec::new();
    for stand_in in &there.stand_ins {
        let call = DockerCall::RemoveContainers(vec![stand_in.name.clone()]).into();
        attempt(&call, place, Removed::StandIn(stand_in.name.clone()), tell, &mut failures);
    }
    if !there.nodes.is_empty() {
        let names: Vec<String> = there.nodes.iter().map(|node| node.name.clone()).collect();
        attempt(&nodes(place, &names, there), place, Removed::Nodes(names), tell, &mut failures);
    }
    for network in &there.networks {
        let call = DockerCall::RemoveNetwork(network.clone()).into();
        attempt(&call, place, Removed::Network(network.clone()), tell, &mut failures);
    }
    failures
}

/// kind deletes all nodes of the name, so it is asked only where all of them are ours.
fn nodes(place: &Place<'_>, nodes: &[String], there: &Inventory) -> Invocation {
    if there.foreign_nodes.is_empty() {
        let kubeconfig = place.folder.kubeconfig().display().to_string();
        Program::Kind.call(["delete", "cluster", "--name", place.name.as_ref(), "--kubeconfig", &kubeconfig]).into()
    } else {
        DockerCall::RemoveContainers(nodes.to_vec()).into()
    }
}

fn attempt(
    invocation: &Invocation,
    place: &Place<'_>,
    removed: Removed,
    tell: &mut dyn FnMut(Removed),
    failures: &mut Vec<StepFailure>,
) {
    let owner = Owner::default();
    let bounds = Bounds { deadline: Instant::now() + REMOVAL, stop: place.stop, owner: &owner };
    let result = match invocation {
        Invocation::Program(call) => run(call, bounds).map(drop).map_err(StepFailure::from),
        Invocation::Docker(call) => place.docker.run(call, bounds).map(drop),
    };
    match result {
        Ok(()) => tell(removed),
        Err(failure) => failures.push(failure),
    }
}

/// Removes the folder of a cluster; false if there is none.
fn remove_folder(folder: &Path) -> Result<bool, StepFailure> {
    match fs::remove_dir_all(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => {
            let message = format!("cannot remove {}: {error}", folder.display());
            Err(StepFailure::new("folder", message, "remove it by hand; nothing else of the cluster is left"))
        }
    }
}
