//! Flows of kubelets: probes of a pod of ours that name another pod's address, run by that pod's own kubelet.
//!
//! A probe may name a host (Kubernetes `core/v1` `HTTPGetAction.host`, `TCPSocketAction.host`), and the kubelet dials
//! it from its node as it dials a pod's own address (`pkg/kubelet/prober/prober.go`): for the CNI and the mesh it is
//! the same flow, and nothing is changed about the pod that is dialled.

use std::net::IpAddr;
use std::time::Duration;

use airtight_cluster::read::{escaped, items, list, text};
use airtight_cluster::wait::{Look, Patience, until};
use airtight_cluster::{ApiCall, Cluster, Verb};
use airtight_manifest::Failure;
use airtight_matrix::judge::{Evidence, Observation};
use airtight_model::path::{Destination, Flow, Source};
use airtight_model::policy::{Outcome, Request};
use airtight_model::world::Protocol;
use serde_json::{Value, json};

use crate::answer::failed;
use crate::node_pod::{NodePlace, node_pod};
use crate::options::Options;
use crate::places::{Places, Unavailable};

/// By this label the pods are known by which kubelets are asked.
const ASKS: &str = "airtight.dev/asks-kubelet";

/// Why the success of an HTTP probe does not name its status.
const SOME_STATUS: &str = "the kubelet tells of a success from 200 to 399 and not which, and the server is none of ours; a \
                           case without a request asks whether it is reached";

/// What a kubelet is asked, and where.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question {
    /// The node whose kubelet it is: that of the pod that is dialled.
    node: String,
    /// As it stands in a container.
    probe: Value,
    /// What its success says: of a server of ours that it answers 200, of others no single status.
    success: Result<Outcome, &'static str>,
    /// The workload whose pod has the address that is dialled, as `namespace/name`.
    dialled: String,
}

impl Question {
    fn succeeded(&self) -> Observation {
        let said = |kind: &str| format!("kubelet of {}: its {kind} probe succeeds", self.node);
        match &self.success {
            Ok(Outcome::Http(status)) => observed(Outcome::Http(*status), Some(self.dialled.clone()), said("HTTP")),
            Ok(outcome) => observed(outcome.clone(), None, said("TCP")),
            Err(why) => Observation {
                evidence: Evidence { logs: vec![said("HTTP")], ..Evidence::default() },
                ..Observation::nothing(*why)
            },
        }
    }
}

/// Whether a flow is a kubelet's.
pub(super) fn is_probe(flow: &Flow) -> bool {
    matches!(flow.from, Source::Kubelet)
}

/// The question that a flow is, or why its kubelet cannot be asked.
pub(super) fn question(flow: &Flow, places: &Places, options: &Options) -> Result<Question, Unavailable> {
    let never = |why: &str| Unavailable::Permanently(format!("refused: {why}"));
    if options.node_namespace.is_none() {
        return Err(never("kubelets are asked by a pod in a namespace of the run's own; --node-probes makes one"));
    }
    let Destination::Pod(namespace, name) = &flow.to else { return Err(never("kubelets dial pods alone")) };
    let port = flow.port.filter(|_| flow.protocol == Protocol::Tcp);
    let port = port.ok_or_else(|| never("kubelets dial TCP ports"))?;
    let (address, node) = places.at_node(namespace, name)?;
    let (action, success) = match &flow.request {
        Some(request) => {
            let success = if places.is_ours(namespace, name) { Ok(Outcome::Http(200)) } else { Err(SOME_STATUS) };
            (http(request, address, port, flow.tls.is_some())?, success)
        }
        None => (json!({"tcpSocket": {"host": address, "port": port}}), Ok(Outcome::Connected)),
    };
    Ok(Question { node, probe: timed(action, options.deny_timeout), success, dialled: format!("{namespace}/{name}") })
}

