//! What the subcommands of clusters say about themselves, about stacks, and when something is wrong.

use airtight_testkit::stack::SMALL;
use insta::assert_snapshot;

use crate::machine::Machine;

#[test]
fn each_subcommand_has_help() {
    for command in ["stacks", "preflight", "up", "status", "down", "images", "bundle"] {
        let told = Machine::new().run(&[command, "--help"]);
        assert_eq!(told.code, 0);
        assert!(told.out.contains(&format!("Usage: airtight {command}")), "{}", told.out);
    }
}

#[test]
fn up_says_what_it_takes() {
    assert_snapshot!(Machine::new().run(&["up", "-h"]).out, @r"
    Bring up a cluster of a stack on kind, or go on where the last attempt ended

    Usage: airtight up [OPTIONS]

    Options:
          --stack <NAME>           Component versions: `reference`, `latest`, or a stack file [env:
                                   AIRTIGHT_STACK=] [default: reference]
          --name <NAME>            Name of the cluster [env: AIRTIGHT_CLUSTER=] [default: airtight]
          --state-dir <DIR>        Folder for the clusters' states, kubeconfigs and logs [default:
                                   airtight in XDG_STATE_HOME or ~/.local/state] [env:
                                   AIRTIGHT_STATE_DIR=]
          --subnet <CIDR>          Addresses of the cluster's Docker network, at least a /22 [default:
                                   172.20.0.0/16]
          --registry-mirror <URL>  Registry that mirrors the others: it serves quay.io/x/y as
                                   quay.io/x/y
          --image-archive <DIR>    Folder with archives of all images, as `airtight bundle` writes them
          --chart-dir <DIR>        Folder with all charts and manifests, as `airtight bundle` writes
                                   them
          --node-image <IMAGE>     Image of the nodes, in place of the stack's
          --no-pull                Pull no image: the node image is on this machine, and holds the
                                   others unless an archive or a mirror does
          --api-port <PORT>        Port of the API server on this machine [default: a free one]
          --probe <PATH>           The static program `airtight-probe`, of which the image
                                   `airtight-probe:dev` is made [default: the one beside this program,
                                   otherwise this program with its libraries] [env: AIRTIGHT_PROBE=]
          --probe-image <FILE>     Archive of the image `airtight-probe:dev`, which stand-ins and
                                   workloads run, in place of the program's [env: AIRTIGHT_PROBE_IMAGE=]
      -m, --manifests <PATH>       Folder with `policies` and `workloads` to put on the cluster, and the
                                   hosts around it [default: ./manifests if it is there, else the
                                   built-in reference set] [env: AIRTIGHT_MANIFESTS=]
          --platform-only          Bring up the platform alone: no policies, stand-ins and workloads
          --dry-run                Show what would be done, and do nothing
          --skip-preflight         Go on where this machine lacks something
      -o, --output <OUTPUT>        Output format [default: table] [possible values: table, json, yaml]
          --color <WHEN>           When to use colours [default: auto] [possible values: auto, always,
                                   never]
      -h, --help                   Print help (see more with '--help')
      -V, --version                Print version
    ");
}

