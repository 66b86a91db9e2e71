//! How long to wait before the next attempt.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The longest wait that an API server's `Retry-After` is granted.
const LONGEST: Duration = Duration::from_secs(10);

/// The wait after attempt `attempt` (from 1): what the API server asked for, otherwise twice as long each time, of
/// which half is left to chance so that sessions that failed together do not come back together.
pub(super) fn wait(attempt: u32, pause: Duration, asked: Option<Duration>) -> Duration {
    if let Some(asked) = asked {
        return asked.min(LONGEST);
    }
    let full = pause.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(LONGEST);
    full / 2 + full.mul_f64(chance() / 2.0)
}

/// A number from 0 to 1, which need not be a good one.
fn chance() -> f64 {
    // Every state of the standard library's hasher starts from another random key.
    let random = RandomState::new().hash_one(0_u8) >> 32;
    f64::from(u32::try_from(random).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end() {
        let pause = Duration::from_millis(100);
        for (attempt, full) in [(1, 100), (2, 200), (3, 400), (20, 10_000), (u32::MAX, 10_000)] {
            let full = Duration::from_millis(full);
            let waited = wait(attempt, pause, None);
            assert!(waited >= full / 2 && waited <= full, "{attempt}: {waited:?}");
        }
    }

    #[test]
    fn the_api_server_may_ask_for_a_wait_but_not_for_any() {
        assert_eq!(wait(1, Duration::ZERO, Some(Duration::from_secs(3))), Duration::from_secs(3));
        assert_eq!(wait(1, Duration::ZERO, Some(Duration::from_mins(50))), LONGEST);
    }
}
