//! Observers' lines, rounds, waits and detections of live clusters: input and expected output side by side.
#![expect(clippy::unwrap_used, reason = "a vector that cannot be read is a failed test")]

mod scripted_cluster;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use airtight::cli::input::stack_document;
use airtight_cluster::Container;
use airtight_cluster::wait::{Awaited, NotInForce, Outstanding, Patience, Revisions, wait};
use airtight_live::detect::{Installed, looks_like_production, outcomes};
use airtight_live::evidence::{
    Attempt, Attribution, ClusterWitness, Gap, Line, Observers, ProxyPod, Record, Says, Span, Ways, attribute, examine,
    examine_until, hubble, proxy, ztunnel,
};
use airtight_live::{Origin, Tried, Witness};
use airtight_manifest::yaml;
use airtight_model::path::{Destination, Flow, Source};
use airtight_model::policy::{Checkpoint, Layer, Outcome, Reason};
use airtight_model::world::Protocol;
use airtight_probe::wire;
use airtight_provision::Recipe;
use proptest::prelude::*;
use scripted_cluster::{Script, Scripted};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const FOLDER: &str = "tests/vectors/live";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors<V> {
    vectors: Vec<V>,
}

fn vectors<V: DeserializeOwned>(topic: &str) -> Vec<(String, V)> {
    let mut files: Vec<_> =
        fs::read_dir(format!("{FOLDER}/{topic}")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.display().to_string();
        let document = yaml::parse(&Arc::from(name.as_str()), &fs::read_to_string(path).unwrap()).unwrap().remove(0);
        let read: Vectors<V> =
            serde_json::from_value(document.root.to_json()).unwrap_or_else(|error| panic!("{name}: {error}"));
        read.vectors.into_iter().map(move |vector| (name.clone(), vector)).collect::<Vec<_>>()
    };
    let found: Vec<_> = files.iter().flat_map(read).collect();
    assert!(!found.is_empty(), "{topic} has no vectors");
    found
}

fn report(wrong: &str) {
    assert!(wrong.is_empty(), "\n{wrong}");
}

// Lines of observers.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineVector {
    name: String,
    line: String,
    says: String,
}

#[test]
fn hubble_says() {
    says("hubble", hubble::read);
}

#[test]
fn ztunnel_says() {
    says("ztunnel", ztunnel::read);
}

#[test]
fn proxies_say() {
    let pod = ProxyPod {
        gateway: ("mcp".to_owned(), "waypoint".to_owned()),
        checkpoint: Checkpoint::Waypoint,
        ip: "10.244.3.3".parse().unwrap(),
    };
    says("envoy", |line| proxy::read(line, &pod));
}

fn says(topic: &str, read: impl Fn(&str) -> Line) {
    let mut wrong = String::new();
    for (file, vector) in vectors::<LineVector>(topic) {
        let shown = shown(&read(&vector.line));
        if shown != vector.says {
            let _ = writeln!(wrong, "{file}: {}\n  says: {shown}", vector.name);
        }
    }
    report(&wrong);
}

fn shown(line: &Line) -> String {
    match line {
        Line::Other => "other".to_owned(),
        Line::Lost(why) => format!("lost: {why}"),
        Line::Record(record) => told(record),
    }
}

/// A record on one line: where, when, from whom to whom, what, and what it says.
fn told(record: &Record) -> String {
    let from = jiff::Timestamp::from_microsecond(record.span.from).unwrap();
    let mut words = vec![record.checkpoint.to_string(), format!("at {}", from.strftime("%H:%M:%S%.6f"))];
    let took = record.span.to - record.span.from;
    words.extend((took != 0).then(|| format!("for {took}us")));
    let client = record.client.map(|client| match client.port {
        Some(port) => SocketAddr::new(client.ip, port).to_string(),
        None => client.ip.to_string(),
    });
    words.extend(record.protocol.map(|protocol| protocol.to_string().to_lowercase()));
    words.extend(client);
    words.extend(record.wire.map(|wire| format!("-> {wire}")));
    words.extend(record.inner.map(|inner| format!("hbone {inner}")));
    words.extend(record.upstream.map(|upstream| format!("upstream {upstream}")));
    words.extend(record.name.as_ref().map(|name| format!("name {name}")));
    if let Some(request) = &record.request {
        words.push(format!("{} {}", request.method, request.path));
        words.extend(request.id.as_ref().map(|id| format!("id {id}")));
        words.extend(request.user_agent.as_ref().map(|agent| format!("agent {agent}")));
    }
    words.extend(record.status.map(|status| format!("status {status}")));
    words.push(match &record.says {
        Says::Passed => "passed".to_owned(),
        Says::Denied(Some(reason)) => format!("denied ({reason})"),
        Says::Denied(None) => "denied".to_owned(),
        Says::Ended(why) => format!("ended: {why}"),
        Says::Nothing => "nothing".to_owned(),
    });
    words.extend(record.named.iter().map(|named| format!("by {named}")));
    words.join(" ")
}

