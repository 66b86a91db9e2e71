//! How long calls may take, and how much may come back.

use std::time::Duration;

/// The most of an answer that is read, in bytes: a page of the largest objects is a tenth of it.
pub(super) const LARGEST: usize = 64 * 1024 * 1024;

/// How long calls may take, and how often one is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a connection to the API server, and for the upgrade of one to an exec session.
    pub connect: Duration,
    /// For one attempt of a call, from its first byte to the last of its answer.
    pub call: Duration,
    /// For a call with all its attempts.
    pub overall: Duration,
    /// How many attempts a call has at most.
    pub attempts: u32,
    /// How long is waited before the second attempt; each further wait is twice as long, by a random part shorter.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            call: Duration::from_secs(30),
            overall: Duration::from_secs(90),
            attempts: 6,
            pause: Duration::from_millis(250),
        }
    }
}
