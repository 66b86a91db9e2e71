//! Manifests, as whoever writes them meets them.

mod expressions;
mod hostile_input;
mod reading;
mod refusals;
mod writing;
