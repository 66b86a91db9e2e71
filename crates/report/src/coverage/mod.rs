//! What a matrix would not notice, for people: a list for a terminal, and Markdown.

mod list;
mod markdown;
mod words;

pub use list::render as render_list;
pub use markdown::render as render_markdown;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Lines of one list; the rest is counted.
    pub lines: usize,
    /// Columns of a line.
    pub width: usize,
}

impl Extent {
    /// What suits a terminal.
    pub const USUAL: Self = Self { lines: 20, width: 100 };

    /// Everything.
    #[must_use]
    pub fn all(self) -> Self {
        Self { lines: usize::MAX, ..self }
    }
}
