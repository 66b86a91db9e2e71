//! From where flows start and what they bring: this machine, pods behind a CNI that stands alone, tokens.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};

use airtight_cluster::{ApiCall, Cluster, Verb};
use airtight_live::detect::Denial as Denied;
use airtight_live::{Dialler, Live, Options, Outside};
use airtight_matrix::testbed::Testbed;
use airtight_model::path::{Destination, Flow, Source};
use airtight_model::policy::{Claim, Layer, Outcome, Token, TokenState};
use airtight_testkit::api_server::{Fault, Run, What};
use serde_json::json;

use super::shop::{connect, flow, observe, options, shop};
use crate::PROBE;

/// A flow of the client to the web, with a token.
fn bearing(issuer: &str, state: TokenState) -> Flow {
    let mut flow = flow("client", 8080, true);
    let claims = BTreeMap::from([("tenant".to_owned(), Claim(json!(["acme"])))]);
    let (subject, audiences) = ("alice".to_owned(), vec!["web".to_owned()]);
    let token = Token { issuer: issuer.to_owned(), subject, audiences, claims, state };
    flow.request.as_mut().unwrap().token = Some(token);
    flow
}

#[test]
fn tokens_are_had_from_the_issuers_in_the_cluster_and_are_not_told() {
    let server = shop();
    let cluster = connect(&server);
    let flows = [
        bearing("https://id.example.com", TokenState::Valid),
        bearing("https://id.example.com", TokenState::Expired),
        bearing("https://elsewhere.example.com", TokenState::Valid),
    ];
    let refused = Live::new(&cluster, options(), None).unwrap().refuses(&flows[0]);
    assert!(refused.unwrap().contains("no issuer stands in the cluster"));
    let issuer = json!({"issuer": {"issuer": "https://id.example.com"}});
    let listener = json!({"bind": "0.0.0.0:8080", "speak": {"http": {"answer": issuer}}});
    server.run("shop", "issuer", &Run::Configured(json!({"listeners": [listener]}).to_string()));
    let mut live = Live::new(&cluster, options(), None).unwrap();
    assert_eq!(live.refuses(&flows[0]), None);
    for seen in observe(&mut live, &flows) {
        assert_eq!(seen.outcome, Some(Outcome::Http(200)));
        let arrived = seen.evidence.backend_headers.iter().find(|(name, _)| name == "authorization");
        assert_eq!(arrived.unwrap().1, "Bearer [token]");
        assert!(!seen.evidence.logs.concat().contains("eyJ"), "{:?}", seen.evidence.logs);
    }
    // The canary is no flow of the round, and the issuer is asked once for all of them.
    assert_eq!(server.state().count("pods/issuer-6d5f-abcde/exec"), 1);
    server.state().fail(Fault::always("pods/issuer-6d5f-abcde/exec", What::Status(503)));
    let seen = observe(&mut live, &flows[..1]);
    assert!(matches!(&seen[0].outcome, Some(Outcome::ProbeError(why)) if why.contains("503")), "{seen:?}");
}

#[test]
fn where_the_cni_stands_alone_it_is_who_denied() {
    let server = shop();
    let cluster = connect(&server);
    let told = |denial: Denied, flows: &[Flow]| {
        let options = Options { unobserved: Some(BTreeSet::from([denial])), ..options() };
        let mut live = Live::new(&cluster, options, None).unwrap();
        observe(&mut live, flows).into_iter().map(|seen| seen.evidence.denied_by).collect::<Vec<_>>()
    };
    let (dropped, open) = (flow("intruder", 8080, true), flow("intruder", 8081, false));
    let (closed, other) = (flow("intruder", 9999, false), flow("client", 8081, false));
    // The intruder's network works: something came back to it.
    assert_eq!(told(Denied::Drop, &[dropped.clone(), open.clone()]), [Some(Layer::Cni), None]);
    // A pod to which nothing comes back may be cut off, whatever others get.
    assert_eq!(told(Denied::Drop, &[dropped.clone(), other]), [None, None]);
    // On this CNI denials look otherwise; and a port on which nobody listens is no denial on any.
    assert_eq!(told(Denied::IcmpError, &[dropped, open.clone()]), [None, None]);
    assert_eq!(told(Denied::Reset, &[closed, open]), [None, None]);
}

#[test]
fn flows_from_outside_start_on_this_machine() {
    let server = shop();
    let cluster = connect(&server);
    let node = server.state().address("shop", "web-6d5f-abcde");
    let object = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-1"},
        "status": {"addresses": [{"type": "InternalIP", "address": node.to_string()}]}});
    let path = "/api/v1/nodes/worker-1?fieldManager=test&force=true";
    let made = cluster.send(&ApiCall { verb: Verb::Apply, path, body: Some(&object), user: None }).unwrap();
    assert!(made.accepted(), "{made:?}");
    let to_node =
        Flow { from: Source::Outside, to: Destination::Node("worker-1".to_owned()), ..flow("client", 8080, true) };
    let to_pod = Flow { from: Source::Outside, ..flow("client", 8080, true) };
    let nowhere = Live::new(&cluster, options(), None).unwrap();
    assert!(nowhere.refuses(&to_node).unwrap().contains("no program is named"));
    let [program, role] = PROBE.map(str::to_owned);
    let outside = Outside::Probe(Dialler { program: program.into(), role: vec![role], reaches_pods: false });
    let mut live = Live::new(&cluster, Options { outside, ..options() }, None).unwrap();
    assert!(live.refuses(&to_pod).unwrap().contains("no way to a pod's address"));
    assert_eq!(live.refuses(&to_node), None);
    let seen = &observe(&mut live, &[to_node])[0];
    assert_eq!(seen.outcome, Some(Outcome::Http(200)));
    assert_eq!(seen.evidence.answered_by.as_deref(), Some("shop/web"));
    assert_eq!(server.state().count("/exec?"), 0);
}
