//! A generated world for network policies: namespaces, pods, policies and one request.

use std::fmt;
use std::sync::{Arc, LazyLock};

use airtight_manifest::stack::Stack;
use airtight_model::policy::Request;
use airtight_model::world::{Environment, World, build};
use airtight_testkit::network::{self, VALUES};
use airtight_testkit::worlds;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::policies;

/// A world before it is built.
#[derive(Clone)]
pub(crate) struct Sketch {
    namespaces: Vec<Value>,
    pods: Vec<Value>,
    policies: Vec<Value>,
    pub(super) request: Arc<Request>,
}

/// What is around every world.
static AROUND: LazyLock<Environment> = LazyLock::new(|| {
    let node = |name: &str, address: &str, control_plane| json!({"name": name, "addresses": [address], "controlPlane": control_plane});
    let host =
        |name: &str, address: &str| json!({"names": [name], "addresses": [address], "ports": [80], "tlsPorts": [443]});
    let document = json!({
        "apiVersion": "airtight.dev/v1alpha1", "kind": "Environment", "metadata": {"name": "referee"},
        "spec": {
            "nodes": [node("n1", "192.168.0.11", false), node("n2", "192.168.0.12", false), node("cp", "192.168.0.10", true)],
            "hosts": [host("api.example.com", "203.0.113.10"), host("other.example.com", "198.51.100.20")],
            "outside": "198.51.100.7", "podCidrs": ["10.244.0.0/16"], "serviceCidrs": ["10.96.0.0/16"],
        },
    });
    let read = worlds::documents(&[document]).first().map(Environment::read);
    read.and_then(Result::ok).unwrap_or_else(|| panic!("the environment is not one"))
});

impl Sketch {
    /// The policies, named.
    pub(super) fn policies(&self) -> Vec<Value> {
        let named = self.policies.iter().enumerate().map(|(index, policy)| {
            let mut policy = plain(policy);
            policy["metadata"]["name"] = json!(format!("policy-{index}"));
            policy
        });
        named.collect()
    }

    fn objects(&self) -> Vec<Value> {
        let namespaces = self.namespaces.iter().enumerate().map(|(index, labels)| {
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("n{index}"), "labels": labels}})
        });
        let pods = self.pods.iter().enumerate().map(|(index, pod)| {
            let mut pod = pod.clone();
            pod["metadata"]["name"] = json!(format!("p{index}"));
            pod["metadata"]["labels"]["pod"] = json!(format!("p{index}"));
            pod
        });
        namespaces.chain(pods).chain(self.policies()).collect()
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
        Ok(())
    }
}

/// Tokens as names, and what no oracle is asked about left out.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(['{', '}'], "")),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| *key != "toServices" && *key != "serverNames");
            kept.map(|(key, value)| (key.replace(['{', '}'], ""), plain(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn value() -> impl Strategy<Value = String> {
    (0..VALUES).prop_map(|index| format!("v{index}"))
}

/// Labels of pods and namespaces that some filter of the agent is about.
fn odd_labels() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let key = prop::sample::select(vec![
        "io.cilium.k8s.namespace.labels.team",
        "io.cilium.k8s.policy.cluster",
        "io.cilium.k8s.policy.serviceaccount",
        "io.kubernetes.pod.namespace",
        "app.kubernetes.io/name",
        "beta.kubernetes.io/arch",
        "topology.kubernetes.io/zone",
        "pod-template-hash",
        "kubernetes.io/x",
        "k8s-app",
        "annotation-x",
    ]);
    prop::collection::vec((key, value()), 0..3)
}

fn namespace() -> impl Strategy<Value = Value> {
    (value(), odd_labels()).prop_map(|(team, odd)| {
        let mut labels = json!({"team": team});
        for (key, value) in odd {
            labels[key] = json!(value);
        }
        labels
    })
}

fn ports() -> impl Strategy<Value = Vec<Value>> {
    let web = prop::sample::select(vec![8080, 8080, 8080, 8081]);
    let more = prop::sample::subsequence(
        vec![
            json!({"name": "admin", "containerPort": 9090}),
            json!({"name": "dns", "containerPort": 53, "protocol": "UDP"}),
            json!({"name": "plain", "containerPort": 80}),
            json!({"name": "sig", "containerPort": 9090, "protocol": "SCTP"}),
        ],
        0..=3,
    );
    (prop::option::weighted(0.8, web), more).prop_map(|(web, more)| {
        let web = web.map(|number| json!({"name": "web", "containerPort": number}));
        web.into_iter().chain(more).collect()
    })
}

fn pod() -> impl Strategy<Value = Value> {
    let node = prop::sample::select(vec!["n1", "n1", "n1", "n2", "cp"]);
    (0..4_usize, 0..2_usize, value(), odd_labels(), any::<bool>(), node, ports()).prop_map(
        |(namespace, app, tier, odd, robot, node, ports)| {
            let mut labels = json!({"app": format!("v{app}"), "tier": tier});
            for (key, value) in odd {
                labels[key] = json!(value);
            }
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"namespace": format!("n{namespace}"), "labels": labels},
                "spec": {
                    "nodeName": node, "serviceAccountName": if robot { "robot" } else { "default" },
                    "containers": [{"name": "main", "image": "main", "ports": ports}],
                },
            })
        },
    )
}

fn request() -> impl Strategy<Value = Arc<Request>> {
    let method = prop::sample::select(vec!["GET", "POST", "PUT"]);
    let path = prop::sample::select(vec!["/", "/api/x", "/admin", "/api", "/apix/y?z=1"]);
    let host = prop::sample::select(vec!["shop.example.org", "api.example.com", "elsewhere"]);
    let header = prop::option::of(prop::sample::select(vec![("x-team", "red"), ("X-Team", "blue"), ("x-other", "")]));
    (method, path, host, header).prop_map(|(method, path, host, header)| {
        Arc::new(Request {
            method: method.to_owned(),
            path: path.to_owned(),
            host: host.to_owned(),
            headers: header.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            token: None,
        })
    })
}

/// Any world.
pub(super) fn sketch() -> impl Strategy<Value = Sketch> {
    let policy = prop_oneof![
        2 => network::kubernetes(),
        2 => network::cilium(),
        5 => policies::policy(),
        1 => policies::group(),
    ];
    let policies = prop_oneof![3 => prop::collection::vec(policy.boxed(), 1..=4), 1 => prop::collection::vec(policies::policy(), 5..=8)];
    (prop::collection::vec(namespace(), 4), prop::collection::vec(pod(), 3..=6), policies, request())
        .prop_map(|(namespaces, pods, policies, request)| Sketch { namespaces, pods, policies, request })
}
