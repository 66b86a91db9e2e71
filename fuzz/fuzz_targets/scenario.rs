//! Any bytes as a scenario on the reference set: parsed, and if it is one, judged.
#![no_main]

use std::sync::LazyLock;

use airtight_manifest::{File, load_files};
use airtight_matrix::model::Model;
use airtight_matrix::run::judge_all;
use airtight_matrix::scenario::{Catalogue, load};
use airtight_model::path::Engine;
use airtight_model::world::World;
use airtight_testkit::worlds;
use libfuzzer_sys::fuzz_target;

static WORLD: LazyLock<World> = LazyLock::new(|| worlds::reference("reference"));
static ENGINE: LazyLock<Engine<'static>> = LazyLock::new(|| Engine::compile(&WORLD));
static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::embedded().expect("the built-in controls"));

/// Cases beyond which a plan is not judged.
const MOST: usize = 50;

fuzz_target!(|bytes: &[u8]| {
    let files = vec![File { name: "fuzz.yaml".to_owned(), bytes: bytes.to_vec() }];
    let Ok(loaded) = load_files(files) else { return };
    let today = jiff::civil::date(2026, 1, 1);
    let Ok(plan) = load(&loaded.documents, &WORLD, &CATALOGUE, today) else { return };
    if plan.cases.len() < MOST {
        let _ = judge_all(&plan, &mut Model::new(&ENGINE));
    }
});
