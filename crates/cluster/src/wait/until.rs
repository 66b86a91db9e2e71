//! The one loop that waits: look again, with longer and longer pauses, until it is so or the time is up.
//!
//! By polling, and not with kube's `runtime::wait`: that takes the permission `watch`, which the printed role does not
//! have, and half of what is waited for is told by programs in pods and not by an object.

use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked during a pause whether everything is over.
const GLANCE: Duration = Duration::from_millis(50);

/// How long, and how often, a cluster is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// All of it.
    pub within: Duration,
    /// Between the first two looks; twice as long after each look.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for Patience {
    /// Two minutes, with pauses from 0.2 to 3 seconds.
    fn default() -> Self {
        Self {
            within: Duration::from_mins(2),
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(3),
        }
    }
}

impl Patience {
    /// Looks after equal pauses.
    #[must_use]
    pub fn steady(within: Duration, pause: Duration) -> Self {
        Self { within, first_pause: pause, longest_pause: pause }
    }
}

/// What one look showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look<T, W> {
    /// It is so.
    Done(T),
    /// Not yet: what is missing.
    Open(W),
}

/// There was no more patience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GaveUp<W> {
    /// What was missing at the last look.
    pub last: W,
    /// How long it was waited.
    pub after: Duration,
}

/// Looks until a look is done, within patience and unless everything `is_over`; an inner error says that it was not.
/// There is one look at least.
///
/// # Errors
/// What a look fails with: nothing is waited for any more then.
pub fn until<T, W, E>(
    patience: Patience,
    is_over: &dyn Fn() -> bool,
    mut look: impl FnMut() -> Result<Look<T, W>, E>,
) -> Result<Result<T, GaveUp<W>>, E> {
    let begun = Instant::now();
    let mut pause = patience.first_pause;
    loop {
        let last = match look()? {
            Look::Done(done) => return Ok(Ok(done)),
            Look::Open(last) => last,
        };
        let after = begun.elapsed();
        if after + pause > patience.within || !rest(pause, is_over) {
            return Ok(Err(GaveUp { last, after: begun.elapsed() }));
        }
        pause = (pause * 2).min(patience.longest_pause);
    }
}

/// Waits; false if everything is over meanwhile.
fn rest(pause: Duration, is_over: &dyn Fn() -> bool) -> bool {
    let end = Instant::now() + pause;
    loop {
        if is_over() {
            return false;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        thread::sleep(GLANCE.min(left));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const HASTE: Patience = Patience {
        within: Duration::from_millis(200),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(10),
    };

    #[test]
    fn looks_until_it_is_so_or_the_time_is_up() {
        let looks = Cell::new(0);
        let look = |enough| {
            looks.set(looks.get() + 1);
            Ok::<_, ()>(if looks.get() >= enough { Look::Done("it is") } else { Look::Open(looks.get()) })
        };
        assert_eq!(until(HASTE, &|| false, || look(3)), Ok(Ok("it is")));
        let late = until(HASTE, &|| false, || look(u32::MAX)).unwrap().unwrap_err();
        assert!(late.last == looks.get() && late.after <= HASTE.within * 2, "{late:?}");
    }

    #[test]
    fn the_end_of_everything_cuts_a_pause_short() {
        let long = Patience::steady(Duration::from_mins(1), Duration::from_secs(30));
        let (begun, looks) = (Instant::now(), Cell::new(0));
        let waited = until(long, &|| begun.elapsed() > Duration::from_millis(20), || {
            looks.set(looks.get() + 1);
            Ok::<Look<(), &str>, ()>(Look::Open("nothing"))
        });
        assert_eq!(waited.unwrap().unwrap_err().last, "nothing");
        assert!(looks.get() == 1 && begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn an_error_ends_the_wait() {
        assert_eq!(until(HASTE, &|| false, || Err::<Look<(), ()>, _>("hopeless")), Err("hopeless"));
    }
}
