//! A generated mesh: namespaces in it and out of it, pods, Services behind waypoints, policies and requests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use airtight_manifest::stack::Stack;
use airtight_model::policy::{Claim, Request, Token, TokenState};
use airtight_model::world::{Environment, World, build};
use airtight_testkit::worlds;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::policies;

/// Ports of every Service, by what their names say of the protocol.
pub(super) const PORTS: [(&str, u16); 4] = [("http", 80), ("tcp", 9000), ("auto", 7000), ("tls", 8443)];

/// A mesh before it is built.
#[derive(Clone)]
pub(crate) struct Sketch {
    pods: Vec<Value>,
    /// Whether the second namespace has a waypoint as well.
    second: bool,
    policies: Vec<Value>,
    pub(super) requests: Vec<Request>,
}

static AROUND: LazyLock<Environment> = LazyLock::new(|| {
    let document = json!({
        "apiVersion": "airtight.dev/v1alpha1", "kind": "Environment", "metadata": {"name": "referee"},
        "spec": {
            "nodes": [{"name": "n1", "addresses": ["192.168.0.11"]}],
            "outside": "198.51.100.7", "podCidrs": ["10.244.0.0/16"], "serviceCidrs": ["10.96.0.0/16"],
        },
    });
    let read = worlds::documents(&[document]).first().map(Environment::read);
    read.and_then(Result::ok).unwrap_or_else(|| panic!("the environment is not one"))
});

impl Sketch {
    /// Services behind waypoints, each with the waypoint's namespace.
    pub(super) fn behind_waypoints(&self) -> impl Iterator<Item = ((&'static str, &'static str), &'static str)> {
        let second = self.second.then_some((("n1", "s1"), "n1"));
        [(("n0", "s0"), "n0")].into_iter().chain(second)
    }

    /// Everything but the pods.
    pub(super) fn documents(&self) -> Vec<Value> {
        let mut documents = vec![
            namespace("n0", true, true),
            namespace("n1", true, self.second),
            namespace("n2", false, false),
            namespace("istio-system", false, false),
            service("n0", "s0", "10.96.0.10"),
            service("n1", "s1", "10.96.0.11"),
            gateway("n0"),
        ];
        documents.extend(self.second.then(|| gateway("n1")));
        documents.extend(self.policies.iter().enumerate().map(|(index, policy)| {
            let mut policy = policy.clone();
            policy["metadata"]["name"] = json!(format!("policy-{index}"));
            // The oldest of several counts; which of two that are of one age, istiod leaves to chance.
            policy["metadata"]["creationTimestamp"] = json!(format!("2025-07-04T00:00:0{index}Z"));
            policy
        }));
        documents
    }

    fn objects(&self) -> Vec<Value> {
        let accounts = ["n0", "n1", "n2"].into_iter().flat_map(|namespace| {
            ["robot", "rob"].map(|name| {
                json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": name}})
            })
        });
        let pods = self.pods.iter().enumerate().map(|(index, pod)| {
            let mut pod = pod.clone();
            pod["metadata"]["name"] = json!(format!("p{index}"));
            pod
        });
        self.documents().into_iter().chain(accounts).chain(pods).collect()
    }

    /// The world on a stack.
    pub(super) fn world(&self, stack: Stack) -> World {
        let built = build(&worlds::documents(&self.objects()), &AROUND, stack);
        built.unwrap_or_else(|findings| panic!("{self:?}{findings:#?}")).world
    }
}

/// One object a line, which is YAML as well.
impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for object in self.objects() {
            writeln!(f, "---\n{object}")?;
        }
        writeln!(f, "# {:?}", self.requests)
    }
}

fn namespace(name: &str, meshed: bool, waypoint: bool) -> Value {
    let mut labels = json!({});
    if meshed {
        labels["istio.io/dataplane-mode"] = json!("ambient");
    }
    if waypoint {
        labels["istio.io/use-waypoint"] = json!("wp");
    }
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn service(namespace: &str, name: &str, address: &str) -> Value {
    let ports: Vec<Value> =
        PORTS.iter().map(|(name, port)| json!({"name": name, "port": port, "targetPort": 8080})).collect();
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": name},
        "spec": {"clusterIP": address, "clusterIPs": [address], "selector": {"app": "v0"}, "ports": ports},
    })
}

fn gateway(namespace: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"namespace": namespace, "name": "wp"},
        "spec": {
            "gatewayClassName": "istio-waypoint",
            "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}],
        },
    })
}

