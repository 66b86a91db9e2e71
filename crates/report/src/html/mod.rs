//! One self-contained page for people: no network, no other file. Without JavaScript it is a table of all cases and what
//! needs attention; the details of a case are drawn when it is opened (`details`).
//!
//! Everything that comes from inputs is made visible (`report::text`) and passes the template's escaping. As a second
//! wall the page's own policy (`Content-Security-Policy`) runs no script but the page's, by its hash.

mod anchor;
mod case;
mod coverage;
mod details;
mod filter;
mod grid;
mod inputs;
mod page;
mod security;
mod trace;

pub use page::{render, render_with};
