//! Flows through exec sessions of an API server that is not one, with probes that are: what is seen is what happened,
//! and whatever goes wrong is no pass.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use airtight_cluster::kube::{Access, KubeCluster, Limits};
use airtight_cluster::{ApiCall, Cluster, Container, Ended, Impersonated, Verb};
use airtight_live::{Live, Options, Tried, Witness};
use airtight_manifest::{Failure, ObjectRef};
use airtight_matrix::judge::{Evidence, Observation, Verdict};
use airtight_matrix::run::{RunContext, RunRecord, StackRecord, SystemClock, run};
use airtight_matrix::scenario::{AllowExpectation, Case, DenyExpectation, Expectation, Plan};
use airtight_matrix::testbed::{Canary, Testbed};
use airtight_model::path::{Flow, Source};
use airtight_model::policy::{Layer, Outcome, Reason};
use airtight_model::world::{Act, ApiRequest, ApiUser, Change, Protocol};
use airtight_testkit::api_server::{ApiServer, Denial, Fault, Run, What};
use airtight_testkit::cases;
use serde_json::json;

use super::shop::{DENY_TIMEOUT, access, connect, flow, limits, observe, options, shop};
use crate::PROBE;

/// The CNI's flow log: what the datapath dropped.
struct FlowLog<'s>(&'s ApiServer);

impl Witness for FlowLog<'_> {
    fn attribute(&self, round: &[Tried<'_>]) -> Vec<Evidence> {
        let told = |tried: &Tried<'_>| {
            let id = tried.answer.id.as_deref().unwrap();
            let from = tried.from.pod().unwrap();
            let dropped = self.0.state().has_dropped(&from.namespace, &from.pod, id);
            Evidence { denied_by: dropped.then_some(Layer::Cni), ..Evidence::default() }
        };
        round.iter().map(told).collect()
    }
}

fn case(id: &str, flow: Flow, expect: Expectation, twin: Option<&str>) -> Case {
    Case { twin: twin.map(str::to_owned), ..cases::case(id, flow, expect) }
}

fn allow(answered_by: Option<&str>) -> Expectation {
    Expectation::Allow(AllowExpectation { answered_by: answered_by.map(str::to_owned), ..cases::allow() })
}

fn deny() -> Expectation {
    let outcomes = BTreeSet::from([Outcome::Timeout, Outcome::Refused]);
    Expectation::Deny(DenyExpectation { outcomes, ..cases::deny(Layer::Cni) })
}

fn plan() -> Plan {
    cases::plan(vec![
        case("GET", flow("client", 8080, true), allow(Some("shop/web")), None),
        case("TCP", flow("client", 8081, false), allow(None), None),
        case("DENIED", flow("intruder", 8080, true), deny(), Some("GET")),
        case("NOBODY", flow("client", 9999, false), deny(), Some("GET")),
    ])
}

fn run_plan(testbed: &mut dyn Testbed) -> RunRecord {
    let clock = SystemClock::default();
    let context = RunContext::new(StackRecord { name: "fake".to_owned(), versions: Vec::new() }, &clock);
    run(&plan(), testbed, context, &mut [])
}

fn verdicts(record: &RunRecord) -> Vec<(&str, &Verdict)> {
    record.cases.iter().map(|case| (case.case.id.as_str(), &case.judgement.verdict)).collect()
}

fn assert_healthy(record: &RunRecord) {
    let whys: Vec<_> = record.cases.iter().map(|case| &case.judgement.why).collect();
    let expected = [
        ("GET", &Verdict::Pass),
        ("TCP", &Verdict::Pass),
        ("DENIED", &Verdict::Pass),
        ("NOBODY", &Verdict::Inconclusive),
    ];
    assert_eq!(verdicts(record), expected, "{} {whys:#?}", record.canary.detail);
    assert!(whys[3].contains("nothing listens"), "{whys:#?}");
}

/// A cluster that was shown to enforce before, so that its cases are tried.
struct Enforcing<'c>(Live<'c>);

impl Testbed for Enforcing<'_> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn canary(&mut self) -> Result<Canary, Failure> {
        let detail = "an earlier one".to_owned();
        Ok(Canary { with_policy: Outcome::Timeout, without_policy: Outcome::Connected, detail })
    }

    fn observe(&mut self, flows: &[&Flow]) -> Vec<Observation> {
        self.0.observe(flows)
    }

    fn refuses(&self, flow: &Flow) -> Option<String> {
        self.0.refuses(flow)
    }
}

