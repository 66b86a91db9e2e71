//! The mark by which a probe that serves is known: JSON with a member `airtight`, somewhere in what came back.

use serde::Deserialize;

use crate::wire::{IDENTITY_HEADER, Identity, Marked, Seen};

/// How every mark begins. The serving role writes it so.
const BEGINNING: &[u8] = br#"{"airtight":"#;

/// The mark in what came back, whatever protocol it stands in; none if there is no whole one.
///
/// A JSON answer of a stand-in may hold the member among others of its own protocol.
pub(super) fn find(body: &[u8]) -> Option<Seen> {
    let text = body.windows(BEGINNING.len()).position(|window| window == BEGINNING)?;
    let mut values = serde_json::Deserializer::from_slice(&body[text..]);
    Marked::deserialize(&mut values).ok().map(|marked| marked.airtight)
}

/// Who says that it answered an HTTP request.
pub(super) fn from_headers(headers: &[(String, String)]) -> Option<Identity> {
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(IDENTITY_HEADER))?;
    serde_json::from_str(value).ok()
}
