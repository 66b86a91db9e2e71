//! Flows as the probe dials them.

use std::net::IpAddr;

use airtight_model::path::{Destination, Flow, Source};
use airtight_model::policy::{Request, Token};
use airtight_model::world::{Protocol, service_host};
use airtight_probe::wire;

use crate::options::Options;
use crate::origin::Origin;
use crate::outside::Outside;
use crate::places::{Places, Unavailable};

/// The port of resolvers.
const DNS: u16 = 53;

/// Ports on nodes whose servers speak TLS (Kubernetes "Ports and Protocols").
const API_SERVER: u16 = 6443;
const KUBELET: u16 = 10250;

/// The port of istiod at which proxies ask over TLS (Istio "Ports used by Istio").
const ISTIOD: u16 = 15012;

/// A flow with its places: from where, and what is tried there.
pub(super) struct Attempt {
    pub(super) from: Origin,
    pub(super) what: wire::Attempt,
    /// Through which tunnel of the mesh it goes, where a proxy would send it through one.
    pub(super) tunnel: Option<wire::Tunnel>,
    /// What its request has for a `user-agent`, and no other one does.
    pub(super) mark: Option<String>,
}

/// What flows are made with.
pub(super) struct Means<'a> {
    pub(super) places: &'a Places,
    pub(super) options: &'a Options,
    /// A token as it is sent.
    pub(super) bearer: &'a dyn Fn(&Token) -> Result<String, Unavailable>,
}

/// The attempt of a flow, or why there is none. A request without a `user-agent` gets `mark` for one, so that the
/// logs of proxies tell it from all others.
pub(super) fn attempt(flow: &Flow, means: &Means<'_>, mark: &str) -> Result<Attempt, Unavailable> {
    let from = source(&flow.from, means)?;
    refuse_what_cannot_start(flow, means.places)?;
    if !flow.after.is_empty() {
        return Err(Unavailable::Permanently("refused: objects are not changed before a flow here".to_owned()));
    }
    let (host, port) = match &from {
        Origin::Pod(_) => (host(&flow.to, means.places)?, flow.port),
        Origin::Outside => from_outside(flow, means)?,
    };
    let target = || target(flow, host.clone(), port);
    let mut own = None;
    let what = match (&flow.to, flow.protocol) {
        (Destination::Name(name), protocol) => lookup(name, protocol)?,
        (_, Protocol::Tcp) => match &flow.request {
            Some(asked) => {
                let mut request = request(asked, means)?;
                own = marked(&mut request, mark);
                wire::Attempt::Http(wire::HttpExchange { to: target()?, tls: tls(flow), request })
            }
            None => over_tcp(flow, target()?),
        },
        (_, Protocol::Udp) => wire::Attempt::Udp(exchange(target()?)),
        (_, Protocol::Icmp) => wire::Attempt::Ping(wire::Ping { host: host.clone(), family: wire::Family::Any }),
        (_, protocol @ Protocol::Sctp) => return Err(no_protocol(protocol)),
    };
    let tunnel = tunnel(flow, means.places)?;
    Ok(Attempt { from, what, tunnel, mark: own })
}

/// Flows that would end for a reason that no policy has, or that a probe cannot open in its pod's stead.
fn refuse_what_cannot_start(flow: &Flow, places: &Places) -> Result<(), Unavailable> {
    let never = |why: &str| Err(Unavailable::Permanently(format!("refused: {why}")));
    match (&flow.from, &flow.to) {
        (_, Destination::Address(IpAddr::V6(_))) if !places.has_ipv6() => {
            never("the cluster's network has no IPv6; a cluster with two families has")
        }
        (Source::Workload(..) | Source::Outside | Source::Node(_) | Source::Kubelet | Source::User(_), _) => Ok(()),
    }
}

/// The tunnel in which a proxy of the mesh would carry a flow. What the CNI does to the same flow in clear says nothing
/// of it.
fn tunnel(flow: &Flow, places: &Places) -> Result<Option<wire::Tunnel>, Unavailable> {
    let Source::Workload(namespace, name) = &flow.from else { return Ok(None) };
    match (flow.protocol, flow.port) {
        (Protocol::Tcp, Some(port)) => places.tunnel(namespace, name, &flow.to, port),
        (Protocol::Tcp, None) | (Protocol::Udp | Protocol::Sctp | Protocol::Icmp, _) => Ok(None),
    }
}

