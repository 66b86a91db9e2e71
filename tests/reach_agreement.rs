//! The matrix and a single trace agree on every cell.

#[path = "../benches/world/mod.rs"]
#[expect(dead_code, reason = "benches use the rest")]
mod generated;

use std::collections::HashMap;
use std::path::Path;

use airtight::cli::input::{InputArgs, Inputs};
use airtight::path::reach::{Nearness, Place, Reachability, Row, Scope, Verdict, View, Who};
use airtight::path::{Destination, End, Engine, Flow, Source, Trace};
use airtight::policy::{Checkpoint, Layer};
use airtight::world::{PodId, World};

#[test]
fn on_the_reference_set() {
    let world = reference("reference");
    every_pod_pair(&world);
    every_service(&world);
}

#[test]
fn on_the_reference_set_with_the_latest_stack() {
    let world = reference("latest");
    every_pod_pair(&world);
    every_service(&world);
}

#[test]
fn on_a_generated_world() {
    let world = generated::world(generated::Size { namespaces: 8, replicas: 2, nodes: 2, policies: 80 });
    every_pod_pair(&world);
    every_service(&world);
}

fn reference(stack: &str) -> World {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let args = InputArgs {
        manifests: vec![root.join("manifests")],
        scenarios: vec![root.join("scenarios")],
        stack: stack.to_owned(),
    };
    Inputs::load(&args).unwrap().world().unwrap().world
}

/// Every pod to every port of every other pod.
fn every_pod_pair(world: &World) {
    let engine = Engine::compile(world);
    let reach = Reachability::compute(&engine, &Scope::default());
    let class_of = class_of(&reach);
    let rows: HashMap<Row, usize> = reach.rows().iter().enumerate().map(|(index, row)| (*row, index)).collect();
    let mut compared = 0;
    for from in &world.pods {
        for to in world.pods.iter().filter(|to| to.id != from.id) {
            let near = if from.node == to.node { Nearness::SameNode } else { Nearness::OtherNode };
            let row = Row { who: Who::Class(class_of[&from.id]), near: from.host_network.then_some(near) };
            for (index, target) in reach.targets().iter().enumerate() {
                let wanted_near = to.host_network.then_some(near);
                if target.place != Place::Class(class_of[&to.id]) || target.near != wanted_near {
                    continue;
                }
                let flow = Flow {
                    from: Source::Workload(from.namespace.to_string(), from.name.to_string()),
                    to: Destination::Pod(to.namespace.to_string(), to.name.to_string()),
                    protocol: target.protocol,
                    port: Some(target.port),
                    request: None,
                    tls: None,
                    after: Vec::new(),
                };
                let trace = engine.trace(&flow).unwrap();
                let cell = reach.cell(rows[&row], index);
                agree(&trace, cell.verdict, &flow);
                assert_eq!(denying(&trace), cell_denying(&cell), "{flow}");
                compared += 1;
            }
        }
    }
    assert!(compared > 1_000, "{compared} cells");
}

fn every_service(world: &World) {
    let engine = Engine::compile(world);
    let scope = Scope { view: View::Service, ..Scope::default() };
    let reach = Reachability::compute(&engine, &scope);
    let mut compared = 0;
    for (row, source) in reach.rows().iter().enumerate() {
        let Who::Class(class) = source.who else { continue };
        let from = world.pod(reach.classes()[class.0 as usize].pods[0]);
        for (index, target) in reach.targets().iter().enumerate() {
            let Place::Service(service) = target.place else { continue };
            let service = &world.services[service];
            let flow = Flow {
                from: Source::Workload(from.namespace.to_string(), from.name.to_string()),
                to: Destination::Service(service.namespace.to_string(), service.name.to_string()),
                protocol: target.protocol,
                port: Some(target.port),
                request: None,
                tls: None,
                after: Vec::new(),
            };
            agree(&engine.trace(&flow).unwrap(), reach.cell(row, index).verdict, &flow);
            compared += 1;
        }
    }
    assert!(compared > 200, "{compared} cells");
}

fn class_of(reach: &Reachability<'_, '_>) -> HashMap<PodId, airtight::path::reach::ClassId> {
    let numbered = (0_u32..).map(airtight::path::reach::ClassId).zip(reach.classes());
    numbered.flat_map(|(id, class)| class.pods.iter().map(move |pod| (*pod, id))).collect()
}

/// A trace ends open where the ends of several ways differ in any respect; the matrix only where one gets through.
fn agree(trace: &Trace, verdict: Verdict, flow: &Flow) {
    let expected = Verdict::of(trace);
    let by_waypoint = trace.checks().any(|check| check.checkpoint == Checkpoint::Waypoint);
    let fits = match &trace.end {
        End::Unknown(_) => matches!(verdict, Verdict::Unknown | Verdict::Denied(_)),
        // A request may fare better with a waypoint than a bare connection.
        End::Outcome(_) if by_waypoint && matches!(expected, Verdict::ByRequest | Verdict::Denied(Layer::Waypoint)) => {
            verdict != Verdict::Absent
        }
        End::Outcome(_) => verdict == expected,
    };
    assert!(fits, "{flow}: the matrix says {verdict:?}, the trace {expected:?}\n{trace:#?}");
}

type Denying = Vec<(Checkpoint, Vec<String>)>;

/// Checkpoints that do not let the flow on, and their rules.
fn denying(trace: &Trace) -> Denying {
    let checks = trace.checks().filter(|check| !check.decision.allows());
    checks.map(|check| (check.checkpoint, check.decision.rules.iter().map(ToString::to_string).collect())).collect()
}

fn cell_denying(cell: &airtight::path::reach::Cell<'_>) -> Denying {
    let grounds = cell.grounds().filter(|ground| !ground.allows());
    grounds.map(|ground| (ground.checkpoint, ground.rules.iter().map(ToString::to_string).collect())).collect()
}
