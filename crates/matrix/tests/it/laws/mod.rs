//! Laws of the whole engine, from documents to the verdict of a run, on generated worlds.
//!
//! `PROPTEST_CASES` goes deeper than the default.

#![expect(clippy::unwrap_used, reason = "a world that cannot be built is a failed test")]

mod flows;
mod mesh;
mod routes;
mod sketch;
mod standing;
mod topology;

mod ablation;
mod doubt;
mod judging;
mod monotony;
mod order;
mod provenance;
mod reach;
mod regressions;
mod renaming;
mod trace;

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

/// As many cases as `PROPTEST_CASES` says, each time others; without it `cases`, each time the same: whoever changes
/// something sees what the change did.
fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()) {
        Some(asked) => ProptestConfig { cases: asked, ..default },
        None => ProptestConfig { cases, rng_seed: RngSeed::Fixed(20_250_704), ..default },
    }
}
