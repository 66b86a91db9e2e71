//! A cluster as input: everything on it that bears on a verdict, as manifests, with what is around them and the stack as
//! detected. It is read with `get` and `list` alone, and nothing of it is a secret.

mod cleaned;
mod config_maps;
mod file;
mod gap;
mod reading;
mod served;
mod settings;
mod surroundings;

pub use reading::{Asked, Snapshot, take};
