//! The host's measures against what a stack needs. Pure.

use airtight_manifest::stack::at_least;
use ipnet::Ipv4Net;
use semver::Version;

use super::{DockerInfo, Host, Measured, Need, Standing};
use crate::options::Options;
use crate::recipe::Recipe;
use crate::site::Site;

const GIB: u64 = 1024 * 1024 * 1024;

/// The oldest Docker API that gives containers fixed addresses and private cgroup namespaces (Docker 20.10).
const DOCKER_API: (u64, u64) = (1, 41);

/// Every need, whether met or not.
#[must_use]
pub fn judge(host: &Host, recipe: &Recipe, options: &Options, site: &Site) -> Vec<Need> {
    let mut needs =
        vec![docker(host), cgroup(host, recipe), kernel(host, recipe), memory(host, recipe), disk(host, recipe)];
    let need = &recipe.provision.host;
    needs.push(inotify("max_user_instances", &host.inotify_instances, need.inotify_instances));
    needs.push(inotify("max_user_watches", &host.inotify_watches, need.inotify_watches));
    needs.extend([docker_command(host), kind(host, recipe), helm(host, recipe)]);
    needs.extend([subnet(host, site), ports(host, options)]);
    needs.extend(files(host, options));
    needs.extend(node_image(host, options));
    needs
}

struct Draft {
    id: &'static str,
    required: String,
}

impl Draft {
    fn new(id: &'static str, required: impl Into<String>) -> Self {
        Self { id, required: required.into() }
    }

    fn is(self, standing: Standing, measured: impl Into<String>, remedy: impl Into<String>) -> Need {
        let remedy = Some(remedy.into()).filter(|remedy| standing != Standing::Met && !remedy.is_empty());
        Need { id: self.id.to_owned(), standing, required: self.required, measured: measured.into(), remedy }
    }

    fn met_if(self, met: bool, measured: impl Into<String>, remedy: impl Into<String>) -> Need {
        self.is(if met { Standing::Met } else { Standing::Unmet }, measured, remedy)
    }

    fn doubtful_unless(self, met: bool, measured: impl Into<String>, remedy: impl Into<String>) -> Need {
        self.is(if met { Standing::Met } else { Standing::Doubtful }, measured, remedy)
    }
}

fn docker(host: &Host) -> Need {
    let draft = Draft::new("docker", "a Docker daemon that answers, 20.10 (API 1.41) or newer");
    match &host.docker {
        Measured::Is(docker) => {
            let new_enough = api(&docker.api).is_some_and(|version| version >= DOCKER_API);
            let measured = format!("Docker {} (API {})", docker.server, docker.api);
            draft.met_if(new_enough, measured, "update Docker")
        }
        Measured::Unknown { why, remedy } => draft.is(Standing::Unmet, why, remedy),
    }
}

