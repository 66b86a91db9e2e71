//! Time, passed in, so that a run can be told twice in the same words.

use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

/// Where a run reads the time.
pub trait Clock {
    /// The time of day, for what readers see.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment, never running backwards, for durations.
    fn elapsed(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock(Instant);

impl SystemClock {
    /// A clock whose durations count from now.
    #[must_use]
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The machine's time of day. A clock past the year 9999 (or as far before our era) tells of the last moment that can be
/// written: whatever runs out is then run out.
#[must_use]
pub fn now() -> Timestamp {
    told(SystemTime::now())
}

/// The day in UTC.
#[must_use]
pub fn today() -> jiff::civil::Date {
    now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn told(time: SystemTime) -> Timestamp {
    let beyond = if time < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::try_from(time).unwrap_or(beyond)
}

/// A clock that stands still: every duration is zero.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_past_the_year_9999_stops_there() {
        let year = Duration::from_hours(24 * 365);
        assert_eq!(told(SystemTime::UNIX_EPOCH), Timestamp::UNIX_EPOCH);
        assert_eq!(told(SystemTime::UNIX_EPOCH + year * 20_000), Timestamp::MAX);
        assert_eq!(told(SystemTime::UNIX_EPOCH - year * 20_000), Timestamp::MIN);
        assert_eq!(Timestamp::MAX.to_zoned(jiff::tz::TimeZone::UTC).date().year(), 9999);
    }
}
