//! The `model` testbed: pure computation.

mod canary;
mod testbed;

pub use testbed::Model;
