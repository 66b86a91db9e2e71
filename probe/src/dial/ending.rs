//! How a flow ended, and what an error of the operating system means for it.
//!
//! `refused` needs a sign that somebody said no: a RST to the SYN, ICMP port unreachable, or ICMP administratively
//! prohibited. A host or network that is merely unreachable says nothing of a policy, no matter whether a router or the
//! own kernel noticed; such a flow, and every local error, ends as a probe error.

use std::io;

use nix::errno::Errno;
use tokio_rustls::rustls::Error as TlsError;

use super::icmp::{self, Meaning};
use crate::wire::{Icmp, Outcome, Refusal};

/// How a flow ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    pub(super) detail: String,
    pub(super) errno: Option<String>,
    pub(super) refusal: Option<Refusal>,
    pub(super) icmp: Option<Icmp>,
}

impl Ending {
    /// An end that needs no words.
    pub(super) fn of(outcome: Outcome) -> Self {
        Self { outcome, detail: String::new(), errno: None, refusal: None, icmp: None }
    }

    /// An end with one sentence.
    pub(super) fn explained(outcome: Outcome, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..Self::of(outcome) }
    }

    /// The probe's own failure.
    pub(super) fn probe_error(why: impl Into<String>) -> Self {
        Self::of(Outcome::ProbeError(why.into()))
    }

    /// What `error` on a socket means, `icmp` being the ICMP error that came with it.
    pub(super) fn of_socket(error: &io::Error, icmp: Option<Icmp>) -> Self {
        let Some(errno) = error.raw_os_error().map(Errno::from_raw) else { return Self::of_stream(error) };
        let end = match (errno, icmp) {
            (_, Some(icmp)) if errno != Errno::ECONNRESET => Self::of_icmp(icmp),
            (Errno::ECONNREFUSED, None) => Self { refusal: Some(Refusal::Reset), ..Self::of(Outcome::Refused) },
            (Errno::ECONNRESET | Errno::ECONNABORTED | Errno::EPIPE, _) => Self::of(Outcome::Reset),
            (Errno::ETIMEDOUT, None) => Self::of(Outcome::Timeout),
            (other, _) => Self::probe_error(format!(
                "{} ({}) without an ICMP error: this host sent nothing, or knows no way",
                errno_name(other),
                other.desc()
            )),
        };
        Self { errno: Some(errno_name(errno)), icmp, ..end }
    }

    fn of_icmp(icmp: Icmp) -> Self {
        match icmp::meaning(icmp) {
            Meaning::PortUnreachable => Self { refusal: Some(Refusal::PortUnreachable), ..Self::of(Outcome::Refused) },
            Meaning::Prohibited => Self { refusal: Some(Refusal::Prohibited), ..Self::of(Outcome::Refused) },
            Meaning::Unreachable => Self::probe_error(format!(
                "no way to the host: ICMP type {} code {}{}, which says nothing of a policy",
                icmp.kind,
                icmp.code,
                icmp.from.map(|from| format!(" from {from}")).unwrap_or_default()
            )),
        }
    }

    /// What an error without a number of the operating system means: TLS has ended the session, or the peer has.
    fn of_stream(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
            Some(tls) => Self::explained(Outcome::TlsFailure, tls.to_string()),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::explained(Outcome::Reset, "the connection was closed without an answer")
            }
            None => Self::probe_error(error.to_string()),
        }
    }
}

/// The name of an error, such as `ECONNREFUSED`.
pub(super) fn errno_name(errno: Errno) -> String {
    // `Errno` derives `Debug`, which writes the constant's name.
    format!("{errno:?}")
}
