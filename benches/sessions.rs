//! Flows through exec sessions: 20 source pods of an API server in memory, with the real probe in each.
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::time::Duration;

use airtight_cluster::kube::{Access, KubeCluster, Limits};
use airtight_live::{Live, Options};
use airtight_matrix::testbed::Testbed;
use airtight_model::path::{Destination, Flow, Source};
use airtight_model::policy::Outcome;
use airtight_model::world::Protocol;
use airtight_testkit::api_server::{ApiServer, Denial, Run};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const PODS: usize = 20;

fn cluster() -> ApiServer {
    let server = ApiServer::start(&[env!("CARGO_BIN_EXE_airtight"), "probe-agent"]);
    server.run("shop", "web", &Run::Serve(["tcp=0.0.0.0:8080", "tcp=0.0.0.0:8081"].map(str::to_owned).to_vec()));
    for pod in 0..PODS {
        server.run("shop", &format!("client-{pod}"), &Run::Pause);
    }
    server.state().deny(Denial { namespace: "shop".into(), workload: "client-".into(), port: 8081 });
    server
}

/// As many flows, evenly from all pods.
fn flows(count: usize, port: u16) -> Vec<Flow> {
    let flow = |number: usize| Flow {
        from: Source::Workload("shop".to_owned(), format!("client-{}", number % PODS)),
        to: Destination::Pod("shop".to_owned(), "web".to_owned()),
        protocol: Protocol::Tcp,
        port: Some(port),
        request: None,
        tls: None,
        after: Vec::new(),
    };
    (0..count).map(flow).collect()
}

fn sessions(criterion: &mut Criterion) {
    let server = cluster();
    let access = Access { kubeconfig: Some(server.kubeconfig()), context: None };
    let cluster = KubeCluster::connect(&access, Limits::default()).unwrap();
    let options = Options { deny_timeout: Duration::from_secs(2), ..Options::default() };
    let mut live = Live::new(&cluster, options, None).unwrap();
    let mut group = criterion.benchmark_group("a round from 20 pods");
    group.sample_size(10);
    for (name, count, port, outcome) in
        [("600 allowed flows", 600, 8080, Outcome::Connected), ("500 denied flows", 500, 8081, Outcome::Timeout)]
    {
        let flows = flows(count, port);
        let flows: Vec<&Flow> = flows.iter().collect();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let seen = live.observe(&flows);
                assert!(seen.iter().all(|seen| seen.outcome.as_ref() == Some(&outcome)));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, sessions);
criterion_main!(benches);
