//! Stacks, plans, needs, gates and symptoms: input and expected output side by side.
#![expect(clippy::unwrap_used, reason = "a vector that cannot be read is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use airtight_manifest::{Document, yaml};
use airtight_model::world;
use airtight_probe::wire::Serving;
use airtight_provision::preflight::{Host, Need, judge};
use airtight_provision::{
    Action, Beside, DockerCall, Folder, Gate, GateState, HostName, ImageRef, Invocation, Manifest, Options, Payload,
    Plan, ProbeImage, ProbeProgram, Recipe, SYMPTOMS, Site, Speaker, Step, fetches, recognise, with_names,
};
use airtight_testkit::{repository, stack, vectors};
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn vectors<V: DeserializeOwned>(topic: &str) -> Vec<(String, V)> {
    vectors::each(format!("tests/vectors/{topic}"))
}

fn recipe(name: &str) -> Recipe {
    let document = if name == "small" { small(stack::SMALL) } else { stack::document(name) };
    Recipe::read(&document).unwrap()
}

fn small(text: &str) -> Document {
    yaml::parse(&Arc::from("stack.yaml"), text).unwrap().remove(0)
}

fn site() -> Site {
    Site { name: "lab".parse().unwrap(), subnet: "172.20.0.0/16".parse().unwrap(), folder: Folder("/state/lab".into()) }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Chosen {
    mirror: Option<String>,
    image_archive: Option<String>,
    chart_dir: Option<String>,
    node_image: Option<ImageRef>,
    no_pull: bool,
    api_port: Option<u16>,
    probe_image: Option<String>,
    /// The probe's program, its archive and the image's id.
    probe_program: Option<[String; 3]>,
}

impl Chosen {
    fn options(&self) -> Options {
        Options {
            mirror: self.mirror.clone(),
            image_archive: self.image_archive.as_ref().map(Into::into),
            chart_dir: self.chart_dir.as_ref().map(Into::into),
            node_image: self.node_image.clone(),
            pull: !self.no_pull,
            api_port: self.api_port,
            probe_image: self.probe(),
        }
    }

    fn probe(&self) -> ProbeImage {
        match (&self.probe_image, &self.probe_program) {
            (Some(archive), _) => ProbeImage::Archive(archive.into()),
            (None, Some([program, archive, id])) => ProbeImage::Program(ProbeProgram {
                program: program.into(),
                libraries: Beside::Nothing,
                archive: archive.into(),
                id: id.clone(),
            }),
            (None, None) => ProbeImage::default(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PlanVector {
    title: String,
    stack: String,
    #[serde(default)]
    options: Chosen,
    #[serde(default)]
    hosts: Vec<world::Host>,
    #[serde(default)]
    policies: Vec<String>,
    #[serde(default)]
    workloads: Vec<String>,
    /// Steps to compare; others are not looked at.
    steps: BTreeMap<String, StepVector>,
    #[serde(default)]
    absent: Vec<String>,
    #[serde(default)]
    left_out: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StepVector {
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    calls: Vec<String>,
    #[serde(default)]
    files: BTreeMap<String, Value>,
    #[serde(default)]
    applies: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
    /// Images, authorities and certificates.
    #[serde(default)]
    made: Vec<String>,
    #[serde(default)]
    gates: Vec<String>,
}

#[test]
fn plans() {
    for (file, vector) in vectors::<PlanVector>("plan") {
        let manifests = |texts: &[String]| {
            (0..)
                .zip(texts)
                .map(|(index, text)| Manifest { name: format!("{index}.yaml"), text: text.clone() })
                .collect()
        };
        let payload = Payload {
            hosts: vector.hosts.clone(),
            policies: manifests(&vector.policies),
            workloads: manifests(&vector.workloads),
        };
        let plan = Plan::new(&recipe(&vector.stack), &vector.options.options(), &site(), &payload);
        let context = format!("{file}: {}", vector.title);
        for (id, wanted) in &vector.steps {
            let step =
                plan.steps.iter().find(|step| step.id == *id).unwrap_or_else(|| panic!("{context}: no step {id}"));
            compare(&format!("{context}: {id}"), step, wanted);
        }
        for id in &vector.absent {
            assert!(plan.steps.iter().all(|step| step.id != *id), "{context}: {id} is there");
        }
        assert_eq!(plan.left_out, vector.left_out, "{context}");
    }
}

fn compare(context: &str, step: &Step, wanted: &StepVector) {
    let calls: Vec<String> = step.calls().iter().map(ToString::to_string).collect();
    assert_eq!(step.needs, wanted.needs, "{context}");
    assert_eq!(calls, wanted.calls, "{context}");
    let (mut files, mut applies, mut names, mut made) = (BTreeMap::new(), Vec::new(), Vec::new(), Vec::new());
    for action in &step.actions {
        match action {
            Action::Write { path, text } => drop(files.insert(path.display().to_string(), parsed(text))),
            Action::Apply(airtight_provision::Source::Location(location)) => applies.push(location.clone()),
            Action::Apply(airtight_provision::Source::Text { name, .. }) => applies.push(name.clone()),
            Action::Name(hosts) => names.extend(hosts.iter().map(|host| format!("{} {}", host.name, host.address))),
            Action::Pack(packed) => made.push(format!("{} of {}", packed.archive.display(), packed.id)),
            Action::Trust(trust) => {
                made.push(format!("trust in {} for {:?}", trust.authority.display(), trust.namespaces));
                let secrets = trust.secrets.iter();
                made.extend(secrets.map(|secret| {
                    format!("secret {}/{} for {:?}", secret.namespace, secret.name, secret.certificate.names)
                }));
            }
            Action::Ways(ways) => made.push(format!("ways from {}", ways.container)),
            Action::Authority(folder) => made.push(format!("authority {}", folder.display())),
            Action::Certify(issued) => {
                made.push(format!(
                    "{} by {} for {:?}",
                    issued.folder.display(),
                    issued.authority.display(),
                    issued.names
                ));
            }
            Action::Run(_) | Action::RunAfresh { .. } | Action::Ensure(_) => {}
        }
    }
    for (path, text) in &wanted.files {
        assert_eq!(files.get(path), Some(text), "{context}: {path}");
    }
    assert_eq!(applies, wanted.applies, "{context}");
    assert_eq!(names, wanted.names, "{context}");
    assert_eq!(made, wanted.made, "{context}");
    if !wanted.gates.is_empty() {
        let gates: Vec<String> = step.gates.iter().map(ToString::to_string).collect();
        assert_eq!(gates, wanted.gates, "{context}");
    }
}

/// YAML by its content, any other text as it is.
fn parsed(text: &str) -> Value {
    match yaml::parse(&Arc::from("rendered.yaml"), text) {
        Ok(documents) if documents.len() == 1 && documents[0].root.to_json().is_object() => documents[0].root.to_json(),
        Ok(_) | Err(_) => Value::String(text.to_owned()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PreflightVector {
    title: String,
    stack: String,
    #[serde(default)]
    options: Chosen,
    host: Host,
    /// Needs that are not met; all others are.
    #[serde(default)]
    lacking: Vec<Need>,
}

#[test]
fn needs() {
    for (file, vector) in vectors::<PreflightVector>("preflight") {
        let needs = judge(&vector.host, &recipe(&vector.stack), &vector.options.options(), &site());
        let lacking: Vec<Need> =
            needs.into_iter().filter(|need| need.standing != airtight_provision::preflight::Standing::Met).collect();
        assert_eq!(lacking, vector.lacking, "{file}: {}", vector.title);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RecipeVector {
    title: String,
    /// What is replaced in the small stack, and by what.
    replace: (String, String),
    /// Findings as `line:column code: message`.
    findings: Vec<String>,
}

#[test]
fn stacks_that_are_refused() {
    for (file, vector) in vectors::<RecipeVector>("recipe") {
        let (from, to) = &vector.replace;
        assert!(stack::SMALL.contains(from.as_str()), "{file}: {}: the small stack has no `{from}`", vector.title);
        let findings = Recipe::read(&small(&stack::SMALL.replacen(from.as_str(), to, 1))).map(drop).unwrap_err();
        let told: Vec<String> = findings
            .iter()
            .map(|finding| {
                let at = finding.location.as_ref().map(ToString::to_string).unwrap_or_default();
                format!("{} {}: {}", at.trim_start_matches("stack.yaml:"), finding.code, finding.message)
            })
            .collect();
        assert_eq!(told, vector.findings, "{file}: {}", vector.title);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct GateVector {
    title: String,
    gate: Gate,
    found: Vec<Option<Value>>,
    /// What is missing; none if the gate holds.
    #[serde(default)]
    waiting: Option<String>,
}

#[test]
fn gates() {
    for (file, vector) in vectors::<GateVector>("gates") {
        let state = vector.gate.judge(&vector.found);
        let wanted = vector.waiting.map_or(GateState::Met, GateState::Waiting);
        assert_eq!(state, wanted, "{file}: {}", vector.title);
        assert_eq!(vector.gate.lookups().len(), vector.found.len(), "{file}: {}", vector.title);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SymptomVector {
    code: String,
    speaker: String,
    said: Vec<String>,
}

#[test]
fn symptoms() {
    let speakers = [
        ("docker", Speaker::Docker),
        ("kind", Speaker::Kind),
        ("helm", Speaker::Helm),
        ("curl", Speaker::Curl),
        ("kubernetes", Speaker::Kubernetes),
    ];
    let mut seen = BTreeSet::new();
    for (file, vector) in vectors::<SymptomVector>("symptoms") {
        let (_, speaker) = speakers.into_iter().find(|(name, _)| *name == vector.speaker).unwrap();
        for said in &vector.said {
            let found = recognise(speaker, said).map(|symptom| symptom.code);
            assert_eq!(found, Some(vector.code.as_str()), "{file}: {said}");
        }
        seen.insert(vector.code);
    }
    let known: BTreeSet<String> = SYMPTOMS.iter().map(|symptom| symptom.code.to_owned()).collect();
    assert_eq!(seen, known, "each symptom has a recorded message");
    assert_eq!(recognise(Speaker::Docker, "all is well"), None);
}

/// Stand-ins are made anew when the probe is another, and a call shows what the image is made of.
#[test]
fn another_probe_is_another_image_and_other_stand_ins() {
    let host: world::Host = serde_json::from_value(serde_json::json!({
        "names": ["a.example"], "addresses": ["203.0.113.1"], "tlsPorts": [443],
    }))
    .unwrap();
    let payload = Payload { hosts: vec![host], ..Payload::default() };
    let digests = |id: &str| {
        let program = ProbeProgram {
            program: "/probe".into(),
            libraries: Beside::Nothing,
            archive: "/probe.tar".into(),
            id: id.to_owned(),
        };
        let options = Options { probe_image: ProbeImage::Program(program), ..Options::default() };
        let plan = Plan::new(&recipe("reference"), &options, &site(), &payload);
        let digests = plan.digests();
        ["cluster", "authority", "probe-image", "stand-in-a.example"].map(|step| digests[step].clone())
    };
    let (one, same, other) = (digests("sha256:1"), digests("sha256:1"), digests("sha256:2"));
    assert_eq!(one, same);
    assert_eq!(one[..2], other[..2], "neither the cluster nor the authority is touched");
    assert!(one[2] != other[2] && one[3] != other[3]);
}

/// Every host of the reference set has a stand-in whose configuration the probe takes.
#[test]
fn the_reference_environment_is_served_as_it_is_written() {
    let document = repository::document("manifests/environment.yaml");
    let hosts: Vec<world::Host> = serde_json::from_value(document.root.to_json()["spec"]["hosts"].clone()).unwrap();
    let options = Options { probe_image: ProbeImage::Archive("/probe.tar".into()), ..Options::default() };
    let payload = Payload { hosts: hosts.clone(), ..Payload::default() };
    let plan = Plan::new(&recipe("reference"), &options, &site(), &payload);
    for host in &hosts {
        let step = plan.steps.iter().find(|step| step.id == format!("stand-in-{}", host.names[0])).unwrap();
        let Invocation::Docker(DockerCall::Start(spec)) = &step.calls()[0] else { panic!("{:?}", step.calls()) };
        let config = spec.arguments.last().unwrap().clone();
        let serving: Serving = serde_json::from_str(&config).unwrap();
        let ports = |tls: bool| -> BTreeSet<u16> {
            let listeners = serving.listeners.iter().filter(|listener| listener.tls.is_some() == tls);
            listeners.map(|listener| listener.bind.port()).collect()
        };
        assert_eq!(ports(false), host.ports.iter().copied().collect(), "{}", host.names[0]);
        assert_eq!(ports(true), host.tls_ports.iter().copied().collect(), "{}", host.names[0]);
        assert_eq!(serving.identity.pod, *host.names[0]);
    }
}

#[test]
fn shipped_stacks_can_be_planned_and_bundled() {
    for name in ["reference", "latest"] {
        let recipe = recipe(name);
        let plan = Plan::new(&recipe, &Options::default(), &site(), &Payload::default());
        let mut done = BTreeSet::new();
        for step in &plan.steps {
            assert!(
                step.needs.iter().all(|need| done.contains(need)),
                "{name}: {} stands before what it needs",
                step.id
            );
            assert!(step.timeout_seconds > 0);
            done.insert(step.id.clone());
        }
        assert_eq!(plan.digests().len(), plan.steps.len());
        let bundle = fetches(&recipe, "bundle".as_ref(), "linux/amd64");
        assert_eq!(bundle.len(), recipe.images().len() + recipe.provision.components.len());
        let files: BTreeSet<&String> = bundle.iter().map(|fetch| &fetch.file).collect();
        assert_eq!(files.len(), bundle.len(), "{name}: two parts of a bundle have one name");
        assert!(recipe.provision.node.image.digest.is_some());
    }
}

proptest! {
    #[test]
    fn naming_hosts_twice_is_naming_them_once(hosts in hosts(), others in hosts()) {
        let corefile = ".:53 {\n    errors\n    forward . /etc/resolv.conf\n}\n";
        let once = with_names(corefile, &hosts).unwrap();
        prop_assert_eq!(&with_names(&once, &hosts).unwrap(), &once);
        let replaced = with_names(&with_names(corefile, &others).unwrap(), &hosts).unwrap();
        prop_assert_eq!(&replaced, &once);
        prop_assert_eq!(with_names(&once, &[]).unwrap(), corefile);
        for host in &hosts {
            let line = format!("{} {}\n", host.address, host.name);
            prop_assert!(once.contains(&line), "{}", line);
        }
    }

    #[test]
    fn an_image_reference_reads_as_it_is_written(
        host in "[a-z]{1,8}\\.[a-z]{2,3}",
        path in "[a-z]{1,8}(/[a-z0-9]{1,8}){0,2}",
        tag in proptest::option::of("[a-zA-Z0-9][a-zA-Z0-9._-]{0,12}"),
        digest in proptest::option::of("[0-9a-f]{64}"),
    ) {
        let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = digest.map(|digest| format!("@sha256:{digest}")).unwrap_or_default();
        let text = format!("{host}/{path}{tag}{digest}");
        let image: ImageRef = text.parse().unwrap();
        prop_assert_eq!(image.to_string(), text);
    }

    #[test]
    fn no_text_breaks_an_image_reference(text in ".{0,40}") {
        if let Ok(image) = text.parse::<ImageRef>() {
            prop_assert_eq!(image.to_string().parse::<ImageRef>(), Ok(image));
        }
    }
}

fn hosts() -> impl Strategy<Value = Vec<HostName>> {
    let host = ("[a-z]{1,10}\\.example", any::<[u8; 4]>());
    proptest::collection::vec(host, 0..5)
        .prop_map(|hosts| hosts.into_iter().map(|(name, address)| HostName { name, address: address.into() }).collect())
}
