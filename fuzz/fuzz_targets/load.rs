//! Any bytes as manifests: parsed, decoded, built to a world, compiled, and asked who reaches whom.
#![no_main]

use std::sync::LazyLock;

use airtight_manifest::stack::Stack;
use airtight_manifest::{File, load_files};
use airtight_model::path::Engine;
use airtight_model::path::reach::{Reachability, Scope, View};
use airtight_model::world::{Environment, build};
use airtight_testkit::{stack, worlds};
use libfuzzer_sys::fuzz_target;

/// Cells beyond which a world is not asked: it is the size of an issue of speed.
const MOST: usize = 200;

static STACKS: LazyLock<[Stack; 2]> = LazyLock::new(|| ["reference", "latest"].map(stack::shipped));
static ENVIRONMENT: LazyLock<Environment> = LazyLock::new(worlds::environment);

fuzz_target!(|bytes: &[u8]| {
    let files = vec![File { name: "fuzz.yaml".to_owned(), bytes: bytes.to_vec() }];
    let Ok(loaded) = load_files(files) else { return };
    for stack in STACKS.iter() {
        let Ok(built) = build(&loaded.documents, &ENVIRONMENT, stack.clone()) else { continue };
        let engine = Engine::compile(&built.world);
        let _ = engine.findings();
        if built.world.pods.len() < MOST && built.world.services.len() < MOST {
            let scope = Scope { view: View::Everything, ..Scope::default() };
            let _ = Reachability::compute(&engine, &scope).folded().cells().count();
        }
    }
});
