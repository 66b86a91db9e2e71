//! Any bytes as manifests: parsed, decoded, built to a world, compiled.
#![no_main]

use airtight_manifest::{File, load_files};
use airtight_model::path::Engine;
use airtight_model::world::build;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let files = vec![File { name: "fuzz.yaml".to_owned(), bytes: bytes.to_vec() }];
    let Ok(loaded) = load_files(files) else { return };
    let stack = airtight::cli::input::stack("reference").expect("the built-in stack");
    let environment = airtight::cli::input::built_in_environment().expect("the built-in environment");
    if let Ok(built) = build(&loaded.documents, &environment, stack) {
        let _ = Engine::compile(&built.world).findings();
    }
});
