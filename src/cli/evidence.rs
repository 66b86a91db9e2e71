//! The evidence folder of a run on a cluster, beside its reports.

use std::fs;
use std::path::{Path, PathBuf};

use airtight_live::raw::{EvidenceFolder, without_secrets};
use airtight_matrix::run::RunRecord;
use airtight_report::{self as report, Format, Options, stage};

use super::error::CliError;

/// The folder, beside the reports.
const FOLDER: &str = "evidence";

/// Writes the evidence folder and the reports, which point to it: all of them, or nothing.
///
/// # Errors
/// When the folder or a report cannot be written.
pub(super) fn write_with(
    kept: &EvidenceFolder<'_>,
    folder: &Path,
    record: &mut RunRecord,
    (formats, options): (&[Format], &Options),
) -> Result<Vec<PathBuf>, CliError> {
    without_secrets(record);
    let existed = folder.is_dir();
    let written = stage(folder, FOLDER, &kept.files(record)).and_then(|staged| {
        record.evidence = Some(staged.record().clone());
        let published = staged.publish()?;
        match report::write_with(folder, record, formats, options) {
            Ok(mut written) => {
                written.push(published.keep());
                Ok(written)
            }
            Err(error) => {
                published.undo();
                Err(error)
            }
        }
    });
    if written.is_err() && !existed {
        // Only an empty folder goes; the error at hand says more than this one would.
        let _ = fs::remove_dir(folder);
    }
    Ok(written?)
}
