//! Bodies of answers, which are read to a bound: one without an end must not fill the memory.

use http_body_util::BodyExt as _;
use kube::client::Body;

use super::limits::LARGEST;

/// Why a body was not read to its end.
pub(super) enum Cut {
    /// The connection broke.
    Broken(kube::Error),
    /// It is larger than anything that is read.
    Endless,
}

/// A body to its end.
pub(super) async fn whole(mut body: Body) -> Result<Vec<u8>, Cut> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        bytes.extend(frame.map_err(Cut::Broken)?.into_data().unwrap_or_default());
        if bytes.len() > LARGEST {
            return Err(Cut::Endless);
        }
    }
    Ok(bytes)
}
