//! Flows as the probe dials them.

use airtight_probe::wire;

use super::cluster::Container;
use super::places::{Missing, Places};
use crate::path::{Destination, Flow, Source};
use crate::policy::Request;
use crate::world::Protocol;

/// A flow with its places: from where, and what is tried there.
pub(super) struct Attempt {
    pub(super) from: Container,
    pub(super) what: wire::Attempt,
}

/// The attempt of a flow, or why there is none.
pub(super) fn attempt(flow: &Flow, places: &Places) -> Result<Attempt, Missing> {
    let from = source(&flow.from, places)?;
    if !flow.after.is_empty() {
        return Err(Missing::Never("refused: objects are not changed before a flow here".to_owned()));
    }
    let host = host(&flow.to, places)?;
    let what = match (&flow.to, flow.protocol) {
        (Destination::Name(name), protocol) => lookup(name, protocol)?,
        (_, Protocol::Tcp) => over_tcp(flow, target(flow, host)?)?,
        (_, Protocol::Udp) => wire::Attempt::Udp(exchange(target(flow, host)?)),
        (_, protocol @ (Protocol::Sctp | Protocol::Icmp)) => return Err(no_protocol(protocol)),
    };
    Ok(Attempt { from: from.clone(), what })
}

fn source<'p>(from: &Source, places: &'p Places) -> Result<&'p Container, Missing> {
    let never = |why: &str| Err(Missing::Never(format!("refused: {why}")));
    match from {
        Source::Workload(namespace, name) => places.probe(namespace, name),
        Source::Outside => never("no probe stands outside the cluster"),
        Source::Node(name) => never(&format!("no probe runs on node {name} itself")),
        Source::Kubelet => never("the kubelet dials nobody on demand"),
        Source::User(user) => never(&format!("requests to the API server are not made as {user}")),
    }
}

fn host(to: &Destination, places: &Places) -> Result<String, Missing> {
    match to {
        Destination::Service(namespace, name) => Ok(format!("{name}.{namespace}.svc.cluster.local")),
        Destination::Pod(namespace, name) => places.pod_address(namespace, name).map(|address| address.to_string()),
        Destination::Host(name) | Destination::Name(name) => Ok(name.clone()),
        Destination::Address(address) => Ok(address.to_string()),
        Destination::Gateway(namespace, name) => places.gateway(namespace, name).map(str::to_owned),
        Destination::Node(name) => places.node(name).map(|address| address.to_string()),
        Destination::Object(change) => Err(Missing::Never(format!("refused: {change} is no flow of a pod"))),
    }
}

fn target(flow: &Flow, host: String) -> Result<wire::Target, Missing> {
    let port = flow.port.ok_or_else(|| Missing::Never(format!("refused: {flow} names no port")))?;
    Ok(wire::Target { host, port, family: wire::Family::Any })
}

fn exchange(to: wire::Target) -> wire::Exchange {
    wire::Exchange { to, say: wire::Say::Nonce }
}

/// The search list of the pod applies, as it would to any other client in it.
fn lookup(name: &str, protocol: Protocol) -> Result<wire::Attempt, Missing> {
    match protocol {
        Protocol::Udp => Ok(wire::Attempt::Lookup(wire::Lookups { name: name.to_owned(), family: wire::Family::Any })),
        Protocol::Tcp => Err(Missing::Never("refused: the probe asks over UDP first, as resolvers do".to_owned())),
        Protocol::Sctp | Protocol::Icmp => Err(no_protocol(protocol)),
    }
}

fn no_protocol(protocol: Protocol) -> Missing {
    Missing::Never(format!("refused: the probe does not speak {protocol}"))
}

fn over_tcp(flow: &Flow, to: wire::Target) -> Result<wire::Attempt, Missing> {
    // Whom a client trusts is not what a policy decides: the server's own certificate is not verified.
    let tls = flow.tls.as_ref().map(|name| wire::Tls { server_name: Some(name.clone()), ..wire::Tls::default() });
    Ok(match (&flow.request, tls) {
        (Some(asked), tls) => wire::Attempt::Http(wire::HttpExchange { to, tls, request: request(asked)? }),
        (None, Some(tls)) => wire::Attempt::Tls(wire::TlsExchange { to, tls, say: None }),
        (None, None) => wire::Attempt::Tcp(exchange(to)),
    })
}

