//! Any bytes as a scenario on the reference set: parsed, and if it is one, judged.
#![no_main]

use airtight::cli::input::{InputArgs, Inputs};
use airtight_manifest::{File, load_files};
use airtight_model::path::Engine;
use airtight_matrix::run::judge_all;
use airtight_matrix::model::Model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let args = InputArgs { manifests: Vec::new(), scenarios: Vec::new(), stack: "reference".to_owned() };
    let mut inputs = Inputs::load(&args).expect("the built-in inputs");
    let files = vec![File { name: "fuzz.yaml".to_owned(), bytes: bytes.to_vec() }];
    let Ok(scenarios) = load_files(files) else { return };
    inputs.scenarios = scenarios;
    let built = inputs.world().expect("the reference set builds");
    if let Ok(plan) = inputs.plan(&built.world) {
        let engine = Engine::compile(&built.world);
        let _ = judge_all(&plan, &mut Model::new(&engine));
    }
});