fn source(from: &Source, means: &Means<'_>) -> Result<Origin, Unavailable> {
    let never = |why: &str| Err(Unavailable::Permanently(format!("refused: {why}")));
    match from {
        Source::Workload(namespace, name) => means.places.probe(namespace, name).cloned().map(Origin::Pod),
        Source::Outside => match &means.options.outside {
            Outside::Probe(_) => Ok(Origin::Outside),
            Outside::Nowhere(why) => never(why),
        },
        Source::Node(name) => means.places.node_probe(name).cloned().map(Origin::Pod),
        Source::Kubelet => never("the kubelet dials by probes alone"),
        Source::User(user) => never(&format!("requests to the API server are not made as {user}")),
    }
}

fn host(to: &Destination, places: &Places) -> Result<String, Unavailable> {
    match to {
        Destination::Service(namespace, name) => Ok(service_host(namespace, name)),
        Destination::Pod(namespace, name) => places.pod_address(namespace, name).map(|address| address.to_string()),
        Destination::Host(name) | Destination::Name(name) => Ok(name.clone()),
        Destination::Address(address) => Ok(address.to_string()),
        Destination::Gateway(namespace, name) => places.gateway(namespace, name).map(str::to_owned),
        Destination::Node(name) => places.node(name).map(|address| address.to_string()),
        Destination::Object(change) => Err(Unavailable::Permanently(format!("refused: {change} is no flow of a pod"))),
    }
}

/// From outside there is a way to nodes, and to gateways through their Services. Where there is none anyway, a flow
/// that does not arrive would tell nothing about policies.
fn from_outside(flow: &Flow, means: &Means<'_>) -> Result<(String, Option<u16>), Unavailable> {
    let places = means.places;
    let never =
        |what: &str| Err(Unavailable::Permanently(format!("refused: {what} from outside, whatever the policies are")));
    match &flow.to {
        Destination::Gateway(namespace, name) => {
            let port = flow.port.ok_or_else(|| no_port(flow))?;
            let (host, port) = places.entrance(namespace, name, port)?;
            Ok((host, Some(port)))
        }
        Destination::Node(name) => Ok((places.node(name)?.to_string(), flow.port)),
        Destination::Service(..) => never("there is no way to a Service's own address"),
        Destination::Pod(namespace, name) if means.options.outside.reaches_pods() => {
            Ok((places.pod_address(namespace, name)?.to_string(), flow.port))
        }
        Destination::Pod(..) => never("there is no way to a pod's address"),
        Destination::Host(_) | Destination::Name(_) | Destination::Address(_) => {
            never("what is outside too is not reached through the cluster")
        }
        Destination::Object(change) => Err(Unavailable::Permanently(format!("refused: {change} is no flow"))),
    }
}

fn no_port(flow: &Flow) -> Unavailable {
    Unavailable::Permanently(format!("refused: {flow} names no port"))
}

fn target(flow: &Flow, host: String, port: Option<u16>) -> Result<wire::Target, Unavailable> {
    let port = port.ok_or_else(|| no_port(flow))?;
    Ok(wire::Target { host, port, family: wire::Family::Any })
}

/// What is said there: servers answer their own protocol, and a resolver nothing else.
fn exchange(to: wire::Target) -> wire::Exchange {
    let say = if to.port == DNS { wire::Say::Dns } else { wire::Say::Nonce };
    wire::Exchange { to, say }
}

/// The search list of the pod applies, as it would to any other client in it.
fn lookup(name: &str, protocol: Protocol) -> Result<wire::Attempt, Unavailable> {
    match protocol {
        Protocol::Udp => Ok(wire::Attempt::Lookup(wire::Lookups { name: name.to_owned(), family: wire::Family::Any })),
        Protocol::Tcp => {
            Err(Unavailable::Permanently("refused: the probe asks over UDP first, as resolvers do".to_owned()))
        }
        Protocol::Sctp | Protocol::Icmp => Err(no_protocol(protocol)),
    }
}

fn no_protocol(protocol: Protocol) -> Unavailable {
    Unavailable::Permanently(format!("refused: the probe does not speak {protocol}"))
}

/// Whom a client trusts is not what a policy decides: the server's own certificate is not verified.
fn tls(flow: &Flow) -> Option<wire::Tls> {
    flow.tls.as_ref().map(|name| wire::Tls { server_name: Some(name.clone()), ..wire::Tls::default() })
}

