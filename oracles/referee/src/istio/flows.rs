//! The flows of a world that are asked about.

use airtight_model::path::{Destination, Flow, Source};
use airtight_model::policy::Request;
use airtight_model::world::{Enrolment, Pod, Protocol, Role, World};

use super::question::Asked;
use super::sketch::{PORTS, Sketch};

/// Ports at which ztunnel is asked.
const DIALLED: [u16; 4] = [80, 8080, 9000, 9090];

/// Every pod with every other that ztunnel guards, and every client of the mesh through each waypoint.
pub(super) fn of(world: &World, sketch: &Sketch) -> Vec<Asked> {
    let pods: Vec<&Pod> = world.pods.iter().filter(|pod| pod.role == Role::Workload).collect();
    let mut asked = Vec::new();
    for client in &pods {
        let guarded = |server: &&&Pod| server.id != client.id && server.enrolment == Enrolment::Ambient;
        for server in pods.iter().filter(guarded) {
            let to = Destination::Pod(server.namespace.to_string(), server.name.to_string());
            asked.extend(DIALLED.map(|port| Asked { flow: flow(client, &to, port, None, None), waypoint: None }));
        }
        if client.enrolment == Enrolment::Ambient {
            for (service, waypoint) in sketch.behind_waypoints() {
                asked.extend(through(client, service, waypoint, sketch));
            }
        }
    }
    asked
}

/// Whatever can be sent to a Service through its waypoint.
fn through(client: &Pod, service: (&str, &str), waypoint: &str, sketch: &Sketch) -> Vec<Asked> {
    let to = Destination::Service(service.0.to_owned(), service.1.to_owned());
    let mut flows = Vec::new();
    for (name, port) in PORTS {
        let requests = sketch.requests.iter().filter(|_| name != "tls").map(|request| (Some(request.clone()), None));
        let handshakes = (name == "tls").then(|| (None, Some("shop.example.org".to_owned())));
        let bytes = (name != "tls").then_some((None, None));
        for (request, server_name) in requests.chain(handshakes).chain(bytes) {
            flows.push(flow(client, &to, port, request, server_name));
        }
    }
    flows.into_iter().map(|flow| Asked { flow, waypoint: Some(waypoint.to_owned()) }).collect()
}

fn flow(client: &Pod, to: &Destination, port: u16, request: Option<Request>, tls: Option<String>) -> Flow {
    Flow {
        from: Source::Workload(client.namespace.to_string(), client.name.to_string()),
        to: to.clone(),
        protocol: Protocol::Tcp,
        port: Some(port),
        request,
        tls,
        after: Vec::new(),
    }
}