fn api(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn of_docker(draft: Draft, host: &Host, judge: impl FnOnce(Draft, &DockerInfo) -> Need) -> Need {
    match &host.info {
        Measured::Is(info) => judge(draft, info),
        Measured::Unknown { .. } => draft.is(Standing::Doubtful, "not measured: Docker does not answer", ""),
    }
}

/// The kubelet of 1.35 and later does not start on cgroup v1 (Kubernetes `failCgroupV1`).
fn cgroup(host: &Host, recipe: &Recipe) -> Need {
    let kubernetes = &recipe.stack.versions.kubernetes;
    let strict = at_least(kubernetes, 1, 35);
    let required = if strict { "cgroup v2" } else { "cgroup v2 (v1 will do below Kubernetes 1.35)" };
    of_docker(Draft::new("cgroup", required), host, |draft, info| {
        let measured = format!("cgroup v{}", info.cgroup_version);
        match (info.cgroup_version.as_str(), strict) {
            ("2", _) => draft.is(Standing::Met, measured, ""),
            (_, true) => draft.is(
                Standing::Unmet,
                measured,
                format!("Kubernetes {kubernetes} does not run on cgroup v1: boot with systemd.unified_cgroup_hierarchy=1, or take --stack reference"),
            ),
            (_, false) => draft.is(Standing::Doubtful, measured, "boot with systemd.unified_cgroup_hierarchy=1; Cilium's socket load balancer stays off on v1"),
        }
    })
}

fn kernel(host: &Host, recipe: &Recipe) -> Need {
    let required = &recipe.provision.host.kernel;
    of_docker(
        Draft::new("kernel", format!("Linux {}.{} or newer", required.major, required.minor)),
        host,
        |draft, info| match release(&info.kernel) {
            Some(found) => draft.met_if(
                found >= (required.major, required.minor),
                &info.kernel,
                "Cilium's datapath needs a newer kernel: update the host",
            ),
            None => draft.is(Standing::Doubtful, &info.kernel, "see that Cilium takes this kernel"),
        },
    )
}

/// Major and minor of a kernel's release, such as `6.12.5-cloud`.
fn release(text: &str) -> Option<(u64, u64)> {
    let mut parts = text.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn memory(host: &Host, recipe: &Recipe) -> Need {
    let required = recipe.provision.host.memory_gib;
    of_docker(Draft::new("memory", format!("{required} GiB")), host, |draft, info| {
        // A machine of 12 GiB has a little less for its programs.
        let enough = info.memory + GIB / 2 >= required * GIB;
        draft.met_if(enough, gib(info.memory), "give Docker more memory, or take a bigger machine")
    })
}

fn disk(host: &Host, recipe: &Recipe) -> Need {
    let required = recipe.provision.host.disk_gib;
    let draft = Draft::new("disk", format!("{required} GiB free where Docker keeps its images"));
    match &host.disk_free {
        Measured::Is(free) => {
            draft.met_if(*free >= required * GIB, gib(*free), "`docker system prune` frees what nothing uses")
        }
        Measured::Unknown { why, remedy } => draft.is(Standing::Doubtful, why, remedy),
    }
}

fn gib(bytes: u64) -> String {
    let tenths = bytes / (GIB / 10);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

/// All nodes share the host's limits; the kernel's default of 128 instances is used up by two.
fn inotify(name: &'static str, measured: &Measured<u64>, required: u64) -> Need {
    let id = if name == "max_user_instances" { "inotify-instances" } else { "inotify-watches" };
    let draft = Draft::new(id, format!("fs.inotify.{name} of {required} or more"));
    match measured {
        Measured::Is(value) => {
            draft.met_if(*value >= required, value.to_string(), format!("sysctl -w fs.inotify.{name}={required}"))
        }
        Measured::Unknown { why, .. } => draft.is(Standing::Doubtful, why, "see to it where Docker runs"),
    }
}

/// kind calls it, and so does whatever pulls.
fn docker_command(host: &Host) -> Need {
    let draft = Draft::new("docker-command", "the docker command, which kind calls");
    match &host.docker_command {
        Measured::Is(text) => draft.is(Standing::Met, text, ""),
        Measured::Unknown { why, .. } => {
            draft.is(Standing::Unmet, why, "install Docker's command line (docker-ce-cli)")
        }
    }
}

fn kind(host: &Host, recipe: &Recipe) -> Need {
    let need = &recipe.provision.kind;
    let remedy = format!("go install sigs.k8s.io/kind@v{}, or the release of that version", need.release);
    let draft = Draft::new("kind", format!("kind {} or newer, best {}", need.minimum, need.release));
    program(draft, &host.kind, &remedy, |draft, version| {
        let text = format!("kind {version}");
        if version < &need.minimum {
            draft.is(Standing::Unmet, text, &remedy)
        } else {
            let same = (version.major, version.minor) == (need.release.major, need.release.minor);
            draft.doubtful_unless(
                same,
                text,
                format!("the node image was built for kind {}; others usually run it", need.release),
            )
        }
    })
}

fn helm(host: &Host, recipe: &Recipe) -> Need {
    let minimum = &recipe.provision.helm.minimum;
    let remedy = "install helm 3 or 4: https://helm.sh/docs/intro/install";
    program(Draft::new("helm", format!("helm {minimum} or newer")), &host.helm, remedy, |draft, version| {
        draft.met_if(version >= minimum, format!("helm {version}"), remedy)
    })
}

fn program(draft: Draft, said: &Measured<String>, remedy: &str, judge: impl FnOnce(Draft, &Version) -> Need) -> Need {
    match said {
        Measured::Is(text) => match version_in(text) {
            Some(version) => judge(draft, &version),
            None => draft.is(Standing::Doubtful, format!("says `{text}`"), remedy),
        },
        Measured::Unknown { why, .. } => draft.is(Standing::Unmet, why, remedy),
    }
}

/// The first version in a text, such as `kind v0.29.0 go1.24.2 linux/amd64`, `v3.18.4+gd80839c` or, from a build of
/// one's own, `v3.18`.
fn version_in(text: &str) -> Option<Version> {
    text.split_whitespace().find_map(|word| {
        let word = word.strip_prefix('v')?;
        let exact: Option<Version> = word.parse().ok();
        let version = exact.or_else(|| format!("{word}.0").parse().ok())?;
        Some(Version::new(version.major, version.minor, version.patch))
    })
}

fn subnet(host: &Host, site: &Site) -> Need {
    let draft = Draft::new("subnet", format!("{} unused by other Docker networks", site.subnet));
    let own = site.network();
    let overlaps = |subnet: &String| {
        subnet.parse::<Ipv4Net>().is_ok_and(|other| other.contains(&site.subnet) || site.subnet.contains(&other))
    };
    let others = host.networks.iter().filter(|network| network.name != own);
    match others.into_iter().find(|network| network.subnets.iter().any(overlaps)) {
        Some(network) => {
            let measured = format!("the network {} has {}", network.name, network.subnets.join(", "));
            draft.is(Standing::Unmet, measured, "choose another with --subnet, such as 172.30.0.0/16")
        }
        None if matches!(host.docker, Measured::Is(_)) => draft.is(Standing::Met, "unused", ""),
        None => draft.is(Standing::Doubtful, "not measured: Docker does not answer", ""),
    }
}

fn ports(host: &Host, options: &Options) -> Need {
    match options.api_port {
        None => Draft::new("ports", "one free port for the API server").is(Standing::Met, "kind takes a free one", ""),
        Some(port) => {
            let draft = Draft::new("ports", format!("port {port} of this machine for the API server"));
            let measured = if host.api_port_free { "free" } else { "taken" };
            draft.met_if(
                host.api_port_free,
                measured,
                "name another with --api-port, or none: kind then takes a free one",
            )
        }
    }
}

fn files(host: &Host, options: &Options) -> Option<Need> {
    let named =
        options.chart_dir.is_some() || options.image_archive.is_some() || options.probe_image.archive().is_some();
    let draft = Draft::new("files", "the charts and images that the options name");
    match host.missing_files.as_slice() {
        [] if named => Some(draft.is(Standing::Met, "all there", "")),
        [] => None,
        [first, rest @ ..] => {
            let measured = match rest.len() {
                0 => format!("{first} is missing"),
                more => format!("{first} and {more} more are missing"),
            };
            Some(draft.is(Standing::Unmet, measured, "`airtight bundle` writes them, where there is a network"))
        }
    }
}

fn node_image(host: &Host, options: &Options) -> Option<Need> {
    if options.pull || options.image_archive.is_some() {
        return None;
    }
    let measured = if host.node_image_there { "there" } else { "not there, and nothing may be pulled" };
    let remedy = "load it with `docker load`, give --image-archive, or leave --no-pull out";
    Some(Draft::new("node-image", "the node image on this machine").met_if(host.node_image_there, measured, remedy))
}