#[test]
fn flows_end_in_what_happened() {
    let server = shop();
    let cluster = connect(&server);
    let witness = FlowLog(&server);
    let mut live = Live::new(&cluster, options(), Some(&witness)).unwrap();
    let flows = [
        flow("client", 8080, true),
        flow("client", 8081, false),
        flow("intruder", 8080, true),
        flow("client", 9, false),
    ];
    let seen = observe(&mut live, &flows);
    let outcomes: Vec<_> = seen.iter().map(|seen| seen.outcome.clone().unwrap()).collect();
    assert_eq!(outcomes, [Outcome::Http(200), Outcome::Connected, Outcome::Timeout, Outcome::Refused]);
    assert_eq!(seen[0].evidence.answered_by.as_deref(), Some("shop/web"));
    assert_eq!(seen[1].evidence.answered_by.as_deref(), Some("shop/web"));
    let headers = &seen[0].evidence.backend_headers;
    assert_eq!(headers[0], ("host".to_owned(), "web.shop".to_owned()));
    assert!(headers.contains(&("x-trace".to_owned(), "7".to_owned())));
    assert_eq!(seen[2].evidence.denied_by, Some(Layer::Cni));
    assert_eq!(seen[3].evidence.reason, Some(Reason::NotListening));
    assert!(seen.iter().all(|seen| seen.evidence.logs[0].contains("startedUnixUs")), "{seen:#?}");
}

#[test]
fn a_healthy_cluster_passes_and_is_left_as_it_was() {
    let server = shop();
    let cluster = connect(&server);
    let witness = FlowLog(&server);
    let record = run_plan(&mut Live::new(&cluster, options(), Some(&witness)).unwrap());
    assert_healthy(&record);
    assert!(record.canary.detail.ends_with("timeout with the policy, http(200) without"), "{}", record.canary.detail);
    assert_eq!(server.state().namespaces(), Vec::<String>::new());
}

#[test]
fn without_an_observer_no_denial_passes() {
    let server = shop();
    let cluster = connect(&server);
    let record = run_plan(&mut Live::new(&cluster, options(), None).unwrap());
    let denied = &record.cases[2].judgement;
    assert_eq!(denied.verdict, Verdict::Inconclusive);
    assert!(denied.why.contains("no observer names the layer"), "{}", denied.why);
}

#[test]
fn before_version_5_of_the_protocol_sessions_end_with_their_last_answer() {
    let server = shop();
    server.state().grow_old();
    let cluster = connect(&server);
    let witness = FlowLog(&server);
    let begin = Instant::now();
    let patient = Options { grace: Duration::from_mins(1), ..options() };
    let record = run_plan(&mut Live::new(&cluster, patient, Some(&witness)).unwrap());
    assert_healthy(&record);
    assert!(begin.elapsed() < Duration::from_secs(40), "{:?}", begin.elapsed());
}

#[test]
fn whatever_goes_wrong_is_no_pass_and_is_said() {
    let faults = [
        (What::Status(429), "answered with 429"),
        (What::Status(500), "answered with 500"),
        (What::Status(503), "answered with 503"),
        (What::Status(403), "answered with 403"),
        (What::Status(401), "answered with 401"),
        (What::Status(404), "answered with 404"),
        (What::Close, "the connection broke"),
        (What::Slow(Duration::from_secs(5)), "no answer within"),
        (What::Breaks(0), "was cut: the connection"),
        (What::Closes(0), "closed before the program ended"),
        (What::Killed(0), "ended with status 137"),
        (What::Silent, "the time was up"),
        (What::Mixed, "is to no flow"),
        (What::Doubled, "answered 2 times"),
        (What::Garbled, "a line is no answer"),
    ];
    // Side by side: each has a server of its own, and most of the time is waited.
    std::thread::scope(|scope| {
        for (what, said) in faults {
            scope.spawn(move || {
                let server = shop();
                let cluster = connect(&server);
                let witness = FlowLog(&server);
                let live = Live::new(&cluster, options(), Some(&witness)).unwrap();
                server.state().fail(Fault::always("/exec?", what.clone()));
                let record = run_plan(&mut Enforcing(live));
                for case in &record.cases {
                    let judgement = &case.judgement;
                    assert_eq!(judgement.verdict, Verdict::Inconclusive, "{what:?}: {}", judgement.why);
                    assert!(judgement.why.contains(said), "{what:?}: {}", judgement.why);
                }
                assert_eq!(server.state().namespaces(), Vec::<String>::new());
            });
        }
    });
}

