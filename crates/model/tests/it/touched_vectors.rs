//! Vectors of objects that are not modelled: which flows each of them leaves open, and which not.

#![expect(clippy::unwrap_used, reason = "a vector that cannot be read is a failed test")]

use std::collections::BTreeSet;
use std::sync::Arc;

use airtight_manifest::{Touches, yaml};
use airtight_model::path::reach::{CellVerdict, Place, Reachability, Scope, Who};
use airtight_model::path::{Destination, End, Engine, Flow, Source};
use airtight_model::policy::Request;
use airtight_model::world::{Built, Host, Protocol, StandsFor, build};
use airtight_testkit::{stack, vectors, worlds};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    kind: String,
    objects: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Vector {
    is: String,
    object: serde_json::Value,
    /// Whether another CNI than Cilium enforces.
    #[serde(default)]
    other_cni: bool,
    opens: Opens,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Opens {
    Named(Vec<String>),
    All(String),
}

fn kinds() -> Vec<Kind> {
    vectors::File::at("tests/vectors/touched/objects.yaml").read()
}

fn world(object: Option<&serde_json::Value>, other_cni: bool) -> Built {
    let mut text = include_str!("../vectors/touched/world.yaml").to_owned();
    text.extend(object.map(|object| format!("---\n{object}\n")));
    let documents = yaml::parse(&Arc::from("manifests.yaml"), &text).unwrap();
    let mut environment = worlds::environment();
    environment.hosts = vec![Host {
        names: vec![Arc::from("abroad.example")],
        addresses: vec!["192.0.2.44".parse().unwrap()],
        ports: vec![80],
        tls_ports: Vec::new(),
        stands_for: StandsFor::default(),
    }];
    let mut stack = stack::shipped("reference");
    stack.cilium.absent = other_cni;
    build(&documents, &environment, stack).unwrap()
}

fn flows() -> Vec<(&'static str, Flow)> {
    let workload = |namespace: &str, name: &str| Source::Workload(namespace.to_owned(), name.to_owned());
    let service = |namespace: &str, name: &str| Destination::Service(namespace.to_owned(), name.to_owned());
    let pod = |namespace: &str, name: &str| Destination::Pod(namespace.to_owned(), name.to_owned());
    let request = |host: &str| Request {
        method: "GET".to_owned(),
        path: "/".to_owned(),
        host: host.to_owned(),
        headers: Vec::new(),
        token: None,
    };
    let flow = |from, to, port, request| Flow {
        from,
        to,
        protocol: Protocol::Tcp,
        port: Some(port),
        request,
        tls: None,
        after: Vec::new(),
    };
    let abroad = Destination::Host("abroad.example".to_owned());
    let gateway = Destination::Gateway("edge".to_owned(), "public".to_owned());
    vec![
        ("api", flow(workload("shop", "web"), service("shop", "api"), 80, None)),
        ("api-pod", flow(workload("shop", "web"), pod("shop", "api"), 8080, None)),
        ("abroad", flow(workload("shop", "web"), abroad.clone(), 80, None)),
        ("ingress", flow(workload("shop", "web"), pod("edge", "ingress"), 8080, None)),
        ("ledger", flow(workload("bank", "client"), service("bank", "ledger"), 80, Some(request("ledger.bank")))),
        ("ledger-pod", flow(workload("bank", "client"), pod("bank", "ledger"), 8080, None)),
        ("mesh-abroad", flow(workload("bank", "client"), abroad, 80, None)),
        ("users", flow(Source::Outside, gateway, 80, Some(request("shop.example")))),
    ]
}

/// The flows that end open.
fn open(built: &Built) -> BTreeSet<String> {
    let engine = Engine::compile(&built.world);
    let open = flows().into_iter().filter(|(_, flow)| matches!(engine.trace(flow).unwrap().end, End::Unknown(_)));
    open.map(|(name, _)| name.to_owned()).collect()
}

/// Cells between pods that are open, as source and destination.
fn open_cells(built: &Built) -> BTreeSet<String> {
    let engine = Engine::compile(&built.world);
    let reach = Reachability::compute(&engine, &Scope::default());
    let class = |class: airtight_model::path::reach::ClassId| reach.classes()[class.0 as usize].name.clone();
    let mut open = BTreeSet::new();
    for (row, source) in reach.rows().iter().enumerate() {
        for (column, target) in reach.targets().iter().enumerate() {
            if let (Who::Class(from), Place::Class(to)) = (source.who, &target.place)
                && reach.cell(row, column).verdict == CellVerdict::Unknown
            {
                open.insert(format!("{} > {}:{}", class(from), class(*to), target.port));
            }
        }
    }
    open
}

#[test]
fn without_any_every_flow_is_certain() {
    assert_eq!(open(&world(None, false)), BTreeSet::new());
}

#[test]
fn each_object_leaves_open_what_it_touches_and_nothing_else() {
    let mut wrong = Vec::new();
    for kind in kinds() {
        for vector in kind.objects {
            let built = world(Some(&vector.object), vector.other_cni);
            let found = open(&built);
            let expected: BTreeSet<String> = match &vector.opens {
                Opens::Named(names) => names.iter().cloned().collect(),
                Opens::All(all) => {
                    assert_eq!(all, "all");
                    flows().into_iter().map(|(name, _)| name.to_owned()).collect()
                }
            };
            if found != expected {
                wrong.push(format!("{} {}: opens {found:?}, not {expected:?}", kind.kind, vector.is));
            }
            let cells = open_cells(&built);
            for (flow, cell) in [
                ("api-pod", "shop/web > shop/api:8080"),
                ("ledger-pod", "bank/client > bank/ledger:8080"),
                ("ingress", "shop/web > edge/ingress:8080"),
            ] {
                if cells.contains(cell) != found.contains(flow) {
                    wrong.push(format!("{} {}: the matrix and the trace differ on {flow}", kind.kind, vector.is));
                }
            }
            let told = built.findings.iter().any(|finding| {
                ["unmodelled", "without-bearing"].contains(&finding.code.as_str())
                    && finding.message.contains(&kind.kind)
            });
            if !told && (vector.other_cni || !kind.kind.ends_with("AdminNetworkPolicy")) {
                wrong.push(format!("{} {}: nothing is said of it", kind.kind, vector.is));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_kind_that_is_not_modelled_has_a_vector() {
    let told: BTreeSet<String> = kinds().into_iter().map(|kind| kind.kind).collect();
    let known: BTreeSet<String> = Touches::table().map(|(kind, _, _)| kind.to_owned()).collect();
    assert_eq!(told, known);
}

#[test]
fn the_documentation_has_the_rule_of_every_kind() {
    let page = airtight_testkit::repository::text("docs/input.md");
    for (kind, _, touches) in Touches::table() {
        let row = page.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{kind}`")));
        assert!(row.is_some_and(|row| row.contains(touches.rule())), "{kind}: {}", touches.rule());
    }
}
