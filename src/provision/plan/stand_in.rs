//! Hosts outside the cluster that answer: containers on its network, reached at the hosts' own addresses.

use std::net::{IpAddr, Ipv4Addr};

use super::cluster::{CLUSTER, NETWORK, NODE_IMAGE, node};
use super::{Action, Ensure, Step};
use crate::provision::options::Options;
use crate::provision::program::{Call, Program};
use crate::provision::recipe::Recipe;
use crate::provision::site::{LABEL, Site};
use crate::world::Host;

/// The image of probes, stand-ins and workloads.
pub(super) const PROBE_IMAGE: &str = "airtight-probe:dev";

pub(super) const LOAD: &str = "probe-image";
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

/// A stand-in and its addresses. They are added inside the container and routed to from the nodes: an address on a
/// node's own interface would have Cilium's `host` identity, to which no CIDR rule applies (cilium#34387).
pub(super) fn step(host: &Host, name: &str, fixed: Ipv4Addr, recipe: &Recipe, options: &Options, site: &Site) -> Step {
    let container = site.container(name);
    let image = node(recipe, options).to_string();
    let shared = format!("container:{container}");
    let add = |address: &Ipv4Addr| {
        let address = format!("{address}/32");
        let tool = ["run", "--rm", "--network", &shared, "--cap-add", "NET_ADMIN", "--entrypoint", "ip", &image];
        Program::Docker.call(tool.into_iter().chain(["address", "replace", &address, "dev", "eth0"]))
    };
    let mut make = vec![start(host, &container, fixed, site)];
    make.extend(addresses(host).iter().map(add));
    let ensure = Ensure {
        what: format!("container {container}"),
        ask: Program::Docker.call([
            "container",
            "inspect",
            "--format",
            &format!("{{{{index .Config.Labels \"{LABEL}\"}}}} {{{{.State.Running}}}}"),
            &container,
        ]),
        ours: Some(site.name.to_string()),
        expect: Some(format!("{} true", site.name)),
        remove: Some(Program::Docker.call(["rm", "--force", "--volumes", &container])),
        make,
        guarded: false,
    };
    Step::new(step_of(name), format!("stand-in {name}"), 120)
        .needs([NETWORK, NODE_IMAGE, LOAD])
        .acts([Action::Ensure(ensure)])
}

fn start(host: &Host, container: &str, fixed: Ipv4Addr, site: &Site) -> Call {
    let mut run: Vec<String> = ["run", "--detach", "--name", container, "--network"].map(str::to_owned).to_vec();
    run.extend([site.network(), "--ip".to_owned(), fixed.to_string()]);
    run.extend(site.label());
    run.extend(
        ["--pull=never", "--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE", PROBE_IMAGE, "serve"].map(str::to_owned),
    );
    for port in &host.ports {
        run.extend(["--http".to_owned(), port.to_string()]);
    }
    for port in &host.tls_ports {
        run.extend(["--https".to_owned(), port.to_string()]);
    }
    for name in &host.names {
        run.extend(["--name".to_owned(), name.to_string()]);
    }
    Program::Docker.call(run)
}

/// Each node reaches the hosts' addresses through their stand-ins.
pub(super) fn routes(ways: &[(Ipv4Addr, Ipv4Addr)], stand_ins: Vec<String>, site: &Site) -> Step {
    let nodes = site.nodes();
    let calls = nodes.iter().flat_map(|node| {
        ways.iter().map(move |(address, via)| {
            let (address, via) = (format!("{address}/32"), via.to_string());
            Action::Run(Program::Docker.call(["exec", node, "ip", "route", "replace", &address, "via", &via]))
        })
    });
    Step::new(ROUTES, "routes to the stand-ins", 60).needs([CLUSTER]).needs(stand_ins).acts(calls)
}

/// The probe's image, in Docker for the stand-ins and on the nodes for the workloads.
pub(super) fn load(archive: &str, site: &Site) -> Step {
    let calls = [
        Program::Docker.call(["load", "--input", archive]),
        Program::Kind.call(["load", "image-archive", archive, "--name", site.name.as_ref()]),
    ];
    Step::new(LOAD, format!("image {PROBE_IMAGE}"), 180).needs([CLUSTER]).acts(calls.map(Action::Run))
}
