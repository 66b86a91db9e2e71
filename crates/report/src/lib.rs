//! Reports: one consumer of the run per format.
//!
//! [`Terminal`] follows the stream of events while a run goes on. The other formats are pure functions of the
//! [`RunRecord`] that ends it, so that `airtight report --from run.json` renders each of them again.
//!
//! In the picture it stands right of the matrix: it reads what a run came to, and nothing reads it but the command.
//!
//! ```
//! use airtight_matrix::run::RunRecord;
//! use airtight_report::{Format, render};
//!
//! /// The page and the machine-readable record of a run.
//! fn files(record: &RunRecord) -> Result<[Vec<u8>; 2], airtight_report::ReportError> {
//!     Ok([render(Format::Html, record)?, render(Format::Json, record)?])
//! }
//! ```

pub mod bundle;
mod cause;
pub mod conformance;
mod control;
pub mod coverage;
pub mod ctrf;
pub mod diff;
mod document;
mod error;
mod failure;
mod files;
mod folder;
mod format;
pub mod history;
pub mod html;
mod identity;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod metrics;
mod moment;
pub mod moves;
mod options;
pub mod oscal;
mod place;
pub mod policy_report;
pub mod reach;
pub mod sarif;
mod skip;
mod standing;
mod tally;
pub mod terminal;
mod text;
mod trouble;
mod wording;

pub use control::{Bearing, ControlStanding, controls};
pub use error::ReportError;
pub use failure::FailureKind;
pub use files::{write, write_with};
pub use folder::{Published, Staged, stage};
pub use format::Format;
pub use options::{Options, OscalVersion};
pub use standing::Standing;
pub use tally::{Inconsistency, check, tally};
pub use terminal::{Style, Terminal, render_trace};

use std::io;

use airtight_matrix::run::{Event, RunRecord, Subscriber};

/// A run in one format, as the bytes of its file.
///
/// ```
/// use airtight_report::{Format, ReportError, render};
/// # fn of(record: &airtight_matrix::run::RunRecord) -> Result<(), ReportError> {
/// let page = render(Format::Html, record)?;
/// assert!(page.starts_with(b"<!doctype html>"));
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`ReportError::Inconsistent`] if the record contradicts itself, [`ReportError::Render`] if it cannot be written
/// in this format.
pub fn render(format: Format, record: &RunRecord) -> Result<Vec<u8>, ReportError> {
    render_with(format, record, &Options::default())
}

/// A run in one format, as a reader wants it.
///
/// # Errors
/// Those of [`render`].
pub fn render_with(format: Format, record: &RunRecord, options: &Options) -> Result<Vec<u8>, ReportError> {
    check(record)?;
    let others = |text: Result<String, ReportError>| text.map(|text| place::Places::of(record).clean(text));
    let text = match format {
        Format::Json => json::render(record),
        Format::Junit => junit::render(record),
        Format::Markdown => Ok(markdown::render(record)),
        Format::Html => html::render_with(record, options),
        // What leaves the machine on which the run was made has nothing of its paths.
        Format::Sarif => others(sarif::render(record)),
        Format::Ctrf => others(ctrf::render(record)),
        Format::Prometheus => others(metrics::prometheus(record)),
        Format::Openmetrics => others(metrics::openmetrics(record)),
        Format::OscalResults => others(oscal::results(record, options.oscal)),
        Format::OscalPlan => others(oscal::plan(record, options.oscal)),
        Format::OscalComponents => others(oscal::component_definition(record, options.oscal)),
        Format::PolicyReport => others(policy_report::render(record, policy_report::Api::WorkingGroup)),
        Format::Openreports => others(policy_report::render(record, policy_report::Api::OpenReports)),
        Format::Conformance => others(conformance::render(record)),
    };
    text.map(String::into_bytes)
}

/// Tells a finished run again, event by event.
///
/// # Errors
/// The subscriber's.
pub fn replay(record: &RunRecord, subscriber: &mut dyn Subscriber) -> io::Result<()> {
    let manifests = format!("{} input files", record.inputs.len());
    let (testbed, stack, cases) = (record.testbed.as_str(), &record.stack, record.cases.len());
    subscriber.event(&Event::Started { testbed, stack, cases, manifests: &manifests })?;
    for finding in &record.findings {
        subscriber.event(&Event::Finding(finding))?;
    }
    subscriber.event(&Event::Canary(&record.canary))?;
    for case in &record.cases {
        subscriber.event(&Event::CaseFinished(case))?;
    }
    subscriber.event(&Event::Finished(record))
}
