//! The formats of report files.

use clap::ValueEnum;

/// A format of report files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Format {
    /// The whole record; every other format can be rendered from it.
    Json,
    /// JUnit XML, which GitHub actions, GitLab and Jenkins read.
    Junit,
    /// GitHub Markdown, for `GITHUB_STEP_SUMMARY`.
    Markdown,
    /// One self-contained page for people.
    Html,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Json, Self::Junit, Self::Markdown, Self::Html];

    /// The name of its file in the report folder.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Json => "run.json",
            Self::Junit => "junit.xml",
            Self::Markdown => "summary.md",
            Self::Html => "report.html",
        }
    }
}
