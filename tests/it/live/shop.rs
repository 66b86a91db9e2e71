//! A shop on the API server in memory, and flows in it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use airtight_cluster::kube::{Access, KubeCluster, Limits};
use airtight_live::{Live, Options};
use airtight_matrix::judge::Observation;
use airtight_matrix::testbed::Testbed;
use airtight_model::path::{Destination, Flow, Source};
use airtight_model::policy::Request;
use airtight_model::world::Protocol;
use airtight_testkit::api_server::{ApiServer, Denial, Run};

use crate::PROBE;

pub(crate) const DENY_TIMEOUT: Duration = Duration::from_millis(600);

pub(crate) fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(2),
        call: Duration::from_secs(1),
        overall: Duration::from_secs(4),
        attempts: 3,
        pause: Duration::from_millis(10),
    }
}

pub(crate) fn options() -> Options {
    Options {
        deny_timeout: DENY_TIMEOUT,
        grace: Duration::from_millis(1500),
        patience: Duration::from_secs(3),
        pause: Duration::from_millis(20),
        ..Options::default()
    }
}

pub(crate) fn connect(server: &ApiServer) -> KubeCluster {
    KubeCluster::connect(&access(server.kubeconfig()), limits()).unwrap()
}

pub(crate) fn access(kubeconfig: std::path::PathBuf) -> Access {
    Access { kubeconfig: Some(kubeconfig), context: None }
}

/// A shop with a client, an intruder, whose flows to 8080 are dropped, and a server.
pub(crate) fn shop() -> ApiServer {
    let server = ApiServer::start(&PROBE);
    let listeners = ["http=0.0.0.0:8080", "tcp=0.0.0.0:8081"].map(str::to_owned).to_vec();
    server.run("shop", "web", &Run::Serve(listeners));
    server.run("shop", "client", &Run::Pause);
    server.run("shop", "intruder", &Run::Pause);
    server.state().deny(Denial { namespace: "shop".into(), workload: "intruder".into(), port: 8080 });
    server
}

pub(crate) fn flow(from: &str, port: u16, request: bool) -> Flow {
    Flow {
        from: Source::Workload("shop".to_owned(), from.to_owned()),
        to: Destination::Pod("shop".to_owned(), "web".to_owned()),
        protocol: Protocol::Tcp,
        port: Some(port),
        request: request.then(|| Request {
            method: "GET".to_owned(),
            path: "/trips?x=1".to_owned(),
            host: "web.shop".to_owned(),
            headers: vec![("X-Trace".to_owned(), "7".to_owned())],
            token: None,
        }),
        tls: None,
        after: Vec::new(),
    }
}

pub(crate) fn observe(live: &mut Live<'_>, flows: &[Flow]) -> Vec<Observation> {
    live.observe(&flows.iter().collect::<Vec<_>>())
}
