//! `airtight init`: scenarios drafted from a policy set.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use airtight_matrix::run::ExitStatus;
use airtight_matrix::run::draft::{Draft, draft};
use airtight_model::path::Engine;
use clap::Args;

use super::error::CliError;
use super::input::{AUTO, Inputs, ReadingArgs};
use super::output::Output;

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
    /// File to write, or `-` for standard output
    #[arg(long, value_name = "FILE", default_value = "scenarios.yaml")]
    out: PathBuf,
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
    let to_stdout = args.out == Path::new("-");
    if !to_stdout && !args.force && args.out.exists() {
        return Err(CliError::Exists(args.out.clone()));
    }
    let inputs = Inputs::of_manifests(&args.manifests, &args.stack, &args.reading, args.namespace.as_deref())?;
    let built = inputs.world()?;
    let mut findings = inputs.findings(&built);
    findings.extend(Engine::compile(&built.world).findings());
    output.diagnostics(&findings, &inputs.sources())?;
    let drafted = draft(&built.world, args.namespace.as_deref(), jiff::Zoned::now().date())?;
    if to_stdout {
        output.out.write_all(drafted.text.as_bytes()).map_err(CliError::Output)?;
    } else {
        replace(&args.out, &drafted.text).map_err(|source| CliError::Write { path: args.out.clone(), source })?;
    }
    tell(&drafted, args, output).map_err(CliError::Output)?;
    Ok(inputs.status(&built))
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
    if args.out == Path::new("-") {
        return Ok(());
    }
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
    writeln!(output.err, "{next} --scenarios {}", args.out.display())
}
