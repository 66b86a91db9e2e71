//! Sketches: generated worlds before names are given, so that the same world can be built under other names.
//!
//! Policies are JSON in which `{n0}` stands for a namespace, `{p0}` for a pod, `{v0}` for a label's value,
//! `{s0}` for a Service, `{sn0}` and `{pn0}` for the namespace of a Service and of a pod, `{wn0}` for that of a
//! waypoint; an index beyond the last begins again at the first.

use std::fmt;
use std::sync::{Arc, LazyLock};

use airtight_manifest::stack::Stack;
use airtight_manifest::{Document, ObjectRef, yaml};
use airtight_model::path::{Engine, Flow, Trace};
use airtight_model::world::{AdmissionEvent, Built, Environment, World, build};
use airtight_testkit::worlds::documents;
use airtight_testkit::{network, stack};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::flows::{self, FlowSketch};
use super::topology::{self, Topology};
use super::{mesh, routes};

/// A generated world and flows in it.
#[derive(Clone)]
pub(super) struct Sketch {
    /// On the newest stack rather than on the reference stack.
    pub(super) latest: bool,
    pub(super) topology: Topology,
    pub(super) policies: Vec<Value>,
    pub(super) flows: Vec<FlowSketch>,
}

/// How things are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) namespaces: Vec<String>,
    pub(super) pods: Vec<String>,
    pub(super) values: Vec<String>,
    pub(super) services: Vec<String>,
}

impl Default for Names {
    fn default() -> Self {
        let named = |prefix: &str, count| (0..count).map(|index| format!("{prefix}{index}")).collect();
        Self {
            namespaces: named("ns-", 4),
            pods: named("pod-", 10),
            values: named("value-", network::VALUES),
            services: named("service-", 4),
        }
    }
}

/// The world around every sketch.
static AROUND: LazyLock<(Environment, Vec<Document>)> = LazyLock::new(|| {
    let mut documents = yaml::parse(&Arc::from("around.yaml"), include_str!("around.yaml")).unwrap();
    let environment = documents.remove(0);
    (Environment::read(&environment).unwrap(), documents)
});

static STACKS: LazyLock<[Stack; 2]> = LazyLock::new(|| ["reference", "latest"].map(stack::shipped));

pub(super) fn stack(latest: bool) -> Stack {
    STACKS[usize::from(latest)].clone()
}

impl Sketch {
    /// Topology and policies as documents, the world around them left out.
    pub(super) fn objects(&self, names: &Names) -> Vec<Value> {
        let topology = self.topology.objects();
        topology.iter().chain(&self.policies).map(|object| self.named(object, names)).collect()
    }

    /// The policies under their names.
    pub(super) fn policy_refs(&self) -> Vec<ObjectRef> {
        self.policies.iter().map(|policy| object_ref(&self.named(policy, &Names::default()))).collect()
    }

    pub(super) fn built(&self, names: &Names) -> Built {
        build_from(documents(&self.objects(names)), self.latest)
    }

    pub(super) fn world(&self) -> World {
        self.built(&Names::default()).world
    }

    pub(super) fn flows(&self, names: &Names) -> Vec<Flow> {
        self.flows.iter().map(|flow| flow.named(&self.topology, names)).collect()
    }

    /// The traces of all flows that fit the world.
    pub(super) fn traces(&self) -> Vec<Trace> {
        traces(&self.world(), &self.flows(&Names::default()))
    }

    /// The same with one more policy.
    pub(super) fn with(&self, policy: &Value) -> Self {
        let mut more = self.clone();
        more.policies.push(titled(policy.clone(), "added", None));
        more
    }

