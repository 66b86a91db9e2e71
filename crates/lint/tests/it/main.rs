//! The rules, held against the sources, the page, the schemas and manifests that break each of them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod catalogue;
mod harness;
mod reference;
mod sarif;
mod seeds;
mod vectors;
