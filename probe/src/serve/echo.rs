//! The echo: who answers, and the request as it arrived.

use hyper::StatusCode;

use super::http::{Asked, Said};
use super::mark;

/// The mark and nothing else; nothing at all where the status forbids a body.
pub(super) fn answer(asked: &Asked, status: StatusCode) -> Said {
    let has_body = !matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED);
    Said::json(status, if has_body { mark::text(&asked.seen) } else { String::new() })
}
