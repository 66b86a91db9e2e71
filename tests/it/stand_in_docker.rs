//! Docker for real: stand-ins packed, loaded, started with the plan's own calls and dialled; conflicts, tools and
//! removal.
//!
//! Needs a Docker engine on this machine, and `AIRTIGHT_PROBE`, which names what `probe/build-static.sh` has built.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what does not work fails the test, what cannot is skipped aloud"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use airtight::cli::input::stack_document;
use airtight_cluster::Stop;
use airtight_provision::{
    Action, Bounds, ContainerSpec, Docker, DockerCall, DockerThing, Folder, Inventory, Invocation, LABEL, NetworkSpec,
    Options, Owner, PROBE_IMAGE, Payload, Plan, ProbeImage, ProbeProgram, Recipe, Removed, Site, Step, StepFailure,
    ToolSpec, clusters, issue, make_authority, teardown,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use testcontainers::core::WaitFor;
use testcontainers::runners::SyncRunner;
use testcontainers::{GenericImage, ImageExt};

/// An image with `ip`, in place of the nodes'.
const TOOLS: &str = "docker.io/library/airtight-test-tools:dev";

fn docker(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new("docker");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Does with the daemon what `airtight up` would.
fn made(invocation: &Invocation) -> String {
    let Invocation::Docker(call) = invocation else { panic!("{invocation} is no request of Docker's") };
    bounded(|docker, bounds| docker.run(call, bounds)).unwrap_or_else(|failure| panic!("`{call}`: {failure:#?}"))
}

fn bounded<T>(act: impl FnOnce(&Docker, Bounds<'_>) -> T) -> T {
    let (stop, owner) = (Stop::default(), Owner::default());
    let bounds = Bounds { deadline: Instant::now() + Duration::from_mins(1), stop: &stop, owner: &owner };
    act(&Docker::new().unwrap(), bounds)
}

fn engine() -> bool {
    Command::new("docker").arg("info").output().is_ok_and(|output| output.status.success())
}

fn step<'p>(plan: &'p Plan, id: &str) -> &'p Step {
    plan.steps.iter().find(|step| step.id == id).unwrap()
}

/// A cluster of a test's own, of which the Docker parts are made.
struct Lab {
    folder: TempDir,
    site: Site,
    plan: Plan,
    // One at a time: the image is everybody's.
    _turn: MutexGuard<'static, ()>,
}

impl Lab {
    /// None, and aloud, where there is no Docker or no probe.
    fn new(test: &str, subnet: &str) -> Option<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        let Some(program) = std::env::var("AIRTIGHT_PROBE").ok().filter(|_| engine()) else {
            eprintln!("SKIPPED: no Docker engine answers, or AIRTIGHT_PROBE does not name a static probe");
            return None;
        };
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let program = ProbeProgram::new(program.into(), folder.path().join("probe.tar")).unwrap();
        let site = Site {
            name: format!("{test}-{}", std::process::id()).parse().unwrap(),
            subnet: subnet.parse().unwrap(),
            folder: Folder(folder.path().join("cluster")),
        };
        fs::create_dir(&site.folder.0).unwrap();
        let host = serde_json::from_value(json!({
            "names": ["api.openai.com"], "addresses": ["203.0.113.10"], "ports": [80], "tlsPorts": [443], "standsFor": "llm",
        }));
        let payload = Payload { hosts: vec![host.unwrap()], ..Payload::default() };
        let options = Options {
            probe_image: ProbeImage::Program(program),
            node_image: Some(TOOLS.parse().unwrap()),
            ..Options::default()
        };
        let recipe = Recipe::read(&stack_document("reference").unwrap()).unwrap();
        let plan = Plan::new(&recipe, &options, &site, &payload);
        Some(Self { folder, site, plan, _turn: turn })
    }

    /// What the step makes first: the stand-in itself.
    fn stand_in(&self) -> ContainerSpec {
        match step(&self.plan, "stand-in-api.openai.com").calls().remove(0) {
            Invocation::Docker(DockerCall::Start(spec)) => *spec,
            other => panic!("{other}"),
        }
    }
}

/// What a test made is gone when this goes, whether the test came to its end or not.
impl Drop for Lab {
    fn drop(&mut self) {
        let name = &self.site.name;
        let label = format!("label={LABEL}={name}");
        let listed = docker(&["ps", "--all", "--quiet", "--filter", &label], "").stdout;
        for container in String::from_utf8_lossy(&listed).split_whitespace() {
            docker(&["rm", "--force", container], "");
        }
        docker(&["network", "rm", &self.site.network()], "");
        docker(&["image", "rm", "--force", PROBE_IMAGE, TOOLS], "");
    }
}

