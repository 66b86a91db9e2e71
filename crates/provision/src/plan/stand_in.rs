//! Hosts outside the cluster that answer: containers on its network, reached at the hosts' own addresses.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use airtight_model::world::Host;

use super::cluster::{CLUSTER, NETWORK, NODE_IMAGE, node};
use super::serving::{self, TLS};
use super::{Action, Certificate, Ensure, Step};
use crate::docker_call::{ContainerSpec, DockerCall, DockerThing, ToolSpec};
use crate::invocation::Invocation;
use crate::options::Options;
use crate::probe_image::{PROBE_IMAGE, ProbeProgram};
use crate::program::Program;
use crate::recipe::Recipe;
use crate::site::Site;

pub(super) const LOAD: &str = "probe-image";
pub(super) const AUTHORITY: &str = "authority";
pub(super) const ROUTES: &str = "routes";

/// Addresses of a host that a cluster of IPv4 reaches.
pub(super) fn addresses(host: &Host) -> Vec<Ipv4Addr> {
    let v4 = |address: &IpAddr| match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    };
    host.addresses.iter().filter_map(v4).collect()
}

pub(super) fn step_of(name: &str) -> String {
    format!("stand-in-{name}")
}

/// Whether a step makes a stand-in, or the ways to them.
pub(super) fn is_one(step: &str) -> bool {
    step == ROUTES || step.starts_with(&step_of(""))
}

/// A stand-in and its addresses. They are added inside the container and routed to from the nodes: an address on a
/// node's own interface would have Cilium's `host` identity, to which no CIDR rule applies (cilium#34387).
pub(super) fn step(host: &Host, name: &str, fixed: Ipv4Addr, recipe: &Recipe, options: &Options, site: &Site) -> Step {
    let container = site.container(name);
    let image = node(recipe, options).to_string();
    let add = |address: &Ipv4Addr| {
        let address = format!("{address}/32");
        let command = ["ip", "address", "replace", &address, "dev", "eth0"].map(str::to_owned).to_vec();
        let tool = ToolSpec { beside: container.clone(), image: image.clone(), command, label: site.label() };
        DockerCall::Tool(tool).into()
    };
    let mut make = vec![start(host, name, &container, fixed, site)];
    make.extend(addresses(host).iter().map(add));
    let ensure = Ensure {
        what: format!("container {container}"),
        ask: DockerThing::Container(container.clone()),
        ours: Some(site.name.to_string()),
        expect: Some(format!("{} true", site.name)),
        remove: Some(DockerCall::RemoveContainers(vec![container.clone()]).into()),
        make,
        guarded: false,
    };
    let step = Step::new(step_of(name), format!("stand-in {name}"), 120).needs([NETWORK, NODE_IMAGE, LOAD]);
    let step = if host.tls_ports.is_empty() { step } else { step.needs([AUTHORITY]).acts([certify(host, name, site)]) };
    step.acts([Action::Ensure(ensure)])
}

fn start(host: &Host, name: &str, container: &str, fixed: Ipv4Addr, site: &Site) -> Invocation {
    let arguments = match serving::of(host, name) {
        Some(serving) => vec!["serve".to_owned(), "--config".to_owned(), serving],
        // Nothing listens, and still it answers a ping.
        None => vec!["pause".to_owned()],
    };
    let spec = ContainerSpec {
        name: container.to_owned(),
        image: PROBE_IMAGE.to_owned(),
        arguments,
        network: site.network(),
        address: fixed,
        label: site.label(),
        // The image's user is not root, and may bind the ports of web servers only like this.
        sysctls: vec![("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned())],
        mount: (!host.tls_ports.is_empty()).then(|| (certificate_folder(name, site), TLS.to_owned())),
    };
    DockerCall::Start(Box::new(spec)).into()
}

fn certificate_folder(name: &str, site: &Site) -> PathBuf {
    site.folder.tls().join(name)
}

fn certify(host: &Host, name: &str, site: &Site) -> Action {
    let names = host.names.iter().map(ToString::to_string);
    Action::Certify(Certificate {
        authority: site.folder.tls(),
        folder: certificate_folder(name, site),
        names: names.chain(host.addresses.iter().map(ToString::to_string)).collect(),
    })
}

/// The authority that all stand-ins of a cluster have in common.
pub(super) fn authority(site: &Site) -> Step {
    Step::new(AUTHORITY, "authority of the stand-ins' certificates", 60).acts([Action::Authority(site.folder.tls())])
}

/// Each node reaches the hosts' addresses through their stand-ins.
pub(super) fn routes(ways: &[(Ipv4Addr, Ipv4Addr)], stand_ins: Vec<String>, site: &Site) -> Step {
    let nodes = site.nodes();
    let calls = nodes.iter().flat_map(|node| {
        ways.iter().map(move |(address, via)| {
            let (address, via) = (format!("{address}/32"), via.to_string());
            let command = ["ip", "route", "replace", &address, "via", &via].map(str::to_owned).to_vec();
            Action::Run(DockerCall::Exec { container: node.clone(), command }.into())
        })
    });
    Step::new(ROUTES, "routes to the stand-ins", 60).needs([CLUSTER]).needs(stand_ins).acts(calls)
}

/// The probe's image, in Docker for the stand-ins and on the nodes for the workloads.
pub(super) fn load(archive: &Path, site: &Site) -> Step {
    let path = archive.display().to_string();
    let calls = [
        Invocation::from(DockerCall::Load(archive.to_owned())),
        Program::Kind.call(["load", "image-archive", &path, "--name", site.name.as_ref()]).into(),
    ];
    Step::new(LOAD, format!("image {PROBE_IMAGE}"), 180).needs([CLUSTER]).acts(calls.map(Action::Run))
}

/// The same, of an archive that is written first. The image's id is a part of the step, so that another program is
/// loaded anew and everything that runs it is made anew.
pub(super) fn pack(program: &ProbeProgram, site: &Site) -> Step {
    let mut step = load(&program.archive, site);
    step.actions.insert(0, Action::Pack(program.clone()));
    step
}