fn over_tcp(flow: &Flow, to: wire::Target) -> wire::Attempt {
    match tls(flow).or_else(|| speaks_tls(flow).then(wire::Tls::default)) {
        Some(tls) => wire::Attempt::Tls(wire::TlsExchange { to, tls, say: None }),
        None => wire::Attempt::Tcp(exchange(to)),
    }
}

/// Whether a server of the platform itself is dialled, which answers TLS alone: the API server, a node's kubelet, or
/// istiod.
fn speaks_tls(flow: &Flow) -> bool {
    match &flow.to {
        Destination::Node(_) => matches!(flow.port, Some(API_SERVER | KUBELET)),
        Destination::Service(namespace, name) => match namespace.as_str() {
            "default" => name == "kubernetes",
            "istio-system" => name.starts_with("istiod") && matches!(flow.port, Some(443 | ISTIOD)),
            _ => false,
        },
        Destination::Pod(..)
        | Destination::Host(_)
        | Destination::Name(_)
        | Destination::Address(_)
        | Destination::Gateway(..)
        | Destination::Object(_) => false,
    }
}

fn request(asked: &Request, means: &Means<'_>) -> Result<wire::Request, Unavailable> {
    let Request { method, path, host, headers, token } = asked;
    let bearer = token.as_ref().map(means.bearer).transpose()?;
    let bearer = bearer.map(|token| ("authorization".to_owned(), format!("Bearer {token}")));
    Ok(wire::Request {
        method: method.clone(),
        path: path.clone(),
        host: Some(host.clone()),
        headers: headers.iter().cloned().chain(bearer).collect(),
        ..wire::Request::default()
    })
}

