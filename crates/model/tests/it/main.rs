//! Worlds, the layers that decide in them, and the way of flows through them.

mod cni_laws;
mod cni_vectors;
mod cni_world;
mod environment_faults;
mod gateway_vectors;
mod manifests_schema;
mod mesh_laws;
mod mesh_vectors;
mod near_misses;
mod platform;
mod policy_exceptions;
mod reach_agreement;
mod running;
mod touched_vectors;
mod version_vectors;