// Rounds.

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RoundVector {
    name: String,
    #[serde(default)]
    ways: WaysVector,
    #[serde(default)]
    gaps: Vec<String>,
    #[serde(default)]
    hubble: Vec<String>,
    #[serde(default)]
    ztunnel: Vec<String>,
    /// By the pod's address.
    #[serde(default)]
    waypoints: BTreeMap<IpAddr, Vec<String>>,
    #[serde(default)]
    gateways: BTreeMap<IpAddr, Vec<String>>,
    attempts: Vec<AttemptVector>,
    expect: Vec<ExpectVector>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct WaysVector {
    endpoints: BTreeMap<SocketAddr, BTreeSet<SocketAddr>>,
    waypoints: BTreeMap<IpAddr, BTreeSet<IpAddr>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AttemptVector {
    from: SocketAddr,
    #[serde(default)]
    captured: bool,
    #[serde(default)]
    to: Option<SocketAddr>,
    #[serde(default)]
    protocol: Protocol,
    #[serde(default)]
    request: Option<String>,
    #[serde(default)]
    mark: Option<String>,
    #[serde(default)]
    names: BTreeSet<String>,
    #[serde(default)]
    resolvers: BTreeSet<SocketAddr>,
    at: jiff::Timestamp,
    milliseconds: i64,
    sees: Outcome,
    #[serde(default)]
    answered_by: Option<String>,
}

impl AttemptVector {
    fn attempt(&self) -> Attempt {
        let request = self.request.as_deref().map(|request| request.split_once(' ').unwrap());
        Attempt {
            ip: self.from.ip(),
            port: (self.from.port() != 0).then_some(self.from.port()),
            captured: self.captured,
            to: self.to,
            protocol: self.protocol,
            request: request.map(|(method, path)| (method.to_owned(), path.to_owned())),
            mark: self.mark.clone(),
            names: self.names.clone(),
            resolvers: self.resolvers.clone(),
            span: Span::lasting(self.at.as_microsecond(), self.milliseconds * 1000),
            outcome: self.sees.clone(),
            answered_by: self.answered_by.clone(),
        }
    }
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ExpectVector {
    #[serde(default)]
    denied_by: Option<Layer>,
    #[serde(default)]
    reason: Option<Reason>,
    #[serde(default)]
    passed: BTreeSet<Layer>,
    #[serde(default)]
    named: BTreeSet<String>,
    #[serde(default)]
    unattributed: Option<String>,
    #[serde(default)]
    crowded: bool,
    /// How many lines.
    #[serde(default)]
    logs: usize,
}

impl ExpectVector {
    fn of(attribution: &Attribution) -> Self {
        Self {
            denied_by: attribution.denied_by,
            reason: attribution.reason,
            passed: attribution.passed.clone(),
            named: attribution.named.clone(),
            unattributed: attribution.unattributed.clone(),
            crowded: attribution.crowded,
            logs: attribution.logs.len(),
        }
    }
}

#[derive(Clone)]
struct Round {
    attempts: Vec<Attempt>,
    records: Vec<Record>,
    ways: Ways,
    gaps: Vec<Gap>,
}

impl Round {
    fn attributions(&self) -> Vec<Attribution> {
        attribute(&self.attempts, &self.records, &self.ways, &self.gaps)
    }
}

impl RoundVector {
    fn round(&self) -> Round {
        let mut lines: Vec<Line> = self.hubble.iter().map(|line| hubble::read(line)).collect();
        lines.extend(self.ztunnel.iter().map(|line| ztunnel::read(line)));
        for (checkpoint, proxies) in [(Checkpoint::Waypoint, &self.waypoints), (Checkpoint::Gateway, &self.gateways)] {
            for (ip, logs) in proxies {
                let pod = ProxyPod { gateway: ("n".to_owned(), "g".to_owned()), checkpoint, ip: *ip };
                lines.extend(logs.iter().map(|line| proxy::read(line, &pod)));
            }
        }
        let records = lines.into_iter().map(|line| match line {
            Line::Record(record) => *record,
            other @ (Line::Other | Line::Lost(_)) => panic!("{}: {}", self.name, shown(&other)),
        });
        let gap = |why: &String| Gap { observer: "Hubble".to_owned(), why: why.clone() };
        Round {
            attempts: self.attempts.iter().map(AttemptVector::attempt).collect(),
            records: records.collect(),
            ways: Ways { endpoints: self.ways.endpoints.clone(), waypoints: self.ways.waypoints.clone() },
            gaps: self.gaps.iter().map(gap).collect(),
        }
    }
}

#[test]
fn flows_are_attributed_to_who_decided() {
    let mut wrong = String::new();
    for (file, vector) in vectors::<RoundVector>("attribute") {
        let seen: Vec<ExpectVector> = vector.round().attributions().iter().map(ExpectVector::of).collect();
        if seen != vector.expect {
            let _ = writeln!(wrong, "{file}: {}\n  saw {seen:#?}", vector.name);
        }
    }
    report(&wrong);
}

fn rounds() -> &'static [Round] {
    static ROUNDS: OnceLock<Vec<Round>> = OnceLock::new();
    ROUNDS.get_or_init(|| vectors::<RoundVector>("attribute").iter().map(|(_, vector)| vector.round()).collect())
}

fn any_round() -> impl Strategy<Value = usize> {
    0..rounds().len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_records_has_no_bearing(index in any_round(), seed in any::<u64>()) {
        let mut round = rounds()[index].clone();
        let before = round.attributions();
        let count = round.records.len();
        let mut state = seed;
        for last in (1..count).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            round.records.swap(last, usize::try_from(state >> 33).unwrap() % (last + 1));
        }
        prop_assert_eq!(before, round.attributions());
    }

    #[test]
    fn a_record_outside_of_the_time_attributes_nothing(index in any_round(), away in 20_000_000_i64..4_000_000_000, later in any::<bool>()) {
        let mut round = rounds()[index].clone();
        let shift = if later { away } else { -away };
        for record in &mut round.records {
            record.span = Span { from: record.span.from + shift, to: record.span.to + shift };
        }
        for attribution in round.attributions() {
            prop_assert!(matches!(attribution.denied_by, None | Some(Layer::Application)), "{:?}", attribution);
            prop_assert!(attribution.passed.is_empty());
            prop_assert!(attribution.logs.is_empty());
        }
    }

    #[test]
    fn a_second_flow_of_the_same_kind_names_no_layer(index in any_round(), which in any::<prop::sample::Index>()) {
        let mut round = rounds()[index].clone();
        let before = round.attributions();
        let which = which.index(round.attempts.len());
        round.attempts.push(round.attempts[which].clone());
        for (before, after) in before.iter().zip(round.attributions()) {
            if before.denied_by.is_none() {
                prop_assert_eq!(after.denied_by, None);
            }
            prop_assert!(after.passed.is_subset(&before.passed));
        }
    }

    #[test]
    fn no_line_makes_a_reader_panic(line in "[\\PC\t\\[\\]\"={}.:-]{0,80}") {
        let pod = ProxyPod { gateway: (String::new(), String::new()), checkpoint: Checkpoint::Gateway, ip: [1, 1, 1, 1].into() };
        let timed = format!("[2026-10-09T11:04:06.878Z] {line}");
        let structured = format!("2026-10-09T11:55:01.094336Z\terror\taccess\tconnection complete\t{line}");
        for line in [&line, &timed, &structured] {
            let _ = (hubble::read(line), ztunnel::read(line), proxy::read(line, &pod));
        }
    }
}

// Collecting.

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CollectVector {
    name: String,
    cluster: Script,
    attempts: Vec<AttemptVector>,
    expect: Vec<ExpectVector>,
    gaps: Vec<String>,
    /// Whether it is looked again until every flow is attributed.
    #[serde(default)]
    waits: bool,
    /// Commands, as far as they are told.
    #[serde(default)]
    asked: Vec<String>,
}

#[test]
fn observers_are_found_and_read() {
    let mut wrong = String::new();
    for (file, vector) in vectors::<CollectVector>("collect") {
        let cluster = Scripted::new(vector.cluster);
        let observers = Observers::find(&cluster);
        let ways = Ways::read(&cluster, &observers.proxies()).unwrap();
        let attempts: Vec<Attempt> = vector.attempts.iter().map(AttemptVector::attempt).collect();
        let examined = if vector.waits {
            examine_until(&cluster, &observers, &ways, &attempts, HASTE, &|_, one| one.denied_by.is_some())
        } else {
            examine(&cluster, &observers, &ways, &attempts)
        };
        let seen: Vec<ExpectVector> = examined.attributions.iter().map(ExpectVector::of).collect();
        let gaps: Vec<String> = examined.gaps.iter().map(ToString::to_string).collect();
        let mut asked = cluster.asked.lock().unwrap().clone();
        asked.sort();
        if seen != vector.expect || gaps != vector.gaps || (!vector.asked.is_empty() && asked != vector.asked) {
            let _ = writeln!(wrong, "{file}: {}\n  saw {seen:#?}\n  gaps {gaps:#?}\n  asked {asked:#?}", vector.name);
        }
    }
    report(&wrong);
}

#[test]
fn the_observers_of_a_cluster_are_a_witness_of_its_rounds() {
    let mut script = vectors::<CollectVector>("collect").swap_remove(0).1.cluster;
    let pod = |name: &str, ip: &str, redirection: &str| {
        json!({
            "metadata": {"namespace": "shop", "name": name, "annotations": {"ambient.istio.io/redirection": redirection}},
            "status": {"podIP": ip},
        })
    };
    let pods = json!({"items": [pod("web-1", "10.244.1.10", "enabled"), pod("batch-1", "10.244.1.11", "")]});
    script.api.insert("/api/v1/pods".to_owned(), vec![pods]);
    let answer = |local: &str| -> wire::Answer {
        serde_json::from_value(json!({
            "id": "A", "line": 1, "outcome": "timeout", "phase": "response", "local": local, "peer": "10.96.0.10:80",
            "startedUnixUs": 1_795_262_401_000_000_u64, "timing": {"totalUs": 2_000_000},
        }))
        .unwrap()
    };
    let flow = Flow {
        from: Source::Workload("shop".to_owned(), "web".to_owned()),
        to: Destination::Service("mcp".to_owned(), "tools".to_owned()),
        protocol: Protocol::Tcp,
        port: Some(80),
        request: None,
        tls: None,
        after: Vec::new(),
    };
    let container =
        |pod: &str| Container { namespace: "shop".to_owned(), pod: pod.to_owned(), container: "probe".to_owned() };
    let from = |pod: &str| Origin::Pod(container(pod));
    let (web, batch, gone) = (from("web-1"), from("batch-1"), from("web-0"));
    let (of_web, of_batch) = (answer("10.244.1.10:40000"), answer("10.244.1.11:40000"));
    let tried = |from, answer| Tried { flow: &flow, from, answer, mark: None };
    let round = [tried(&gone, &of_web), tried(&web, &of_web), tried(&batch, &of_batch)];
    let witness = |script: Script| {
        let cluster = Scripted::new(script);
        let told = ClusterWitness::new(&cluster, HASTE).attribute(&round);
        told.iter().map(|evidence| (evidence.denied_by, evidence.reason, evidence.logs.len())).collect::<Vec<_>>()
    };
    // Why nobody is named is in the log.
    let (unknown, unattributed) = ((None, None, 0), (None, None, 1));
    let told = witness(script.clone());
    assert_eq!(told, [unknown, (Some(Layer::Cni), Some(Reason::DefaultDeny), 1), unattributed]);
    // Without the services nobody knows whose flow a record is.
    script.api.remove("/api/v1/services");
    assert_eq!(witness(script), [unattributed; 3]);
}

// Convergence.

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WaitVector {
    name: String,
    cluster: Script,
    /// Objects that were applied.
    #[serde(default)]
    applied: Vec<Value>,
    /// How many policies changed since the revisions were asked for; without it no revision is waited for.
    #[serde(default)]
    changed: Option<u64>,
    /// `in force`, or what is not.
    ends: Vec<String>,
}

const HASTE: Patience = Patience {
    within: Duration::from_millis(200),
    first_pause: Duration::from_millis(2),
    longest_pause: Duration::from_millis(50),
};

fn ends(vector: &WaitVector) -> Vec<String> {
    let cluster = Scripted::new(vector.cluster.clone());
    let mut awaited: Vec<Awaited> = vector.applied.iter().filter_map(Awaited::of_object).collect();
    if let Some(changed) = vector.changed {
        match Revisions::now(&cluster) {
            Ok(before) => awaited.extend(Awaited::revisions(&before, changed)),
            Err(error) => return vec![format!("no revision: {error}")],
        }
    }
    let list = |verdict: &str, outstanding: &[Outstanding]| {
        outstanding.iter().map(|each| format!("{verdict}: {each}")).collect::<Vec<_>>()
    };
    match wait(&cluster, &awaited, HASTE) {
        Ok(_) => vec![format!("in force: {}", awaited.len())],
        Err(NotInForce::Rejected(rejected)) => list("rejected", &rejected),
        Err(NotInForce::Deadline { pending, .. }) => list("pending", &pending),
    }
}

#[test]
fn what_is_in_force_is_known_by_state() {
    let mut wrong = String::new();
    for (file, vector) in vectors::<WaitVector>("convergence") {
        let seen = ends(&vector);
        if seen != vector.ends {
            let _ = writeln!(wrong, "{file}: {}\n  ends: {seen:#?}", vector.name);
        }
    }
    report(&wrong);
}

// Detection.

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DetectVector {
    name: String,
    cluster: Script,
    /// Parts of what is installed, by JSON pointer.
    installed: BTreeMap<String, Value>,
    absent: BTreeMap<Layer, String>,
    /// What a denied client may see.
    denials: Option<BTreeSet<Outcome>>,
    #[serde(default)]
    findings: Vec<String>,
    observable: BTreeSet<Layer>,
    /// What a denial looks like where the CNI stands alone and nobody tells of it.
    #[serde(default)]
    unobserved: Option<Value>,
    /// Against the pins of the stack `reference`.
    differences: Vec<String>,
}

#[test]
fn what_is_installed_is_seen() {
    let pins = Recipe::read(&stack_document("reference").unwrap()).unwrap().stack.versions;
    let mut wrong = String::new();
    for (file, vector) in vectors::<DetectVector>("detect") {
        let installed = Installed::detect(&Scripted::new(vector.cluster));
        let value = serde_json::to_value(&installed).unwrap();
        let seen: BTreeMap<String, Value> = vector
            .installed
            .keys()
            .map(|pointer| (pointer.clone(), value.pointer(pointer).cloned().unwrap_or_default()))
            .collect();
        let differences: Vec<String> = installed
            .differences(&pins)
            .iter()
            .map(|each| {
                let found = each.found.as_ref().map_or("none".to_owned(), ToString::to_string);
                let distance = serde_json::to_value(each.distance).unwrap();
                format!("{} {} for {}: {}", each.component, found, each.pinned, distance.as_str().unwrap())
            })
            .collect();
        let denials = installed.denials().map(|denials| outcomes(&denials));
        let findings = installed.findings();
        let same = seen == vector.installed
            && installed.absent() == vector.absent
            && denials == vector.denials
            && findings == vector.findings
            && installed.observable() == vector.observable
            && installed.unobserved().map(|denials| serde_json::json!(denials)) == vector.unobserved
            && differences == vector.differences;
        if !same {
            let _ = writeln!(
                wrong,
                "{file}: {}\n  installed {seen:#?}\n  absent {:#?}\n  denials {denials:?}\n  findings {findings:#?}\n  observable {:?}\n  unobserved {:?}\n  differences {differences:#?}",
                vector.name,
                installed.absent(),
                installed.observable(),
                installed.unobserved(),
            );
        }
    }
    report(&wrong);
}

#[test]
fn production_is_recognised_by_whole_words() {
    let many: Vec<String> = (0..101).map(|index| format!("team-{index}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let server = "https://10.0.0.1:6443";
    for (context, server, namespaces) in [
        ("prod", server, &[][..]),
        ("arn:aws:eks:eu-west-1:1234:cluster/PROD-eu", server, &[]),
        ("gke_acme_europe_live2", server, &[]),
        ("admin", "https://api.production.example.com", &[]),
        ("admin", server, &["default", "shop-prd"]),
        ("admin", server, &many),
    ] {
        assert!(looks_like_production(context, server, namespaces).is_some(), "{context} {server}");
    }
    for (context, server, namespaces) in [
        ("kind-airtight", "https://127.0.0.1:6443/livez/live", &["products", "delivery", "olive"][..]),
        ("non-prod", server, &["pre-prod", "reproduction"]),
        ("staging", server, &many[..100]),
    ] {
        assert_eq!(looks_like_production(context, server, namespaces), None, "{context} {server}");
    }
}
