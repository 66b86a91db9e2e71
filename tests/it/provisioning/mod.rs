//! Bringing clusters up. In one program, since most of its time is waited.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod kubernetes;
mod stage;
mod steps;
