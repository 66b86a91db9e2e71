//! Near misses of the mesh's layers and of routes: rules that nearly let on what is denied because none matches.
//!
//! What is said here explains a denial and decides nothing: it compares what was written with what was asked.

mod authorization;
mod enrolment;
mod obstacle;
mod route;

pub(crate) use authorization::{Asked, Guarded, near_authorization};
pub(crate) use enrolment::near_enrolment;
pub(crate) use route::near_routes;