/// Packs, loads, certifies and starts; all but what needs nodes.
fn start(plan: &Plan) {
    step(plan, "network").calls().iter().for_each(|call| drop(made(call)));
    for id in ["probe-image", "authority", "stand-in-api.openai.com"] {
        for action in &step(plan, id).actions {
            match action {
                Action::Pack(packed) => fs::write(&packed.archive, packed.pack().unwrap()).unwrap(),
                Action::Authority(folder) => make_authority(folder).unwrap(),
                Action::Certify(certificate) => issue(certificate).unwrap(),
                _ => {}
            }
        }
    }
    let load = step(plan, "probe-image").calls().remove(0);
    let start = step(plan, "stand-in-api.openai.com").calls().remove(0);
    made(&load);
    made(&start);
}

fn dial(network: &str, flows: &[Value]) -> BTreeMap<String, Value> {
    let lines: String = flows.iter().flat_map(|flow| [flow.to_string(), "\n".to_owned()]).collect();
    let output = docker(&["run", "--rm", "--interactive", "--network", network, PROBE_IMAGE, "dial"], &lines);
    let answers = String::from_utf8_lossy(&output.stdout).into_owned();
    let answers = answers.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    answers.map(|answer| (answer["id"].as_str().unwrap().to_owned(), answer)).collect()
}

#[test]
fn a_stand_in_answers_over_tls_with_the_clusters_authority() {
    let Some(lab) = Lab::new("answers", "172.31.248.0/22") else { return };
    let other = tempfile::tempdir().unwrap();
    let network = lab.site.network();
    start(&lab.plan);
    make_authority(other.path()).unwrap();
    let flow = |id: &str, port: u16, tls: Value| {
        let to = json!({"host": "172.31.249.10", "port": port});
        let request = json!({"method": "POST", "path": "/v1/chat/completions"});
        json!({"id": id, "attempt": {"http": {"to": to, "tls": tls, "request": request}}, "deadlineMs": 5000})
    };
    let trusting = |folder: &Path, name: &str| json!({"serverName": name, "trust": {"ca": fs::read_to_string(folder.join("ca.crt")).unwrap()}});
    let ours = lab.site.folder.tls();
    let answers = dial(
        &network,
        &[
            flow("trusted", 443, trusting(&ours, "api.openai.com")),
            flow("other-name", 443, trusting(&ours, "api.anthropic.com")),
            flow("other-authority", 443, trusting(other.path(), "api.openai.com")),
            flow("clear", 80, Value::Null),
        ],
    );
    let outcome = |id: &str| answers[id]["outcome"].clone();
    assert_eq!(outcome("trusted"), json!({"http": 200}), "{answers:#?}");
    assert_eq!(answers["trusted"]["answeredBy"], json!({"pod": "api.openai.com", "role": "llm"}));
    assert!(answers["trusted"]["reply"].to_string().contains("chat.completion"), "{}", answers["trusted"]);
    assert_eq!(outcome("other-name"), "tls-failure");
    assert_eq!(outcome("other-authority"), "tls-failure");
    assert_eq!(outcome("clear"), json!({"http": 301}));
}

fn refused(call: &DockerCall) -> StepFailure {
    bounded(|docker, bounds| docker.run(call, bounds)).unwrap_err()
}

fn look(thing: &DockerThing) -> Option<String> {
    bounded(|docker, bounds| docker.look(thing, bounds)).unwrap()
}

