//! Reading the observers of a round, until they have written enough.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::IpAddr;

use airtight_cluster::Cluster;
use airtight_cluster::wait::{Look, Patience, until};

use super::assign::SLACK;
use super::attempt::Attempt;
use super::attribute::{Attribution, Gap, attribute};
use super::collect::Observers;
use super::record::Span;
use super::ways::Ways;

/// What is left of a round when its observers have been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// One for each flow, in their order.
    pub attributions: Vec<Attribution>,
    /// Observers that could not be read.
    pub gaps: Vec<Gap>,
}

/// How long ztunnel waits for a connection to another proxy, in microseconds (ztunnel `src/config.rs`,
/// `DEFAULT_CONNECTION_TIMEOUT`).
pub(super) const PENDING: i64 = 10_000_000;

/// Reads the observers of a round that is over, and attributes each of its flows.
///
/// A flow is told from others of the same round by its client's address and port, by its mark, or by its request;
/// where nothing tells two flows apart, neither is attributed.
#[must_use]
pub fn examine(cluster: &dyn Cluster, observers: &Observers, ways: &Ways, attempts: &[Attempt]) -> Examined {
    let spans = attempts.iter().map(|attempt| attempt.span.widened(SLACK));
    let Some(span) = spans.reduce(|one, other| Span { from: one.from.min(other.from), to: one.to.max(other.to) })
    else {
        return Examined { attributions: Vec::new(), gaps: observers.gaps.clone() };
    };
    // A connection that is pending between proxies may be older than the flows that wait for it.
    let span = Span { from: span.from.saturating_sub(PENDING), to: span.to };
    let clients: BTreeSet<IpAddr> = attempts.iter().map(|attempt| attempt.ip).collect();
    let collected = observers.read(cluster, span, &clients);
    let attributions = attribute(attempts, &collected.records, ways, &collected.gaps);
    Examined { attributions, gaps: collected.gaps }
}

/// Examines a round again and again, with longer and longer pauses, until `is_enough` says so of each flow, by its
/// index, or the time is up. What is missing then is missing in the answer.
#[must_use]
pub fn examine_until(
    cluster: &dyn Cluster,
    observers: &Observers,
    ways: &Ways,
    attempts: &[Attempt],
    patience: Patience,
    is_enough: &dyn Fn(usize, &Attribution) -> bool,
) -> Examined {
    let examined = until(patience, &|| cluster.is_over(), || {
        let examined = examine(cluster, observers, ways, attempts);
        let enough = examined.attributions.iter().enumerate().all(|(index, one)| is_enough(index, one));
        Ok::<_, Infallible>(if enough { Look::Done(examined) } else { Look::Open(examined) })
    });
    match examined {
        Ok(examined) => examined.unwrap_or_else(|late| late.last),
    }
}
