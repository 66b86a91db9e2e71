//! Canonical JSON: one text for one value.

use serde::Serialize;

use crate::error::ReportError;

/// A value as canonical JSON (RFC 8785).
///
/// # Errors
/// [`ReportError::Render`]; no value of ours is known for which it happens.
pub(super) fn canonical<T: Serialize>(value: &T) -> Result<Vec<u8>, ReportError> {
    serde_json_canonicalizer::to_vec(value)
        .map_err(|error| ReportError::Render { format: "canonical JSON", why: error.to_string() })
}
