//! One thing that the host must have, and how it does.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that the host must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// Stable, kebab-case name.
    pub id: String,
    /// How the host does.
    pub standing: Standing,
    /// What there must be.
    pub required: String,
    /// What there is.
    pub measured: String,
    /// What helps, if anything is lacking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// How the host does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// As it must be.
    Met,
    /// It may work; nobody promises it, or nobody could look.
    Doubtful,
    /// It cannot work.
    Unmet,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "met",
            Self::Doubtful => "doubtful",
            Self::Unmet => "unmet",
        })
    }
}
