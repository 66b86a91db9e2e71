//! Kyverno's admission: vectors and laws.

mod laws;
mod vectors;
