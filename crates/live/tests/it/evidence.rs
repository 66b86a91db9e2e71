//! Observers' lines and rounds of clusters, and to whom they attribute what was seen.
#![expect(clippy::unwrap_used, reason = "a vector that cannot be read is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use airtight_cluster::Container;
use airtight_cluster::wait::Patience;
use airtight_live::evidence::{
    Attempt, Attribution, ClusterWitness, Gap, Line, Observers, ProxyPod, Record, Says, Span, Ways, attribute, examine,
    examine_until, hubble, proxy, ztunnel,
};
use airtight_live::{Origin, Tried, Witness};
use airtight_model::path::{Destination, Flow, Source};
use airtight_model::policy::{Checkpoint, Layer, Outcome, Reason};
use airtight_model::world::Protocol;
use airtight_probe::wire;
use airtight_testkit::scripted_cluster::{Script, Scripted};
use airtight_testkit::vectors;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

const HASTE: Patience = Patience {
    within: Duration::from_millis(200),
    first_pause: Duration::from_millis(2),
    longest_pause: Duration::from_millis(50),
};

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
    for (file, vector) in vectors::listed::<LineVector>(format!("tests/vectors/{topic}")) {
        let shown = shown(&read(&vector.line));
        if shown != vector.says {
            let _ = writeln!(wrong, "{file}: {}\n  says: {shown}", vector.name);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
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
            tunnel: None,
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
    /// Layers of proxies that did not write yet.
    #[serde(default)]
    unheard: BTreeSet<Layer>,
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
            unheard: attribution.unheard.clone(),
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
    /// Waypoints, and those who wrote a log.
    fn proxies(&self) -> BTreeMap<IpAddr, Checkpoint> {
        let bound = self.ways.waypoints.values().flatten().chain(self.waypoints.keys());
        let waypoints = bound.map(|ip| (*ip, Checkpoint::Waypoint));
        waypoints.chain(self.gateways.keys().map(|ip| (*ip, Checkpoint::Gateway))).collect()
    }

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
            ways: Ways {
                endpoints: self.ways.endpoints.clone(),
                waypoints: self.ways.waypoints.clone(),
                proxies: self.proxies(),
            },
            gaps: self.gaps.iter().map(gap).collect(),
        }
    }
}

#[test]
fn flows_are_attributed_to_who_decided() {
    let mut wrong = String::new();
    for (file, vector) in vectors::listed::<RoundVector>("tests/vectors/attribute") {
        let seen: Vec<ExpectVector> = vector.round().attributions().iter().map(ExpectVector::of).collect();
        if seen != vector.expect {
            let _ = writeln!(wrong, "{file}: {}\n  saw {seen:#?}", vector.name);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn rounds() -> &'static [Round] {
    static ROUNDS: OnceLock<Vec<Round>> = OnceLock::new();
    ROUNDS.get_or_init(|| {
        vectors::listed::<RoundVector>("tests/vectors/attribute").iter().map(|(_, vector)| vector.round()).collect()
    })
}

fn any_round() -> impl Strategy<Value = usize> {
    0..rounds().len()
}

proptest! {
    #![proptest_config(airtight_testkit::random::cases(256))]

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
    for (file, vector) in vectors::listed::<CollectVector>("tests/vectors/collect") {
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
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn the_observers_of_a_cluster_are_a_witness_of_its_rounds() {
    let mut script = vectors::listed::<CollectVector>("tests/vectors/collect").swap_remove(0).1.cluster;
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
