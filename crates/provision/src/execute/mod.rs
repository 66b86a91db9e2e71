//! Steps carried out: side by side where they may be, each recorded, so that a later run goes on from there.

mod ensure;
mod event;
mod executor;
mod gates;
mod names;
mod schedule;
mod step;
mod trouble;
mod trust;
mod ways;

pub use event::{Ended, Event};
pub use executor::Executor;
