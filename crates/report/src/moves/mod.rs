//! Two sets of manifests compared by what they allow: which flows are newly allowed or denied, and which rules make it so.
//!
//! `side` is one set; `align` says which sources and destinations of two matrices are the same; `compare` holds every cell
//! against its like, and `group` puts together what the same rules moved. [`Moves`] is the result as data; `list` and
//! `summary` tell it.

mod align;
mod change;
mod compare;
mod document;
mod group;
mod list;
mod objects;
mod side;
mod summary;
mod words;

pub use document::{Change, Counts, End, Flows, Group, Moves, Only, Set, schema};
pub use list::render as render_list;
pub use objects::ObjectChanges;
pub use side::Side;
pub use summary::render as render_markdown;
