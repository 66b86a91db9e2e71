//! What the API server refuses beyond types: limits, patterns and CEL rules of the CRDs, by version of the bundle.

mod checks;
mod filter;
mod gateway;
mod http_route;
mod others;
mod parent;

pub use checks::crd_findings;

use checks::{Bundle, Checks, Pattern, is_header_name, is_like, is_subdomain, repeated};
