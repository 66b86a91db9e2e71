//! `airtight evidence`: the evidence bundle of a run, made and verified.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use airtight_manifest::printable;
use airtight_matrix::run::{ExitStatus, RunRecord};
use airtight_report::bundle::{MANIFEST, Producer, build, verify};
use airtight_report::stage;
use clap::{Args, Subcommand};

use super::error::CliError;
use super::output::Output;
use super::render;

/// What to do with evidence.
#[derive(Debug, Subcommand)]
pub(super) enum EvidenceCommand {
    /// Make a bundle of a run: a record of each case, raw observations, digests, and a statement ready to be signed
    Bundle(BundleArgs),
    /// Tell what of a bundle was changed, added or removed
    Verify(VerifyArgs),
}

/// Which run to bundle.
#[derive(Debug, Args)]
pub(super) struct BundleArgs {
    /// The folder to make
    folder: PathBuf,
    /// The run.json of the run; its evidence folder is looked for beside it
    #[arg(long, value_name = "FILE", default_value = "airtight-report/run.json")]
    from: PathBuf,
    /// Who makes the bundle [default: the workflow, by the variables that GitHub and GitLab set]
    #[arg(long, value_name = "TEXT")]
    by: Option<String>,
    /// The bundle that this one follows: its manifest's digest is kept
    #[arg(long, value_name = "DIR")]
    previous: Option<PathBuf>,
}

/// Which bundle to verify.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The bundle
    folder: PathBuf,
    /// SHA-256 of its manifest.json, as a signature, a time stamp or a later bundle has it
    #[arg(long, value_name = "HEX")]
    manifest_sha256: Option<String>,
}

/// Makes a bundle, or verifies one: with 1 if it was altered.
///
/// # Errors
/// When the run or the bundle cannot be read, raw observations are not those of the run, or the folder is there already.
pub(super) fn evidence(command: &EvidenceCommand, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    match command {
        EvidenceCommand::Bundle(args) => bundle(args, output),
        EvidenceCommand::Verify(args) => check(args, output),
    }
}

fn bundle(args: &BundleArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let record = render::read(&args.from)?;
    let raw = raw(&record, args.from.parent().unwrap_or(Path::new(".")))?;
    let previous = args.previous.as_deref().map(digest_of).transpose()?;
    let files = build(&record, &raw, producer(args.by.clone()), previous)?;
    // An earlier bundle is evidence: it is never replaced.
    if fs::symlink_metadata(&args.folder).is_ok() {
        let source =
            std::io::Error::new(ErrorKind::AlreadyExists, "it is there already, and evidence is never replaced");
        return Err(CliError::Write { path: args.folder.clone(), source });
    }
    let parent = args.folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = args.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let written = stage(parent, &name, &files)?.publish()?.keep();
    let (count, written) = (files.len(), printable(&written.to_string_lossy()));
    writeln!(output.out, "{written}: {count} files of {} cases", record.cases.len()).map_err(CliError::Output)?;
    let sign = format!(
        "cosign attest-blob --predicate {written}/predicate.json --type https://in-toto.io/attestation/test-result/v0.1 \
         --bundle {written}.sigstore.json {written}/{MANIFEST}"
    );
    writeln!(output.err, "  sign it: {sign}").map_err(CliError::Output)?;
    Ok(ExitStatus::Passed)
}

/// The raw observations of a run, from the folder beside it.
fn raw(record: &RunRecord, beside: &Path) -> Result<BTreeMap<String, Vec<u8>>, CliError> {
    let Some(evidence) = &record.evidence else { return Ok(BTreeMap::new()) };
    let folder = beside.join(&evidence.folder);
    let mut files = BTreeMap::new();
    for name in evidence.files.keys().filter(|name| is_plain(name)) {
        let path = folder.join(name);
        let content = fs::read(&path).map_err(|source| CliError::Read { path, source })?;
        files.insert(name.clone(), content);
    }
    Ok(files)
}

/// Whether a name is that of a file in the folder itself; a record that names others was changed.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

/// SHA-256 of the manifest of an earlier bundle, which must be unaltered to be followed.
fn digest_of(folder: &Path) -> Result<String, CliError> {
    let (_, altered) = verify(folder, None)?;
    let path = folder.join(MANIFEST);
    if let Some(first) = altered.first() {
        let source = std::io::Error::other(format!("the bundle was altered ({first})"));
        return Err(CliError::Read { path: folder.to_owned(), source });
    }
    let text = fs::read_to_string(folder.join(airtight_report::bundle::DIGEST))
        .map_err(|source| CliError::Read { path, source })?;
    Ok(text.split_whitespace().next().unwrap_or_default().to_owned())
}

/// Who makes the bundle, as far as the surroundings tell.
fn producer(by: Option<String>) -> Producer {
    let read = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let github = read("GITHUB_RUN_ID").and_then(|run| {
        Some(format!("{}/{}/actions/runs/{run}", read("GITHUB_SERVER_URL")?, read("GITHUB_REPOSITORY")?))
    });
    Producer {
        identity: by.or_else(|| read("GITHUB_WORKFLOW_REF")).or_else(|| read("CI_JOB_URL")),
        url: github.or_else(|| read("CI_PIPELINE_URL")),
        commit: read("GITHUB_SHA").or_else(|| read("CI_COMMIT_SHA")),
    }
}

fn check(args: &VerifyArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let (manifest, altered) = verify(&args.folder, args.manifest_sha256.as_deref())?;
    for alteration in &altered {
        writeln!(output.out, "{}", printable(&alteration.to_string())).map_err(CliError::Output)?;
    }
    if altered.is_empty() {
        let run = printable(&manifest.run);
        writeln!(output.out, "unaltered: {} files of run {run}", manifest.files.len()).map_err(CliError::Output)?;
        if args.manifest_sha256.is_none() {
            let hint = "whoever changes a bundle can change its manifest with it: give --manifest-sha256 from a signature or \
                        a time stamp";
            writeln!(output.err, "  hint: {hint}").map_err(CliError::Output)?;
        }
        return Ok(ExitStatus::Passed);
    }
    Ok(ExitStatus::Failed)
}
