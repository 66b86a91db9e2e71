//! Worlds in which a law once did not hold.

use std::collections::BTreeSet;

use airtight_model::path::{Destination, End, Flow, Source, Trace};
use airtight_model::policy::{Checkpoint, Layer, Outcome, Rcode, Request};
use airtight_model::world::{Protocol, World};

use super::sketch::{traces, world_of};
use super::standing::Standing;

const SHOP: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: plain}}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop, labels: {app: client}}
spec: {nodeName: n1, containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: server, namespace: shop, labels: {app: server}}
spec: {nodeName: n1, containers: [{name: c, image: i, ports: [{name: web, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: stranger, namespace: plain, labels: {app: stranger}}
spec: {nodeName: n1, containers: [{name: c, image: i, ports: [{name: web, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: shop}
spec: {selector: {app: server}, ports: [{name: http, port: 80, targetPort: web}]}
";

/// A waypoint of the Service.
const WAYPOINT: &str = "
apiVersion: v1
kind: Service
metadata: {name: guarded, namespace: shop, labels: {istio.io/use-waypoint: waypoint}}
spec: {selector: {app: server}, ports: [{name: http, port: 80, targetPort: web}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: shop, labels: {istio.io/waypoint-for: service}}
spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
";

/// A gateway to the world outside.
const EDGE: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: plain}
spec:
  gatewayClassName: kgateway
  listeners: [{name: http, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
";

fn world(parts: &[&str]) -> World {
    world_of(&parts.join("\n---\n"), true)
}

fn flow(from: (&str, &str), to: Destination, port: u16) -> Flow {
    let from = Source::Workload(from.0.to_owned(), from.1.to_owned());
    Flow { from, to, protocol: Protocol::Tcp, port: Some(port), request: None, tls: None, after: Vec::new() }
}

fn pod(namespace: &str, name: &str) -> Destination {
    Destination::Pod(namespace.to_owned(), name.to_owned())
}

fn service(namespace: &str, name: &str) -> Destination {
    Destination::Service(namespace.to_owned(), name.to_owned())
}

fn asking(flow: Flow, path: &str) -> Flow {
    let request = Request {
        method: "GET".to_owned(),
        path: path.to_owned(),
        host: "shop.example.org".to_owned(),
        headers: Vec::new(),
        token: None,
    };
    Flow { request: Some(request), ..flow }
}

fn from_outside(path: &str) -> Flow {
    let to = Destination::Gateway("plain".to_owned(), "edge".to_owned());
    asking(Flow { from: Source::Outside, ..flow(("", ""), to, 8080) }, path)
}

fn trace(world: &World, flow: Flow) -> Trace {
    traces(world, &[flow]).remove(0)
}

/// Names of the objects that decide at a checkpoint.
fn deciding(trace: &Trace, checkpoint: Checkpoint) -> BTreeSet<String> {
    let checks = trace.checks().filter(|check| check.checkpoint == checkpoint);
    checks.flat_map(|check| &check.decision.rules).map(|rule| rule.object.name.to_string()).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn authorization(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: shop}}\nspec: {spec}"
    )
}

/// Removing the one that ztunnel stops at would change nothing.
#[test]
fn every_matching_policy_of_ztunnel_is_named() {
    let deny = "{action: DENY, rules: [{from: [{source: {namespaces: [shop]}}]}]}";
    let allow = "{action: ALLOW, rules: [{}]}";
    let flow = flow(("shop", "client"), pod("shop", "server"), 8080);
    let denied = world(&[SHOP, &authorization("one", deny), &authorization("two", deny)]);
    let trace = |world| trace(world, flow.clone());
    assert_eq!(deciding(&trace(&denied), Checkpoint::ZtunnelInbound), names(&["one", "two"]));
    let allowed = world(&[SHOP, &authorization("one", allow), &authorization("two", allow)]);
    assert_eq!(deciding(&trace(&allowed), Checkpoint::ZtunnelInbound), names(&["one", "two"]));
}

#[test]
fn every_matching_policy_of_a_waypoint_is_named() {
    let spec = |action| {
        format!("{{action: {action}, targetRefs: [{{kind: Service, group: '', name: guarded}}], rules: [{{}}]}}")
    };
    for action in ["DENY", "ALLOW"] {
        let world =
            world(&[SHOP, WAYPOINT, &authorization("one", &spec(action)), &authorization("two", &spec(action))]);
        let trace = trace(&world, asking(flow(("shop", "client"), service("shop", "guarded"), 80), "/"));
        let named = deciding(&trace, Checkpoint::Waypoint);
        assert!(named.is_superset(&names(&["one", "two"])), "{action}: {named:?}");
    }
}

/// Without the exception, STRICT would refuse the plaintext.
#[test]
fn an_exception_from_strict_is_named() {
    let peers = |name: &str, namespace: &str, spec: &str| {
        format!(
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}"
        )
    };
    let strict = peers("mesh", "istio-system", "{mtls: {mode: STRICT}}");
    let lenient = peers("lenient", "shop", "{selector: {matchLabels: {app: server}}, mtls: {mode: PERMISSIVE}}");
    let world = world(&[SHOP, &strict, &lenient]);
    let trace = trace(&world, flow(("plain", "stranger"), pod("shop", "server"), 8080));
    assert_eq!(Standing::of(&trace), Standing::Through(Outcome::Connected));
    assert_eq!(deciding(&trace, Checkpoint::ZtunnelInbound), names(&["lenient"]));
}

#[test]
fn the_rule_that_verified_a_token_is_named() {
    let verifier = "
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: shop}
spec:
  targetRefs: [{kind: Service, group: '', name: guarded}]
  jwtRules: [{issuer: issuer, jwksUri: 'https://issuer.example.com/keys'}]
";
    let allow = "{targetRefs: [{kind: Service, group: '', name: guarded}], rules: [{from: [{source: {requestPrincipals: ['*']}}]}]}";
    let world = world(&[SHOP, WAYPOINT, verifier, &authorization("users", allow)]);
    let mut flow = asking(flow(("shop", "client"), service("shop", "guarded"), 80), "/");
    let token = serde_json::from_str(r#"{"issuer": "issuer", "subject": "user"}"#).unwrap();
    flow.request.as_mut().unwrap().token = Some(token);
    let trace = trace(&world, flow);
    assert_eq!(Standing::of(&trace), Standing::Through(Outcome::Http(200)));
    assert!(deciding(&trace, Checkpoint::Waypoint).is_superset(&names(&["tokens", "users"])));
}

fn route(name: &str, namespace: &str, hosts: &str, path: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec:\n  parentRefs: [{{name: edge, namespace: plain}}]\n  hostnames: {hosts}\n  rules:\n  \
         - matches: [{{path: {{type: PathPrefix, value: {path}}}}}]\n    \
         backendRefs: [{{name: server, namespace: shop, port: 80}}]"
    )
}

/// Without the grant, the gateway would answer 500.
#[test]
fn the_grant_for_a_backend_is_named() {
    let grant = "
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: consent, namespace: shop}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: plain}]
  to: [{group: '', kind: Service}]
";
    let world = world(&[SHOP, EDGE, grant, &route("api", "plain", "[shop.example.org]", "/")]);
    let trace = trace(&world, from_outside("/"));
    assert_eq!(Standing::of(&trace), Standing::Through(Outcome::Http(200)));
    assert!(deciding(&trace, Checkpoint::Gateway).is_superset(&names(&["api", "consent"])));
}

/// Kgateway looks no further than the narrowest host, so that this route hides the other.
#[test]
fn a_route_that_hides_another_is_named() {
    let narrow = route("narrow", "shop", "[shop.example.org]", "/api");
    let broad = route("broad", "shop", "['*.example.org']", "/");
    let world = world(&[SHOP, EDGE, &narrow, &broad]);
    let trace = trace(&world, from_outside("/"));
    assert_eq!(Standing::of(&trace), Standing::Stopped(Layer::Gateway, Outcome::Http(404)));
    assert!(deciding(&trace, Checkpoint::Gateway).contains("narrow"));
}

#[test]
fn a_group_of_addresses_is_named() {
    let policy = "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: abroad, namespace: plain}
spec:
  endpointSelector: {}
  egress:
  - toCIDRSet: [{cidrGroupSelector: {matchLabels: {group: abroad}}}]
---
apiVersion: cilium.io/v2alpha1
kind: CiliumCIDRGroup
metadata: {name: ranges, labels: {group: abroad}}
spec: {externalCIDRs: [203.0.113.0/24]}
";
    let world = world(&[SHOP, policy]);
    let trace = trace(&world, flow(("plain", "stranger"), Destination::Address("203.0.113.10".parse().unwrap()), 443));
    assert_eq!(deciding(&trace, Checkpoint::CniEgress), names(&["abroad", "ranges"]));
}

#[test]
fn every_http_rule_that_takes_a_request_is_named() {
    let policy = |name: &str, rule: &str| {
        format!(
            "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: {name}, namespace: plain}}\n\
             spec:\n  endpointSelector: {{}}\n  ingress:\n  - toPorts: [{{ports: [{{port: '8080'}}], rules: {{http: [{rule}]}}}}]"
        )
    };
    let policy = |name, rule| policy(name, rule).replace("'8080'", "'8080', protocol: TCP");
    let world = world(&[SHOP, &policy("one", "{method: GET}"), &policy("two", "{path: /x}")]);
    let trace = trace(&world, asking(flow(("shop", "client"), pod("plain", "stranger"), 8080), "/x"));
    assert_eq!(deciding(&trace, Checkpoint::CniIngress), names(&["one", "two"]));
}

/// Two replicas, one on each node.
const REPLICAS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: twins, namespace: plain}
spec:
  replicas: 2
  selector: {matchLabels: {app: twins}}
  template:
    metadata: {labels: {app: twins}}
    spec: {containers: [{name: c, image: i, ports: [{name: web, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: twins, namespace: plain}
spec: {selector: {app: twins}, ports: [{name: http, port: 80, targetPort: web}]}
";

/// To one replica the node is its own, to the other it is a remote one.
#[test]
fn a_node_is_the_host_to_one_replica_only() {
    let policy = "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: own-node, namespace: plain}
spec:
  endpointSelector: {}
  egress: [{toEntities: [host]}]
";
    let world = world(&[SHOP, REPLICAS, policy]);
    let trace = trace(&world, flow(("plain", "twins"), Destination::Node("n1".to_owned()), 10250));
    assert_eq!(Standing::of(&trace), Standing::Unknown, "{trace:#?}");
}

/// A replica that reaches itself past every policy does not show that it reaches the other, of which the answer is.
#[test]
fn a_workload_that_dials_its_own_service_may_reach_another_replica() {
    let policy = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: plain}
spec: {podSelector: {}, policyTypes: [Ingress]}
";
    let world = world(&[SHOP, REPLICAS, policy]);
    let trace = trace(&world, asking(flow(("plain", "twins"), service("plain", "twins"), 80), "/"));
    assert_eq!(Standing::of(&trace), Standing::Stopped(Layer::Cni, Outcome::Timeout), "{trace:#?}");
}

/// What one way proves does not hold for the other.
#[test]
fn a_flow_with_a_choice_claims_what_holds_for_each_backend() {
    let other = "
apiVersion: v1
kind: Pod
metadata: {name: outsider, namespace: shop, labels: {app: server, istio.io/dataplane-mode: none}}
spec: {nodeName: n1, containers: [{name: c, image: i, ports: [{name: web, containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
";
    let deny = authorization("deny", "{action: DENY, rules: [{}]}");
    let world = world(&[SHOP, other, &deny]);
    let trace = trace(&world, flow(("plain", "stranger"), service("shop", "server"), 80));
    assert_eq!(trace.denying_layers(), BTreeSet::from([Layer::Cni]), "{trace:#?}");
}

/// Nobody was asked, so nobody can have answered.
#[test]
fn a_lookup_from_outside_needs_a_name_that_exists() {
    let lookup = |name: &str| Flow { from: Source::Outside, ..flow(("", ""), Destination::Name(name.to_owned()), 53) };
    let world = world(&[SHOP]);
    assert!(trace(&world, lookup("no.such")).denial().is_some());
    assert_eq!(trace(&world, lookup("api.example.com")).end, End::Outcome(Outcome::Connected));
    assert_eq!(Standing::of(&trace(&world, lookup("server.shop.svc.cluster.local"))), Standing::Unknown);
}

/// The object that says what the port speaks is to blame.
#[test]
fn a_port_that_expects_http_is_named() {
    let world = world(&[SHOP, WAYPOINT]);
    let trace = trace(&world, flow(("shop", "client"), service("shop", "guarded"), 80));
    assert!(deciding(&trace, Checkpoint::Waypoint).contains("guarded"));
}

/// Without the object that isolates, a rule for some names would let every other one by as well.
#[test]
fn what_isolates_is_named_where_a_name_is_refused() {
    let policies = "
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: names}
spec:
  endpointSelector: {}
  enableDefaultDeny: {egress: false}
  egress: [{toPorts: [{ports: [{port: '53', protocol: UDP}], rules: {dns: [{matchName: api.example.com}]}}]}]
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: isolates}
spec: {endpointSelector: {}, egress: [{toEndpoints: []}]}
";
    let world = world(&[SHOP, policies]);
    let trace = trace(&world, flow(("plain", "stranger"), service("shop", "server"), 80));
    assert_eq!(Standing::of(&trace), Standing::Stopped(Layer::Cni, Outcome::DnsFailure(Rcode::Refused)));
    assert_eq!(deciding(&trace, Checkpoint::CniEgress), names(&["isolates", "names"]));
}
