//! Who reaches whom: the matrix of all pods as text, data and picture.

mod csv;
mod document;
mod dot;
mod exposure;
mod grouped;
mod list;
mod page;
mod picture;
mod summary;
mod tiles;
mod words;

pub use csv::csv;
pub use document::Document;
pub use dot::dot;
pub use grouped::{Grouped, grouped_schema};
pub use list::list;
pub use page::page;
pub use picture::svg;

pub(crate) use summary::Summary;
use words::deciding;
pub(crate) use words::{layer, word};
