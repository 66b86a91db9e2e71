//! Attempts to change objects on a cluster: dry runs on behalf of users.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::sync::Mutex;
use std::time::Duration;

use airtight_cluster::{ApiAnswer, ApiCall, Cluster, Container, Execution, Verb};
use airtight_live::{Live, Options};
use airtight_manifest::Failure;
use airtight_manifest::ObjectRef;
use airtight_matrix::judge::Observation;
use airtight_matrix::testbed::Testbed;
use airtight_model::path::{Destination, Flow, Source};
use airtight_model::policy::{Layer, Outcome, Reason};
use airtight_model::world::{Act, ApiUser, Change, Protocol};
use serde_json::{Value, json};

/// Serves namespaces, network policies of two groups, and one answer to every change.
struct Server {
    answer: ApiAnswer,
    exists: bool,
    calls: Mutex<Vec<String>>,
}

impl Server {
    fn new(status: u16, body: Value) -> Self {
        Self { answer: ApiAnswer { status, body }, exists: false, calls: Mutex::default() }
    }

    fn read(&self, path: &str) -> ApiAnswer {
        let resources = |kind: &str, plural: &str, namespaced: bool| {
            json!({"resources": [
                {"name": format!("{plural}/status"), "kind": kind, "namespaced": namespaced},
                {"name": plural, "kind": kind, "namespaced": namespaced},
            ]})
        };
        let body = match path.split('?').next().unwrap_or_default() {
            "/api/v1" => resources("Namespace", "namespaces", false),
            "/apis" => json!({"groups": [
                {"preferredVersion": {"groupVersion": "networking.k8s.io/v1"}},
                {"preferredVersion": {"groupVersion": "other.example/v1"}},
                {"preferredVersion": {"groupVersion": "cilium.io/v2"}},
                {"preferredVersion": {"groupVersion": "third.example/v1"}},
                {"preferredVersion": {"groupVersion": "fourth.example/v1"}},
            ]}),
            "/apis/networking.k8s.io/v1" | "/apis/other.example/v1" => {
                resources("NetworkPolicy", "networkpolicies", true)
            }
            "/apis/cilium.io/v2" => resources("CiliumNetworkPolicy", "ciliumnetworkpolicies", true),
            "/apis/third.example/v1" | "/apis/fourth.example/v1" => resources("Twice", "twices", true),
            path if self.exists && path.ends_with("/subject") => json!({"metadata": {"resourceVersion": "42"}}),
            path if path.ends_with("/subject") => return ApiAnswer { status: 404, body: json!({}) },
            _ => json!({"items": []}),
        };
        ApiAnswer { status: 200, body }
    }
}

impl Cluster for Server {
    fn send(&self, request: &ApiCall<'_>) -> Result<ApiAnswer, Failure> {
        if request.verb == Verb::Get {
            assert!(request.user.is_none(), "reads are one's own");
            return Ok(self.read(request.path));
        }
        let user = request.user.unwrap();
        let version = request.body.and_then(|body| body.pointer("/metadata/resourceVersion")).map(Value::to_string);
        let told = format!(
            "{:?} {} as {} of {}{}",
            request.verb,
            request.path,
            user.name,
            user.groups.join(" "),
            version.map(|version| format!(" at {version}")).unwrap_or_default()
        );
        self.calls.lock().unwrap().push(told);
        Ok(self.answer.clone())
    }

    fn exec(&self, place: &Container, _: &[&str], _: &[u8], _: Duration) -> Result<Execution, Failure> {
        panic!("nothing is run in {place}")
    }

    fn logs(&self, place: &Container, _: jiff::Timestamp) -> Result<String, Failure> {
        panic!("nothing is read from {place}")
    }
}

fn flow(act: Act, kind: &str, object: Option<&Value>) -> Flow {
    let namespace = (kind != "Namespace").then_some("shop");
    let target = ObjectRef::new(kind, namespace, "subject");
    Flow {
        from: Source::User(ApiUser::new("tenant", ["team".to_owned()])),
        to: Destination::Object(Change { act, target, object: object.map(Value::to_string) }),
        protocol: Protocol::Tcp,
        port: None,
        request: None,
        tls: None,
        after: Vec::new(),
    }
}

fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "subject"}})
}

fn observe(server: &Server, flow: &Flow) -> Observation {
    let mut live = Live::new(server, Options::default(), None).unwrap();
    assert_eq!(live.refuses(flow), None);
    live.observe(&[flow]).remove(0)
}

