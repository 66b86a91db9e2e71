//! Runs over time: the trend, cases that are not to be relied on, and how long failures lasted.
//!
//! Runs on different testbeds or stacks say nothing about each other: each pair is a line of its own.

mod compare;
mod document;
mod page;
mod terminal;

pub use compare::history;
pub use document::{Fix, Flake, HISTORY_SCHEMA, History, Line, Point, schema};
pub use page::render as page;
pub use terminal::render as terminal;
