//! What Docker makes, runs and removes.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use bollard::Docker as Client;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, Ipam, IpamConfig, Mount, MountType,
    NetworkCreateRequest, NetworkingConfig,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ImportImageOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
};
use futures_util::{Stream, StreamExt, TryStreamExt};

use super::{Docker, refusal};
use crate::docker_call::{ContainerSpec, DockerCall, NetworkSpec, ToolSpec};
use crate::failure::StepFailure;
use crate::program::Bounds;

/// How much of an archive is read at a time.
const PIECE: usize = 1024 * 1024;

/// A program that ended: its status, and what it wrote to both outputs.
struct Ran {
    status: i64,
    output: String,
}

impl Docker {
    /// Does what a call says; what a program in a container wrote is the answer.
    ///
    /// # Errors
    /// When the daemon does not answer or refuses, or a program in a container fails.
    pub fn run(&self, call: &DockerCall, bounds: Bounds<'_>) -> Result<String, StepFailure> {
        let said = call.to_string();
        match call {
            DockerCall::CreateNetwork(spec) => self.with(&said, bounds, |docker| create_network(docker, spec))?,
            DockerCall::RemoveNetwork(name) => {
                self.with(&said, bounds, async |docker| docker.remove_network(name).await)?;
            }
            DockerCall::Start(spec) => self.with(&said, bounds, |docker| start(docker, spec))?,
            DockerCall::RemoveContainers(names) => self.with(&said, bounds, |docker| remove(docker, names))?,
            DockerCall::Load(archive) => self.with(&said, bounds, |docker| load(docker, archive))?,
            DockerCall::Tool(spec) => return ended(self.with(&said, bounds, |docker| tool(docker, spec))?, &said),
            DockerCall::Exec { container, command } => {
                return ended(self.with(&said, bounds, |docker| exec(docker, container, command))?, &said);
            }
        }
        Ok(String::new())
    }
}

fn ended(ran: Ran, call: &str) -> Result<String, StepFailure> {
    if ran.status == 0 { Ok(ran.output) } else { Err(refusal::of_tool(ran.status, call, &ran.output)) }
}

fn labels((name, value): &(String, String)) -> HashMap<String, String> {
    HashMap::from([(name.clone(), value.clone())])
}

/// A subnet of our own: Docker gives fixed addresses only on a network whose subnet was named.
async fn create_network(docker: Client, spec: &NetworkSpec) -> Result<(), Error> {
    let range = IpamConfig {
        subnet: Some(spec.subnet.to_string()),
        ip_range: Some(spec.dynamic_range.to_string()),
        ..IpamConfig::default()
    };
    let request = NetworkCreateRequest {
        name: spec.name.clone(),
        driver: Some("bridge".to_owned()),
        ipam: Some(Ipam { config: Some(vec![range]), ..Ipam::default() }),
        labels: Some(labels(&spec.label)),
        ..NetworkCreateRequest::default()
    };
    // Before Docker 25, two networks may have one name unless it is asked not to be so; bollard has no field for it,
    // and whoever makes one has looked before that there is none.
    docker.create_network(request).await.map(drop)
}

async fn start(docker: Client, spec: &ContainerSpec) -> Result<(), Error> {
    let mount = |(source, target): &(std::path::PathBuf, String)| Mount {
        typ: Some(MountType::BIND),
        source: Some(source.display().to_string()),
        target: Some(target.clone()),
        read_only: Some(true),
        ..Mount::default()
    };
    let host = HostConfig {
        network_mode: Some(spec.network.clone()),
        cap_drop: Some(vec!["ALL".to_owned()]),
        sysctls: Some(spec.sysctls.iter().cloned().collect()),
        mounts: spec.mount.as_ref().map(|folder| vec![mount(folder)]),
        ..HostConfig::default()
    };
    let address = EndpointIpamConfig { ipv4_address: Some(spec.address.to_string()), ..EndpointIpamConfig::default() };
    let endpoint = EndpointSettings { ipam_config: Some(address), ..EndpointSettings::default() };
    let body = ContainerCreateBody {
        image: Some(spec.image.clone()),
        cmd: Some(spec.arguments.clone()),
        labels: Some(labels(&spec.label)),
        host_config: Some(host),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(spec.network.clone(), endpoint)])),
        }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(&spec.name).build();
    docker.create_container(Some(options), body).await?;
    let started = docker.start_container(&spec.name, None).await;
    if started.is_err() {
        // One that cannot be started would be in the way of the next attempt.
        let _ = docker.remove_container(&spec.name, Some(forcibly())).await;
    }
    started
}

