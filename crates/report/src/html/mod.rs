//! One self-contained page for people: no network, no other file, readable without JavaScript.
//!
//! Everything that comes from inputs is made visible (`report::text`) and passes the template's escaping. As a second
//! wall the page's own policy (`Content-Security-Policy`) runs no script but the page's, by its hash.

mod anchor;
mod case;
mod coverage;
mod filter;
mod grid;
mod inputs;
mod page;
mod security;
mod trace;

pub use page::render;
