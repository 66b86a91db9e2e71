//! `airtight images`: every image that a stack runs.

use airtight_matrix::run::ExitStatus;
use airtight_provision::{PROBE_IMAGE, ProbeImage};
use clap::Args;
use serde::Serialize;

use super::error::CliError;
use super::list::table;
use super::output::{Output, OutputFormat};
use super::recipe::recipe;

/// Of which stack.
#[derive(Debug, Args)]
pub struct ImagesArgs {
    /// Component versions: `reference`, `latest`, or a stack file
    #[arg(long, value_name = "NAME", default_value = "reference", env = "AIRTIGHT_STACK")]
    stack: String,
    /// Output format
    #[arg(long, short, value_enum, default_value_t)]
    output: OutputFormat,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    component: String,
    image: String,
    /// Whether a digest says exactly which bytes it is.
    pinned: bool,
    /// Name of its archive in a bundle.
    archive: String,
}

/// Lists the images of a stack: the node's, then each component's, and the probe's, which is made on this machine.
///
/// # Errors
/// When the stack cannot be read.
pub fn images(args: &ImagesArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let recipe = recipe(&args.stack)?;
    let images = recipe.images();
    let unpinned = images.iter().filter(|(_, image)| image.digest.is_none()).count();
    let fetched = images.len();
    let mut rows: Vec<Row> = images
        .into_iter()
        .map(|(component, image)| Row {
            component: component.to_owned(),
            image: image.to_string(),
            pinned: image.digest.is_some(),
            archive: image.archive_name(),
        })
        .collect();
    rows.push(Row {
        component: "probe".to_owned(),
        image: PROBE_IMAGE.to_owned(),
        pinned: false,
        archive: ProbeImage::file_name(),
    });
    match args.output {
        OutputFormat::Table => {
            table(rows.iter().map(|row| [row.component.clone(), row.image.clone()]).collect(), output)?;
        }
        OutputFormat::Json | OutputFormat::Yaml => output.serialized(&rows, args.output)?,
    }
    match unpinned {
        0 => {}
        count => {
            writeln!(output.err, "by tag only: {count} of {fetched} images; no digest of them is known here")
                .map_err(CliError::Output)?;
        }
    }
    Ok(ExitStatus::Passed)
}