#[test]
fn a_fault_during_the_canary_ends_the_run_and_leaves_nothing_behind() {
    let faults = [
        ("/exec?", What::Status(403), "grant"),
        ("/exec?", What::Killed(0), "status 137"),
        ("PATCH /api/v1/namespaces/", What::Status(403), "(403)"),
        ("PATCH /api/v1/namespaces/", What::Close, "the connection broke"),
        ("networkpolicies", What::Status(503), "(503)"),
    ];
    std::thread::scope(|scope| {
        for (on, what, said) in faults {
            scope.spawn(move || {
                let server = shop();
                let cluster = connect(&server);
                let mut live =
                    Live::new(&cluster, Options { patience: Duration::from_millis(300), ..options() }, None).unwrap();
                server.state().fail(Fault::always(on, what.clone()));
                let record = run_plan(&mut live);
                assert!(!record.canary.enforces);
                assert!(record.cases.iter().all(|case| case.judgement.verdict != Verdict::Pass));
                let findings = record.findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
                let all = format!("{}\n{findings}", record.canary.detail);
                assert!(all.contains(said) || (said == "grant" && all.contains("403")), "{on} {what:?}: {all}");
                assert_eq!(server.state().namespaces(), Vec::<String>::new(), "{on} {what:?}");
            });
        }
    });
}

#[test]
fn an_image_that_is_nowhere_ends_the_wait_at_once() {
    let server = shop();
    server.state().lose_images();
    let cluster = connect(&server);
    let begin = Instant::now();
    let patient = Options { patience: Duration::from_mins(1), ..options() };
    let record = run_plan(&mut Live::new(&cluster, patient, None).unwrap());
    assert!(record.canary.detail.contains("ErrImageNeverPull"), "{}", record.canary.detail);
    assert!(begin.elapsed() < Duration::from_secs(40));
    assert_eq!(server.state().namespaces(), Vec::<String>::new());
}

#[test]
fn a_cluster_without_enforcement_is_found_out() {
    let server = shop();
    let cluster = connect(&server);
    server.state().ignore_policies();
    let mut live = Live::new(&cluster, Options { patience: Duration::from_millis(300), ..options() }, None).unwrap();
    let record = run_plan(&mut live);
    assert!(!record.canary.enforces, "{}", record.canary.detail);
    assert!(record.cases.iter().all(|case| matches!(case.judgement.verdict, Verdict::Skipped { .. })));
}

#[test]
fn faults_that_pass_are_survived() {
    let server = shop();
    for what in [What::Status(503), What::Status(429), What::Close] {
        server.state().fail(Fault::times(1, "GET /api/v1/pods", what));
    }
    server.state().fail(Fault::times(1, "/exec?", What::Status(500)));
    server.state().fail(Fault::times(1, "/exec?", What::Close));
    let four = Limits { attempts: 4, ..limits() };
    let cluster = KubeCluster::connect(&access(server.kubeconfig()), four).unwrap();
    let witness = FlowLog(&server);
    let record = run_plan(&mut Live::new(&cluster, options(), Some(&witness)).unwrap());
    assert_healthy(&record);
    assert!(record.cases.iter().all(|case| !case.judgement.flaky));
}

#[test]
fn a_session_that_dies_half_way_keeps_what_was_answered() {
    let server = shop();
    let cluster = connect(&server);
    let mut live = Live::new(&cluster, options(), None).unwrap();
    server.state().fail(Fault::always("client-6d5f-abcde/exec?", What::Breaks(1)));
    let dropped = Denial { namespace: "shop".into(), workload: "client".into(), port: 8081 };
    server.state().deny(dropped);
    let seen = observe(&mut live, &[flow("client", 8080, true), flow("client", 8081, false)]);
    assert_eq!(seen[0].outcome, Some(Outcome::Http(200)));
    assert!(matches!(&seen[1].outcome, Some(Outcome::ProbeError(why)) if why.contains("was cut")), "{:?}", seen[1]);
}

fn request() -> ApiRequest {
    let by = ApiUser { name: "on-call".to_owned(), groups: Vec::new() };
    let target = ObjectRef::new("Namespace", None, "payments");
    ApiRequest { by, change: Change { act: Act::Delete, target, object: None } }
}

