//! What a reader may choose about formats.

use clap::ValueEnum;

/// What a reader may choose about formats; the default is what `airtight run` writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// The edition of OSCAL.
    pub oscal: OscalVersion,
    /// Where the inputs can be read on the web: what stands before a file's path, or a text with `{path}` and `{line}`.
    pub source_url: Option<String>,
}

/// An edition of OSCAL. Both have the same structure here; tools refuse what names an edition that they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OscalVersion {
    /// 1.1.3: the newest that compliance-trestle 3 reads.
    #[default]
    #[value(name = "1.1.3")]
    V1_1_3,
    /// 1.2.1: the one that compliance-trestle 4 and 5 read.
    #[value(name = "1.2.1")]
    V1_2_1,
}

impl OscalVersion {
    /// As `oscal-version` names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V1_1_3 => "1.1.3",
            Self::V1_2_1 => "1.2.1",
        }
    }
}
