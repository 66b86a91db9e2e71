//! Two runs compared: what no longer passes, what is no longer tried, and what changed around it.

mod around;
mod case;
mod compare;
mod list;
mod summary;

pub use around::{Around, VersionChange};
pub use case::{Regression, RegressionKind, Shift};
pub use compare::{Diff, Named};
pub use list::render as render_list;
pub use summary::render as render_markdown;
