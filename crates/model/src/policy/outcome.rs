//! What the client of a flow sees: a closed set.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the client of a flow sees.
///
/// ```
/// use airtight_model::policy::Outcome;
/// assert_eq!(Outcome::Http(403).to_string(), "http(403)");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The connection was made and bytes came back (for UDP: an answer came back).
    Connected,
    /// An HTTP response with this status.
    Http(u16),
    /// The connection was refused (RST to the SYN): a live host, and nobody listens.
    Refused,
    /// The connection was made and then reset, or closed without an answer.
    Reset,
    /// Nothing came back within the deadline.
    Timeout,
    /// The name did not resolve.
    DnsFailure(Rcode),
    /// The TLS handshake failed.
    TlsFailure,
    /// The probe itself failed; satisfies no expectation.
    ProbeError(String),
}

/// Why a name did not resolve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rcode {
    /// The DNS proxy refused the name.
    Refused,
    /// The name does not exist.
    Nxdomain,
    /// The resolver failed.
    Servfail,
    /// The resolver did not answer.
    Timeout,
}

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::Nxdomain => "nxdomain",
            Self::Servfail => "servfail",
            Self::Timeout => "timeout",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => f.write_str("connected"),
            Self::Http(status) => write!(f, "http({status})"),
            Self::Refused => f.write_str("refused"),
            Self::Reset => f.write_str("reset"),
            Self::Timeout => f.write_str("timeout"),
            Self::DnsFailure(rcode) => write!(f, "dns-failure({rcode})"),
            Self::TlsFailure => f.write_str("tls-failure"),
            Self::ProbeError(why) => write!(f, "probe-error({why})"),
        }
    }
}
