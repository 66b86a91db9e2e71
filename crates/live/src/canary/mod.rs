//! The canary: whether a cluster enforces at all, tried out in a throw-away namespace.

mod guard;
mod objects;
mod try_out;

pub(super) use try_out::try_out;
