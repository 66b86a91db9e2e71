//! The details of cases, drawn when they are opened: packed, so that a page of hundreds of cases stays small.
//!
//! What a browser would have to build for every case whether or not anybody looks is most of such a page. It is a list of
//! texts in the order of the cases, deflated (RFC 1950, which `DecompressionStream` reads) and written in base64.

use std::io::Write as _;

use askama::Template;
use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::case::CaseView;
use super::security::base64;
use super::trace::Step;
use crate::error::ReportError;

#[derive(Template)]
#[template(path = "report/body.html", whitespace = "minimize")]
struct Body<'a> {
    case: &'a CaseView,
}

/// The details of the cases, as the page's script unpacks them.
///
/// # Errors
/// [`ReportError::Render`]; no record is known for which it happens.
pub(super) fn pack<'a>(cases: impl Iterator<Item = &'a CaseView>) -> Result<String, ReportError> {
    let bodies = cases.map(|case| Body { case }.render().map_err(|error| failed(&error)));
    let bodies: Vec<String> = bodies.collect::<Result<_, _>>()?;
    let text = serde_json::to_vec(&bodies).map_err(|error| failed(&error))?;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&text).map_err(|error| failed(&error))?;
    encoder.finish().map(|packed| base64(&packed)).map_err(|error| failed(&error))
}

fn failed(error: &dyn std::fmt::Display) -> ReportError {
    ReportError::Render { format: "HTML", why: error.to_string() }
}
