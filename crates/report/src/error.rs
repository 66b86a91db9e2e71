//! What can go wrong with a report.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::tally::Inconsistency;

/// Why a report could not be rendered, written or read.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The folder does not exist and cannot be made, or is none.
    #[error("cannot use `{}` as the report folder: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory stands where a report file must go.
    #[error("cannot write the report to `{}`: a directory is in the way", path.display())]
    Obstacle {
        /// The file.
        path: PathBuf,
    },
    /// A report file could not be written; none was left behind.
    #[error("cannot write the report to `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The record cannot be expressed in the format.
    #[error("cannot render the run as {format}: {why}")]
    Render {
        /// The format.
        format: &'static str,
        /// Why.
        why: String,
    },
    /// The text is no JSON, or no record of a run.
    #[error("cannot read the run: {source}")]
    Parse {
        /// Where and why.
        source: serde_json::Error,
    },
    /// The record was written by an airtight that gives its fields another meaning.
    #[error("the run has the schema `{found}`, and this airtight reads `{supported}`")]
    Schema {
        /// The schema of the record.
        found: String,
        /// The schema that can be read.
        supported: &'static str,
    },
    /// A raw observation is not the one that the run wrote.
    #[error("the run's raw observation `{file}` {why}")]
    Evidence {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A folder is no evidence bundle.
    #[error("`{}` is no evidence bundle: {source}", path.display())]
    Bundle {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The record contradicts itself.
    #[error("the run contradicts itself: {0}")]
    Inconsistent(#[from] Inconsistency),
}

impl ReportError {
    /// Stable, kebab-case name of the kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "report-folder",
            Self::Obstacle { .. } => "report-obstacle",
            Self::Write { .. } => "report-write",
            Self::Render { .. } => "report-render",
            Self::Parse { .. } => "report-parse",
            Self::Schema { .. } => "report-schema",
            Self::Evidence { .. } => "report-evidence",
            Self::Bundle { .. } => "report-bundle",
            Self::Inconsistent(_) => "report-inconsistent",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Folder { source, .. } | Self::Write { source, .. } => hint_for(source.kind()),
            Self::Obstacle { .. } => "move the directory away, or choose another folder with `--report-dir`",
            Self::Render { .. } => "render another format; `run.json` holds everything",
            Self::Parse { .. } => "give the `run.json` that `airtight run` wrote, unchanged",
            Self::Schema { .. } => "read the run with the airtight that wrote it, or run the matrix again",
            Self::Evidence { .. } => "bundle a run together with the evidence folder that it wrote, unchanged",
            Self::Bundle { .. } => "name the folder that `airtight evidence bundle` made",
            Self::Inconsistent(_) => "the file was changed after the run; run the matrix again",
        }
    }
}

fn hint_for(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "the disk is full; free some space, or choose another folder with `--report-dir`"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file is in the way; choose another folder with `--report-dir`"
        }
        _ => "make the folder writable, or choose another one with `--report-dir`",
    }
}