fn request(asked: &Request) -> Result<wire::Request, Missing> {
    let Request { method, path, host, headers, token } = asked;
    if let Some(token) = token {
        return Err(Missing::Never(format!("refused: no token of {} can be had", token.issuer)));
    }
    Ok(wire::Request {
        method: method.clone(),
        path: path.clone(),
        host: Some(host.clone()),
        headers: headers.clone(),
        ..wire::Request::default()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::policy::{Token, TokenState};
    use crate::testbed::live::cluster::{ApiAnswer, ApiCall, CallError, Cluster, Execution};

    /// A cluster that only lists.
    struct Listed;

    impl Cluster for Listed {
        fn send(&self, request: &ApiCall<'_>) -> Result<ApiAnswer, CallError> {
            let items = match request.path.split('?').next().unwrap() {
                "/api/v1/pods" => json!([pod("client", "airtight-probe:dev"), pod("proxy", "istio/proxyv2:1.26.2")]),
                "/api/v1/nodes" => json!([{"metadata": {"name": "worker-1"}, "status": {"addresses":
                    [{"type": "Hostname", "address": "w"}, {"type": "InternalIP", "address": "172.18.0.3"}]}}]),
                "/api/v1/services" => json!([{"metadata": {"namespace": "edge", "name": "late-istio",
                    "labels": {"gateway.networking.k8s.io/gateway-name": "late"}}, "spec": {"clusterIP": "10.96.0.7"}}]),
                _ => json!([
                    {"metadata": {"namespace": "edge", "name": "front"},
                        "status": {"addresses": [{"type": "IPAddress", "value": "172.20.0.9"}]}},
                    {"metadata": {"namespace": "edge", "name": "late"}},
                    {"metadata": {"namespace": "edge", "name": "never"}},
                ]),
            };
            Ok(ApiAnswer { status: 200, body: json!({"items": items}) })
        }

        fn exec(&self, _: &Container, _: &[&str], _: &[u8], _: Duration) -> Result<Execution, CallError> {
            unreachable!("nothing is run")
        }

        fn logs(&self, _: &Container, _: jiff::Timestamp) -> Result<String, CallError> {
            unreachable!("nothing is read")
        }
    }

    fn pod(name: &str, image: &str) -> Value {
        json!({
            "metadata": {"namespace": "shop", "name": name},
            "spec": {"containers": [{"name": "main", "image": image}]},
            "status": {"phase": "Running", "podIP": "10.0.0.5", "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "main", "state": {"running": {}}}]},
        })
    }

    fn flow(to: Destination) -> Flow {
        Flow {
            from: Source::Workload("shop".to_owned(), "client".to_owned()),
            to,
            protocol: Protocol::Tcp,
            port: Some(8080),
            request: None,
            tls: None,
            after: Vec::new(),
        }
    }

    fn tried(flow: &Flow) -> Result<Value, Missing> {
        let places = Places::read(&Listed, "airtight-probe:dev").unwrap();
        attempt(flow, &places).map(|attempt| serde_json::to_value(attempt.what).unwrap())
    }

    fn name(namespace: &str, name: &str) -> (String, String) {
        (namespace.to_owned(), name.to_owned())
    }

    #[test]
    fn each_destination_is_dialled_where_it_is() {
        let service = |(namespace, name)| Destination::Service(namespace, name);
        let gateway = |(namespace, name)| Destination::Gateway(namespace, name);
        for (to, host) in [
            (service(name("shop", "api")), "api.shop.svc.cluster.local"),
            (Destination::Pod("shop".to_owned(), "proxy".to_owned()), "10.0.0.5"),
            (Destination::Host("api.openai.com".to_owned()), "api.openai.com"),
            (Destination::Address("2001:db8::1".parse().unwrap()), "2001:db8::1"),
            (gateway(name("edge", "front")), "172.20.0.9"),
            (gateway(name("edge", "late")), "10.96.0.7"),
            (Destination::Node("worker-1".to_owned()), "172.18.0.3"),
        ] {
            let tried = tried(&flow(to)).unwrap();
            assert_eq!((&tried["tcp"]["to"]["host"], &tried["tcp"]["to"]["port"]), (&json!(host), &json!(8080)));
        }
        let lookup = Flow { protocol: Protocol::Udp, ..flow(Destination::Name("a.example".to_owned())) };
        assert_eq!(tried(&lookup).unwrap()["lookup"]["name"], "a.example");
    }

    #[test]
    fn a_request_is_sent_as_it_is_written() {
        let request = Request {
            method: "get".to_owned(),
            path: "//a/../b%2e".to_owned(),
            host: "api.example.com".to_owned(),
            headers: vec![("X-A".to_owned(), "1".to_owned()), ("x-a".to_owned(), "2".to_owned())],
            token: None,
        };
        let to = Destination::Host("api.example.com".to_owned());
        let flow = Flow { request: Some(request), tls: Some("other.example.com".to_owned()), ..flow(to) };
        let tried = &tried(&flow).unwrap()["http"];
        assert_eq!(tried["tls"]["serverName"], "other.example.com");
        let sent = &tried["request"];
        assert_eq!((&sent["method"], &sent["path"]), (&json!("get"), &json!("//a/../b%2e")));
        assert_eq!(sent["headers"], json!([["X-A", "1"], ["x-a", "2"]]));
    }

    #[test]
    fn what_cannot_be_tried_here_says_so() {
        let never = |flow: &Flow, part: &str| match tried(flow) {
            Err(Missing::Never(why)) => assert!(why.contains(part), "{why}"),
            other => panic!("{other:?}"),
        };
        let host = || Destination::Host("a.example".to_owned());
        let proxy = Source::Workload("shop".to_owned(), "proxy".to_owned());
        never(&Flow { from: proxy, ..flow(host()) }, "no container of shop/proxy is a probe");
        never(&flow(Destination::Node("worker-9".to_owned())), "there are: worker-1");
        never(&Flow { protocol: Protocol::Sctp, ..flow(host()) }, "does not speak SCTP");
        let token = Token {
            issuer: "https://id.example.com".to_owned(),
            subject: String::new(),
            audiences: Vec::new(),
            claims: std::collections::BTreeMap::new(),
            state: TokenState::Valid,
        };
        let request = Request {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: "a.example".to_owned(),
            headers: Vec::new(),
            token: Some(token),
        };
        never(&Flow { request: Some(request), ..flow(host()) }, "no token of https://id.example.com");
    }

    #[test]
    fn what_is_missing_may_still_come() {
        for to in [
            Destination::Pod("shop".to_owned(), "gone".to_owned()),
            Destination::Gateway("edge".to_owned(), "never".to_owned()),
            Destination::Gateway("edge".to_owned(), "unknown".to_owned()),
        ] {
            assert!(matches!(tried(&flow(to)), Err(Missing::Now(_))));
        }
    }
}
