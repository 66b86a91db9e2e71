//! `airtight init`: scenarios drafted from a policy set.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use airtight_manifest::{RuleRef, yaml};
use airtight_matrix::run::ExitStatus;
use airtight_matrix::run::draft::{Draft, DraftError, draft};
use airtight_model::path::Engine;
use clap::Args;
use serde::Serialize;

use super::error::CliError;
use super::input::{AUTO, Inputs, ReadingArgs};
use super::output::{Output, OutputFormat};

/// The file that is written unless another is named.
const DEFAULT_OUT: &str = "scenarios.yaml";

/// What to draft from, and where to.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Files or folders with manifests, workloads among them [default: ./manifests if it is there, else the built-in
    /// reference set]
    #[arg(long, short = 'm', value_name = "PATH", env = "AIRTIGHT_MANIFESTS")]
    manifests: Vec<PathBuf>,
    /// Component versions: `reference`, `latest`, a stack file, or `auto`: the stack among the manifests, as a snapshot
    /// has one, else `reference`
    #[arg(long, value_name = "NAME", default_value = AUTO, env = "AIRTIGHT_STACK")]
    stack: String,
    /// File to write, or `-` for standard output [default: scenarios.yaml; with `-o json` or `-o yaml` none]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What standard output tells of the draft: a few lines for people, or a document with the scenarios, what was left
    /// out, and why
    #[arg(long, short, value_enum, default_value_t)]
    output: OutputFormat,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Draft for the policies of this namespace only, in which objects are that name none
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
    #[command(flatten)]
    reading: ReadingArgs,
}

/// Drafts scenarios and writes them.
///
/// # Errors
/// When inputs cannot be read, nothing can be drafted, or the file is there already.
pub fn init(args: &InitArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let target = args.target();
    if let Some(Target::File(path)) = &target
        && !args.force
        && path.exists()
    {
        return Err(CliError::Exists((*path).to_owned()));
    }
    let inputs = Inputs::of_manifests(&args.manifests, &args.stack, &args.reading, args.namespace.as_deref())?;
    let built = inputs.world()?;
    let mut findings = inputs.findings(&built);
    let engine = Engine::compile(&built.world);
    findings.extend(engine.findings());
    output.diagnostics(&findings, &inputs.sources())?;
    let drafted = draft(&built.world, args.namespace.as_deref(), airtight_matrix::run::today())?;
    match &target {
        Some(Target::Screen) => output.out.write_all(drafted.text.as_bytes()).map_err(CliError::Output)?,
        Some(Target::File(path)) => {
            replace(path, &drafted.text).map_err(|source| CliError::Write { path: (*path).to_owned(), source })?;
        }
        None => {}
    }
    match args.output {
        OutputFormat::Table => tell(&drafted, args, output).map_err(CliError::Output)?,
        format @ (OutputFormat::Json | OutputFormat::Yaml) => output.serialized(&document(&drafted)?, format)?,
    }
    Ok(inputs.status(&built, &engine))
}

/// Where the scenarios are written.
enum Target<'a> {
    File(&'a Path),
    Screen,
}

impl InitArgs {
    /// None where standard output has them in another form already.
    fn target(&self) -> Option<Target<'_>> {
        match (self.out.as_deref(), self.output) {
            (None, OutputFormat::Table) => Some(Target::File(Path::new(DEFAULT_OUT))),
            (None, OutputFormat::Json | OutputFormat::Yaml) => None,
            (Some(path), OutputFormat::Table) if path == Path::new("-") => Some(Target::Screen),
            (Some(path), OutputFormat::Json | OutputFormat::Yaml) if path == Path::new("-") => None,
            (Some(path), OutputFormat::Table | OutputFormat::Json | OutputFormat::Yaml) => Some(Target::File(path)),
        }
    }
}

/// A draft for programs.
#[derive(Debug, Serialize)]
struct DraftDocument {
    /// The scenarios, as `run` reads them.
    scenarios: Vec<serde_json::Value>,
    allowed: usize,
    denied: usize,
    /// Allow rules of the policies.
    rules: usize,
    /// Allow rules without a case.
    undrafted: Vec<Undrafted>,
    /// Policies that no case would miss.
    unnoticed: Vec<RuleRef>,
}

#[derive(Debug, Serialize)]
struct Undrafted {
    rule: RuleRef,
    why: String,
}

fn document(drafted: &Draft) -> Result<DraftDocument, CliError> {
    let unreadable = |finding| CliError::Draft(DraftError::Unreadable(finding));
    let documents = yaml::parse(&Arc::from(DEFAULT_OUT), &drafted.text).map_err(unreadable)?;
    let undrafted = drafted.undrafted.iter().map(|(rule, why)| Undrafted { rule: rule.clone(), why: why.clone() });
    Ok(DraftDocument {
        scenarios: documents.iter().map(|document| document.root.to_json()).collect(),
        allowed: drafted.allowed,
        denied: drafted.denied,
        rules: drafted.rules,
        undrafted: undrafted.collect(),
        unnoticed: drafted.unnoticed.clone(),
    })
}

/// Writes beside the file and renames, so that nobody ever reads half of it.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".airtight-init");
    // A temporary file is its owner's alone; scenarios are for everyone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map(|_| ()).map_err(|error| error.error)
}

fn tell(drafted: &Draft, args: &InitArgs, output: &mut Output<'_>) -> std::io::Result<()> {
    let covered = drafted.rules - drafted.undrafted.len();
    writeln!(
        output.err,
        "drafted {} cases ({} allowed, {} denied) from {covered} of {} allow rules",
        drafted.allowed + drafted.denied,
        drafted.allowed,
        drafted.denied,
        drafted.rules,
    )?;
    for (rule, why) in &drafted.undrafted {
        writeln!(output.err, "  not drafted: {rule}: {why}")?;
    }
    for rule in &drafted.unnoticed {
        writeln!(output.err, "  noticed by no case: {rule}")?;
    }
    let Some(Target::File(out)) = args.target() else { return Ok(()) };
    let mut next = "next: airtight run".to_owned();
    for path in &args.manifests {
        let _ = write!(next, " --manifests {}", path.display());
    }
    #[cfg(feature = "live")]
    if let Some(context) = &args.reading.cluster.context {
        let _ = write!(next, " --context {context}");
    }
    if let Some(namespace) = &args.namespace {
        let _ = write!(next, " --namespace {namespace}");
    }
    writeln!(output.err, "{next} --scenarios {}", out.display())
}
