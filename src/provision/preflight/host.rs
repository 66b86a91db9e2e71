//! Measures the host: through Docker where it runs the nodes, otherwise directly.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{DockerInfo, DockerNetwork, DockerVersion, Host, Measured};
use crate::provision::component::Install;
use crate::provision::failure::Failure;
use crate::provision::options::Options;
use crate::provision::owner::Owner;
use crate::provision::plan::{manifest_file, node};
use crate::provision::program::{Bounds, Call, Program, run};
use crate::provision::recipe::Recipe;
use crate::provision::stop::Stop;

/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(20);

/// Looks at everything.
#[must_use]
pub fn measure(recipe: &Recipe, options: &Options) -> Host {
    let docker = docker_version();
    let (info, root) = docker_info();
    let image = node(recipe, options).to_string();
    Host {
        networks: if matches!(docker, Measured::Is(_)) { networks() } else { Vec::new() },
        node_image_there: ask(&Program::Docker.call(["image", "inspect", "--format", "{{.Id}}", &image])).is_ok(),
        docker,
        info,
        kind: text(&Program::Kind.call(["version"])),
        helm: text(&Program::Helm.call(["version", "--short"])),
        inotify_instances: kernel_limit("max_user_instances"),
        inotify_watches: kernel_limit("max_user_watches"),
        disk_free: disk_free(root),
        missing_files: missing_files(recipe, options),
        api_port_free: options.api_port.is_none_or(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()),
    }
}

fn ask(call: &Call) -> Result<String, Failure> {
    let (stop, owner) = (Stop::default(), Owner::default());
    let bounds = Bounds { deadline: Instant::now() + ANSWER, stop: &stop, owner: &owner };
    run(call, bounds).map(|said| said.stdout.trim().to_owned()).map_err(Failure::from)
}

fn unknown<T>(failure: Failure) -> Measured<T> {
    let said = failure.detail.last().filter(|_| failure.code == "program-failed").cloned();
    Measured::Unknown { why: said.unwrap_or(failure.message), remedy: failure.hint }
}

fn text(call: &Call) -> Measured<String> {
    ask(call).map_or_else(unknown, Measured::Is)
}

fn json(call: &Call) -> Result<Value, Failure> {
    let said = ask(call)?;
    serde_json::from_str(&said)
        .map_err(|error| Failure::new("no-json", format!("`{call}` answered no JSON: {error}"), "update the program"))
}

fn docker_version() -> Measured<DockerVersion> {
    let of = |value: Value| {
        let text = |field: &str| value["Server"][field].as_str().unwrap_or_default().to_owned();
        Measured::Is(DockerVersion { server: text("Version"), api: text("ApiVersion") })
    };
    json(&Program::Docker.call(["version", "--format", "{{json .}}"])).map_or_else(unknown, of)
}

/// Docker's host, and where it keeps its images.
fn docker_info() -> (Measured<DockerInfo>, Option<PathBuf>) {
    match json(&Program::Docker.call(["info", "--format", "{{json .}}"])) {
        Ok(info) => {
            let text = |field: &str| info[field].as_str().unwrap_or_default().to_owned();
            let host = DockerInfo {
                cgroup_version: text("CgroupVersion"),
                kernel: text("KernelVersion"),
                memory: info["MemTotal"].as_u64().unwrap_or_default(),
            };
            // Without a server, `docker info` prints what the client knows and fails only in newer versions.
            if host.kernel.is_empty() {
                let why = "Docker does not say what it runs on".to_owned();
                return (Measured::Unknown { why, remedy: "start Docker".to_owned() }, None);
            }
            (Measured::Is(host), Some(PathBuf::from(text("DockerRootDir"))))
        }
        Err(failure) => (unknown(failure), None),
    }
}

fn networks() -> Vec<DockerNetwork> {
    let names = ask(&Program::Docker.call(["network", "ls", "--format", "{{.Name}}"])).unwrap_or_default();
    let mut inspect = vec!["network".to_owned(), "inspect".to_owned()];
    inspect.extend(names.lines().map(str::to_owned));
    let found = json(&Program::Docker.call(inspect)).unwrap_or_default();
    let networks = found.as_array().cloned().unwrap_or_default();
    let subnets = |network: &Value| {
        let config = network["IPAM"]["Config"].as_array().cloned().unwrap_or_default();
        config.iter().filter_map(|range| range["Subnet"].as_str().map(str::to_owned)).collect()
    };
    networks
        .iter()
        .map(|network| DockerNetwork {
            name: network["Name"].as_str().unwrap_or_default().to_owned(),
            subnets: subnets(network),
        })
        .collect()
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
