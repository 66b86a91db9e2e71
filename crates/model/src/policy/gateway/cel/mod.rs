//! The part of the Common Expression Language that authorization of requests is written in.
//!
//! Anything beyond it (macros, arithmetic, attributes that the model does not have) is unmodelled, never guessed:
//! an expression is true, false, an error of the proxy's own, or not decided.

mod eval;
mod parse;

pub(super) use eval::{Dialect, Truth, evaluate};
