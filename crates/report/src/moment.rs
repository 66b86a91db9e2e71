//! When a run began and ended, as formats other than our own write it.

use airtight_matrix::run::RunRecord;
use jiff::{SignedDuration, Timestamp};

use super::error::ReportError;

/// When a run began and ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

impl Moments {
    /// Those of a record, for a format that cannot do without them.
    ///
    /// # Errors
    /// [`ReportError::Render`] if the record's start is no RFC 3339 time.
    pub(super) fn of(record: &RunRecord, format: &'static str) -> Result<Self, ReportError> {
        let unreadable =
            |error: jiff::Error| ReportError::Render { format, why: format!("its start is no time: {error}") };
        let start: Timestamp = record.started.parse().map_err(unreadable)?;
        let took = SignedDuration::from_millis(i64::try_from(record.duration_ms).unwrap_or(i64::MAX));
        Ok(Self { start, end: start.checked_add(took).unwrap_or(Timestamp::MAX) })
    }
}
