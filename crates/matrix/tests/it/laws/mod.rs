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

use airtight_testkit::random::cases;
