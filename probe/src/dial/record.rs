//! What is known of a flow while it is under way: it can end at any moment by its deadline.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::ending::Ending;
use super::mark;
use crate::wire::{Answer, BodyEnd, Lookup, Outcome, Payload, Phase, Rcode, Reply, Timing, TlsSeen, Tried};

/// What is known of a flow so far.
pub(super) struct Record {
    id: String,
    line: u64,
    phase: Phase,
    began: Instant,
    entered: Instant,
    started_unix_us: u64,
    timing: Timing,
    /// When the flow must have ended.
    pub(super) deadline: Instant,
    pub(super) lookups: Vec<Lookup>,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) tried: Vec<Tried>,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: Option<SocketAddr>,
    /// What is wanted through a tunnel.
    pub(super) inner: Option<SocketAddr>,
    pub(super) tls: Option<TlsSeen>,
    /// The status of the HTTP response, once its head was read.
    pub(super) status: Option<u16>,
    pub(super) headers: Vec<(String, String)>,
    /// The response's body, or whatever came back.
    pub(super) body: Vec<u8>,
    /// How the body ended; none while it is being read.
    pub(super) end: Option<BodyEnd>,
}

impl Record {
    /// A flow that starts now.
    pub(super) fn start(line: u64, id: &str, budget: Duration) -> Self {
        let now = Instant::now();
        Self {
            id: id.to_owned(),
            line,
            phase: Phase::Read,
            began: now,
            entered: now,
            started_unix_us: unix_us(),
            timing: Timing::default(),
            // A budget beyond what a clock can count is as good as none.
            deadline: now.checked_add(budget).unwrap_or(now + Duration::from_hours(24)),
            lookups: Vec::new(),
            addresses: Vec::new(),
            tried: Vec::new(),
            local: None,
            peer: None,
            inner: None,
            tls: None,
            status: None,
            headers: Vec::new(),
            body: Vec::new(),
            end: None,
        }
    }

    /// Leaves the current phase for `phase`, unless that is the current one.
    pub(super) fn enter(&mut self, phase: Phase) {
        if self.phase == phase {
            return;
        }
        self.leave();
        self.phase = phase;
    }

    fn leave(&mut self) {
        let now = Instant::now();
        let took = Some(micros(now - self.entered));
        match self.phase {
            Phase::Read => {}
            Phase::Dns => self.timing.dns_us = took,
            Phase::Connect => self.timing.connect_us = took,
            Phase::Tls => self.timing.tls_us = took,
            Phase::Tunnel => self.timing.tunnel_us = took,
            Phase::Request => self.timing.request_us = took,
            Phase::Response => self.timing.response_us = took,
        }
        self.entered = now;
    }

    /// How the flow ended if its deadline came now. Whatever came back counts as an answer.
    pub(super) fn overdue(&mut self) -> Ending {
        let outcome = match (self.phase, self.status) {
            (_, Some(status)) => Outcome::Http(status),
            (Phase::Read, None) => Outcome::ProbeError("the deadline came before anything was tried".to_owned()),
            (Phase::Dns, None) => Outcome::DnsFailure(Rcode::Timeout),
            (Phase::Response, None) if !self.body.is_empty() => Outcome::Connected,
            (Phase::Connect | Phase::Tls | Phase::Tunnel | Phase::Request | Phase::Response, None) => Outcome::Timeout,
        };
        if self.end.is_none() {
            self.end = Some(BodyEnd::Deadline);
        }
        Ending::of(outcome)
    }

    /// The answer, now that the flow has ended.
    pub(super) fn answer(mut self, ending: Ending) -> Answer {
        self.leave();
        self.timing.total_us = micros(self.entered - self.began);
        let seen = mark::find(&self.body);
        let answered_by = mark::from_headers(&self.headers).or_else(|| seen.as_ref().map(|seen| seen.identity.clone()));
        Answer {
            id: Some(self.id),
            line: self.line,
            outcome: ending.outcome,
            phase: self.phase,
            detail: ending.detail,
            errno: ending.errno,
            refusal: ending.refusal,
            icmp: ending.icmp,
            started_unix_us: self.started_unix_us,
            timing: self.timing,
            lookups: self.lookups,
            addresses: self.addresses,
            tried: self.tried,
            local: self.local,
            peer: self.peer,
            inner: self.inner,
            tls: self.tls,
            reply: reply(self.status, self.headers, self.body, self.end),
            answered_by,
            arrived: seen.and_then(|seen| seen.request),
        }
    }
}

fn reply(
    status: Option<u16>,
    headers: Vec<(String, String)>,
    mut body: Vec<u8>,
    end: Option<BodyEnd>,
) -> Option<Reply> {
    if status.is_none() && body.is_empty() {
        return None;
    }
    let end = end.unwrap_or(BodyEnd::Limit);
    if end != BodyEnd::Complete {
        drop_broken_character(&mut body);
    }
    Some(Reply { headers, body: Payload(body), end })
}

/// A limit may fall inside a character; the text before it is still text.
fn drop_broken_character(body: &mut Vec<u8>) {
    if let Err(error) = std::str::from_utf8(body)
        && error.error_len().is_none()
    {
        body.truncate(error.valid_up_to());
    }
}

/// Microseconds since 1970.
pub(super) fn unix_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, micros)
}

/// A duration in microseconds.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
