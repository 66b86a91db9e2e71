//! `airtight history`: runs over time.

use std::fs;
use std::path::{Path, PathBuf};

use airtight_matrix::run::{ExitStatus, RunRecord};
use airtight_report::Style;
use airtight_report::history;
use clap::Args;

use super::error::CliError;
use super::output::{Output, OutputFormat};
use super::render;

/// Which runs to look at.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// A folder with the run.json of many runs, at any depth
    folder: PathBuf,
    /// Write a page for people to this file as well
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Output format
    #[arg(long, short, value_enum, default_value_t)]
    output: OutputFormat,
}

/// How deep folders of runs may be nested.
const DEEPEST: usize = 8;

/// Tells the trend, cases that are not to be relied on, and how long failures lasted.
///
/// # Errors
/// When the folder or a run in it cannot be read, or there is none.
pub(super) fn history(args: &HistoryArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let mut files = Vec::new();
    collect(&args.folder, 0, &mut files)?;
    files.sort();
    let records: Vec<RunRecord> = files.iter().map(|file| render::read(file)).collect::<Result<_, _>>()?;
    if records.is_empty() {
        let source = std::io::Error::other("there is no run.json in it");
        return Err(CliError::Read { path: args.folder.clone(), source });
    }
    let told = history::history(&records)?;
    if let Some(path) = &args.html {
        let failed = |source| CliError::Write { path: path.clone(), source };
        fs::write(path, history::page(&told)?).map_err(failed)?;
    }
    match args.output {
        OutputFormat::Table => {
            let text = history::terminal(&told, Style::of(&std::io::stdout()));
            write!(output.out, "{text}").map_err(CliError::Output)?;
        }
        OutputFormat::Json | OutputFormat::Yaml => output.serialized(&told, args.output)?,
    }
    Ok(ExitStatus::Passed)
}

/// Every run.json in a folder, and every other JSON file that is named after a run of airtight's (`run-….json`).
/// Whether a file has the name under which runs are kept.
fn is_record(name: &str) -> bool {
    name.strip_prefix("run")
        .and_then(|rest| rest.strip_suffix(".json"))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let failed = |source| CliError::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        let name = entry.file_name().to_string_lossy().into_owned();
        if kind.is_dir() && depth < DEEPEST {
            collect(&path, depth + 1, files)?;
        } else if kind.is_file() && is_record(&name) {
            files.push(path);
        }
    }
    Ok(())
}
