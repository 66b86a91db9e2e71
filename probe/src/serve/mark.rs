//! The mark of a stand-in: JSON that begins with the member `airtight`.

use serde::Serialize;

use super::connection::Connection;
use crate::wire::{Identity, Seen};

/// JSON with the mark first and the members of a protocol after it.
#[derive(Serialize)]
struct MarkedWith<'a, T> {
    airtight: &'a Seen,
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
struct Nothing {}

/// The mark of a connection that carries no HTTP.
pub(super) fn of(connection: &Connection, identity: &Identity) -> String {
    text(&Seen {
        identity: identity.clone(),
        peer: connection.peer.to_string(),
        request: None,
        tls: connection.tls.clone(),
    })
}

/// The mark as JSON.
pub(super) fn text(seen: &Seen) -> String {
    with(seen, Nothing {})
}

/// The mark with the members of `rest` after it.
pub(super) fn with(seen: &Seen, rest: impl Serialize) -> String {
    // These types serialize: no map with keys other than text, no error of their own.
    serde_json::to_string(&MarkedWith { airtight: seen, rest }).unwrap_or_default()
}
