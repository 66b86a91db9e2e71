//! The command as clap knows it, and what each subcommand leads to; errors rendered once, here.

use std::io::{self, Write};
use std::process::ExitCode;

use airtight_manifest::Sources;
use airtight_matrix::run::ExitStatus;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use super::error::CliError;
use super::output::{Output, UntilClosed};
use super::{
    bundle, coverage, diagnostics, diff, error, evidence_bundle, explain, history, images, init, lint, list, matrix,
    probe, rbac, render, run, schema, stacks,
};
#[cfg(feature = "live")]
use super::{clean, down, job, preflight, snapshot, status, up};

/// Proves that a zero-trust Kubernetes network allows what it must and denies what it must.
#[derive(Debug, Parser)]
#[command(name = "airtight", version, about, max_term_width = 100, propagate_version = true)]
#[command(after_help = "Exit codes: 0 all passed, 1 a case failed, 2 usage or input error, 3 inconclusive, \
                        4 nothing selected, 5 no testbed")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", display_order = 900)]
    color: ColorWhen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the matrix on a testbed and write the reports
    Run(Box<run::RunArgs>),
    /// Measure what the matrix would not notice: rules that no case misses, allowed flows that no case asserts
    Coverage(Box<coverage::CoverageArgs>),
    /// Draft scenarios from a policy set, each case confirmed by the model
    Init(Box<init::InitArgs>),
    /// Find policies that do not do what they say
    Lint(Box<lint::LintArgs>),
    /// List the cases or the workloads
    List(Box<list::ListArgs>),
    /// Explain one flow, hop by hop: each checkpoint, its decision, and the rule behind it
    Explain(Box<explain::ExplainArgs>),
    /// Show who reaches whom, for all pods at once
    Matrix(Box<matrix::MatrixArgs>),
    #[cfg(feature = "live")]
    /// Read a cluster into a folder of manifests, which the other commands take with -m
    Snapshot(snapshot::SnapshotArgs),
    /// Render another report from a run.json
    Report(render::ReportArgs),
    /// Make an evidence bundle of a run, or verify one
    #[command(subcommand)]
    Evidence(evidence_bundle::EvidenceCommand),
    /// Show runs over time: the trend, flaky cases, and how long failures lasted
    History(history::HistoryArgs),
    /// Compare a run with an earlier one, or what two sets of manifests allow
    Diff(Box<diff::DiffArgs>),
    /// List the stacks, and check which versions go together
    Stacks(stacks::StacksArgs),
    #[cfg(feature = "live")]
    /// Check whether this machine can run a cluster of a stack
    Preflight(Box<preflight::PreflightArgs>),
    #[cfg(feature = "live")]
    /// Bring up a cluster of a stack on kind, or go on where the last attempt ended
    Up(Box<up::UpArgs>),
    #[cfg(feature = "live")]
    /// Show what is there of our clusters
    Status(status::StatusArgs),
    #[cfg(feature = "live")]
    /// Remove a cluster: exactly what `up` made
    Down(down::DownArgs),
    /// Remove what crashed runs left on a cluster: exactly what carries our label
    #[cfg(feature = "live")]
    Clean(clean::CleanArgs),
    /// List the images of a stack
    Images(images::ImagesArgs),
    /// Fetch what a machine without a network needs to bring up a stack
    Bundle(bundle::BundleArgs),
    /// The probe's image, for clusters that pull from a registry
    #[command(subcommand)]
    Probe(probe::ProbeCommand),
    /// Print the role that `run --testbed cluster` needs, as a manifest
    Rbac(rbac::RbacArgs),
    /// Print a Job that runs the matrix from within a cluster, with all that it needs, as manifests
    #[cfg(feature = "live")]
    Job(Box<job::JobArgs>),
    /// Print the JSON Schema of scenarios, environments, run.json, diffs of manifests, lint or coverage reports
    Schema(schema::SchemaArgs),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// Runs the command that the arguments name, and says how to exit.