fn said(status: u16, message: &str) -> Observation {
    let server = Server::new(status, json!({"kind": "Status", "message": message}));
    observe(&server, &flow(Act::Apply, "Namespace", Some(&namespace())))
}

#[test]
fn every_change_is_a_dry_run_as_the_user() {
    let made = json!({"kind": "Namespace", "metadata": {"name": "subject", "labels": {"a": "b"}}});
    let calls = |exists, act, kind: &str, object: Option<&Value>| {
        let server = Server { exists, ..Server::new(200, made.clone()) };
        let _ = observe(&server, &flow(act, kind, object));
        server.calls.into_inner().unwrap()
    };
    let who = "as tenant of team system:authenticated";
    let object = namespace();
    assert_eq!(
        calls(false, Act::Apply, "Namespace", Some(&object)),
        [format!("Create /api/v1/namespaces?dryRun=All {who}")]
    );
    assert_eq!(
        calls(true, Act::Apply, "Namespace", Some(&object)),
        [format!("Replace /api/v1/namespaces/subject?dryRun=All {who} at \"42\"")]
    );
    // Kubernetes' own, where another group has a kind of this name.
    assert_eq!(
        calls(true, Act::Delete, "NetworkPolicy", None),
        [format!("Delete /apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/subject?dryRun=All {who}")]
    );
    assert_eq!(
        calls(true, Act::Delete, "CiliumNetworkPolicy", None),
        [format!("Delete /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies/subject?dryRun=All {who}")]
    );
}

#[test]
fn a_change_that_is_accepted_says_what_would_be_stored_and_nothing_of_what_rules_make_of_it() {
    let body = json!({"kind": "Namespace", "metadata": {"name": "subject", "labels": {"a": "b"}}});
    let seen = observe(&Server::new(201, body), &flow(Act::Apply, "Namespace", Some(&namespace())));
    assert_eq!(seen.outcome, Some(Outcome::Http(201)));
    let admitted = seen.evidence.admitted.unwrap();
    assert_eq!(admitted.labels.unwrap().get("a").map(String::as_str), Some("b"));
    assert_eq!(admitted.generated, None);
}

#[test]
fn a_refusal_is_told_from_others_by_the_words_of_the_api_server() {
    let kyverno = "admission webhook \"validate.kyverno.svc-fail\" denied the request: \n\nresource Namespace//subject was blocked";
    let another = "admission webhook \"gateway.example\" denied the request: no";
    let named = [
        (400, kyverno, Layer::Admission, Reason::AdmissionRefused),
        (400, another, Layer::Admission, Reason::InvalidObject),
        (
            422,
            "ValidatingAdmissionPolicy 'cap' with binding 'cap' denied request: no",
            Layer::Admission,
            Reason::AdmissionRefused,
        ),
        (422, "Namespace \"x\" is invalid: metadata.name: Invalid value", Layer::Admission, Reason::InvalidObject),
        (404, "namespaces \"subject\" not found", Layer::Application, Reason::NoSuchName),
    ];
    for (status, message, layer, reason) in named {
        let seen = said(status, message);
        assert_eq!(seen.outcome, Some(Outcome::Http(status)), "{message}");
        assert_eq!((seen.evidence.denied_by, seen.evidence.reason), (Some(layer), Some(reason)), "{message}");
        assert_eq!(seen.undecided, None, "{message}");
    }
    let open = [
        (403, "namespaces is forbidden: User \"tenant\" cannot create resource \"namespaces\""),
        (500, "Internal error occurred: failed calling webhook \"validate.kyverno.svc-fail\": no endpoints available"),
        (429, "too many requests"),
    ];
    for (status, message) in open {
        let seen = said(status, message);
        assert_eq!(seen.evidence.denied_by, None, "{message}");
        assert!(seen.undecided.unwrap().contains(message), "{message}");
    }
}

#[test]
fn a_kind_that_is_not_known_for_sure_is_not_touched() {
    let tried = |kind: &str| {
        let server = Server::new(200, json!({}));
        let seen = observe(&server, &flow(Act::Delete, kind, None));
        assert!(server.calls.into_inner().unwrap().is_empty());
        match seen.outcome {
            Some(Outcome::ProbeError(why)) => why,
            outcome => panic!("unexpected {outcome:?}"),
        }
    };
    assert_eq!(tried("Rollout"), "the cluster serves no kind Rollout: is its component installed?");
    assert!(tried("Twice").contains("/apis/third.example/v1 and /apis/fourth.example/v1"));
}
