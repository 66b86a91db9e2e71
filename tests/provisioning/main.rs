//! Bringing clusters up. In one program, since most of its time is waited.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

#[path = "../fixtures/provision/mod.rs"]
mod fixture;
#[path = "../fixtures/provision/stage.rs"]
mod stage;

mod kubernetes;
mod steps;
