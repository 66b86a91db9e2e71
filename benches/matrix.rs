//! What the budget of a run is spent on: loading, building, compiling, tracing, judging.
#![expect(clippy::expect_used, reason = "a benchmark may panic")]

use std::hint::black_box;
use std::path::Path;

use airtight::cli::input::{InputArgs, Inputs};
use airtight_manifest::load;
use airtight_matrix::model::Model;
use airtight_matrix::run::judge_all;
use airtight_model::path::Engine;
use criterion::{Criterion, criterion_group, criterion_main};

fn inputs() -> Inputs {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let args = InputArgs {
        manifests: vec![root.join("manifests")],
        scenarios: vec![root.join("scenarios")],
        stack: "reference".to_owned(),
    };
    Inputs::load(&args).expect("the reference set loads")
}

fn matrix(criterion: &mut Criterion) {
    let inputs = inputs();
    let built = inputs.world().expect("the reference set builds");
    let plan = inputs.plan(&built.world).expect("the matrix is sound");
    let engine = Engine::compile(&built.world);
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests");

    criterion.bench_function("load the reference set", |bencher| bencher.iter(|| load(black_box(&manifests))));
    criterion.bench_function("build its world", |bencher| bencher.iter(|| inputs.world()));
    criterion
        .bench_function("compile its policies", |bencher| bencher.iter(|| Engine::compile(black_box(&built.world))));
    let flow = &plan.cases[0].case.flow;
    criterion.bench_function("trace one flow", |bencher| bencher.iter(|| engine.trace(black_box(flow))));
    criterion.bench_function("judge the whole matrix", |bencher| {
        bencher.iter(|| judge_all(black_box(&plan), &mut Model::new(&engine)));
    });
}

criterion_group!(benches, matrix);
criterion_main!(benches);
