//! Flows through exec sessions, with real probes: on an API server in memory, and on a real one.

mod real;
mod session;
mod shop;
mod sources;