#[must_use]
pub fn main() -> ExitCode {
    #[cfg(feature = "live")]
    if let Some(ended) = probe::agent() {
        return ended;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    cli.color.apply();
    let (mut out, mut err) = (anstream::stdout(), UntilClosed(anstream::stderr()));
    let mut output = Output { out: &mut out, err: &mut err };
    let result = dispatch(&cli.command, &mut output).and_then(|status| {
        let flushed = output.out.flush().map_err(CliError::Output);
        error::unless_closed(flushed).map(|()| status)
    });
    match result {
        Ok(status) => ExitCode::from(status.code()),
        Err(error) if error.is_closed_pipe() => ExitCode::from(ExitStatus::Passed.code()),
        Err(error) => fail(&error, &mut err),
    }
}

fn dispatch(command: &Command, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    match command {
        Command::Run(args) => run::run(args, output),
        Command::Coverage(args) => coverage::coverage(args, output),
        Command::Init(args) => init::init(args, output),
        Command::Lint(args) => lint::lint(args, output),
        Command::List(args) => list::list(args, output),
        Command::Explain(args) => explain::explain(args, output),
        Command::Matrix(args) => matrix::matrix(args, output),
        #[cfg(feature = "live")]
        Command::Snapshot(args) => snapshot::snapshot(args, output),
        Command::Report(args) => render::report(args, output),
        Command::Evidence(command) => evidence_bundle::evidence(command, output),
        Command::History(args) => history::history(args, output),
        Command::Diff(args) => diff::diff(args, output),
        Command::Stacks(args) => stacks::stacks(args, output),
        #[cfg(feature = "live")]
        Command::Preflight(args) => preflight::preflight(args, output),
        #[cfg(feature = "live")]
        Command::Up(args) => up::up(args, output),
        #[cfg(feature = "live")]
        Command::Status(args) => status::status(args, output),
        #[cfg(feature = "live")]
        Command::Down(args) => down::down(args, output),
        Command::Images(args) => images::images(args, output),
        #[cfg(feature = "live")]
        Command::Clean(args) => clean::clean(args, output),
        Command::Rbac(args) => rbac::rbac(args, output),
        #[cfg(feature = "live")]
        Command::Job(args) => job::job(args, output),
        Command::Bundle(args) => bundle::bundle(args, output),
        Command::Probe(command) => probe::probe(command, output),
        Command::Schema(args) => schema::schema(args, output),
        Command::Completions { shell } => completions(*shell, output),
    }
}

fn completions(shell: Shell, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    // clap_complete panics on a closed pipe when it writes to the pipe itself.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "airtight", &mut script);
    output.out.write_all(&script).map_err(CliError::Output)?;
    Ok(ExitStatus::Passed)
}

/// clap's own text; help and version are no errors.
fn usage(error: &clap::Error) -> ExitCode {
    let code = if error.use_stderr() { ExitStatus::InputError } else { ExitStatus::Passed };
    match error.print() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(ExitStatus::InputError.code()),
        Ok(()) | Err(_) => ExitCode::from(code.code()),
    }
}

fn fail(error: &CliError, err: &mut dyn Write) -> ExitCode {
    // Nobody is left to be told when standard error is gone.
    let _ = tell(error, err);
    ExitCode::from(error.status().code())
}

fn tell(error: &CliError, err: &mut dyn Write) -> io::Result<()> {
    if let CliError::Input(findings) = error {
        diagnostics::write(err, findings, &Sources::of_files(findings))?;
    }
    let style = anstyle::AnsiColor::Red.on_default().bold();
    for line in error.detail() {
        writeln!(err, "  | {line}")?;
    }
    writeln!(err, "{style}error[{}]{style:#}: {error}", error.code())?;
    match error.hint() {
        Some(hint) => writeln!(err, "  hint: {hint}"),
        None => Ok(()),
    }
}

impl ColorWhen {
    fn apply(self) {
        match self {
            Self::Auto => {}
            Self::Always => anstream::ColorChoice::Always.write_global(),
            Self::Never => anstream::ColorChoice::Never.write_global(),
        }
    }
}