#[test]
fn shipped_stacks_go_together() {
    let told = Machine::new().run(&["stacks"]);
    assert_eq!(told.code, 0);
    assert_snapshot!(told.out, @r"
    reference: Kubernetes 1.31.9, Cilium 1.17.5, Istio 1.26.2, Gateway API 1.2.1, Kgateway 2.0.3, Kyverno 1.14.4
      cilium    with Kubernetes   >=1.29, <1.33  1.31.9  inside
      istiod    with Kubernetes   >=1.29, <1.33  1.31.9  inside
      kgateway  with Kubernetes   >=1.27, <1.32  1.31.9  inside
      kgateway  with Gateway API  >=1.2, <1.3    1.2.1   inside
      kgateway  with Istio        >=1.18, <1.24  1.26.2  accepted
      kyverno   with Kubernetes   >=1.29, <1.33  1.31.9  inside
      accepted: kgateway with Istio: the architecture pairs them; Kgateway 2.0 as a waypoint of Istio 1.26 is in no tested table
      images by tag only: 12 (`airtight images` names them)
    latest: Kubernetes 1.35.8, Cilium 1.20.2, Istio 1.30.3, Gateway API 1.6.1, Kgateway 2.4.3, Agentgateway 1.4.1, Kyverno 1.19.0
      cilium    with Kubernetes   >=1.33, <1.37  1.35.8  inside
      istiod    with Kubernetes   >=1.32, <1.36  1.35.8  inside
      kgateway  with Kubernetes   >=1.32, <1.37  1.35.8  inside
      kgateway  with Gateway API  >=1.4, <1.7    1.6.1   inside
      kgateway  with Istio        >=1.26, <1.31  1.30.3  inside
      kyverno   with Kubernetes   >=1.33, <1.36  1.35.8  inside
      images by tag only: 14 (`airtight images` names them)
    ");
}

#[test]
fn a_stack_outside_of_what_was_tested_fails() {
    let machine = Machine::new();
    let outside = "supported: {kubernetes: \">=1.29, <1.31\"}\n      timeoutSeconds: 20\n    - name: kyverno";
    machine.write("stack.yaml", &SMALL.replacen("timeoutSeconds: 20\n    - name: kyverno", outside, 1));
    let told = machine.run(&["stacks", "stack.yaml"]);
    assert_eq!(told.code, 1);
    assert_snapshot!(told.out, @r"
    small: Kubernetes 1.31.9, Cilium 1.17.5, Istio 1.26.2, Gateway API 1.2.1, Kgateway 2.0.3, Kyverno 1.14.4
      istiod  with Kubernetes  >=1.29, <1.31  1.31.9  OUTSIDE
      images by tag only: 2 (`airtight images` names them)
    ");
    let json = machine.run(&["stacks", "stack.yaml", "-o", "json"]);
    assert_eq!(json.code, 1);
    let listed: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(listed[0]["windows"][0]["fit"], "outside");
}

#[test]
fn a_wrong_stack_is_shown_where_it_is_wrong() {
    let machine = Machine::new();
    machine.write("stack.yaml", &SMALL.replace("after: [cilium]", "after: [cillium]"));
    let told = machine.run(&["images", "--stack", "stack.yaml"]);
    assert_eq!(told.code, 2);
    assert_snapshot!(told.err, @r"
    error[unknown-component]: there is no component `cillium`
      --> stack.yaml:37:15
       |
    37 |       after: [cillium]
       |               ^^^^^^^
       |
       = help: did you mean `cilium`?

    error[input]: 1 error in the input
    ");
}

#[test]
fn a_stack_that_says_nothing_of_its_installation_is_for_the_model_alone() {
    let machine = Machine::new();
    machine.write("stack.yaml", SMALL.split("  provision:").next().unwrap());
    let told = machine.run(&["up", "--stack", "stack.yaml", "--dry-run"]);
    assert_eq!(told.code, 2);
    assert!(told.err.contains("the stack `small` does not say how it is installed"), "{}", told.err);
}

#[test]
fn images_are_listed_with_their_archives() {
    let machine = Machine::new();
    let told = machine.run(&["images", "--stack", "stack.yaml"]);
    assert_snapshot!(format!("{}{}", told.out, told.err), @r"
    node    docker.io/kindest/node:v1.31.9
    cilium  quay.io/cilium/cilium:v1.17.5
    probe   airtight-probe:dev
    by tag only: 2 of 2 images; no digest of them is known here
    ");
    let json = machine.run(&["images", "--stack", "reference", "-o", "json"]);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json.out).unwrap();
    assert!(rows.iter().any(|row| row["pinned"] == true) && rows.iter().any(|row| row["pinned"] == false));
}

#[test]
fn a_dry_run_shows_every_call_and_makes_none() {
    let machine = Machine::new();
    let told = machine.run(&["up", "--stack", "stack.yaml", "--platform-only", "--dry-run"]);
    assert_eq!((told.code, machine.read("world/log").as_str()), (0, ""));
    assert_snapshot!(told.out, @r"
    cluster airtight of stack small, 7 steps
      1. network: Docker network airtight-airtight (172.20.0.0/16)
         unless there: Docker network airtight-airtight
         $ docker network create --driver bridge --subnet 172.20.0.0/16 --ip-range 172.20.0.0/24 --label dev.airtight.cluster=airtight airtight-airtight
      2. node-image: node image docker.io/kindest/node:v1.31.9
         unless there: node image docker.io/kindest/node:v1.31.9
         $ docker pull docker.io/kindest/node:v1.31.9
      3. cluster: kind cluster airtight (after network, node-image)
         write [folder]/state/airtight/airtight/rendered/kind.yaml
         unless there: kind cluster airtight
         $ KIND_EXPERIMENTAL_DOCKER_NETWORK=airtight-airtight kind create cluster --name airtight --config [folder]/state/airtight/airtight/rendered/kind.yaml --kubeconfig [folder]/state/airtight/airtight/kubeconfig --retain
         wait for the API server to be ready
      4. gateway-api: gateway-api (Gateway API) (after cluster)
         apply https://example.com/gateway-api.yaml
         wait for gateways.gateway.networking.k8s.io to be served
      5. cilium: cilium (Cilium) (after cluster)
         write [folder]/state/airtight/airtight/rendered/cilium.values.yaml
         $ helm upgrade --install cilium cilium --repo https://helm.example.com --version 1.17.5 --namespace kube-system --create-namespace --kubeconfig [folder]/state/airtight/airtight/kubeconfig --values [folder]/state/airtight/airtight/rendered/cilium.values.yaml --timeout 20s
         wait for daemonsets.apps kube-system/cilium to be rolled out
      6. istiod: istiod (Istio) (after cluster, gateway-api, cilium)
         write [folder]/state/airtight/airtight/rendered/istiod.values.yaml
         $ helm upgrade --install istiod oci://charts.example.com/istio/istiod --version 1.26.2 --namespace istio-system --create-namespace --kubeconfig [folder]/state/airtight/airtight/kubeconfig --values [folder]/state/airtight/airtight/rendered/istiod.values.yaml --timeout 20s
         wait for istio-cni in /etc/cni/net.d/05-cilium.conflist on every node
      7. kyverno: kyverno (Kyverno) (after cluster, cilium)
         write [folder]/state/airtight/airtight/rendered/kyverno.values.yaml
         $ helm upgrade --install kyverno kyverno --repo https://kyverno.example.com --version 3.4.4 --namespace kyverno --create-namespace --kubeconfig [folder]/state/airtight/airtight/kubeconfig --values [folder]/state/airtight/airtight/rendered/kyverno.values.yaml --timeout 20s
    ");
    let json = machine.run(&["up", "--stack", "stack.yaml", "--platform-only", "--dry-run", "-o", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        plan["steps"][0]["actions"][0]["ensure"]["make"][0]["docker"]["createNetwork"]["name"],
        "airtight-airtight"
    );
    assert!(!machine.path("state").exists(), "a dry run leaves nothing");
}

#[test]
fn needs_are_shown_together_and_unmet_ones_stop_before_anything_is_made() {
    let machine = Machine::new();
    std::fs::remove_file(machine.path("docker.sock")).unwrap();
    let told = machine.run(&["up", "--stack", "stack.yaml", "--platform-only"]);
    assert_eq!(told.code, 5);
    // The kernel's limits are the machine's own.
    let limits = regex::Regex::new(r"(met +inotify-\w+ +)\d+").unwrap();
    assert_snapshot!(limits.replace_all(&told.err, "${1}[n]"), @r"
    unmet     docker             the Docker daemon does not answer (needs a Docker daemon that answers, 20.10 (API 1.41) or newer)
                                 -> start it (`systemctl start docker`, or Docker Desktop), or point DOCKER_HOST at the one that runs
    doubtful  cgroup             not measured: Docker does not answer (needs cgroup v2 (v1 will do below Kubernetes 1.35))
    doubtful  kernel             not measured: Docker does not answer (needs Linux 5.4 or newer)
    doubtful  memory             not measured: Docker does not answer (needs 1 GiB)
    doubtful  disk               Docker does not say where it keeps its images (needs 0 GiB free where Docker keeps its images)
                                 -> start Docker
    met       inotify-instances  [n] (needs fs.inotify.max_user_instances of 1 or more)
    met       inotify-watches    [n] (needs fs.inotify.max_user_watches of 1 or more)
    met       docker-command     Docker version 28.2.2, build e6534b4 (needs the docker command, which kind calls)
    met       kind               kind 0.29.0 (needs kind 0.27.0 or newer, best 0.29.0)
    met       helm               helm 3.18.4 (needs helm 3.13.0 or newer)
    doubtful  subnet             not measured: Docker does not answer (needs 172.20.0.0/16 unused by other Docker networks)
    met       ports              kind takes a free one (needs one free port for the API server)
    error[preflight]: one need of the cluster is unmet; nothing was made
      hint: each remedy stands beside its need; --skip-preflight goes on all the same
    ");
    assert!(machine.calls(&["kind create", "docker network create", "docker pull"]).is_empty());
    assert!(!machine.path("state").exists(), "nothing was made");
}

#[test]
fn met_needs_pass() {
    let machine = Machine::new();
    let told = machine.run(&["preflight", "--stack", "stack.yaml", "-o", "json"]);
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
}

#[test]
fn a_program_that_is_missing_is_named() {
    let machine = Machine::new();
    std::fs::remove_file(machine.path("bin/kind")).unwrap();
    let told = machine.run(&["preflight", "--stack", "stack.yaml"]);
    assert_eq!(told.code, 5);
    assert!(
        told.out.contains("unmet     kind               `kind` is not installed, or not on the search path"),
        "{}",
        told.out
    );
    let told = machine.up(&[]);
    assert!(told.err.contains("error[program-missing]: step cluster: `kind` is not installed"), "{}", told.err);
}

#[test]
fn wrong_arguments_say_what_is_right() {
    let machine = Machine::new();
    for (arguments, expected) in [
        (&["--subnet", "172.20.0.0/24"][..], "`172.20.0.0/24` is not a subnet with room for nodes and stand-ins"),
        (&["--registry-mirror", "mirror:5000"], "write the scheme: http://mirror:5000"),
        (&["--name", "Bad_Name"], "is no cluster name"),
        (&["--node-image", "Kind"], "is no image reference"),
    ] {
        let told = machine.run(&[&["up", "--stack", "stack.yaml", "--dry-run"], arguments].concat());
        assert_eq!(told.code, 2);
        assert!(told.err.contains(expected), "{}", told.err);
    }
}

#[test]
fn down_and_status_say_when_docker_does_not_answer() {
    let machine = Machine::new();
    std::fs::remove_file(machine.path("docker.sock")).unwrap();
    for command in ["down", "status"] {
        let told = machine.run(&[command]);
        assert_eq!(told.code, 5);
        assert!(told.err.contains("error[docker-unreachable]: the Docker daemon does not answer"), "{}", told.err);
    }
}

#[test]
fn the_probe_comes_into_a_registry_by_an_archive() {
    let machine = Machine::new();
    let told = machine.run(&["probe", "archive", "probe.tar", "--name", "registry.example/airtight-probe:1"]);
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.out.starts_with("probe.tar: registry.example/airtight-probe:1 (sha256:"), "{}", told.out);
    assert_snapshot!(told.err, @"  hint: docker load -i probe.tar && docker push registry.example/airtight-probe:1");
    let mut archive = tar::Archive::new(std::fs::File::open(machine.path("probe.tar")).unwrap());
    let manifest =
        archive.entries().unwrap().map(Result::unwrap).find(|entry| entry.path().unwrap().ends_with("manifest.json"));
    let said: serde_json::Value = serde_json::from_reader(manifest.unwrap()).unwrap();
    assert_eq!(said[0]["RepoTags"][0], "registry.example/airtight-probe:1");

    let nameless = machine.run(&["probe", "archive", "probe.tar", "--name", "Registry Example"]);
    assert_eq!(nameless.code, 2);
    assert!(nameless.err.contains("\"Registry Example\" has no tag"), "{}", nameless.err);
    let nowhere = machine.run(&["probe", "archive", "nowhere/probe.tar", "--format", "oci"]);
    assert_eq!(nowhere.code, 2);
    assert!(nowhere.err.contains("nowhere/probe.tar"), "{}", nowhere.err);
}
