//! Errors of the command: a code, an exit status and a hint, rendered once at the edge.

use std::path::PathBuf;

use airtight_manifest::Diagnostic;
use airtight_manifest::Failure;
use airtight_matrix::run::ExitStatus;
use airtight_model::path::FlowError;

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Inputs are wrong; each finding has its place.
    #[error("{} in the input", count(.0))]
    Input(Vec<Diagnostic>),
    /// There are manifests of the user's own, and no scenarios that speak of them.
    #[error("there are no scenarios for {0}")]
    NoScenarios(String),
    /// No such stack.
    #[error("there is no stack `{0}`")]
    UnknownStack(String),
    /// An endpoint or request on the command line does not parse.
    #[error("`{value}` is not {expected}")]
    Argument {
        /// What was written.
        value: String,
        /// What it should have been.
        expected: &'static str,
        /// What to write instead.
        hint: String,
    },
    /// A flow names what the world does not have.
    #[error("{0}")]
    Flow(#[from] FlowError),
    /// The same, with what there is instead.
    #[error("{error}")]
    NoSuchEnd {
        /// What the world does not have.
        error: FlowError,
        /// What was probably meant.
        hint: String,
    },
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is there already would be overwritten.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nothing could be drafted.
    #[error("{0}")]
    Draft(#[from] airtight_matrix::run::draft::DraftError),
    /// A report could not be written or read.
    #[error("{0}")]
    Report(#[from] airtight_report::ReportError),
    /// Standard output could not be written.
    #[error("cannot write to standard output: {0}")]
    Output(std::io::Error),
    /// The host lacks what a cluster needs.
    #[error("{}", lacking(*.0))]
    Preflight(usize),
    /// A cluster could not be brought up, shown or removed.
    #[error("{0}")]
    Provision(Box<airtight_provision::StepFailure>),
    /// The testbed could not be brought up.
    #[error("{0}")]
    Testbed(#[from] Failure),
}

impl CliError {
    /// Stable, kebab-case name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Input(_) => "input",
            Self::NoScenarios(_) => "no-scenarios",
            Self::UnknownStack(_) => "unknown-stack",
            Self::Argument { .. } => "argument",
            Self::Flow(_) | Self::NoSuchEnd { .. } => "flow",
            Self::Read { .. } => "unreadable",
            Self::Exists(_) => "exists",
            Self::Write { .. } => "unwritable",
            Self::Draft(_) => "draft",
            Self::Report(_) => "report",
            Self::Output(_) => "output",
            Self::Preflight(_) => "preflight",
            Self::Provision(failure) => failure.code,
            Self::Testbed(error) => error.code,
        }
    }

    /// The status to exit with.
    #[must_use]
    pub fn status(&self) -> ExitStatus {
        match self {
            Self::NoScenarios(_) => ExitStatus::NothingSelected,
            Self::Input(_)
            | Self::UnknownStack(_)
            | Self::Argument { .. }
            | Self::Flow(_)
            | Self::NoSuchEnd { .. }
            | Self::Read { .. }
            | Self::Exists(_)
            | Self::Write { .. }
            | Self::Draft(_)
            | Self::Report(_)
            | Self::Output(_) => ExitStatus::InputError,
            Self::Preflight(_) | Self::Provision(_) | Self::Testbed(_) => ExitStatus::NoTestbed,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoScenarios(_) => Some(
                "`airtight init` drafts them from the policies, and `airtight matrix` shows who reaches whom without any; \
                 name your own with --scenarios"
                    .to_owned(),
            ),
            Self::UnknownStack(_) => Some("built in are `reference` and `latest`; or name a stack file".to_owned()),
            Self::Argument { hint, .. } | Self::NoSuchEnd { hint, .. } => Some(hint.clone()),
            Self::Flow(_) => Some("`airtight list --workloads` shows what there is".to_owned()),
            Self::Read { .. } => Some("check the path and its permissions".to_owned()),
            Self::Exists(_) => Some("add --force to replace it, or name another file with --out".to_owned()),
            Self::Write { .. } => Some("check the folder and its permissions".to_owned()),
            Self::Draft(error) => Some(error.hint().to_owned()),
            Self::Report(error) => Some(error.hint().to_owned()),
            Self::Preflight(_) => {
                Some("each remedy stands beside its need; --skip-preflight goes on all the same".to_owned())
            }
            Self::Provision(failure) => Some(failure.hint.clone()),
            Self::Testbed(error) => error.hint.clone(),
            Self::Output(_) => Some("free some space, or send the output elsewhere".to_owned()),
            Self::Input(_) => None,
        }
    }

    /// What a program said that failed, with the program before it.
    #[must_use]
    pub fn detail(&self) -> &[String] {
        match self {
            Self::Provision(failure) => &failure.detail,
            Self::Input(_)
            | Self::NoScenarios(_)
            | Self::UnknownStack(_)
            | Self::Argument { .. }
            | Self::Flow(_)
            | Self::NoSuchEnd { .. }
            | Self::Read { .. }
            | Self::Exists(_)
            | Self::Write { .. }
            | Self::Draft(_)
            | Self::Report(_)
            | Self::Output(_)
            | Self::Preflight(_)
            | Self::Testbed(_) => &[],
        }
    }

    /// Whether the reader of standard output went away, which is no fault (`airtight list | head`).
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

/// What is left of `result` when a reader of standard output who went away is no fault.
pub(super) fn unless_closed(result: Result<(), CliError>) -> Result<(), CliError> {
    match result {
        Err(error) if error.is_closed_pipe() => Ok(()),
        result => result,
    }
}

impl From<airtight_provision::StepFailure> for CliError {
    fn from(failure: airtight_provision::StepFailure) -> Self {
        Self::Provision(Box::new(failure))
    }
}

fn lacking(needs: usize) -> String {
    match needs {
        1 => "one need of the cluster is unmet; nothing was made".to_owned(),
        n => format!("{n} needs of the cluster are unmet; nothing was made"),
    }
}

fn count(findings: &[Diagnostic]) -> String {
    match findings.len() {
        1 => "1 error".to_owned(),
        n => format!("{n} errors"),
    }
}