#[test]
fn what_is_not_there_is_a_probe_error_and_what_cannot_be_is_refused() {
    let server = shop();
    server.run("shop", "broken", &Run::Pause);
    let cluster = connect(&server);
    let mut live = Live::new(&cluster, options(), None).unwrap();
    let seen = observe(&mut live, &[flow("nobody", 8080, true)]);
    assert!(matches!(&seen[0].outcome, Some(Outcome::ProbeError(why)) if why.contains("shop/nobody has no pod")));
    assert_eq!(live.refuses(&flow("nobody", 8080, true)), None);
    for from in [Source::Kubelet, Source::Outside] {
        let flow = Flow { from, ..flow("client", 8080, true) };
        assert!(live.refuses(&flow).unwrap().starts_with("refused: "));
    }
    let on_node = Flow { from: Source::Node("worker-9".to_owned()), ..flow("client", 8080, true) };
    assert!(live.refuses(&on_node).unwrap().starts_with("the cluster has no node worker-9"));
    let sctp = Flow { protocol: Protocol::Sctp, ..flow("client", 8080, false) };
    assert_eq!(live.refuses(&sctp).unwrap(), "refused: the probe does not speak SCTP");
    let changed = Flow { after: vec![request()], ..flow("client", 8080, true) };
    assert!(live.refuses(&changed).unwrap().contains("objects are not changed"));
}

#[test]
fn a_round_of_denied_flows_takes_one_deny_timeout() {
    let server = shop();
    let pods: Vec<_> = (0..20).map(|number| format!("caller{number}")).collect();
    for pod in &pods {
        server.run("shop", pod, &Run::Pause);
    }
    server.state().deny(Denial { namespace: "shop".into(), workload: "caller".into(), port: 8080 });
    let cluster = connect(&server);
    let mut live = Live::new(&cluster, options(), None).unwrap();
    let flows: Vec<_> = (0..500).map(|number| flow(&pods[number % pods.len()], 8080, true)).collect();
    let begin = Instant::now();
    let seen = observe(&mut live, &flows);
    // Twenty programs are started meanwhile; one after the other, the timeouts alone would take 150 seconds.
    assert!(begin.elapsed() < DENY_TIMEOUT + Duration::from_secs(30), "{:?}", begin.elapsed());
    assert!(seen.iter().all(|seen| seen.outcome == Some(Outcome::Timeout)), "{:?}", seen[0]);
    assert_eq!(server.state().count("/exec?"), pods.len());
}

#[test]
fn calls_reach_the_api_server_as_they_are_meant() {
    let server = shop();
    let cluster = connect(&server);
    let user = Impersonated { name: "mallory".to_owned(), groups: vec!["devs".to_owned(), "ops".to_owned()] };
    let object = json!({"metadata": {"name": "x"}, "data": {"a": "1"}});
    let change = json!({"data": {"a": null, "b": "2"}});
    let path = "/api/v1/namespaces/shop/configmaps/x";
    let send = |verb, path: &str, body, user| cluster.send(&ApiCall { verb, path, body, user }).unwrap();
    let answer = send(Verb::Apply, "/api/v1/namespaces/shop/configmaps/x?fieldManager=t", Some(&object), Some(&user));
    assert_eq!((answer.status, answer.body["data"]["a"].as_str()), (201, Some("1")));
    let seen = server.state().seen().pop().unwrap();
    assert_eq!((seen.user.as_deref(), seen.groups), (Some("mallory"), vec!["devs".to_owned(), "ops".to_owned()]));
    assert_eq!(seen.content.as_deref(), Some("application/apply-patch+yaml"));
    assert_eq!(send(Verb::Merge, path, Some(&change), None).body["data"], json!({"b": "2"}));
    assert_eq!(send(Verb::Create, "/api/v1/namespaces/shop/configmaps", Some(&object), None).status, 409);
    assert_eq!(send(Verb::Delete, path, None, None).status, 200);
    assert_eq!(send(Verb::Get, path, None, None).status, 404);
}