fn forcibly() -> bollard::query_parameters::RemoveContainerOptions {
    RemoveContainerOptionsBuilder::new().force(true).v(true).build()
}

async fn remove(docker: Client, names: &[String]) -> Result<(), Error> {
    for name in names {
        match docker.remove_container(name, Some(forcibly())).await {
            // One that is gone by now is what was wanted; so is one that Docker removes already.
            Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(Error::DockerResponseServerError { status_code: 409, message }) if message.contains("in progress") => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn tool(docker: Client, spec: &ToolSpec) -> Result<Ran, Error> {
    let (entrypoint, arguments) = spec.command.split_at(spec.command.len().min(1));
    let body = ContainerCreateBody {
        image: Some(spec.image.clone()),
        entrypoint: Some(entrypoint.to_vec()),
        cmd: Some(arguments.to_vec()),
        labels: Some(labels(&spec.label)),
        host_config: Some(HostConfig {
            network_mode: Some(format!("container:{}", spec.beside)),
            cap_add: Some(vec!["NET_ADMIN".to_owned()]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let id = docker.create_container(None, body).await?.id;
    let ran = run_to_end(&docker, &id).await;
    docker.remove_container(&id, Some(forcibly())).await?;
    ran
}

async fn run_to_end(docker: &Client, id: &str) -> Result<Ran, Error> {
    docker.start_container(id, None).await?;
    let status = match docker.wait_container(id, None).next().await {
        Some(Ok(ended)) => ended.status_code,
        Some(Err(Error::DockerContainerWaitError { code, .. })) => code,
        Some(Err(error)) => return Err(error),
        None => -1,
    };
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
    let output = collect(docker.logs(id, Some(options))).await?;
    Ok(Ran { status, output })
}

async fn exec(docker: Client, container: &str, command: &[String]) -> Result<Ran, Error> {
    let options = CreateExecOptions {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(command.to_vec()),
        ..CreateExecOptions::default()
    };
    let id = docker.create_exec(container, options).await?.id;
    let output = match docker.start_exec(&id, None).await? {
        StartExecResults::Attached { output, .. } => collect(output).await?,
        StartExecResults::Detached => String::new(),
    };
    let status = docker.inspect_exec(&id).await?.exit_code.unwrap_or(-1);
    Ok(Ran { status, output })
}

async fn collect(output: impl Stream<Item = Result<LogOutput, Error>>) -> Result<String, Error> {
    let pieces: Vec<LogOutput> = output.try_collect().await?;
    let bytes: Vec<u8> = pieces.into_iter().flat_map(LogOutput::into_bytes).collect();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Archives of nodes' images are large: they go piece by piece.
async fn load(docker: Client, archive: &Path) -> Result<(), Error> {
    let file = File::open(archive).map_err(|err| Error::IOError { err })?;
    let pieces = futures_util::stream::try_unfold(file, async |mut file| {
        let mut piece = vec![0; PIECE];
        let count = file.read(&mut piece)?;
        piece.truncate(count);
        Ok::<_, std::io::Error>((count > 0).then(|| (piece.into(), file)))
    });
    let options = ImportImageOptionsBuilder::new().quiet(true).build();
    docker.import_image_stream(options, pieces.boxed(), None).try_for_each(async |_| Ok(())).await
}