fn http(request: &Request, address: IpAddr, port: u16, tls: bool) -> Result<Value, Unavailable> {
    let never = |why: &str| Err(Unavailable::Permanently(format!("refused: kubelets {why}")));
    if request.method != "GET" {
        return never("send GET alone");
    }
    if request.token.is_some() {
        return never("bring no token");
    }
    let host = [("Host".to_owned(), request.host.clone())];
    let headers: Vec<Value> =
        host.iter().chain(&request.headers).map(|(name, value)| json!({"name": name, "value": value})).collect();
    let scheme = if tls { "HTTPS" } else { "HTTP" };
    Ok(json!({"httpGet":
        {"host": address, "port": port, "path": request.path, "scheme": scheme, "httpHeaders": headers}}))
}

/// One failure is an answer, and so is one success.
fn timed(mut probe: Value, within: Duration) -> Value {
    probe["timeoutSeconds"] = within.as_secs().max(1).into();
    probe["periodSeconds"] = 1.into();
    probe["failureThreshold"] = 1.into();
    probe["successThreshold"] = 1.into();
    probe
}

/// A pod of the run's, by whose readiness a kubelet answers.
struct Asker<'a> {
    number: usize,
    name: String,
    question: &'a Question,
}

/// Asks kubelets, all at once; what each saw, by the number of its flow. The pods by which they were asked go away.
pub(super) fn ask(
    cluster: &dyn Cluster,
    options: &Options,
    round: u64,
    questions: &[(usize, Question)],
) -> Vec<(usize, Observation)> {
    let Some(namespace) = options.node_namespace.as_deref().filter(|_| !questions.is_empty()) else {
        return Vec::new();
    };
    let askers = questions.iter().map(|(number, question)| Asker {
        number: *number,
        name: format!("kubelet-{round}-{number}"),
        question,
    });
    let (mut seen, mut open) = (Vec::new(), Vec::new());
    for asker in askers {
        match create(cluster, options, namespace, &asker) {
            Ok(()) => open.push(asker),
            Err(why) => seen.push((asker.number, failed(why))),
        }
    }
    let names: Vec<String> = open.iter().map(|asker| asker.name.clone()).collect();
    seen.extend(answers(cluster, options, namespace, open));
    for name in names {
        // What stays goes with its namespace.
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}?gracePeriodSeconds=0");
        let _ = cluster.send(&ApiCall { verb: Verb::Delete, path: &path, body: None, user: None });
    }
    seen
}

fn create(cluster: &dyn Cluster, options: &Options, namespace: &str, asker: &Asker<'_>) -> Result<(), String> {
    let pod = pod(options, namespace, asker);
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let answer = cluster
        .send(&ApiCall { verb: Verb::Create, path: &path, body: Some(&pod), user: None })
        .map_err(|error| format!("no kubelet was asked: {error}"))?;
    if answer.accepted() {
        return Ok(());
    }
    Err(format!("no kubelet was asked: the API server refuses the pod that asks: {}", answer.words()))
}

fn pod(options: &Options, namespace: &str, asker: &Asker<'_>) -> Value {
    let place = NodePlace { namespace, name: &asker.name, node: &asker.question.node };
    let mut pod = node_pod(&place, ASKS, options);
    pod["spec"]["containers"][0]["readinessProbe"] = asker.question.probe.clone();
    pod
}

/// Waits until each kubelet has said something; one that has not is no answer.
fn answers(
    cluster: &dyn Cluster,
    options: &Options,
    namespace: &str,
    mut open: Vec<Asker<'_>>,
) -> Vec<(usize, Observation)> {
    let mut seen = Vec::new();
    let patience = Patience { within: options.deny_timeout + options.grace, ..Patience::default() };
    let waited: Result<_, Failure> = until(patience, &|| cluster.is_over(), || {
        let told = told(cluster, namespace)?;
        let mut still = Vec::new();
        for asker in std::mem::take(&mut open) {
            match told.of(&asker) {
                Some(observation) => seen.push((asker.number, observation)),
                None => still.push(asker),
            }
        }
        open = still;
        let first =
            open.first().map(|asker| format!("the kubelet of node {} has said nothing yet", asker.question.node));
        Ok(first.map_or(Look::Done(()), Look::Open))
    });
    let why = match waited {
        Ok(Ok(())) => String::new(),
        Ok(Err(late)) => late.last,
        Err(error) => format!("what kubelets say cannot be read: {error}"),
    };
    seen.extend(open.into_iter().map(|asker| (asker.number, failed(why.clone()))));
    seen
}