#[test]
fn what_is_made_is_found_and_what_is_refused_is_named() {
    let Some(lab) = Lab::new("made", "172.31.244.0/22") else { return };
    let (network, name) = (lab.site.network(), lab.site.name.to_string());
    assert_eq!(look(&DockerThing::Network(network.clone())), None);
    start(&lab.plan);
    assert_eq!(look(&DockerThing::Network(network.clone())).unwrap(), format!("{name} 172.31.244.0/22"));
    assert!(look(&DockerThing::Image(PROBE_IMAGE.to_owned())).unwrap().starts_with("sha256:"));
    let spec = lab.stand_in();
    assert_eq!(look(&DockerThing::Container(spec.name.clone())).unwrap(), format!("{name} true"));

    let overlapping = NetworkSpec {
        name: format!("{network}-too"),
        subnet: "172.31.244.0/23".parse().unwrap(),
        dynamic_range: "172.31.244.0/24".parse().unwrap(),
        label: lab.site.label(),
    };
    assert_eq!(refused(&DockerCall::CreateNetwork(overlapping)).code, "subnet-overlap");
    let taken = refused(&DockerCall::Start(Box::new(spec.clone())));
    assert!(taken.detail[1].contains("is already in use"), "{taken:#?}");
    let second = ContainerSpec { name: format!("{}-too", spec.name), ..spec.clone() };
    let address = refused(&DockerCall::Start(Box::new(second.clone())));
    assert!(address.detail[1].to_lowercase().contains("address already in use"), "{address:#?}");
    assert_eq!(look(&DockerThing::Container(second.name.clone())), None, "nothing is left of what did not start");
    let unknown = ContainerSpec { image: "airtight-nobody:dev".to_owned(), ..second };
    assert_eq!(refused(&DockerCall::Start(Box::new(unknown))).code, "image-missing");

    let exec = |command: &[&str]| DockerCall::Exec {
        container: spec.name.clone(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
    };
    let help = made(&exec(&["/airtight-probe", "--help"]).into());
    assert!(help.contains("serve"), "{help}");
    let failed = refused(&exec(&["/airtight-probe", "no-such-role"]));
    assert_eq!(failed.code, "container-failed");
    assert!(failed.detail.len() > 1, "{failed:#?}");
    let missing = refused(&exec(&["/no-such-program"]));
    assert!(missing.detail.join(" ").contains("no such file"), "{missing:#?}");
}

/// The addresses of a host are added by a tool in the network of its stand-in, as on a machine with the node image.
#[test]
fn a_tool_gives_a_stand_in_the_addresses_of_its_host() {
    let Some(lab) = Lab::new("tool", "172.31.240.0/22") else { return };
    if !tools(lab.folder.path()) {
        eprintln!("SKIPPED: this machine has no `ip` to make an image of");
        return;
    }
    start(&lab.plan);
    let mut calls = step(&lab.plan, "stand-in-api.openai.com").calls();
    made(&calls.remove(1));
    let beside = lab.stand_in().name;
    let tool = |command: &[&str]| {
        DockerCall::Tool(ToolSpec {
            beside: beside.clone(),
            image: TOOLS.to_owned(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            label: lab.site.label(),
        })
    };
    let addresses = made(&tool(&["ip", "address", "show", "dev", "eth0"]).into());
    assert!(addresses.contains("203.0.113.10/32") && addresses.contains("172.31.241.10/22"), "{addresses}");
    let failed = refused(&tool(&["ip", "address", "replace", "nonsense", "dev", "eth0"]));
    assert_eq!(failed.code, "container-failed");
    assert!(failed.detail.join(" ").contains("nonsense"), "{failed:#?}");
    let there = inventory(&lab);
    assert_eq!(there.stand_ins.len(), 1, "no tool is left: {there:#?}");
}

/// An image that has `ip` and what it is linked with; false where this machine has none.
fn tools(folder: &Path) -> bool {
    let Some(ip) = ["/bin/ip", "/sbin/ip"].into_iter().find_map(|path| fs::canonicalize(path).ok()) else {
        return false;
    };
    let linked = Command::new("ldd").arg(&ip).output().unwrap().stdout;
    let linked = String::from_utf8(linked).unwrap();
    let paths = linked.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned);
    let archive = folder.join("tools.tar");
    let mut tar = tar::Builder::new(fs::File::create(&archive).unwrap());
    tar.append_path_with_name(&ip, "bin/ip").unwrap();
    for path in paths {
        let file = fs::canonicalize(&path).unwrap();
        tar.append_path_with_name(file, path.trim_start_matches('/')).unwrap();
    }
    tar.finish().unwrap();
    let change = "ENV PATH=/bin";
    docker(&["import", "--change", change, archive.to_str().unwrap(), TOOLS], "").status.success()
}

fn inventory(lab: &Lab) -> Inventory {
    Inventory::of(&lab.site.name, &Docker::new().unwrap(), &Stop::default()).unwrap()
}

#[test]
fn what_is_ours_is_listed_and_removed_and_nothing_else() {
    let Some(lab) = Lab::new("removed", "172.31.236.0/22") else { return };
    start(&lab.plan);
    let there = inventory(&lab);
    assert_eq!(there.networks, [lab.site.network()]);
    assert_eq!(there.stand_ins[0].state, "running");
    let (docker, stop) = (Docker::new().unwrap(), Stop::default());
    assert!(clusters(&docker, &stop).unwrap().contains(&lab.site.name));
    let other = format!("{}-other", lab.site.network());
    self::docker(&["run", "--detach", "--name", &other, PROBE_IMAGE, "pause"], "");
    let mut removed = Vec::new();
    let result = teardown(&lab.site.name, &lab.site.folder, &docker, &stop, &mut |what| removed.push(what));
    let stays = look(&DockerThing::Container(other.clone()));
    self::docker(&["rm", "--force", &other], "");
    result.unwrap();
    assert_eq!(
        removed,
        [
            Removed::StandIn(lab.stand_in().name),
            Removed::Network(lab.site.network()),
            Removed::Folder(lab.site.folder.0.display().to_string()),
        ]
    );
    assert_eq!(stays.as_deref(), Some(" true"));
    assert!(inventory(&lab).is_empty());
}

/// kind is missing here, and so it only pretends to be at work; the network that `up` has made for it is real.
#[test]
fn after_a_kill_nothing_of_ours_is_left_once_down_has_run() {
    let Some(lab) = Lab::new("killed", "172.31.232.0/22") else { return };
    start(&lab.plan);
    docker(&["rm", "--force", &lab.stand_in().name], "");
    docker(&["network", "rm", &lab.site.network()], "");
    let programs = lab.folder.path().join("bin");
    fs::create_dir(&programs).unwrap();
    let kind = "#!/bin/sh\n[ \"$1\" = create ] && echo > \"$MARK\" && exec sleep 300\nexit 0\n";
    fs::write(programs.join("kind"), kind).unwrap();
    fs::set_permissions(programs.join("kind"), fs::Permissions::from_mode(0o755)).unwrap();
    let (states, mark) = (lab.folder.path().join("states"), lab.folder.path().join("mark"));
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let airtight = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_airtight"));
        command.args(arguments).args(["--name", lab.site.name.as_ref()]).arg("--state-dir").arg(&states);
        command.env("PATH", &path).env("MARK", &mark).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let up = ["up", "--platform-only", "--skip-preflight", "--no-pull", "--node-image", PROBE_IMAGE];
    let mut child = airtight(&[&up[..], &["--subnet", "172.31.232.0/22"]].concat()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while !mark.exists() {
        assert!(Instant::now() < until && child.try_wait().unwrap().is_none(), "kind was not called");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(inventory(&lab).networks, [lab.site.network()]);
    let down = airtight(&["down"]).output().unwrap();
    let said = String::from_utf8_lossy(&down.stdout).into_owned();
    assert!(down.status.success(), "{said}{}", String::from_utf8_lossy(&down.stderr));
    assert!(said.contains("earlier attempt left running") && said.contains("removed network"), "{said}");
    assert!(inventory(&lab).is_empty());
}

/// A throw-away stand-in beside those of the plan, found by its name on their network.
#[test]
fn a_throw_away_stand_in_is_found_by_its_name() {
    let Some(lab) = Lab::new("thrown", "172.31.228.0/22") else { return };
    start(&lab.plan);
    let (image, tag) = PROBE_IMAGE.split_once(':').unwrap();
    let name = format!("throw-away-{}", std::process::id());
    let serve = ["serve", "--pod", "throw-away", "--namespace", "outside", "--listen", "http=0.0.0.0:8080"];
    let container = GenericImage::new(image, tag)
        .with_wait_for(WaitFor::message_on_stdout("ready"))
        .with_network(lab.site.network())
        .with_container_name(&name)
        .with_cmd(serve)
        .start()
        .unwrap();
    let to = json!({"host": name, "port": 8080});
    let flow = json!({"id": "one", "attempt": {"http": {"to": to, "request": {"method": "GET", "path": "/"}}}, "deadlineMs": 5000});
    let answers = dial(&lab.site.network(), &[flow]);
    assert_eq!(answers["one"]["outcome"], json!({"http": 200}), "{answers:#?}");
    assert_eq!(answers["one"]["answeredBy"]["pod"], "throw-away");
    drop(container);
    assert_eq!(look(&DockerThing::Container(name)), None);
}
