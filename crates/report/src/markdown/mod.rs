//! GitHub Markdown for `GITHUB_STEP_SUMMARY`: the verdict, then what a reviewer must look at, then every case.
//!
//! GitHub refuses a summary over 1 MiB (GitHub documentation, "Workflow commands"), so the text stops at
//! [`LIMIT`] bytes, always between two rows, and says how many rows are missing.

pub(super) mod document;
mod render;

pub use render::{LIMIT, render, render_within};