/// What is known of the pods that ask.
struct Told {
    pods: Vec<Value>,
    events: Vec<Value>,
}

fn told(cluster: &dyn Cluster, namespace: &str) -> Result<Told, Failure> {
    let events = format!("/api/v1/namespaces/{namespace}/events?fieldSelector={}", escaped("reason=Unhealthy"));
    Ok(Told { pods: list(cluster, &format!("/api/v1/namespaces/{namespace}/pods"))?, events: list(cluster, &events)? })
}

impl Told {
    /// What a kubelet saw, if it has said so.
    fn of(&self, asker: &Asker<'_>) -> Option<Observation> {
        let pod = self.pods.iter().find(|pod| text(pod, "/metadata/name") == asker.name)?;
        if items(pod, "/status/containerStatuses").iter().any(|status| status["ready"] == true) {
            return Some(asker.question.succeeded());
        }
        let own = |event: &&Value| text(event, "/involvedObject/name") == asker.name;
        let message = text(self.events.iter().find(own)?, "/message");
        Some(observed(failure(message), None, format!("kubelet of {}: {message}", asker.question.node)))
    }
}

fn observed(outcome: Outcome, answered_by: Option<String>, line: String) -> Observation {
    let evidence = Evidence { answered_by, logs: vec![line], ..Evidence::default() };
    Observation { outcome: Some(outcome), undecided: None, evidence, attempts: 1 }
}

/// How a probe failed, by the kubelet's words (`pkg/kubelet/prober/prober.go`, `pkg/probe/{http,tcp}`; the rest are
/// those of Go's `net`).
fn failure(message: &str) -> Outcome {
    if let Some(status) = message.split("statuscode: ").nth(1).and_then(|rest| rest.trim().parse().ok()) {
        return Outcome::Http(status);
    }
    let says = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if says(&["connection refused"]) {
        Outcome::Refused
    } else if says(&["i/o timeout", "Client.Timeout", "context deadline exceeded"]) {
        Outcome::Timeout
    } else if says(&["connection reset", ": EOF", "server closed"]) {
        Outcome::Reset
    } else if says(&["tls: ", "x509: "]) {
        Outcome::TlsFailure
    } else {
        Outcome::ProbeError(message.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_of_a_server_that_is_not_ours_is_no_status() {
        let question =
            |success| Question { node: "worker".to_owned(), probe: json!({}), success, dialled: "shop/web".to_owned() };
        let ours = question(Ok(Outcome::Http(200))).succeeded();
        assert_eq!((ours.outcome, ours.evidence.answered_by.as_deref()), (Some(Outcome::Http(200)), Some("shop/web")));
        let others = question(Err(SOME_STATUS)).succeeded();
        assert!(others.outcome.is_none() && others.undecided.is_some_and(|why| why.contains("from 200 to 399")));
        assert_eq!(question(Ok(Outcome::Connected)).succeeded().outcome, Some(Outcome::Connected));
    }

    #[test]
    fn a_kubelets_words_say_how_a_probe_failed() {
        for (message, outcome) in [
            ("Readiness probe failed: HTTP probe failed with statuscode: 403", Outcome::Http(403)),
            (
                "Readiness probe failed: Get \"http://10.0.0.5:8080/healthz\": dial tcp 10.0.0.5:8080: connect: connection refused",
                Outcome::Refused,
            ),
            ("Readiness probe failed: dial tcp 10.0.0.5:5432: i/o timeout", Outcome::Timeout),
            (
                "Readiness probe failed: Get \"http://10.0.0.5:8080/\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
                Outcome::Timeout,
            ),
            (
                "Readiness probe failed: Get \"http://10.0.0.5:8080/\": read tcp 10.0.0.1:4->10.0.0.5:8080: read: connection reset by peer",
                Outcome::Reset,
            ),
            ("Readiness probe failed: Get \"http://10.0.0.5:8080/\": EOF", Outcome::Reset),
        ] {
            assert_eq!(failure(message), outcome, "{message}");
        }
        let odd = failure("Readiness probe failed: dial tcp 10.0.0.5:1: connect: no route to host");
        assert!(matches!(odd, Outcome::ProbeError(_)), "{odd:?}");
    }
}
