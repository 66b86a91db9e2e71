//! What programs and servers say when something is wrong, what that means, and what helps.

use super::program::Program;

/// Who says that something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Speaker {
    /// Docker's daemon, or its command.
    Docker,
    /// kind, and what it runs.
    Kind,
    /// Helm.
    Helm,
    /// curl.
    Curl,
    /// The API server, or the state of an object there.
    Kubernetes,
}

impl From<Program> for Speaker {
    fn from(program: Program) -> Self {
        match program {
            Program::Docker => Self::Docker,
            Program::Kind => Self::Kind,
            Program::Helm => Self::Helm,
            Program::Curl => Self::Curl,
        }
    }
}

/// A text by which a cause is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symptom {
    /// Stable, kebab-case name of the cause.
    pub code: &'static str,
    /// Who says it; empty for anybody.
    pub speakers: &'static [Speaker],
    /// Texts of which one is said; `*` stands for anything within a line.
    pub texts: &'static [&'static str],
    /// The cause: one sentence.
    pub cause: &'static str,
    /// What helps.
    pub remedy: &'static str,
    /// Whether the same again may well succeed.
    pub transient: bool,
}

/// Known causes; the first that fits wins, so a cause stands before its consequences.
pub const SYMPTOMS: &[Symptom] = &[
    Symptom {
        code: "docker-unreachable",
        speakers: &[],
        texts: &["Cannot connect to the Docker daemon", "failed to connect to the docker API", "error during connect"],
        cause: "the Docker daemon does not answer",
        remedy: "start it (`systemctl start docker`, or Docker Desktop), or point DOCKER_HOST at the one that runs",
        transient: false,
    },
    Symptom {
        code: "docker-denied",
        speakers: &[],
        texts: &[
            "permission denied while trying to connect to the Docker",
            "dial unix */docker.sock: connect: permission denied",
        ],
        cause: "this user may not talk to the Docker daemon",
        remedy: "add the user to the group `docker` and log in again, or use rootless Docker",
        transient: false,
    },
    Symptom {
        code: "docker-client-too-old",
        speakers: &[],
        texts: &["is too old. Minimum supported API version is"],
        cause: "airtight or the docker command is older than what the Docker daemon still speaks to",
        remedy: "update both; the docker command takes DOCKER_API_VERSION, the minimum that the daemon names",
        transient: false,
    },
    Symptom {
        code: "inotify-limit",
        speakers: &[],
        texts: &["too many open files", "failed to create fsnotify watcher"],
        cause: "the nodes share the host's inotify limits, and these are used up",
        remedy: "sysctl -w fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288",
        transient: false,
    },
    Symptom {
        code: "docker-init",
        speakers: &[Speaker::Kind],
        texts: &["Couldn't find an alternative telinit implementation to spawn"],
        cause: "Docker puts its own init in front of the node's systemd",
        remedy: "remove `\"init\": true` from Docker's daemon.json and restart it",
        transient: false,
    },
    Symptom {
        code: "cgroup-v1",
        speakers: &[],
        texts: &["kubelet is configured to not run on a host using cgroup v1"],
        cause: "this Kubernetes does not run on a host with cgroup v1",
        remedy: "boot the host with cgroup v2 (systemd.unified_cgroup_hierarchy=1), or take a stack with Kubernetes below 1.35",
        transient: false,
    },
    Symptom {
        code: "node-not-booted",
        speakers: &[Speaker::Kind],
        texts: &["could not find a log line that matches \"Reached target"],
        cause: "systemd on a node did not come up within 30 s",
        remedy: "raise fs.inotify.max_user_instances to 512, look at cgroups and rootless delegation, and read the node's serial log among the exported logs",
        transient: false,
    },
    Symptom {
        code: "port-taken",
        speakers: &[],
        texts: &["port is already allocated", "address already in use"],
        cause: "a port that the cluster wants on this machine is taken",
        remedy: "name a free one with --api-port, or none: kind then takes a free one",
        transient: false,
    },
    Symptom {
        code: "cluster-exists",
        speakers: &[Speaker::Kind],
        texts: &["node(s) already exist for a cluster with the name"],
        cause: "there is a kind cluster of this name that this folder knows nothing of",
        remedy: "`airtight down --name NAME` removes it if it is ours; otherwise choose another --name",
        transient: false,
    },
    Symptom {
        code: "subnet-overlap",
        speakers: &[Speaker::Docker],
        texts: &[
            "Pool overlaps with other one on this address space",
            "cannot create network *: conflicts with network",
        ],
        cause: "another Docker network has addresses of the subnet",
        remedy: "choose another with --subnet, such as 172.30.0.0/16; `docker network ls` shows what there is",
        transient: false,
    },
    Symptom {
        code: "subnets-used-up",
        speakers: &[Speaker::Docker],
        texts: &[
            "could not find an available, non-overlapping IPv4 address pool",
            "all predefined address pools have been fully subnetted",
        ],
        cause: "Docker has no addresses left for another network",
        remedy: "`docker network prune` removes networks that nothing uses",
        transient: false,
    },
    Symptom {
        code: "docker-firewall",
        speakers: &[],
        texts: &["failed to program NAT chain", "iptables failed", "Failed to Setup IP tables"],
        cause: "Docker cannot write the firewall rules of the network",
        remedy: "restart Docker (another firewall may have flushed its chains), and see that the iptables kernel modules are there",
        transient: false,
    },
    Symptom {
        code: "container-refused",
        speakers: &[],
        texts: &["OCI runtime create failed", "failed to create shim task"],
        cause: "the host does not let Docker start the container",
        remedy: "nodes are privileged containers: a host that is itself a container needs all capabilities and cgroups, and rootless Docker needs delegation",
        transient: false,
    },
    Symptom {
        code: "disk-full",
        speakers: &[],
        texts: &["no space left on device"],
        cause: "the disk is full",
        remedy: "`docker system df` shows what Docker keeps and `docker system prune` frees it; 25 GiB are needed",
        transient: false,
    },
    Symptom {
        code: "rate-limited",
        speakers: &[],
        texts: &["toomanyrequests", "429 Too Many Requests"],
        cause: "the registry refuses more pulls for now",
        remedy: "log in with `docker login`, or use --registry-mirror or --image-archive",
        transient: false,
    },
    Symptom {
        code: "digest-gone",
        speakers: &[],
        texts: &["content digest sha256:*: not found", "ctr: content digest"],
        cause: "the archive lacks a platform of the image that it lists",
        remedy: "save it again with `docker image save --platform`, or make the bundle anew with `airtight bundle`",
        transient: false,
    },
    Symptom {
        code: "image-missing",
        speakers: &[],
        texts: &[
            "manifest unknown",
            "manifest for * not found",
            "No such image",
            "no such image",
            "repository does not exist",
        ],
        cause: "the image is not there",
        remedy: "check its name and tag; without a registry give --image-archive, or load it with `docker load`",
        transient: false,
    },
    Symptom {
        code: "unauthorized",
        speakers: &[],
        texts: &["unauthorized: ", "401 Unauthorized", "no basic auth credentials"],
        cause: "the registry wants to know who asks",
        remedy: "log in with `docker login` (images) or `helm registry login` (charts)",
        transient: false,
    },
    Symptom {
        code: "untrusted-certificate",
        speakers: &[],
        texts: &["x509: certificate signed by unknown authority", "x509: certificate is valid for"],
        cause: "a certificate on the way to the registry is not trusted",
        remedy: "a proxy that breaks TLS needs its authority in the system's store (and in Docker's certs.d); or use --image-archive and --chart-dir",
        transient: false,
    },
    Symptom {
        code: "image-pull",
        speakers: &[Speaker::Kubernetes],
        texts: &["ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName"],
        cause: "a node cannot pull an image",
        remedy: "give --registry-mirror, or --image-archive with a folder that `airtight bundle` wrote",
        transient: false,
    },
    Symptom {
        code: "import-reference",
        speakers: &[Speaker::Kubernetes],
        texts: &["failed to get image from containerd"],
        cause: "an image that was loaded from an archive has a name that the node does not find again",
        remedy: "use --registry-mirror, which keeps digests",
        transient: false,
    },
    Symptom {
        code: "crash-loop",
        speakers: &[Speaker::Kubernetes],
        texts: &["CrashLoopBackOff", "RunContainerError", "CreateContainerConfigError", "CreateContainerError"],
        cause: "a container does not stay up",
        remedy: "its log is among the exported logs (pods/)",
        transient: false,
    },
    Symptom {
        code: "bpf-masquerade",
        speakers: &[Speaker::Kubernetes],
        texts: &["BPF masquerade requires NodePort"],
        cause: "Cilium's agent refuses bpf.masquerade without kube-proxy replacement",
        remedy: "set bpf.masquerade to false in the stack, and leave upgradeCompatibility above 1.9",
        transient: false,
    },
    Symptom {
        code: "kubeadm",
        speakers: &[Speaker::Kind],
        texts: &["failed to init node with kubeadm", "failed to join node with kubeadm"],
        cause: "kubeadm could not start a node: the kubelet was down, memory ran out, or a patch is of another version",
        remedy: "read kubelet.log and journal.log of the node among the exported logs",
        transient: false,
    },
    Symptom {
        code: "helm-pending",
        speakers: &[Speaker::Helm],
        texts: &["another operation (install/upgrade/rollback) is in progress"],
        cause: "an earlier installation was cut off half-way",
        remedy: "`helm uninstall` the release, then `airtight up` again",
        transient: false,
    },
    Symptom {
        code: "chart-missing",
        speakers: &[Speaker::Helm],
        texts: &[
            "not found in * repository",
            "no chart version found",
            "chart \"*\" version \"*\" not found",
            "path \"*\" not found",
            "no such file or directory",
        ],
        cause: "the chart is not there",
        remedy: "check repository and version in the stack; with --chart-dir, make the folder with `airtight bundle`",
        transient: false,
    },
    Symptom {
        code: "kubernetes-too-old",
        speakers: &[Speaker::Helm],
        texts: &["chart requires kubeVersion"],
        cause: "the chart does not take this Kubernetes",
        remedy: "`airtight stacks` shows which versions go together",
        transient: false,
    },
    Symptom {
        code: "gateway-api-downgrade",
        speakers: &[Speaker::Kubernetes],
        texts: &["safe-upgrades.gateway.networking.k8s.io"],
        cause: "the cluster has a newer Gateway API, or its experimental channel, which guards itself against this one",
        remedy: "`airtight down`, then `airtight up`; or delete the ValidatingAdmissionPolicy and its binding",
        transient: false,
    },
    Symptom {
        code: "crd-too-large",
        speakers: &[Speaker::Kubernetes],
        texts: &["metadata.annotations: Too long"],
        cause: "a definition is too large for client-side apply",
        remedy: "apply it with --server-side",
        transient: false,
    },
    Symptom {
        code: "webhook-unready",
        speakers: &[],
        texts: &["failed calling webhook", "failed to call webhook"],
        cause: "an admission webhook does not answer",
        remedy: "its pods may still be starting: `airtight up` again; otherwise see the exported logs",
        transient: true,
    },
    Symptom {
        code: "kind-unknown",
        speakers: &[Speaker::Kubernetes],
        texts: &["no matches for kind", "resource mapping not found"],
        cause: "the API server does not serve a kind of object yet",
        remedy: "the component that brings it must be ready before: see the stack's `after` and `established`",
        transient: true,
    },
    Symptom {
        code: "registry-unreachable",
        speakers: &[Speaker::Docker, Speaker::Kind, Speaker::Helm, Speaker::Curl],
        texts: &[
            "no such host",
            "server misbehaving",
            "Temporary failure in name resolution",
            "network is unreachable",
            "no route to host",
            "connection refused",
            "i/o timeout",
            "TLS handshake timeout",
            "Client.Timeout exceeded",
            "request canceled while waiting for connection",
            "Could not resolve host",
            "context deadline exceeded",
            "unexpected EOF",
            "connection reset by peer",
            "502 Bad Gateway",
            "503 Service Unavailable",
            "403 Forbidden",
        ],
        cause: "the registry or repository cannot be reached",
        remedy: "check the network and HTTPS_PROXY; without one, run `airtight bundle` where there is, and give --image-archive and --chart-dir, or --registry-mirror and --node-image",
        transient: true,
    },
];

/// The cause of what `speaker` said, if it is known.
#[must_use]
pub fn recognise(speaker: Speaker, said: &str) -> Option<&'static Symptom> {
    SYMPTOMS.iter().find(|symptom| {
        let by = symptom.speakers.is_empty() || symptom.speakers.contains(&speaker);
        by && symptom.texts.iter().any(|text| said.lines().any(|line| fits(line, text)))
    })
}

/// Whether a line has the parts of a pattern in their order.
fn fits(line: &str, pattern: &str) -> bool {
    let mut rest = line;
    pattern.split('*').all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}
