//! Plans of clusters.

mod vectors;
