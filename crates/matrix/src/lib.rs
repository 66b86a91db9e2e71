//! The matrix: scenarios expanded to cases, their run on a testbed, and what each is judged to be.

pub mod judge;
pub mod model;
pub mod run;
pub mod scenario;
pub mod testbed;
