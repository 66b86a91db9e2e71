//! Full reachability of generated worlds, and what comes before it: loading and compiling.
//!
//! `cargo bench --bench reach` prints times; for peak memory run `cargo bench --bench reach -- --profile-time 1 10,000`
//! under `/usr/bin/time -v`.

use std::hint::black_box;
use std::time::Duration;

use airtight_manifest::decode_resource;
use airtight_model::path::Engine;
use airtight_model::path::reach::{Reachability, Scope, View};
use airtight_testkit::generated::{self, Size};
use criterion::{Criterion, criterion_group, criterion_main};

fn reachability(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reachability");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    let fifty = Size { replicas: 50, ..Size::of_pods(10_000) };
    for (name, size) in [
        ("1,000 pods, 100 classes", Size::of_pods(1_000)),
        ("10,000 pods, 1,000 classes", Size::of_pods(10_000)),
        ("50,000 pods, 1,000 classes", fifty),
    ] {
        let world = generated::world(size);
        group.bench_function(format!("compile policies: {name}"), |bencher| {
            bencher.iter(|| Engine::compile(black_box(&world)));
        });
        // What a compiled engine computes only once belongs to each measurement.
        group.bench_function(format!("by pod: {name}"), |bencher| {
            bencher.iter_with_setup(
                || Engine::compile(&world),
                |engine| Reachability::compute(&engine, &Scope::default()).cells().count(),
            );
        });
        group.bench_function(format!("by Service: {name}"), |bencher| {
            let scope = Scope { view: View::Service, ..Scope::default() };
            bencher.iter_with_setup(
                || Engine::compile(&world),
                |engine| Reachability::compute(&engine, &scope).cells().count(),
            );
        });
    }
}

fn loading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("loading");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    let size = Size { namespaces: 500, replicas: 1, nodes: 2, policies: 5_000 };
    let text = generated::policies(size);
    group.bench_function(format!("parse 5,000 policies of {} kB", text.len() / 1000), |bencher| {
        bencher.iter(|| generated::parse("policies.yaml", black_box(&text)));
    });
    let documents = generated::parse("policies.yaml", &text);
    group.bench_function("decode 5,000 policies", |bencher| {
        bencher.iter(|| documents.iter().filter(|document| decode_resource(document).is_ok()).count());
    });
}

criterion_group!(benches, reachability, loading);
criterion_main!(benches);
