//! Manifests, as whoever writes them meets them.

mod hostile_input;
