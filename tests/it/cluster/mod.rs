//! `airtight` on a cluster, from the command line to what it leaves behind: on an API server in memory, with real
//! probes. In one program, since most of its time is waited.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod evidence;
mod job;
mod role;
mod run;
mod snapshot;
mod stage;
mod temporary;
