//! `run.json`: the whole record, from which every other format can be rendered.

use airtight_matrix::run::{RUN_SCHEMA, RunRecord};
use serde::Deserialize;

use super::error::ReportError;
use super::tally::check;

/// The record as indented JSON; keys keep one order from run to run.
///
/// # Errors
/// [`ReportError::Render`]; no record is known for which it happens.
pub fn render(record: &RunRecord) -> Result<String, ReportError> {
    let mut text = serde_json::to_string_pretty(record)
        .map_err(|error| ReportError::Render { format: "JSON", why: error.to_string() })?;
    text.push('\n');
    Ok(text)
}

/// Reads what [`render`] wrote.
///
/// # Errors
/// [`ReportError::Parse`] if the text is no record, [`ReportError::Schema`] if it was written under another schema,
/// [`ReportError::Inconsistent`] if it was changed so that its counts are no longer those of its cases.
pub fn read(text: &str) -> Result<RunRecord, ReportError> {
    let Header { schema } = parse(text)?;
    if schema != RUN_SCHEMA {
        return Err(ReportError::Schema { found: schema, supported: RUN_SCHEMA });
    }
    let record = parse::<RunRecord>(text)?;
    check(&record)?;
    Ok(record)
}

/// What is read before the rest, whose fields depend on it.
#[derive(Deserialize)]
struct Header {
    schema: String,
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, ReportError> {
    serde_json::from_str(text).map_err(|source| ReportError::Parse { source })
}
