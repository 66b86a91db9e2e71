//! A stand-in for real: packed, loaded, started with the plan's own calls, and dialled over TLS.
//!
//! Needs a Docker engine on this machine, and `AIRTIGHT_PROBE`, which names what `probe/build-static.sh` has built.

#![expect(clippy::unwrap_used, reason = "what does not work fails the test, what cannot is skipped aloud")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use airtight::cli::input::stack_document;
use airtight::provision::{
    Action, Bounds, Docker, Folder, Invocation, Options, Owner, PROBE_IMAGE, Payload, Plan, ProbeImage, ProbeProgram,
    Recipe, Site, Step, Stop, issue, make_authority,
};
use serde_json::{Value, json};

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
    let bounds = Bounds { deadline: Instant::now() + Duration::from_secs(60), stop: &stop, owner: &owner };
    act(&Docker::new().unwrap(), bounds)
}

fn engine() -> bool {
    Command::new("docker").arg("info").output().is_ok_and(|output| output.status.success())
}

fn step<'p>(plan: &'p Plan, id: &str) -> &'p Step {
    plan.steps.iter().find(|step| step.id == id).unwrap()
}

fn plan(folder: &Path, program: &str) -> Plan {
    let archive = folder.join("probe.tar");
    let program = ProbeProgram::new(program.into(), archive).unwrap();
    let name = format!("test-{}", std::process::id());
    let site = Site {
        name: name.parse().unwrap(),
        subnet: "172.31.248.0/22".parse().unwrap(),
        folder: Folder(folder.to_owned()),
    };
    let host = serde_json::from_value(json!({
        "names": ["api.openai.com"], "addresses": ["203.0.113.10"], "ports": [80], "tlsPorts": [443], "standsFor": "llm",
    }));
    let payload = Payload { hosts: vec![host.unwrap()], ..Payload::default() };
    let options = Options { probe_image: ProbeImage::Program(program), ..Options::default() };
    let recipe = Recipe::read(&stack_document("reference").unwrap()).unwrap();
    Plan::new(&recipe, &options, &site, &payload)
}

/// What a stand-in was made of is gone when this goes.
struct Cleanup(String);

impl Drop for Cleanup {
    fn drop(&mut self) {
        let network = &self.0;
        docker(&["rm", "--force", &format!("{network}-api-openai-com")], "");
        docker(&["network", "rm", network], "");
        docker(&["image", "rm", "--force", PROBE_IMAGE], "");
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
    [load, start].iter().for_each(|call| drop(made(call)));
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
    let Some(program) = std::env::var("AIRTIGHT_PROBE").ok().filter(|_| engine()) else {
        eprintln!("SKIPPED: no Docker engine answers, or AIRTIGHT_PROBE does not name a static probe");
        return;
    };
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let plan = plan(folder.path(), &program);
    let network = format!("airtight-{}", plan.cluster);
    let _cleanup = Cleanup(network.clone());
    start(&plan);
    make_authority(other.path()).unwrap();
    let flow = |id: &str, port: u16, tls: Value| {
        let to = json!({"host": "172.31.249.10", "port": port});
        let request = json!({"method": "POST", "path": "/v1/chat/completions"});
        json!({"id": id, "attempt": {"http": {"to": to, "tls": tls, "request": request}}, "deadlineMs": 5000})
    };
    let trusting = |folder: &Path, name: &str| json!({"serverName": name, "trust": {"ca": fs::read_to_string(folder.join("ca.crt")).unwrap()}});
    let ours = folder.path().join("tls");
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
