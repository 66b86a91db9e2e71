//! The evidence bundle: what an auditor takes away, and can tell apart from what was changed afterwards.
//!
//! A folder with the whole record of the run, a record of each case, the raw observations, and a manifest with the SHA-256
//! of each of them. What is hashed is canonical JSON (RFC 8785), so that others come to the same digests. Beside the
//! manifest stand three files that are made of it: its digest, a request for a time stamp (RFC 3161), and a statement
//! (in-toto) that is ready to be signed. Nothing is signed here, so that a bundle is made without a network.

mod build;
mod canonical;
mod case;
mod manifest;
mod seal;
mod statement;
mod verify;

pub use build::build;
pub use manifest::{BUNDLE_SCHEMA, FileRecord, Manifest, Producer, schema};
pub use verify::{Alteration, verify};

/// The manifest.
pub const MANIFEST: &str = "manifest.json";
/// The manifest's digest, as `sha256sum --check` reads it.
pub const DIGEST: &str = "manifest.json.sha256";
/// A request for a time stamp of the manifest.
pub const TIMESTAMP_QUERY: &str = "manifest.json.tsq";
/// The statement about the manifest.
pub const STATEMENT: &str = "statement.intoto.json";
/// The statement's predicate alone, as `cosign attest-blob` takes it.
pub const PREDICATE: &str = "predicate.json";
/// The record of the run.
pub const RUN: &str = "run.json";
/// The folder with a record of each case.
pub const CASES: &str = "cases";
/// The folder with raw observations.
pub const RAW: &str = "raw";
