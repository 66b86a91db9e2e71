//! Measures the host: through Docker where it runs the nodes, otherwise directly.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use airtight_cluster::Stop;

use super::{DockerNetwork, Host, Measured};
use crate::component::Install;
use crate::docker::{Docker, NetworkFound};
use crate::docker_call::DockerThing;
use crate::failure::StepFailure;
use crate::options::Options;
use crate::owner::Owner;
use crate::plan::{manifest_file, node};
use crate::program::{Bounds, Call, Program, run};
use crate::recipe::Recipe;

/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(20);

/// Looks at everything.
#[must_use]
pub fn measure(recipe: &Recipe, options: &Options, docker: &Docker) -> Host {
    let (stop, owner) = (Stop::default(), Owner::default());
    let soon = || Bounds { deadline: Instant::now() + ANSWER, stop: &stop, owner: &owner };
    let version = docker.version(soon()).map_or_else(unknown, Measured::Is);
    let answers = matches!(version, Measured::Is(_));
    let (info, root) = match docker.info(soon()) {
        Ok((info, root)) => (Measured::Is(info), root.map(PathBuf::from)),
        Err(failure) => (unknown(failure), None),
    };
    let image = DockerThing::Image(node(recipe, options).to_string());
    Host {
        networks: if answers { networks(docker, soon()) } else { Vec::new() },
        node_image_there: answers && docker.look(&image, soon()).is_ok_and(|found| found.is_some()),
        docker: version,
        info,
        docker_command: text(&Program::Docker.call(["--version"])),
        kind: text(&Program::Kind.call(["version"])),
        helm: text(&Program::Helm.call(["version", "--short"])),
        inotify_instances: kernel_limit("max_user_instances"),
        inotify_watches: kernel_limit("max_user_watches"),
        disk_free: disk_free(root),
        missing_files: missing_files(recipe, options),
        api_port_free: options.api_port.is_none_or(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()),
    }
}

fn ask(call: &Call) -> Result<String, StepFailure> {
    let (stop, owner) = (Stop::default(), Owner::default());
    let bounds = Bounds { deadline: Instant::now() + ANSWER, stop: &stop, owner: &owner };
    run(call, bounds).map(|said| said.stdout.trim().to_owned()).map_err(StepFailure::from)
}

fn unknown<T>(failure: StepFailure) -> Measured<T> {
    let said = failure.detail.last().filter(|_| failure.code == "program-failed").cloned();
    Measured::Unknown { why: said.unwrap_or(failure.message), remedy: failure.hint }
}

fn text(call: &Call) -> Measured<String> {
    ask(call).map_or_else(unknown, Measured::Is)
}

fn networks(docker: &Docker, bounds: Bounds<'_>) -> Vec<DockerNetwork> {
    let found = docker.networks(None, bounds).unwrap_or_default();
    found.into_iter().map(|NetworkFound { name, subnets, .. }| DockerNetwork { name, subnets }).collect()
}

fn kernel_limit(name: &str) -> Measured<u64> {
    let path = format!("/proc/sys/fs/inotify/{name}");
    let value = fs::read_to_string(&path).map_err(|error| error.to_string());
    match value.and_then(|text| text.trim().parse().map_err(|_| format!("`{}` is no number", text.trim()))) {
        Ok(value) => Measured::Is(value),
        Err(why) => Measured::Unknown { why: format!("cannot read {path}: {why}"), remedy: String::new() },
    }
}

fn disk_free(root: Option<PathBuf>) -> Measured<u64> {
    let Some(root) = root else {
        let why = "Docker does not say where it keeps its images".to_owned();
        return Measured::Unknown { why, remedy: "start Docker".to_owned() };
    };
    match rustix::fs::statvfs(&root) {
        Ok(stat) => Measured::Is(stat.f_bavail.saturating_mul(stat.f_frsize)),
        // Docker Desktop and remote Dockers keep theirs elsewhere.
        Err(error) => Measured::Unknown {
            why: format!("cannot look at {}: {error}", root.display()),
            remedy: "`docker system df` shows it where Docker runs".to_owned(),
        },
    }
}

fn missing_files(recipe: &Recipe, options: &Options) -> Vec<String> {
    let mut wanted: Vec<PathBuf> = options.probe_image.archive().map(Path::to_owned).into_iter().collect();
    if let Some(folder) = &options.image_archive {
        wanted.push(folder.join(node(recipe, options).archive_name()));
        wanted.extend(recipe.images().iter().skip(1).map(|(_, image)| folder.join(image.archive_name())));
    }
    if let Some(folder) = &options.chart_dir {
        wanted.extend(recipe.provision.components.iter().map(|component| match &component.install {
            Install::Chart(chart) => folder.join(chart.file_name()),
            Install::Manifest(_) => folder.join(manifest_file(&component.name)),
        }));
    }
    wanted.iter().filter(|path| !path.exists()).map(|path| path.display().to_string()).collect()
}