#[test]
fn what_may_have_been_done_is_not_done_again() {
    let server = shop();
    let cluster = connect(&server);
    let object = json!({"metadata": {"name": "x"}});
    let create =
        ApiCall { verb: Verb::Create, path: "/api/v1/namespaces/shop/configmaps", body: Some(&object), user: None };
    server.state().fail(Fault::times(1, "POST", What::Close));
    assert_eq!(cluster.send(&create).unwrap_err().code, "api-broken");
    assert_eq!(server.state().count("POST"), 1);
    server.state().fail(Fault::times(1, "POST", What::Status(429)));
    assert_eq!(cluster.send(&create).unwrap().status, 201);
    server.state().fail(Fault::always("GET", What::Status(503)));
    let read = ApiCall { verb: Verb::Get, path: "/api/v1/pods", body: None, user: None };
    assert_eq!(cluster.send(&read).unwrap().status, 503);
    assert_eq!(server.state().count("GET /api/v1/pods"), 3);
}

#[test]
fn logs_begin_at_their_moment() {
    let server = shop();
    let cluster = connect(&server);
    for (at, line) in [("2026-01-01T00:00:00Z", "old"), ("2026-01-01T00:00:05Z", "new")] {
        server.state().write_log("shop", "web-6d5f-abcde", at.parse().unwrap(), line);
    }
    let since = "2026-01-01T00:00:05.9Z".parse().unwrap();
    assert_eq!(cluster.logs(&container("web"), since).unwrap(), "new\n");
    server.state().fail(Fault::always("/log?", What::Status(403)));
    let error = cluster.logs(&container("web"), since).unwrap_err();
    assert_eq!((error.code, error.hint.unwrap().contains("`pods/log`")), ("forbidden", true));
}

fn container(workload: &str) -> Container {
    let pod = format!("{workload}-6d5f-abcde");
    Container { namespace: "shop".to_owned(), pod, container: "probe".to_owned() }
}

#[test]
fn programs_in_containers_tell_how_they_end() {
    let server = shop();
    let cluster = connect(&server);
    let within = Duration::from_secs(2);
    let execution = cluster.exec(&container("web"), &["/airtight-probe", "--no-such-flag"], b"", within).unwrap();
    assert_eq!(execution.ended, Ended::Status(2));
    assert!(String::from_utf8_lossy(&execution.stderr).contains("--no-such-flag"));
    let long = "x".repeat(200_000);
    let execution =
        cluster.exec(&container("web"), &["/airtight-probe", "dial"], format!("{long}\n").as_bytes(), within);
    let execution = execution.unwrap();
    assert_eq!(execution.ended, Ended::Status(0));
    assert!(String::from_utf8_lossy(&execution.stdout).contains("probe-error"));
    let begin = Instant::now();
    let pause =
        // Long enough for the session to begin on a machine that has much else to do.
        cluster.exec(&container("web"), &["/airtight-probe", "pause"], b"", Duration::from_millis(1500)).unwrap();
    assert!(matches!(pause.ended, Ended::Cut(why) if why.contains("1500 ms")));
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[test]
fn errors_name_their_likely_cause() {
    let server = ApiServer::start(&PROBE);
    let other = ApiServer::start(&PROBE);
    let list = ApiCall { verb: Verb::Get, path: "/api/v1/pods", body: None, user: None };
    let quick = Limits { attempts: 1, ..limits() };
    let failing = |kubeconfig| {
        let cluster = KubeCluster::connect(&access(kubeconfig), quick).unwrap();
        cluster.send(&list).unwrap_err()
    };
    let address = {
        let cluster = connect(&server);
        cluster.server().trim_end_matches('/').to_owned()
    };
    let foreign = failing(server.kubeconfig_with(other.ca(), "t", &address));
    assert_eq!(foreign.code, "api-certificate", "{foreign}");
    let gone = failing(server.kubeconfig_with(server.ca(), "t", "https://127.0.0.1:1"));
    assert_eq!(gone.code, "api-unreachable", "{gone}");
    server.state().fail(Fault::always("/api/v1/pods", What::Slow(Duration::from_secs(5))));
    assert_eq!(failing(server.kubeconfig()).code, "api-timeout");
    let wrong = KubeCluster::connect(&access(server.kubeconfig_with(server.ca(), "t", &address)), quick).unwrap();
    assert_eq!(wrong.send(&list).unwrap().status, 401);
    let error = Live::new(&wrong, options(), None).err().unwrap();
    assert_eq!(error.code, "unauthenticated");
    let named = Access { kubeconfig: Some(server.kubeconfig()), context: Some("prod".to_owned()) };
    let missing = KubeCluster::connect(&named, quick).err().unwrap();
    assert_eq!((missing.code, missing.hint.as_deref()), ("no-such-context", Some("there are: fake, other")));
}
