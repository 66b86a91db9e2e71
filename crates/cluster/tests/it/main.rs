//! Waiting for a cluster.

mod convergence;
