//! What stands in where manifests hold less than a cluster: its resolver.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use airtight_manifest::{Severity, yaml};
use airtight_model::path::{Destination, Engine, Flow, Source};
use airtight_model::policy::{Outcome, Rcode};
use airtight_model::world::{Built, Protocol, build};
use airtight_testkit::{stack, worlds};

const WORKLOADS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: api, image: api, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}, ports: [{port: 80, targetPort: 8080}]}
---
";

/// Lets everything through but lookups.
const NO_DNS: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress: [{to: [{podSelector: {}}]}]
---
";

const OWN_SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {clusterIP: 10.96.0.53, selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP}]}
---
";

const OWN_POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: resolver, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {containers: [{name: dns, image: dns, ports: [{containerPort: 53, protocol: UDP}]}]}
---
";

const REFUSED_SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {selectors: {k8s-app: kube-dns}}
---
";

fn built(parts: &[&str]) -> Built {
    let documents = yaml::parse(&Arc::from("manifests.yaml"), &parts.concat()).unwrap();
    build(&documents, &worlds::environment(), stack::shipped("reference")).unwrap()
}

fn notes(built: &Built) -> Vec<String> {
    let notes = built.findings.iter().filter(|finding| finding.severity == Severity::Note);
    notes.map(|finding| finding.message.clone()).collect()
}

fn outcome(built: &Built) -> Outcome {
    let flow = Flow {
        from: Source::Workload("shop".to_owned(), "web".to_owned()),
        to: Destination::Service("shop".to_owned(), "api".to_owned()),
        protocol: Protocol::Tcp,
        port: Some(80),
        request: None,
        tls: None,
        after: Vec::new(),
    };
    Engine::compile(&built.world).trace(&flow).unwrap().outcome().cloned().unwrap()
}

#[test]
fn a_resolver_stands_in_and_the_reader_is_told() {
    let built = built(&[WORKLOADS]);
    let service = built.world.service("kube-system", "kube-dns").unwrap();
    assert!(service.cluster_ips.contains(&"10.96.0.10".parse().unwrap()), "{:?}", service.cluster_ips);
    assert!(service.port(Protocol::Udp, 53).is_some() && service.port(Protocol::Tcp, 53).is_some());
    let server = built.world.pod(service.backends[0]);
    assert_eq!(&*server.workload, "coredns");
    assert!(!built.world.node(server.node).control_plane, "it runs on a worker");
    assert_eq!(&*server.origin.at.file, "built-in/kube-dns.yaml");
    assert_eq!(notes(&built).len(), 1, "{:?}", notes(&built));
    assert_eq!(outcome(&built), Outcome::Connected);
}

#[test]
fn a_policy_that_forgets_dns_does_harm() {
    assert_eq!(outcome(&built(&[WORKLOADS, NO_DNS])), Outcome::DnsFailure(Rcode::Timeout));
}

#[test]
fn what_the_manifests_bring_is_left_alone() {
    let own = built(&[WORKLOADS, OWN_SERVICE, OWN_POD]);
    assert_eq!(notes(&own), Vec::<String>::new());
    assert!(!own.world.pods.iter().any(|pod| &*pod.workload == "coredns"));

    let service_only = built(&[WORKLOADS, OWN_SERVICE]);
    let service = service_only.world.service("kube-system", "kube-dns").unwrap();
    assert_eq!(service.cluster_ips, ["10.96.0.53".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(service.backends.len(), 1);

    let pod_only = built(&[WORKLOADS, OWN_POD]);
    let service = pod_only.world.service("kube-system", "kube-dns").unwrap();
    assert_eq!(&*pod_only.world.pod(service.backends[0]).workload, "resolver");
    assert_eq!(service.backends.len(), 1);
}

#[test]
fn what_admission_refused_is_not_replaced() {
    let built = built(&[WORKLOADS, REFUSED_SERVICE]);
    assert!(built.world.service("kube-system", "kube-dns").is_none());
}
