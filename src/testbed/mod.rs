//! Testbeds: where flows are tried.

pub mod image;
pub mod live;

pub use airtight_matrix::testbed::{Canary, Testbed, TestbedError};
