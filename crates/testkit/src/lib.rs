//! What the tests of several crates need, once.
//!
//! Each feature opens a floor: a crate's tests ask for no more than what stands below the crate.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "what does not work fails the test")]

#[cfg(feature = "api-server")]
pub mod api_server;
#[cfg(feature = "cases")]
pub mod cases;
#[cfg(feature = "worlds")]
pub mod generated;
#[cfg(feature = "generators")]
pub mod network;
#[cfg(feature = "generators")]
pub mod random;
pub mod refusals;
pub mod repository;
#[cfg(feature = "scripted-cluster")]
pub mod scripted_cluster;
pub mod stack;
pub mod vectors;
#[cfg(feature = "worlds")]
pub mod worlds;

/// Tests make and drop many small worlds, as the command does, and with its allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
