//! The wire format: what goes in and comes out of the probe as JSON, one value a line.
//!
//! Only data lives here, without any runtime: a driver depends on this crate with `default-features = false`.
//!
//! - [`Flow`] is a line that `airtight-probe dial` reads, and [`Answer`] one that it writes.
//! - [`Serving`] is the configuration of `airtight-probe serve`, and [`Ready`] the line that it writes once
//!   every listener is bound.

mod answer;
mod flow;
mod identity;
mod outcome;
mod payload;
mod serving;
mod token;
mod tunnel;

pub use answer::{Answer, BodyEnd, Icmp, Lookup, Phase, Refusal, Reply, Timing, TlsSeen, Transport, Tried};
pub use flow::{
    Attempt, DEFAULT_BODY_LIMIT, DEFAULT_DEADLINE_MS, Exchange, Family, Flow, HttpExchange, Lookups, Ping, Request,
    Resolver, SHORTEST_DEADLINE_MS, Say, Target, Tls, TlsExchange, Trust,
};
pub use identity::{IDENTITY_HEADER, Identity, Marked, Seen, SeenRequest, SeenTls};
pub use outcome::{Outcome, Rcode};
pub use payload::{Payload, PayloadError};
pub use serving::{Bound, Certificate, HttpAnswer, HttpListener, Listener, Own, Ready, Route, Serving, Speak};
pub use token::{TokenAnswer, TokenRequest, TokenState};
pub use tunnel::{Member, Tunnel};
