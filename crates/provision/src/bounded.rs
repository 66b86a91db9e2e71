//! Calls that block, ended when their time is up or the user wants the end.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::failure::StepFailure;
use super::program::Bounds;

/// How often it is looked whether there is a reason to end.
const GLANCE: Duration = Duration::from_millis(25);

/// What `work` comes to, unless its bounds end it; then its thread is left to itself, and its result is dropped.
///
/// # Errors
/// `interrupted` or `timed-out`, of what `what` names.
pub(super) fn within<T: Send + 'static>(
    bounds: Bounds<'_>,
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StepFailure> {
    let begun = Instant::now();
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        // Nobody waits for it any more once the bounds have ended it.
        let _ = sender.send(work());
    });
    loop {
        match receiver.recv_timeout(GLANCE) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Disconnected) => {
                let message = format!("{what} broke off");
                return Err(StepFailure::new("internal", message, "this is a defect of airtight: please report it"));
            }
            Err(RecvTimeoutError::Timeout) if bounds.stop.interrupted() => return Err(StepFailure::interrupted()),
            Err(RecvTimeoutError::Timeout) if Instant::now() >= bounds.deadline => {
                return Err(StepFailure::timed_out(what, begun.elapsed()));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}
