//! What one line of an observer says, in one form for all observers.

pub use airtight_model::policy::HBONE;

use std::net::{IpAddr, SocketAddr};

use airtight_model::policy::{Checkpoint, Reason};
use airtight_model::world::Protocol;
use serde::Serialize;

/// A stretch of time, both ends included, in microseconds since 1970 (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Span {
    /// Its beginning.
    pub from: i64,
    /// Its end.
    pub to: i64,
}

impl Span {
    /// One moment.
    #[must_use]
    pub fn at(moment: i64) -> Self {
        Self { from: moment, to: moment }
    }

    /// From `from` on, for so many microseconds.
    #[must_use]
    pub fn lasting(from: i64, microseconds: i64) -> Self {
        Self { from, to: from.saturating_add(microseconds) }
    }

    /// What ended at `to` after so many microseconds.
    #[must_use]
    pub fn ending(to: i64, microseconds: i64) -> Self {
        Self { from: to.saturating_sub(microseconds), to }
    }

    /// The same, longer by so many microseconds at both ends.
    #[must_use]
    pub fn widened(self, microseconds: i64) -> Self {
        Self { from: self.from.saturating_sub(microseconds), to: self.to.saturating_add(microseconds) }
    }

    /// Whether a moment lies in it.
    #[must_use]
    pub fn contains(self, moment: i64) -> bool {
        (self.from..=self.to).contains(&moment)
    }
}

/// What one line of an observer says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Where it was observed.
    pub checkpoint: Checkpoint,
    /// When what it tells of began and ended.
    pub span: Span,
    /// Who opened the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// Where the connection goes, as the network sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wire: Option<SocketAddr>,
    /// Where it goes inside of HBONE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner: Option<SocketAddr>,
    /// Whom a proxy passed it on to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<SocketAddr>,
    /// The address of the pod of the waypoint or gateway that wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<IpAddr>,
    /// The transport protocol, if the observer tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The HTTP request that it tells of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<SeenRequest>,
    /// The name that was asked for, in lower case and without a final dot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The HTTP status with which the flow ended here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What it says of the flow.
    pub says: Says,
    /// Policies that it names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<String>,
    /// The line, verbatim.
    #[serde(skip)]
    pub line: String,
}

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Client {
    /// The address.
    pub ip: IpAddr,
    /// The port, if the observer tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl From<SocketAddr> for Client {
    fn from(address: SocketAddr) -> Self {
        Self { ip: address.ip(), port: Some(address.port()) }
    }
}

/// An HTTP request as an observer saw it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenRequest {
    /// The method.
    pub method: String,
    /// The path, query included.
    pub path: String,
    /// `x-request-id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `user-agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// What a record says of its flow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Says {
    /// It went on.
    Passed,
    /// The observer ended it, for this reason if it tells one.
    Denied(Option<Reason>),
    /// It ended, and not by a decision of the observer: in whose words.
    Ended(String),
    /// Neither.
    Nothing,
}

/// One line of an observer's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// It tells of a flow.
    Record(Box<Record>),
    /// It tells of something else.
    Other,
    /// Nobody knows what it would have told: why.
    Lost(String),
}

impl Record {
    /// A record that says nothing yet.
    #[must_use]
    pub fn new(checkpoint: Checkpoint, span: Span, line: &str) -> Self {
        Self {
            checkpoint,
            span,
            client: None,
            wire: None,
            inner: None,
            upstream: None,
            proxy: None,
            protocol: None,
            request: None,
            name: None,
            status: None,
            says: Says::Nothing,
            named: Vec::new(),
            line: line.to_owned(),
        }
    }

    /// Whether it says that the observer ended the flow.
    #[must_use]
    pub fn denies(&self) -> bool {
        matches!(self.says, Says::Denied(_))
    }
}
