//! A request as a waypoint's first filter finds it: what Envoy's codec and its connection manager make of it.

use super::input::HttpInput;
use super::path::normalize;
use crate::policy::Request;
use crate::world::World;

/// A request as the first filter finds it.
pub(super) fn http_input<'r>(world: &World, request: &'r Request) -> HttpInput<'r> {
    HttpInput {
        method: &request.method,
        host: &request.host,
        path: normalize(&request.path, world.stack.istio.path_normalization),
        headers: headers(request),
        token: None,
    }
}

/// Headers that Envoy takes away before any filter sees them: those of the connection, and its own that only a peer it
/// trusts may set (Envoy `source/common/http/conn_manager_utility.cc`, `mutateRequestHeaders`, `cleanInternalHeaders`).
const STRIPPED: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-internal",
    "x-envoy-ip-tags",
    "x-envoy-max-retries",
    "x-envoy-original-url",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-rq-timeout-ms",
    "x-forwarded-client-cert",
];

/// A request's id is a random UUID: no policy can name it, and every policy can see that it is there.
const SOME_ID: &str = "4ba7b810-9dad-41d1-80b4-00c04fd430c8";

/// Whether a header comes through to the filters; of `te` only `trailers` does.
fn comes_through(name: &str, value: &str) -> bool {
    if name.eq_ignore_ascii_case("te") {
        return value.eq_ignore_ascii_case("trailers");
    }
    !STRIPPED.iter().any(|stripped| name.eq_ignore_ascii_case(stripped))
}

/// Headers as the filters get them, the token's among them: without what Envoy strips, and with what it adds.
fn headers(request: &Request) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> =
        request.headers.iter().filter(|(name, value)| comes_through(name, value)).cloned().collect();
    for (name, value) in [("x-request-id", SOME_ID), ("x-forwarded-proto", "http")] {
        if !headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)) {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    if request.token.is_some() && request.header("authorization").next().is_none() {
        headers.push(("authorization".to_owned(), "Bearer eyJ".to_owned()));
    }
    headers
}