fn pod() -> impl Strategy<Value = Value> {
    let namespace = prop::sample::select(vec!["n0", "n0", "n1", "n1", "n2"]);
    let account = prop::sample::select(vec!["default", "robot", "rob"]);
    let app = prop::sample::select(vec!["v0", "v1"]);
    (namespace, account, app).prop_map(|(namespace, account, app)| {
        let ports = [80, 8080, 9000, 9090].map(|port| json!({"containerPort": port}));
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "labels": {"app": app}},
            "spec": {
                "nodeName": "n1", "serviceAccountName": account,
                "containers": [{"name": "main", "image": "main", "ports": ports}],
            },
        })
    })
}

fn token() -> impl Strategy<Value = Token> {
    let issuer = prop::sample::select(policies::ISSUERS.to_vec());
    let subject = prop::sample::select(vec!["alice", "bob", "al", ""]);
    let audiences = prop::sample::subsequence(vec!["shop", "bank"], 0..=2);
    let claim = prop::sample::select(vec![
        ("group", json!("admin")),
        ("group", json!(["admin", "dev"])),
        ("group", json!("admin dev")),
        ("scope", json!("read write")),
        ("scope", json!(["read"])),
        ("level", json!(3)),
        ("staff", json!(true)),
        ("a", json!({"b": "c"})),
        ("a.b", json!("c")),
        ("azp", json!("portal")),
        ("nested", json!({"scope": "read write", "list": ["x", 1]})),
    ]);
    let claims = prop::collection::vec(claim, 0..3);
    let state = prop::sample::select(vec![
        TokenState::Valid,
        TokenState::Valid,
        TokenState::Valid,
        TokenState::Valid,
        TokenState::Expired,
        TokenState::NotYetValid,
        TokenState::Forged,
        TokenState::Unsigned,
    ]);
    (issuer, subject, audiences, claims, state).prop_map(|(issuer, subject, audiences, claims, state)| Token {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        audiences: audiences.into_iter().map(str::to_owned).collect(),
        claims: claims.into_iter().map(|(name, value)| (name.to_owned(), Claim(value))).collect::<BTreeMap<_, _>>(),
        state,
    })
}

/// Paths that some normalisation changes, among others.
const PATHS: [&str; 33] = [
    "/",
    "/api",
    "/api/",
    "/api/v1/users",
    "/api//v1",
    "/admin",
    "/admin/x",
    "/admin/../api",
    "/api/./v1",
    "/%61pi",
    "/a%2Fb",
    "/%2F",
    "/a|b",
    "/a%7Cb",
    "/api?x=1",
    "/api;x",
    "/admin/a*b",
    "/admin/{id}",
    "/admin/a%20b",
    "/API",
    "/api/v1/",
    "/api/v1",
    "/admin/x/y/z",
    "/a\\b",
    "/api%00",
    "/api/%2e%2e/admin",
    "/a\"b",
    "/a^b",
    "/a`b",
    "/~x",
    "/api/v1/users?a=/../b",
    "//api",
    "/admin/%7Bid%7D",
];

const HEADERS: [(&str, &str); 16] = [
    ("x-team", "red"),
    ("X-Team", "blue"),
    ("x-team", ""),
    ("x-other", "red"),
    ("x-forwarded-for", "203.0.113.5"),
    ("x-forwarded-for", "10.1.2.3, 203.0.113.5"),
    ("x-forwarded-proto", "https"),
    ("x-request-id", "abc"),
    ("x-forwarded-client-cert", "By=x"),
    ("te", "trailers"),
    ("x-envoy-internal", "true"),
    ("keep-alive", "1"),
    ("x-envoy-original-path", "/x"),
    ("user-agent", "probe"),
    ("x-claim", "alice"),
    ("accept", "*/*"),
];

fn request() -> impl Strategy<Value = Request> {
    let method = prop::sample::select(vec!["GET", "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "get", "BREW"]);
    let path = prop::sample::select(PATHS.to_vec());
    let host = prop::sample::select(vec!["shop.example.org", "s0.n0", "Shop.Example.org:80", "api.shop.example.org"]);
    let headers = prop::collection::vec(prop::sample::select(HEADERS.to_vec()), 0..3);
    (method, path, host, headers, prop::option::of(token())).prop_map(|(method, path, host, headers, token)| Request {
        method: method.to_owned(),
        path: path.to_owned(),
        host: host.to_owned(),
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        token,
    })
}

/// Any mesh.
pub(super) fn sketch() -> impl Strategy<Value = Sketch> {
    let policies = prop::collection::vec(policies::policy(), 1..=5);
    (prop::collection::vec(pod(), 2..=4), any::<bool>(), policies, prop::collection::vec(request(), 1..=6))
        .prop_map(|(pods, second, policies, requests)| Sketch { pods, second, policies, requests })
}