    pub(super) fn named(&self, value: &Value, names: &Names) -> Value {
        match value {
            Value::String(text) => Value::String(self.topology.named(text, names)),
            Value::Array(items) => items.iter().map(|item| self.named(item, names)).collect(),
            Value::Object(map) => {
                map.iter().map(|(key, value)| (self.topology.named(key, names), self.named(value, names))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}

/// What a reader needs to try it again: one object a line, which is YAML as well.
impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "stack: {}", if self.latest { "latest" } else { "reference" })?;
        for object in self.objects(&Names::default()) {
            writeln!(f, "---\n{object}")?;
        }
        for flow in self.flows(&Names::default()) {
            writeln!(f, "# {flow:?}")?;
        }
        Ok(())
    }
}

/// The world of documents and of what is around every world.
pub(super) fn build_from(mut documents: Vec<Document>, latest: bool) -> Built {
    documents.extend(AROUND.1.iter().cloned());
    build(&documents, &AROUND.0, stack(latest)).unwrap_or_else(|error| panic!("{error:#?}"))
}

/// The world of a text, as regressions write it.
pub(super) fn world_of(text: &str, latest: bool) -> World {
    let built = build_from(yaml::parse(&Arc::from("world.yaml"), text).unwrap(), latest);
    assert_eq!(refused(&built.world), Vec::<String>::new());
    built.world
}

/// What the API server and admission refused.
pub(super) fn refused(world: &World) -> Vec<String> {
    let rejected = world.admission.iter().filter_map(|event| match event {
        AdmissionEvent::Rejected { object, findings, .. } => Some(format!("{object}: {findings:?}")),
        AdmissionEvent::Mutated { .. } | AdmissionEvent::Generated { .. } => None,
    });
    rejected.collect()
}

pub(super) fn traces(world: &World, flows: &[Flow]) -> Vec<Trace> {
    let engine = Engine::compile(world);
    flows.iter().map(|flow| engine.trace(flow).unwrap_or_else(|error| panic!("{flow}: {error}"))).collect()
}

pub(super) fn object_ref(object: &Value) -> ObjectRef {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let metadata = &object["metadata"];
    let (kind, name) = (text(&object["kind"]).unwrap(), text(&metadata["name"]).unwrap());
    ObjectRef::new(&kind, text(&metadata["namespace"]).as_deref(), &name)
}

/// A policy with a name and, if it shall have an age, a time of creation.
fn titled(mut policy: Value, name: &str, minute: Option<usize>) -> Value {
    policy["metadata"]["name"] = json!(name);
    if let Some(minute) = minute {
        policy["metadata"]["creationTimestamp"] = json!(format!("2026-01-01T00:{minute:02}:00Z"));
    }
    policy
}

/// Policies of one layer, or of all.
fn policy(network: u32, mesh: u32, gateway: u32) -> impl Strategy<Value = Value> {
    let network_policy = prop_oneof![3 => network::kubernetes(), 8 => network::cilium(), 1 => network::cidr_group()];
    let mesh_policy = prop_oneof![
        8 => mesh::authorization(),
        3 => mesh::peers(),
        2 => mesh::tokens(),
        1 => mesh::destination(),
    ];
    let gateway_policy = prop_oneof![3 => routes::route(), 1 => routes::grant()];
    prop_oneof![network => network_policy, mesh => mesh_policy, gateway => gateway_policy]
}

/// Up to eight policies of mixed kinds, of which `aged` says that all have a time of creation.
fn policies(aged: impl Strategy<Value = bool>) -> impl Strategy<Value = Vec<Value>> {
    let many = |policy: BoxedStrategy<Value>| prop_oneof![1 => prop::collection::vec(policy.clone(), 0..=2), 4 => prop::collection::vec(policy, 4..=8)];
    let mixed = prop_oneof![
        2 => many(policy(5, 4, 2).boxed()),
        2 => many(policy(8, 1, 1).boxed()),
        2 => many(policy(2, 8, 1).boxed()),
        1 => many(policy(2, 2, 8).boxed()),
    ];
    (mixed, aged).prop_map(|(policies, aged)| {
        let named = policies.into_iter().enumerate();
        named
            .map(|(index, policy)| {
                let minute = (aged || index % 2 == 0).then_some((index * 7) % 60);
                titled(policy, &format!("policy-{index}"), minute)
            })
            .collect()
    })
}

/// Any world.
pub(super) fn sketch() -> impl Strategy<Value = Sketch> {
    of(topology::topology(), any::<bool>().boxed())
}

/// A world in which no Service has two backends, so that no balancer has a choice.
pub(super) fn without_choice() -> impl Strategy<Value = Sketch> {
    of(topology::without_choice(), any::<bool>().boxed())
}

/// A world in which every policy has an age, so that no name breaks a tie.
pub(super) fn aged() -> impl Strategy<Value = Sketch> {
    of(topology::topology(), Just(true).boxed())
}

fn of(topology: impl Strategy<Value = Topology>, aged: BoxedStrategy<bool>) -> impl Strategy<Value = Sketch> {
    (any::<bool>(), topology, policies(aged), prop::collection::vec(flows::flow(), 12))
        .prop_map(|(latest, topology, policies, flows)| Sketch { latest, topology, policies, flows })
}
