//! `airtight bundle`: what a machine without a network needs, fetched where there is one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use airtight_cluster::Stop;
use airtight_matrix::run::ExitStatus;
use airtight_provision::{Bounds, Fetch, Owner, ProbeImage, StepFailure, fetches, run};
use clap::Args;

use super::error::CliError;
use super::output::Output;
use super::probe::{ProbeArgs, not_packed};
use super::recipe::recipe;
use super::signals::stop;

/// How long one thing may take to fetch.
const FETCH: Duration = Duration::from_mins(30);

/// Of which stack, and where to.
#[derive(Debug, Args)]
pub struct BundleArgs {
    /// Component versions: `reference`, `latest`, or a stack file
    #[arg(long, value_name = "NAME", default_value = "reference", env = "AIRTIGHT_STACK")]
    stack: String,
    /// Folder to write; made if it is not there, and what is in it already is not fetched again
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Platform of the images [default: linux on this machine's processor]
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<String>,
    #[command(flatten)]
    probe: ProbeArgs,
    /// Show the calls, and fetch nothing
    #[arg(long)]
    dry_run: bool,
}

/// Fetches charts, manifests and images into a folder.
///
/// # Errors
/// When the stack cannot be read, the folder cannot be written, or something could not be fetched.
pub fn bundle(args: &BundleArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let recipe = recipe(&args.stack)?;
    let platform = args.platform.clone().unwrap_or_else(this_platform);
    // Beside the rest until it is whole, so that half a file is never taken for one.
    let unfinished = args.out.join(".unfinished");
    let wanted = fetches(&recipe, &unfinished, &platform);
    if args.dry_run {
        let mut calls = wanted.iter().flat_map(|fetch| &fetch.calls);
        calls.try_for_each(|call| writeln!(output.out, "{call}")).map_err(CliError::Output)?;
        return Ok(ExitStatus::Passed);
    }
    let unwritable = |source| CliError::Write { path: args.out.clone(), source };
    fs::create_dir_all(&unfinished).map_err(unwritable)?;
    let list: String = recipe.images().iter().flat_map(|(_, image)| [image.to_string(), "\n".to_owned()]).collect();
    fs::write(args.out.join("images.txt"), list).map_err(unwritable)?;
    pack_probe(args, output)?;
    let missing = fetch_all(&wanted, args, output)?;
    fs::remove_dir_all(&unfinished).map_err(unwritable)?;
    writeln!(output.out, "{}: {} of {} parts", args.out.display(), wanted.len() - missing.len(), wanted.len())
        .map_err(CliError::Output)?;
    match missing.into_iter().next() {
        None => Ok(ExitStatus::Passed),
        Some(first) => Err(first.into()),
    }
}

/// Writes the archive of the probe's image, which no registry has. It is made anew each time, and follows from the
/// program alone.
fn pack_probe(args: &BundleArgs, output: &mut Output<'_>) -> Result<(), CliError> {
    let name = ProbeImage::file_name();
    match args.probe.image(args.out.join(&name))? {
        ProbeImage::Program(program) => {
            let archive = program.pack().map_err(|error| not_packed(&error))?;
            let path = &program.archive;
            fs::write(path, archive).map_err(|source| CliError::Write { path: path.clone(), source })?;
            writeln!(output.err, "  done  {name}").map_err(CliError::Output)
        }
        ProbeImage::Missing(why) => {
            writeln!(output.err, "  left out: the probe's image: {why}").map_err(CliError::Output)
        }
        // The arguments name no archive.
        ProbeImage::Archive(_) => Ok(()),
    }
}

fn this_platform() -> String {
    let processor = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux/{processor}")
}

/// Fetches what is not there yet; what fails is said, and does not keep the rest.
fn fetch_all(wanted: &[Fetch], args: &BundleArgs, output: &mut Output<'_>) -> Result<Vec<StepFailure>, CliError> {
    let (stop, mut missing) = (stop()?, Vec::new());
    for fetch in wanted {
        if args.out.join(&fetch.file).exists() {
            writeln!(output.err, "  kept  {}", fetch.file).map_err(CliError::Output)?;
            continue;
        }
        match fetch_one(fetch, &args.out, &stop) {
            Ok(()) => writeln!(output.err, "  done  {}", fetch.file).map_err(CliError::Output)?,
            Err(failure) if failure.code == "interrupted" => return Err(failure.into()),
            Err(failure) => {
                writeln!(output.err, "  FAIL  {}: {} [{}]", fetch.what, failure.message, failure.code)
                    .map_err(CliError::Output)?;
                missing.push(StepFailure { message: format!("{}: {}", fetch.what, failure.message), ..failure });
            }
        }
    }
    Ok(missing)
}

fn fetch_one(fetch: &Fetch, folder: &Path, stop: &Stop) -> Result<(), StepFailure> {
    let owner = Owner::default();
    let bounds = Bounds { deadline: Instant::now() + FETCH, stop, owner: &owner };
    fetch.calls.iter().try_for_each(|call| run(call, bounds).map(|_| ()).map_err(StepFailure::from))?;
    fs::rename(folder.join(".unfinished").join(&fetch.file), folder.join(&fetch.file)).map_err(|error| {
        let message = format!("{} was fetched, but not as {}: {error}", fetch.what, fetch.file);
        StepFailure::new(
            "not-fetched",
            message,
            "see that the folder can be written, and that the programs are not wrappers",
        )
    })
}
