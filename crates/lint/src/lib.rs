//! Lint: policies that do not do what they say, each trap a rule with its reason, its source and its remedy.
//!
//! It stands right of the model, which it asks: what the engine notices while it compiles and decides becomes a finding
//! here, beside checks that only a reader of manifests wants. [`Catalogue`] knows every rule, [`lint`] finds what breaks
//! them, [`Report`] and [`sarif()`] tell of it, and [`fix`] mends what can be mended without a doubt.
//!
//! ```
//! use airtight_lint::Catalogue;
//! let rule = Catalogue::embedded().rule("peers-are-alternatives");
//! assert!(rule.is_some_and(|rule| rule.title.contains("alternatives")));
//! ```

mod allow;
mod catalogue;
mod checks;
pub mod fix;
mod lint;
mod page;
mod place;
mod report;
mod sarif;

pub use catalogue::{Area, Catalogue, Effect, Rule};
pub use lint::{Input, lint, refused};
pub use page::{explained, page};
pub use report::{Allowed, Counts, Found, Report, schema};
pub use sarif::sarif;
