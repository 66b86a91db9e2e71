//! Manifests, as whoever writes them meets them.

mod hostile_input;
mod reading;
mod refusals;