/// Marks a request that names no client of its own.
fn marked(request: &mut wire::Request, mark: &str) -> Option<String> {
    const NAME: &str = "user-agent";
    if request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(NAME)) {
        return None;
    }
    request.headers.push((NAME.to_owned(), mark.to_owned()));
    Some(mark.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use airtight_cluster::{ApiAnswer, ApiCall, Cluster, Container, Execution};
    use airtight_manifest::Failure;
    use airtight_model::policy::TokenState;
    use serde_json::{Value, json};

    use super::*;
    use crate::outside::Dialler;

    /// A cluster that only lists.
    struct Listed;

    impl Cluster for Listed {
        fn send(&self, request: &ApiCall<'_>) -> Result<ApiAnswer, Failure> {
            let items = match request.path.split('?').next().unwrap() {
                "/api/v1/pods" => json!([pod("client", "airtight-probe:dev"), pod("proxy", "istio/proxyv2:1.26.2")]),
                "/api/v1/nodes" => json!([{"metadata": {"name": "worker-1"}, "status": {"addresses":
                    [{"type": "Hostname", "address": "w"}, {"type": "InternalIP", "address": "172.18.0.3"}]}}]),
                "/api/v1/services" => json!([{"metadata": {"namespace": "edge", "name": "late-istio",
                    "labels": {"gateway.networking.k8s.io/gateway-name": "late"}}, "spec": {"clusterIP": "10.96.0.7",
                    "ports": [{"port": 8080, "nodePort": 30080}]}},
                    {"metadata": {"namespace": "edge", "name": "inner"}, "spec": {"clusterIP": "10.96.0.8",
                    "ports": [{"port": 8080}]}}]),
                _ => json!([
                    {"metadata": {"namespace": "edge", "name": "front"},
                        "status": {"addresses": [{"type": "IPAddress", "value": "172.20.0.9"}]}},
                    {"metadata": {"namespace": "edge", "name": "late"},
                        "status": {"addresses": [{"type": "IPAddress", "value": "10.96.0.7"}]}},
                    {"metadata": {"namespace": "edge", "name": "inner"}},
                    {"metadata": {"namespace": "edge", "name": "never"}},
                ]),
            };
            Ok(ApiAnswer { status: 200, body: json!({"items": items}) })
        }

        fn exec(&self, _: &Container, _: &[&str], _: &[u8], _: Duration) -> Result<Execution, Failure> {
            unreachable!("nothing is run")
        }

        fn logs(&self, _: &Container, _: jiff::Timestamp) -> Result<String, Failure> {
            unreachable!("nothing is read")
        }
    }

    fn pod(name: &str, image: &str) -> Value {
        json!({
            "metadata": {"namespace": "shop", "name": name},
            "spec": {"containers": [{"name": "main", "image": image}]},
            "status": {"phase": "Running", "podIP": "10.0.0.5",
                "podIPs": [{"ip": "10.0.0.5"}, {"ip": "fd00::5"}], "conditions": [{"type": "Ready", "status": "True"}],
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

    fn made(flow: &Flow) -> Result<Attempt, Unavailable> {
        let places = Places::read(&Listed, "airtight-probe:dev").unwrap();
        let probe = Dialler { program: "probe".into(), role: Vec::new(), reaches_pods: false };
        let options = Options { outside: Outside::Probe(probe), ..Options::default() };
        let bearer = |token: &Token| match token.issuer.as_str() {
            "https://here.example.com" => Ok("a.b.c".to_owned()),
            issuer => Err(Unavailable::Permanently(format!("refused: no token of {issuer}"))),
        };
        attempt(flow, &Means { places: &places, options: &options, bearer: &bearer }, "airtight-1/1")
    }

    fn tried(flow: &Flow) -> Result<Value, Unavailable> {
        made(flow).map(|attempt| serde_json::to_value(attempt.what).unwrap())
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
        assert_eq!(sent["headers"], json!([["X-A", "1"], ["x-a", "2"], ["user-agent", "airtight-1/1"]]));
    }

    fn asked(headers: &[(&str, &str)], issuer: Option<&str>) -> Request {
        let token = issuer.map(|issuer| Token {
            issuer: issuer.to_owned(),
            subject: String::new(),
            audiences: Vec::new(),
            claims: BTreeMap::new(),
            state: TokenState::Valid,
        });
        Request {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: "a.example".to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            token,
        }
    }

    #[test]
    fn a_request_brings_its_token_and_keeps_its_own_name() {
        let to = || Destination::Host("a.example".to_owned());
        let own = asked(&[("User-Agent", "curl")], Some("https://here.example.com"));
        let made = made(&Flow { request: Some(own), ..flow(to()) }).ok().unwrap();
        assert_eq!(made.mark, None);
        let sent = serde_json::to_value(made.what).unwrap();
        let headers = json!([["User-Agent", "curl"], ["authorization", "Bearer a.b.c"]]);
        assert_eq!(sent["http"]["request"]["headers"], headers);
    }

    #[test]
    fn from_outside_gateways_are_entered_through_their_services() {
        let gateway = |name: &str| Destination::Gateway("edge".to_owned(), name.to_owned());
        let outside = |to| made(&Flow { from: Source::Outside, ..flow(to) });
        let dialled = |to| serde_json::to_value(outside(to).ok().unwrap().what).unwrap()["tcp"]["to"].clone();
        for (name, host, port) in [("front", "172.20.0.9", 8080), ("late", "172.18.0.3", 30080)] {
            let to = dialled(gateway(name));
            assert_eq!((&to["host"], &to["port"]), (&json!(host), &json!(port)), "{name}");
        }
        assert_eq!(dialled(Destination::Node("worker-1".to_owned()))["host"], "172.18.0.3");
        assert!(
            matches!(outside(gateway("inner")), Err(Unavailable::Permanently(why)) if why.contains("no port of a node"))
        );
        let pod = Destination::Pod("shop".to_owned(), "proxy".to_owned());
        assert!(
            matches!(outside(pod), Err(Unavailable::Permanently(why)) if why.contains("no way to a pod's address"))
        );
    }

    #[test]
    fn what_cannot_be_tried_here_says_so() {
        let never = |flow: &Flow, part: &str| match tried(flow) {
            Err(Unavailable::Permanently(why)) => assert!(why.contains(part), "{why}"),
            other => panic!("{other:?}"),
        };
        let host = || Destination::Host("a.example".to_owned());
        let proxy = Source::Workload("shop".to_owned(), "proxy".to_owned());
        never(&Flow { from: proxy, ..flow(host()) }, "no container of shop/proxy is a probe");
        never(&flow(Destination::Node("worker-9".to_owned())), "there are: worker-1");
        never(&Flow { protocol: Protocol::Sctp, ..flow(host()) }, "does not speak SCTP");
        let request = asked(&[], Some("https://id.example.com"));
        never(&Flow { request: Some(request), ..flow(host()) }, "no token of https://id.example.com");
    }

    #[test]
    fn what_is_missing_may_still_come() {
        for to in [
            Destination::Pod("shop".to_owned(), "gone".to_owned()),
            Destination::Gateway("edge".to_owned(), "never".to_owned()),
            Destination::Gateway("edge".to_owned(), "unknown".to_owned()),
        ] {
            assert!(matches!(tried(&flow(to)), Err(Unavailable::Temporarily(_))));
        }
    }
}
