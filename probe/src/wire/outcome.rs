//! What the client of a flow sees: a closed set.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the client of a flow sees.
///
/// ```
/// use airtight_probe::wire::Outcome;
/// assert_eq!(serde_json::to_string(&Outcome::Http(403)).unwrap(), r#"{"http":403}"#);
/// assert_eq!(Outcome::Http(403).to_string(), "http(403)");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The connection was made and bytes came back; for UDP an echo, for a lookup an address.
    Connected,
    /// An HTTP response with this status.
    Http(u16),
    /// Somebody said no to the first packet; [`crate::wire::Answer::refusal`] tells who and how.
    Refused,
    /// The connection was made and then reset, or closed without an answer.
    Reset,
    /// Nothing came back within the deadline.
    Timeout,
    /// The name did not resolve.
    DnsFailure(Rcode),
    /// The TLS handshake failed: by an alert, by a certificate that does not verify, or by an answer that is not TLS.
    TlsFailure,
    /// The probe itself failed, with the reason; satisfies no expectation.
    ProbeError(String),
}

/// Why a name did not resolve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rcode {
    /// The server refused to answer (`REFUSED`), as a DNS proxy does by a policy.
    Refused,
    /// The name does not exist (`NXDOMAIN`).
    Nxdomain,
    /// The server failed (`SERVFAIL`).
    Servfail,
    /// No server answered.
    Timeout,
    /// The name exists and has no address (`NOERROR` without one).
    Nodata,
}

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::Nxdomain => "nxdomain",
            Self::Servfail => "servfail",
            Self::Timeout => "timeout",
            Self::Nodata => "nodata",
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
