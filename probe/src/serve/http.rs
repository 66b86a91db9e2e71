//! HTTP: what arrived is written down, then the stand-in answers.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;

use super::connection::Connection;
use super::issuer::Issuer;
use super::server::{ServeError, Stop};
use super::{echo, llm, mark, mcp, metadata};
use crate::wire::{HttpAnswer, HttpListener, IDENTITY_HEADER, Identity, Route, Seen, SeenRequest, SeenTls};

/// The longest body of a request that is read, in bytes.
const LONGEST_BODY: usize = 1 << 20;

/// A stand-in that speaks HTTP.
#[derive(Debug)]
pub(super) struct Http {
    identity: Arc<Identity>,
    name: HeaderValue,
    answer: Answering,
    status: Option<StatusCode>,
    routes: Vec<(String, StatusCode)>,
}

#[derive(Debug)]
enum Answering {
    Echo,
    Mcp,
    Llm,
    Issuer(Box<Issuer>),
    Metadata,
}

/// A request as a stand-in sees it.
pub(super) struct Asked {
    pub(super) parts: Parts,
    pub(super) body: Bytes,
    pub(super) seen: Seen,
}

/// What a stand-in answers.
pub(super) struct Said {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

impl Asked {
    /// A header's value; none if it is absent or no text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// The path without its query.
    pub(super) fn path(&self) -> &str {
        self.parts.uri.path()
    }
}

impl Said {
    /// JSON with the mark first and the members of `rest` after it.
    pub(super) fn marked(asked: &Asked, status: StatusCode, rest: impl serde::Serialize) -> Self {
        Self::json(status, mark::with(&asked.seen, rest))
    }

    pub(super) fn json(status: StatusCode, body: String) -> Self {
        Self { status, headers: Vec::new(), content_type: "application/json", body }
    }

    pub(super) fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), content_type: "text/plain", body: body.into() }
    }

    pub(super) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((HeaderName::from_static(name), HeaderValue::from_static(value)));
        self
    }
}

impl Http {
    /// One that answers as `settings` say.
    pub(super) fn new(settings: &HttpListener, identity: Arc<Identity>) -> Result<Self, ServeError> {
        let mut routes = settings.routes.iter().map(route).collect::<Result<Vec<_>, _>>()?;
        // The longest prefix wins.
        routes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let name = serde_json::to_string(&*identity).unwrap_or_default();
        Ok(Self {
            // A name with characters that a header cannot hold stands in the body alone.
            name: HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("{}")),
            identity,
            answer: answering(&settings.answer)?,
            status: settings.status.map(status).transpose()?,
            routes,
        })
    }

    /// Serves a connection. Once the server stops, requests under way are answered and the connection is closed.
    pub(super) async fn serve(self: Arc<Self>, connection: Connection, stop: &Stop) -> io::Result<()> {
        let Connection { stream, peer, tls } = connection;
        let peer = peer.to_string();
        let service = service_fn(move |request| {
            let (http, peer, tls) = (Arc::clone(&self), peer.clone(), tls.clone());
            async move { Ok::<_, Infallible>(http.respond(request, peer, tls).await) }
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new());
        builder.http2().timer(TokioTimer::new());
        let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            () = stop.wait() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        ended.map_err(io::Error::other)
    }

    async fn respond(&self, request: Request<Incoming>, peer: String, tls: Option<SeenTls>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let (body, too_long) = match Limited::new(body, LONGEST_BODY).collect().await {
            Ok(body) => (body.to_bytes(), false),
            Err(_) => (Bytes::new(), true),
        };
        let request = Some(seen(&parts, body.len()));
        let seen = Seen { identity: (*self.identity).clone(), peer, request, tls };
        let asked = Asked { parts, body, seen };
        let said = if too_long { echo::answer(&asked, StatusCode::PAYLOAD_TOO_LARGE) } else { self.say(&asked) };
        self.response(said)
    }

    /// A configured status is answered with the echo; otherwise the stand-in decides.
    fn say(&self, asked: &Asked) -> Said {
        let path = asked.seen.request.as_ref().map_or("", |request| request.path.as_str());
        let routed =
            self.routes.iter().find(|(prefix, _)| path.starts_with(prefix.as_str())).map(|(_, status)| *status);
        if let Some(status) = routed.or(self.status) {
            return echo::answer(asked, status);
        }
        match &self.answer {
            Answering::Echo => echo::answer(asked, StatusCode::OK),
            Answering::Mcp => mcp::answer(asked),
            Answering::Llm => llm::answer(asked),
            Answering::Issuer(issuer) => issuer.answer(asked),
            Answering::Metadata => metadata::answer(asked),
        }
    }

    fn response(&self, said: Said) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(said.body)));
        *response.status_mut() = said.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(said.content_type));
        headers.insert(HeaderName::from_static(IDENTITY_HEADER), self.name.clone());
        headers.extend(said.headers);
        response
    }
}

fn route(route: &Route) -> Result<(String, StatusCode), ServeError> {
    Ok((route.prefix.clone(), status(route.status)?))
}

/// A status that can end a request.
fn status(code: u16) -> Result<StatusCode, ServeError> {
    match StatusCode::from_u16(code) {
        Ok(status) if (200..=599).contains(&code) => Ok(status),
        _ => Err(ServeError::Status(code)),
    }
}

fn answering(answer: &HttpAnswer) -> Result<Answering, ServeError> {
    Ok(match answer {
        HttpAnswer::Echo => Answering::Echo,
        HttpAnswer::Mcp => Answering::Mcp,
        HttpAnswer::Llm => Answering::Llm,
        HttpAnswer::Issuer { issuer, key } => Answering::Issuer(Box::new(Issuer::new(issuer, key.as_deref())?)),
        HttpAnswer::Metadata => Answering::Metadata,
    })
}

fn seen(parts: &Parts, body_bytes: usize) -> SeenRequest {
    let header = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let host = parts.headers.get(hyper::header::HOST).map(header);
    SeenRequest {
        method: parts.method.to_string(),
        path: target(&parts.uri, parts.version),
        host: host.or_else(|| parts.uri.authority().map(ToString::to_string)),
        version: format!("{:?}", parts.version),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), header(value))).collect(),
        body_bytes: body_bytes as u64,
    }
}

/// The target as it arrived: HTTP/2 splits it into pseudo-headers, of which `:path` is the like of HTTP/1.1's.
fn target(uri: &Uri, version: Version) -> String {
    match uri.path_and_query() {
        Some(path) if version == Version::HTTP_2 || uri.scheme().is_none() => path.to_string(),
        Some(_) | None => uri.to_string(),
    }
}
