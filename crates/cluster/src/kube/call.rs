//! One call: sent, tried again if that is safe, and its answer.

use std::time::Duration;

use airtight_manifest::Failure;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::backoff::wait;
use super::body::{Cut, whole};
use super::error;
use super::limits::Limits;
use crate::{ApiAnswer, ApiCall, Verb, retry};

/// A call as it goes over the wire.
pub(super) struct Request {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
    server: String,
}

impl Request {
    pub(super) fn plain(method: Method, path: String, server: &str) -> Self {
        Self { method, path, headers: HeaderMap::new(), body: Vec::new(), server: server.to_owned() }
    }

    pub(super) fn of(call: &ApiCall<'_>, server: &str) -> Result<Self, Failure> {
        let (method, content) = match call.verb {
            Verb::Get => (Method::GET, None),
            Verb::Create => (Method::POST, Some("application/json")),
            Verb::Replace => (Method::PUT, Some("application/json")),
            Verb::Apply => (Method::PATCH, Some("application/apply-patch+yaml")),
            Verb::Merge => (Method::PATCH, Some("application/merge-patch+json")),
            Verb::Strategic => (Method::PATCH, Some("application/strategic-merge-patch+json")),
            Verb::Delete => (Method::DELETE, Some("application/json")),
        };
        let mut request = Self::plain(method, call.path.to_owned(), server);
        request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let (Some(body), Some(content)) = (call.body, content) {
            // JSON is YAML, which is what an apply patch is.
            request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content));
            request.body = body.to_string().into_bytes();
        }
        if let Some(user) = call.user {
            request.impersonate("impersonate-user", &user.name)?;
            for group in &user.groups {
                request.impersonate("impersonate-group", group)?;
            }
        }
        Ok(request)
    }

    fn impersonate(&mut self, header: &'static str, value: &str) -> Result<(), Failure> {
        let value = HeaderValue::from_str(value).map_err(|_| Failure {
            code: "impersonation",
            message: format!("{value:?} cannot be sent as {header}"),
            hint: Some("names of users and groups have no control characters".to_owned()),
        })?;
        self.headers.append(HeaderName::from_static(header), value);
        Ok(())
    }

    /// How errors name it.
    pub(super) fn what(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Whether sending it twice comes to the same as once.
    fn idempotent(&self) -> bool {
        self.method != Method::POST
    }

    fn build(&self) -> Result<http::Request<Body>, Failure> {
        let built = http::Request::builder().method(&self.method).uri(&self.path).body(Body::from(self.body.clone()));
        let mut request = built.map_err(|error| Failure {
            code: "api-request",
            message: format!("{} is no request: {error}", self.what()),
            hint: None,
        })?;
        request.headers_mut().extend(self.headers.clone());
        Ok(request)
    }
}

/// What came back, whatever its status.
pub(super) struct Response {
    status: u16,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Response {
    /// Whether it is safe to send `request` again: an API server that says 429 has not looked at it.
    fn again(&self, request: &Request) -> bool {
        retry::status(self.status) && (request.idempotent() || self.status == 429)
    }

    pub(super) fn into_answer(self, request: &Request) -> Result<ApiAnswer, Failure> {
        let Self { status, body, .. } = self;
        match serde_json::from_slice(&body) {
            Ok(body) => Ok(ApiAnswer { status, body }),
            Err(_) if status >= 300 => Ok(ApiAnswer { status, body: json!({"message": excerpt(&body)}) }),
            Err(_) if body.is_empty() => Ok(ApiAnswer { status, body: Value::Null }),
            Err(error) => Err(Failure {
                code: "api-answer",
                message: format!("{} at {} was answered with what is no JSON: {error}", request.what(), request.server),
                hint: Some("is something else than an API server at this address?".to_owned()),
            }),
        }
    }

    pub(super) fn into_text(self, request: &Request, needs: &str) -> Result<String, Failure> {
        if self.status < 300 {
            return Ok(String::from_utf8_lossy(&self.body).into_owned());
        }
        let status = self.status;
        let answer = self.into_answer(request)?;
        Err(error::refused(status, answer.message(), &request.what(), needs))
    }
}

/// The beginning of a text, for an error.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.trim().chars().take(200).collect()
}

/// Sends a request, again if that is safe and may help, until the limits are reached. A last answer that is an error
/// of the API server's is still an answer.
pub(super) async fn with_retries(client: &Client, request: &Request, limits: &Limits) -> Result<Response, Failure> {
    let end = Instant::now() + limits.overall;
    let mut attempt = 1;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let result = once(client, request, limits.call.min(left)).await;
        let (again, asked) = match &result {
            Ok(response) => (response.again(request), response.retry_after),
            Err(error) => (request.idempotent() && retry::code(error.code), None),
        };
        let pause = wait(attempt, limits.pause, asked);
        if !again || attempt >= limits.attempts || Instant::now() + pause >= end {
            return result.map_err(|error| error::counted(error, attempt));
        }
        sleep(pause).await;
        attempt += 1;
    }
}

async fn once(client: &Client, request: &Request, within: Duration) -> Result<Response, Failure> {
    let sent = async {
        let response = client.send(request.build()?).await.map_err(|error| failed(&error, request))?;
        let (head, body) = response.into_parts();
        let body = whole(body).await.map_err(|cut| match cut {
            Cut::Broken(error) => failed(&error, request),
            Cut::Endless => error::endless(&request.what(), request.server()),
        })?;
        Ok(Response { status: head.status.as_u16(), retry_after: retry_after(&head.headers), body })
    };
    timeout(within, sent).await.unwrap_or_else(|_| Err(error::late(&request.what(), request.server(), within)))
}

fn failed(error: &kube::Error, request: &Request) -> Failure {
    error::of_client(error, &request.what(), request.server())
}

/// API servers send whole seconds (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
